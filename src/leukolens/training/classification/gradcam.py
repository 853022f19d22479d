"""Grad-CAM (Selvaraju et al. 2017) for every network of the catalogue: which places spoke for a class.

It shows where, not why, and no finer than the last feature map. For a network without convolutions, whose feature map
is the picture itself, it shows little more than brightness. Bundles have no gradients and use `inference.heatmap`.
"""

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.functional import interpolate

from leukolens.core.pixels import Pixels, Preparation, normalise_batch

METHOD = "Grad-CAM (Selvaraju et al. 2017): what spoke for the class it called"
"""What the maps are, in words for people."""


def grad_cam(network: nn.Module, images: Tensor, classes: Tensor) -> NDArray[np.float32]:
    """Maps of images, each for a class of its own.

    Args:
        network: A network of the catalogue, in evaluation mode.
        images: `(n, 3, h, w)` float32, normalised.
        classes: `(n,)` int64, numbers of classes.

    Returns:
        `(n, h, w)` float32, 0..1; each map's largest value is 1 but where nothing spoke for the class.
    """
    seen: Any = network  # forward_features and forward_head are the catalogue's contract, not nn.Module's
    with torch.no_grad():
        features = seen.forward_features(images)
    with torch.enable_grad():
        features = features.detach().requires_grad_()
        logits = seen.forward_head(features)
        # Images do not touch one another in evaluation mode, so the gradient of the sum is each one's own.
        (gradients,) = torch.autograd.grad(logits.gather(1, classes[:, None]).sum(), features)
    weights = gradients.mean((2, 3), keepdim=True)
    maps = (weights * features.detach()).sum(1, keepdim=True).relu()
    largest = maps.amax((1, 2, 3), keepdim=True)
    maps = torch.where(largest > 0, maps / largest, 0.0)
    enlarged = interpolate(maps, images.shape[2:], mode="bilinear", align_corners=False)[:, 0]
    result: NDArray[np.float32] = enlarged.float().clamp(0, 1).numpy()
    return result


def map_batch(
    network: nn.Module, preparation: Preparation, batch: Pixels, classes: NDArray[np.intp]
) -> NDArray[np.float32]:
    """`grad_cam` of prepared images `(n, h, w, 3)` uint8 and class numbers, for callers without torch."""
    inputs = torch.from_numpy(normalise_batch(batch, preparation))
    return grad_cam(network, inputs, torch.from_numpy(classes.astype(np.int64)))
