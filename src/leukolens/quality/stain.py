"""Finds the bluish pixels of an image, the dye in nuclei and platelets, and the separate pieces that they form.

This is the one definition of "stained". It is a simple rule of colour, not a model: it also counts dark residue of dye,
and misses pale cells.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from leukolens.core.pixels import Pixels

REDUCED_PX = 120
"""Longer side of the images in which stain is measured: grain is gone, and the lobes of a nucleus are still
separate."""

BLUISH_FROM = 0.09
"""A bluish pixel has log10(blue / red) this far above the image's median: a ratio that is 23 % higher.

Chosen on 32 images from each of five datasets. A lower value includes red cells, a higher one loses pale nuclei.
"""

DARKER_THAN = 0.92
"""A bluish pixel also has less red light than this share of the image's median, because dye takes away light."""

BLACK_UP_TO = 16
"""Of 255: a pixel is not lit if its brightest channel is below this, as in the corners of a rotated image."""

_MARGIN_PX = 2  # JPEG blurs the edge of a black border over about two pixels of the reduced image
_JOIN_PX = 2  # lobes of one nucleus are closer than this
_OFFSET = 8  # else the ratio of two nearly black values would be noise


@dataclass(frozen=True)
class Stained:
    """The bluish pixels of one image.

    Attributes:
        mask: `(h, w)` bool, which pixels are bluish.
        ground: `(h, w)` bool, which pixels are not black border.
        strength: Mean over bluish pixels of log10(blue / red) above the image's median; 0 without any.
        labels: `(h, w)` int, number of each pixel's piece from 1, gaps between lobes filled; 0 outside the pieces.
        areas: `(n,)` int, pixels of each piece, in the order of their numbers.
    """

    mask: NDArray[np.bool_]
    ground: NDArray[np.bool_]
    strength: float
    labels: NDArray[np.intp]
    areas: NDArray[np.intp]

    @property
    def amount(self) -> float:
        """Share of the image that is bluish."""
        return float(self.mask.mean())


def find_stained(image: Pixels) -> Stained:
    """The bluish pixels of an image `(h, w, 3)` uint8 RGB that was reduced to `REDUCED_PX`.

    Colour is compared with the image's own median, so that lamps and cameras matter less. This needs dye on less than
    half of the image: in a crop that one nucleus fills, nothing is found.
    """
    ground = find_lit(image, _MARGIN_PX)
    mask, strength = np.zeros_like(ground), 0.0
    if ground.any():
        red, blue = (_smooth(image[..., channel].astype(np.float32)) + _OFFSET for channel in (0, 2))
        blueness = np.log10(blue / red)
        blueness -= np.median(blueness[ground])
        mask = (blueness > BLUISH_FROM) & (red < DARKER_THAN * np.median(red[ground])) & ground
        strength = float(blueness[mask].mean()) if mask.any() else 0.0
    padded = np.pad(mask, _JOIN_PX)  # else closing would remove what touches the edge
    inner = (slice(_JOIN_PX, -_JOIN_PX),) * 2
    labels = number_pieces(~grow(~grow(padded, _JOIN_PX), _JOIN_PX)[inner] | mask)
    return Stained(mask, ground, strength, labels, np.bincount(labels.ravel())[1:])


def find_lit(image: Pixels, margin_px: int) -> NDArray[np.bool_]:
    """Which pixels are lit, and farther than a margin from those that are not: `(h, w)` bool."""
    return ~grow(image.max(axis=2) < BLACK_UP_TO, margin_px)


def grow(mask: NDArray[np.bool_], times: int) -> NDArray[np.bool_]:
    """The mask and all pixels up to so many steps up, down, left or right of it."""
    for _ in range(times if mask.any() else 0):
        around = np.pad(mask, 1)
        mask = mask | around[:-2, 1:-1] | around[2:, 1:-1] | around[1:-1, :-2] | around[1:-1, 2:]
    return mask


def number_pieces(mask: NDArray[np.bool_]) -> NDArray[np.intp]:
    """The number of each pixel's piece from 1, in reading order; 0 outside the mask.

    Pixels that touch at a corner belong to one piece.
    """
    places = np.flatnonzero(np.pad(mask, 1))
    count, width = len(places), mask.shape[1] + 2
    ranks = np.full((mask.shape[0] + 2) * width, count)
    ranks[places] = np.arange(count)
    steps = np.array([row * width + column for row in (-1, 0, 1) for column in (-1, 0, 1)])
    around = ranks[places[:, None] + steps]
    # Each pixel takes the lowest number around it, then the number that the pixel of this number has now.
    numbers = np.arange(count + 1)
    while True:
        least = np.append(numbers[around].min(axis=1), count)
        least = least[least]
        if (least == numbers).all():
            break
        numbers = least
    labels = np.zeros(mask.shape, np.intp)
    labels[mask] = np.unique(numbers[:-1], return_inverse=True)[1].reshape(-1) + 1
    return labels


def _smooth(plane: NDArray[np.float32]) -> NDArray[np.float32]:
    """Mean of the 3 x 3 pixels around each; the edge is repeated."""
    around = np.pad(plane, 1, mode="edge")
    across = around[:, :-2] + around[:, 1:-1] + around[:, 2:]
    return np.asarray((across[:-2] + across[1:-1] + across[2:]) / 9, np.float32)
