"""Floor 4: the one path from pixels to cells with a class and a status."""
