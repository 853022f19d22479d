"""Floor 0: the words, numbers and files that every other room speaks. NumPy, Pillow, standard library."""
