"""The classification task: a recipe and named cells in, a run and a bundle out."""
