"""Floor 2: what predictions are worth. Reads predictions files and arrays, never a model."""
