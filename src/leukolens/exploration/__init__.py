"""What the images of a dataset look like, before any training."""
