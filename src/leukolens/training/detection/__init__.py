"""Detection: from a recipe and fields with boxes to a run and a bundle."""
