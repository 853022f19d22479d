"""Floor 2: any dataset to one manifest; annotation formats, splits, audit, downloads, synthetic blood."""
