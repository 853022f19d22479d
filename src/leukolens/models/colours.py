"""Mean and deviation of each channel that pretrained weights expect, for images in 0..1."""

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)
# EfficientNet-Lite was trained on (x - 127) / 128, in 0..1: 127/255 and 128/255.
LITE_MEAN = (127 / 255,) * 3
LITE_STD = (128 / 255,) * 3
# Networks without pretrained weights get pixels of 0..1 as they are.
UNIT_MEAN = (0.0,) * 3
UNIT_STD = (1.0,) * 3
# Xception and Inception were trained on pixels of -1..1.
HALF = (0.5,) * 3
