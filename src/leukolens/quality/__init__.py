"""Floor 2: what can be measured of a picture without any model. Arrays in, numbers and words out."""
