"""Classification: from a recipe and labelled cells to a run and a bundle."""
