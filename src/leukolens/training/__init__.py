"""Floor 3: recipes to runs, with Lightning over the models of the catalogue."""
