"""Augmentation of a whole batch at once: geometry, stain, colour, blur, noise and JPEG.

All draws come from one generator that the caller seeds by step, so that a resumed run gets the same pictures.
Colour changes are composed into one 3x3 matrix per image, since each pass over the pixels costs as much as a layer.
"""

import io
import math

import numpy as np
import torch
import torch.nn.functional as functional
from PIL import Image
from torch import Tensor

from leukolens.training.recipe import AugmentConfig

_HAEMATOXYLIN_EOSIN_RESIDUAL = torch.tensor(
    # Optical density of each stain in red, green and blue (Ruifrok and Johnston 2001); the third row is the residual.
    [[0.65, 0.70, 0.29], [0.07, 0.99, 0.11], [0.27, 0.57, 0.78]]
)
_LUMA = torch.tensor([0.299, 0.587, 0.114])


def augment_batch(
    images: Tensor, side: tuple[int, int], zoom: float, config: AugmentConfig, random: torch.Generator
) -> Tensor:
    """Draws one augmented picture of each image.

    Args:
        images: `(n, 3, h, w)` float32, 0..1.
        side: Height and width of the result, px.
        zoom: Share of the image's side that an unscaled result shows.
        config: What may change, and how much.
        random: Source of all draws.

    Returns:
        `(n, 3, *side)` float32, 0..1.
    """
    images = _move(images, side, zoom, config, random)
    chosen = torch.rand(len(images), generator=random) < config.share
    if config.stain > 0:
        images = _stain(images, chosen, config.stain, random)
    if config.colour > 0 or config.hue_degrees > 0:
        images = _colour(images, chosen, config, random)
    if config.blur_px > 0:
        images = _blur(images, config.blur_px, random)
    if config.noise > 0:
        noisy = (torch.rand(len(images), generator=random) < 0.25) * torch.rand(len(images), generator=random)
        picked = noisy.nonzero().flatten()
        grain = torch.randn((len(picked), *images.shape[1:]), generator=random)
        images[picked] += grain * (noisy[picked] * config.noise)[:, None, None, None]
    images = images.clamp_(0, 1)
    if config.jpeg > 0:
        _recompress(images, config.jpeg, random)
    return images


def _between(count: int, most: float, random: torch.Generator) -> Tensor:
    return (torch.rand(count, generator=random) * 2 - 1) * most


def _move(images: Tensor, side: tuple[int, int], zoom: float, config: AugmentConfig, random: torch.Generator) -> Tensor:
    count = len(images)
    angle = _between(count, math.radians(config.rotation_degrees), random)
    reach = zoom * torch.exp(_between(count, math.log(config.scale), random))
    mirror = torch.where(torch.rand(count, generator=random) < (0.5 if config.flip else 0.0), -1.0, 1.0)
    stands = config.rotation_degrees == config.shift == 0 and config.scale == zoom == 1
    if stands and side == tuple(images.shape[2:]):
        # Nothing to resample: a tenth of a small network's epoch is saved.
        return torch.where((mirror < 0)[:, None, None, None], images.flip(3), images) if config.flip else images
    aspect = images.shape[2] / images.shape[3]
    matrix = torch.zeros(count, 2, 3)
    # Rotation acts on pixels, the grid on shares of each side: hence the aspect.
    matrix[:, 0, 0] = reach * torch.cos(angle) * mirror
    matrix[:, 0, 1] = -reach * torch.sin(angle) * aspect
    matrix[:, 1, 0] = reach * torch.sin(angle) * mirror / aspect
    matrix[:, 1, 1] = reach * torch.cos(angle)
    matrix[:, :, 2] = _between(count * 2, 2 * config.shift, random).reshape(count, 2)
    grid = functional.affine_grid(matrix, [count, 3, *side], align_corners=False)
    return functional.grid_sample(images, grid, mode="bilinear", padding_mode="reflection", align_corners=False)


def _stain(images: Tensor, chosen: Tensor, strength: float, random: torch.Generator) -> Tensor:
    count = len(images)
    factors = 1 + _between(count * 3, strength, random).reshape(count, 3) * chosen[:, None]
    unmix = torch.linalg.inv(_HAEMATOXYLIN_EOSIN_RESIDUAL)
    matrix = unmix @ torch.diag_embed(factors) @ _HAEMATOXYLIN_EOSIN_RESIDUAL
    density = -torch.log(images.clamp_(1 / 255, 1)).flatten(2)
    return torch.exp(-(matrix.transpose(1, 2) @ density)).reshape(images.shape)


def _colour(images: Tensor, chosen: Tensor, config: AugmentConfig, random: torch.Generator) -> Tensor:
    count = len(images)
    strength = config.colour * chosen
    saturation = 1 + _between(count, 1.0, random) * strength
    contrast = 1 + _between(count, 0.6, random) * strength
    gains = 1 + _between(count * 3, 0.4, random).reshape(count, 3) * strength[:, None]
    light = _between(count, 0.3, random) * strength
    grey = _LUMA.expand(3, 3)
    hue = _turn_hue(_between(count, math.radians(config.hue_degrees), random) * chosen)
    matrix = torch.lerp(grey, torch.eye(3), saturation[:, None, None]) @ hue
    matrix = torch.diag_embed(gains) @ matrix * contrast[:, None, None]
    middle = images.mean((2, 3)) @ _LUMA
    offset = ((1 - contrast) * middle + light)[:, None, None]
    return torch.baddbmm(offset, matrix, images.flatten(2)).reshape(images.shape)


def _turn_hue(angle: Tensor) -> Tensor:
    # Rotation about the grey axis of the colour cube (Rodrigues' formula).
    cosine, sine = torch.cos(angle)[:, None, None], torch.sin(angle)[:, None, None]
    third, root = 1 / 3, math.sqrt(1 / 3)
    cross = torch.tensor([[0.0, -root, root], [root, 0.0, -root], [-root, root, 0.0]])
    return cosine * torch.eye(3) + sine * cross + (1 - cosine) * third


def _blur(images: Tensor, most_px: float, random: torch.Generator) -> Tensor:
    picked = (torch.rand(len(images), generator=random) < 0.25).nonzero().flatten()
    sigma = torch.rand(len(picked), generator=random) * most_px + 0.1
    if not len(picked):
        return images
    radius = math.ceil(2 * most_px)
    kernel = torch.exp(-(torch.arange(-radius, radius + 1)[None] ** 2) / (2 * sigma[:, None] ** 2))
    kernel = (kernel / kernel.sum(1, keepdim=True)).repeat_interleave(3, 0)[:, None]
    planes = functional.pad(images[picked], (radius,) * 4, mode="reflect").flatten(0, 1)[None]
    planes = functional.conv2d(planes, kernel[:, :, :, None], groups=len(kernel))
    planes = functional.conv2d(planes, kernel[:, :, None, :], groups=len(kernel))
    images[picked] = planes.reshape(len(picked), *images.shape[1:])
    return images


def _recompress(images: Tensor, share: float, random: torch.Generator) -> None:
    picked = (torch.rand(len(images), generator=random) < share).nonzero().flatten()
    qualities = torch.randint(30, 91, (len(picked),), generator=random)
    for index, quality in zip(picked.tolist(), qualities.tolist(), strict=True):
        stream = io.BytesIO()
        pixels = (images[index].permute(1, 2, 0) * 255).round().byte().numpy()
        Image.fromarray(pixels).save(stream, "JPEG", quality=quality)
        decoded = np.array(Image.open(stream))
        images[index] = torch.from_numpy(decoded).permute(2, 0, 1).float() / 255
