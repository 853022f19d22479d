"""Floor 2: datasets to manifests; annotation formats, splits, audit, downloads, synthetic images."""
