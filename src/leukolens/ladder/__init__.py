"""Floor 6: the models of the five student texts, trained and tabulated."""
