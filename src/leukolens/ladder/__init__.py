"""Floor 6: the models of the five student texts, run and tabulated."""
