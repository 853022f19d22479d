"""Floor 1: image files to pixels. Decoding, size limits, orientation, zips, folders."""
