"""The detection task: a recipe and fields with boxes in, a run and a bundle out."""
