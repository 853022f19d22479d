"""Floor 3: what a dataset looks like before anyone trains. One pass over the images, tables, one report; no models."""
