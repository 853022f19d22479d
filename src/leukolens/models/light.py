"""A first layer that evens out light and contrast, so that a dim or coloured picture looks more like a good one.

It is part of the network, not of the preparation, so it is exported with the network.
"""

from collections.abc import Sequence

import torch
import torch.nn.functional as functional
from torch import Tensor, nn

_PATCHES = 16
"""Patches per side. The brightest and the darkest are used; a patch is large enough to average out noise and glints."""


class LightBalance(nn.Module):
    """Scales each channel by its brightest patch, then stretches all alike from the darkest patch up.

    The brightest patch of a smear is the glass between the cells, so this is a white balance (the white-patch idea of
    Land's retinex, 1977); the darkest is the nucleus. Images are normalised `(n, 3, h, w)` before and after.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, mean: Sequence[float], std: Sequence[float]) -> None:
        """Takes the mean and deviation of the preparation."""
        super().__init__()
        self.register_buffer("mean", torch.tensor(mean).reshape(1, 3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(std).reshape(1, 3, 1, 1), persistent=False)

    def forward(self, images: Tensor) -> Tensor:
        """The same cells under even light."""
        light = images * self.std + self.mean
        size = max(1, images.shape[2] // _PATCHES)
        patches = functional.avg_pool2d(light, size)
        white = patches.amax((2, 3), keepdim=True).clamp_min(0.05)
        # At most three quarters are taken for black: a picture without a dark nucleus keeps its shades.
        black = (patches / white).amin((1, 2, 3), keepdim=True).clamp(0.0, 0.75)
        even = ((light / white - black) / (1 - black) * 0.85 + 0.1).clamp(0.0, 1.0)
        return (even - self.mean) / self.std


class Balanced(nn.Module):
    """A network behind a light balance."""

    def __init__(self, backbone: nn.Module, mean: Sequence[float], std: Sequence[float]) -> None:
        """Wraps a network that keeps the catalogue's contract."""
        super().__init__()
        self.balance = LightBalance(mean, std)
        self.backbone = backbone

    def forward_features(self, images: Tensor) -> Tensor:
        """The backbone's last feature map."""
        features: Tensor = self.backbone.forward_features(self.balance(images))  # type: ignore[operator]
        return features

    def forward_head(self, features: Tensor) -> Tensor:
        """Logits from the feature map."""
        logits: Tensor = self.backbone.forward_head(features)  # type: ignore[operator]
        return logits

    def forward(self, images: Tensor) -> Tensor:
        """Logits from images."""
        return self.forward_head(self.forward_features(images))
