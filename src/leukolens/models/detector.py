"""The detector of cells in field photographs: one network, one stage, no anchors.

For each cell of a grid of 4 px it says whether a leukocyte, a red cell or a platelet has its centre there, and how far
the sides of that cell's box are away: objects as points (Zhou et al. 2019). Its losses stand in
`leukolens.training.detection.loss`; `leukolens.inference.detector` turns its output into boxes.
"""

import math
from typing import Any, Final

import timm
import torch
import torch.nn.functional as functional
from torch import Tensor, nn

from leukolens.core.taxonomy import DETECTED_KINDS

STRIDE_PX: Final = 4
"""A platelet is some 20 px wide where red cells are 52 px: five cells of the grid, enough to tell two that touch."""

TRUNK = "tf_efficientnet_lite0"
"""The trunk's name in timm."""

SMUDGE_TAPS: Final = {
    "centre_head.0.0.weight": 1,
    "laterals.1.weight": 2,
    "laterals.2.weight": 4,
    "laterals.3.weight": 8,
}
"""Weights that read the maps of the smudge head, and how many times coarser than the grid of the centres each map is: the
last map of the top-down path, and the trunk's of strides 8, 16 and 32."""

_TAPS = {1: 24, 2: 40, 4: 112, 5: 192}
"""Stages of the trunk whose maps are used, and their channels: strides 4, 8, 16 and 32."""
_WIDTH = 64
"""Channels of the top-down path."""
_SIDE_UNIT_PX = 16.0
"""Sides are given in this unit, so that the numbers of the last layer stay near 1."""
_PRIOR = 0.01
"""Probability of a centre in an untrained network. A larger one would let the loss of the background harm the trunk's
weights (Lin et al. 2017)."""


class CellDetector(nn.Module):
    """A trunk, a top-down path that joins its coarse maps to its fine ones, and two heads."""

    def __init__(self) -> None:
        """Builds it with random weights."""
        super().__init__()
        # Any, since timm's networks have more than nn.Module promises.
        trunk: Any = timm.create_model(TRUNK, pretrained=False, features_only=True)
        del trunk.blocks[max(_TAPS) + 1 :]  # a fifth of its numbers, for 1,000 classes; it adds nothing here
        self.trunk: Any = _pad_evenly(trunk)
        self.laterals = nn.ModuleList(nn.Conv2d(channels, _WIDTH, 1) for channels in _TAPS.values())
        self.merges = nn.ModuleList(_separable(_WIDTH) for _ in list(_TAPS)[1:])
        self.centre_head = _head(len(DETECTED_KINDS))
        self.side_head = _head(4)
        _start_at(self.centre_head, math.log(_PRIOR / (1 - _PRIOR)))
        _start_at(self.side_head, 1.3)  # after softplus and the unit, half a red cell of 52 px

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """Logits of centres and the sides of boxes.

        Args:
            image: `(n, 3, h, w)` float32, normalised; h and w are multiples of 32.

        Returns:
            `(n, 3, h / 4, w / 4)` logits, a channel a kind; `(n, 4, h / 4, w / 4)`, not below 0: from the middle of the
            grid cell to the left, top, right and bottom of the box, in input pixels.
        """
        maps = [lateral(found) for lateral, found in zip(self.laterals, self._run_trunk(image), strict=True)]
        path: Tensor = maps[-1]
        for finer, merge in zip(reversed(maps[:-1]), self.merges, strict=True):
            path = merge(finer + functional.interpolate(path, scale_factor=2.0, mode="nearest"))
        return self.centre_head(path), functional.softplus(self.side_head(path)) * _SIDE_UNIT_PX

    def _run_trunk(self, image: Tensor) -> list[Tensor]:
        seen = self.trunk.bn1(self.trunk.conv_stem(image))
        found = []
        for index, stage in enumerate(self.trunk.blocks):
            seen = stage(seen)
            if index in _TAPS:
                found.append(seen)
        return found


class _HalvingConvolution(nn.Conv2d):
    """A convolution of stride 2 that pads as TensorFlow does for even sizes, which ours always are.

    timm's own works the padding out from the size of each picture, which takes the exporter minutes to follow.
    """

    def forward(self, image: Tensor) -> Tensor:
        """The convolved picture, half as high and half as wide."""
        before = (self.kernel_size[0] - 2) // 2
        after = self.kernel_size[0] - 2 - before
        padded = functional.pad(image, (before, after, before, after))
        return functional.conv2d(padded, self.weight, self.bias, 2, groups=self.groups)


def _pad_evenly(trunk: nn.Module) -> nn.Module:
    """The same network with its halving convolutions replaced, under the same names."""
    for parent in list(trunk.modules()):
        for name, layer in list(parent.named_children()):
            if isinstance(layer, nn.Conv2d) and layer.stride == (2, 2):
                kernel = layer.kernel_size[0]
                twin = _HalvingConvolution(
                    layer.in_channels, layer.out_channels, kernel, 2, groups=layer.groups, bias=layer.bias is not None
                )
                twin.load_state_dict(layer.state_dict())
                setattr(parent, name, twin)
    return trunk


def _separable(width: int) -> nn.Sequential:
    """A 3x3 convolution in two thin steps, of space and of channels: a ninth of the work."""
    return nn.Sequential(
        nn.Conv2d(width, width, 3, padding=1, groups=width, bias=False),
        nn.Conv2d(width, width, 1, bias=False),
        nn.BatchNorm2d(width),
        nn.ReLU6(inplace=True),
    )


def _head(answers: int) -> nn.Sequential:
    last = nn.Conv2d(_WIDTH, answers, 1)
    torch.nn.init.normal_(last.weight, std=0.01)
    return nn.Sequential(_separable(_WIDTH), _separable(_WIDTH), last)


def _start_at(head: nn.Sequential, answer: float) -> None:
    last: Any = head[-1]  # a convolution, which mypy cannot see in a sequence of modules
    nn.init.constant_(last.bias, answer)
