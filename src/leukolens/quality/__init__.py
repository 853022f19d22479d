"""Floor 1: what can be measured on an image without a model: focus, light, stain, the disc of an eyepiece."""
