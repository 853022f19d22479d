"""Floor 1: any file to pixels. Decoding, size limits, orientation, zips; what is refused and why."""
