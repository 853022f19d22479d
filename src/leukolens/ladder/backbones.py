"""Text 004's table of twelve backbones, as it prints it."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Backbone:
    """One row: timm's name, ImageNet accuracy in 0..1, depth, and milliseconds per step on the text's CPU."""

    architecture: str
    top1: float
    top5: float
    depth: int | None
    cpu_ms: float


BACKBONES: dict[str, Backbone] = {
    "Xception": Backbone("legacy_xception", 0.790, 0.945, 126, 109.42),
    "VGG16": Backbone("vgg16", 0.713, 0.901, 23, 69.50),
    "VGG19": Backbone("vgg19", 0.713, 0.900, 26, 84.75),
    "ResNet50": Backbone("resnet50", 0.749, 0.921, None, 58.20),
    "ResNet101": Backbone("resnet101", 0.764, 0.928, None, 89.59),
    "ResNet152": Backbone("resnet152", 0.766, 0.931, None, 127.43),
    "ResNet50V2": Backbone("resnetv2_50", 0.760, 0.930, None, 45.63),
    "ResNet101V2": Backbone("resnetv2_101", 0.772, 0.938, None, 72.73),
    "ResNet152V2": Backbone("resnetv2_152", 0.780, 0.942, None, 107.50),
    "InceptionV3": Backbone("inception_v3", 0.779, 0.937, 159, 42.25),
    "InceptionResNetV2": Backbone("inception_resnet_v2", 0.803, 0.953, 572, 130.19),
    "MobileNet": Backbone("mobilenetv1_100", 0.704, 0.895, 88, 22.60),
}
