"""The small networks that the five student texts describe, to be read one after another.

Each says which idea it adds to the one before. All take `(n, 3, h, w)` float32 and give `(n, classes)` logits. What a
text leaves open is marked as *assumed*. Rescaling of pixels is part of the preparation and stands in the card.
"""

import itertools
from collections.abc import Sequence

from torch import Tensor, nn
from torchvision.models.vgg import cfgs, make_layers

from leukolens.models.shape import NetworkShape


class Rung(nn.Module):
    """What all these networks share: convolutions (`features`), then layers that classify (`head`)."""

    def __init__(self, features: nn.Module, head: nn.Module) -> None:
        """Takes both halves; the head flattens the feature map by itself."""
        super().__init__()
        self.features = features
        self.head = head

    def forward_features(self, images: Tensor) -> Tensor:
        """The last feature map, `(n, c, h', w')`."""
        features: Tensor = self.features(images)
        return features

    def forward_head(self, features: Tensor) -> Tensor:
        """Logits from the feature map."""
        logits: Tensor = self.head(features)
        return logits

    def forward(self, images: Tensor) -> Tensor:
        """Logits from images."""
        return self.forward_head(self.forward_features(images))


def dense(shape: NetworkShape) -> Rung:
    """Text 001's model 1: no convolution at all; every pixel is a number, five dense layers of 128 follow.

    A cell that moves by one pixel is a new picture to it.
    """
    layers: list[nn.Module] = [nn.Flatten()]
    width = 3 * shape.height_px * shape.width_px
    for _ in range(5):
        layers += [nn.Linear(width, 128), nn.ReLU(inplace=True)]
        width = 128
    return Rung(nn.Identity(), nn.Sequential(*layers, nn.Dropout(shape.dropout), nn.Linear(width, shape.classes)))


def conv1(shape: NetworkShape) -> Rung:
    """The idea: one convolution, so that a feature is recognised at every place; then a pool and one dense layer.

    Text 000's baseline (32 filters *assumed*) and text 001's model 2 (8 filters); 3x3 kernels *assumed*.
    """
    filters = shape.filters or 32
    places = (shape.height_px // 2) * (shape.width_px // 2)
    head = nn.Sequential(nn.Flatten(), nn.Dropout(shape.dropout), nn.Linear(filters * places, shape.classes))
    return Rung(_convolution(3, filters, shape.kernel_px or 3), head)


def conv3(shape: NetworkShape) -> Rung:
    """The idea: depth. Three blocks of 8, 16 and 32 filters; each works on the output of the one before.

    Text 001's model 4; its model 3 is `conv1` with flips and rotations, which a recipe adds, not a network.
    """
    blocks = nn.Sequential(_convolution(3, 8, 5), _convolution(8, 16, 3), _convolution(16, 32, 3))
    places = (shape.height_px // 8) * (shape.width_px // 8)
    return Rung(blocks, nn.Sequential(nn.Flatten(), nn.Dropout(shape.dropout), nn.Linear(32 * places, shape.classes)))


def conv_tuned(shape: NetworkShape) -> Rung:
    """The idea: let a search choose filters and kernel, and reduce overfitting with dropout and an L2 penalty.

    Text 000's model 7; three blocks that double their filters and one hidden dense layer of 128 are *assumed*.
    """
    filters, kernel = shape.filters or 32, shape.kernel_px or 3
    widths = (3, filters, 2 * filters, 4 * filters)
    blocks = [_convolution(before, after, kernel) for before, after in itertools.pairwise(widths)]
    places = (shape.height_px // 8) * (shape.width_px // 8)
    head = nn.Sequential(
        nn.Flatten(),
        nn.Linear(4 * filters * places, 128),
        nn.ReLU(inplace=True),
        nn.Dropout(shape.dropout),
        nn.Linear(128, shape.classes),
    )
    return Rung(nn.Sequential(*blocks), head)


def conv_batchnorm(shape: NetworkShape) -> Rung:
    """The idea: batch normalisation after each convolution, 40 % dropout after each pool.

    Text 003. Filters 16, 32, 64, 128 and a dense layer of 128 are *assumed*. The text also subtracts the mean training
    image; that is preparation.
    """
    blocks = nn.Sequential(*_normalised((16, 32, 64, 128), dropout=0.4))
    return Rung(blocks, _pooled_head(128, (128,), shape))


def conv5(shape: NetworkShape) -> Rung:
    """The idea: five blocks, until one place of the feature map depends on nearly the whole cell.

    Text 002's model 1. One convolution per block, 16 to 256 filters, batch normalisation and dense layers of 512 and
    128 are *assumed*.
    """
    blocks = nn.Sequential(*_normalised((16, 32, 64, 128, 256), dropout=0.0))
    return Rung(blocks, _pooled_head(256, (512, 128), shape))


def vgg16(shape: NetworkShape) -> Rung:
    """VGG16's convolutions under a pooled head: its own dense layers of 4096 are ImageNet's and ten times as heavy.

    Text 002's model 3. The layers are torchvision's, whose names timm's weights share.
    """
    head = nn.Sequential(
        nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Dropout(shape.dropout), nn.Linear(512, shape.classes)
    )
    return Rung(make_layers(cfgs["D"]), head)


def dense_head(features: int, widths: Sequence[int], shape: NetworkShape) -> nn.Sequential:
    """Dense layers that narrow to the classes, with dropout before each (text 004's head on Xception: 1024 to 8)."""
    layers: list[nn.Module] = []
    for before, after in zip((features, *widths), widths, strict=False):
        layers += [nn.Dropout(shape.dropout), nn.Linear(before, after), nn.ReLU(inplace=True)]
    return nn.Sequential(*layers, nn.Dropout(shape.dropout), nn.Linear((features, *widths)[-1], shape.classes))


def _convolution(before: int, after: int, kernel_px: int) -> nn.Sequential:
    # Pooled before the ReLU: the same numbers, for a quarter of the work.
    convolution = nn.Conv2d(before, after, kernel_px, padding=kernel_px // 2)
    return nn.Sequential(convolution, nn.MaxPool2d(2), nn.ReLU(inplace=True))


def _normalised(widths: Sequence[int], dropout: float) -> list[nn.Module]:
    layers: list[nn.Module] = []
    for before, after in zip((3, *widths), widths, strict=False):
        convolution = nn.Conv2d(before, after, 3, padding=1, bias=False)
        layers += [convolution, nn.BatchNorm2d(after), nn.MaxPool2d(2), nn.ReLU(inplace=True)]
        layers += [nn.Dropout(dropout)] if dropout else []
    return layers


def _pooled_head(features: int, widths: Sequence[int], shape: NetworkShape) -> nn.Sequential:
    return nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), *_hidden(features, widths, shape))


def _hidden(features: int, widths: Sequence[int], shape: NetworkShape) -> list[nn.Module]:
    layers: list[nn.Module] = []
    for before, after in zip((features, *widths), widths, strict=False):
        layers += [nn.Linear(before, after), nn.ReLU(inplace=True), nn.Dropout(shape.dropout)]
    return [*layers, nn.Linear(widths[-1], shape.classes)]
