"""Floor 5: what a dataset looks like before anyone trains."""
