"""Finds the bluish pixels of a picture, the dye in nuclei and platelets, and the separate pieces that they form.

The one definition of "stained": `image` and `field` judge pictures with it, `exploration` groups and outlines them. A
simple rule of colour, no model: it counts dark dye residues too, and misses pale cells.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from leukolens.core.pixels import Pixels, resize_window
from leukolens.core.results import Box

REDUCED_PX = 120
"""Longer side of the pictures that stain is looked for in: grain is gone, and the lobes of a nucleus still part."""

BLUISH_FROM = 0.09
"""A pixel is bluish when log10(blue / red) lies this far above the picture's middle pixel: blue over red by 23 %.

Chosen by looking at 32 images each of five datasets: lower takes in red cells, higher loses pale nuclei.
"""

DARKER_THAN = 0.92
"""And when it lets less red through than this share of the picture's middle pixel: dye takes light away."""

BLACK_UP_TO = 16
"""Brightest channel, of 255, below which a pixel was never lit: the corners that turning a picture leaves."""

_NUCLEUS_FROM = 0.02
"""Share of a leukocyte's box that dye must cover. On validation fields it covers .29 and more of the 110 that BCCD and TXL-PBC
have, and at least this of 69 of 75 on Chula's dim fields; of the 20 red cells found as leukocytes there it does so on 2."""

_CELL_PX = 80
"""Longer side of a cell with as much again around it, when its nucleus is looked for."""

_MARGIN_PX = 2  # JPEG blurs the edge of a black border over about two pixels of the reduced picture
_JOIN_PX = 2  # lobes of one nucleus lie closer than this
_OFFSET = 8  # keeps the ratio of two nearly black values from meaning anything


@dataclass(frozen=True)
class Stained:
    """The bluish pixels of one picture.

    Attributes:
        mask: `(h, w)` bool, which pixels are bluish.
        ground: `(h, w)` bool, which pixels are picture and not black border.
        strength: Mean of log10(blue / red) above the picture's middle pixel over those; 0 when there are none.
        labels: `(h, w)` int, the number of each pixel's piece from 1, gaps between lobes filled; 0 beside the pieces.
        areas: Pixels of each piece, in the order of their numbers.
    """

    mask: NDArray[np.bool_]
    ground: NDArray[np.bool_]
    strength: float
    labels: NDArray[np.intp]
    areas: NDArray[np.intp]

    @property
    def amount(self) -> float:
        """Share of the picture that is bluish."""
        return float(self.mask.mean())


def find_stained(image: Pixels) -> Stained:
    """Measures the bluish pixels of a picture reduced to `REDUCED_PX`, `(h, w, 3)` uint8.

    Colour is judged against the picture's own middle pixel, so that lamps and cameras matter less. That presumes that
    dye covers less than half of it: in a crop filled by one nucleus nothing is found.
    """
    ground = find_lit(image, _MARGIN_PX)
    mask, strength = np.zeros_like(ground), 0.0
    if ground.any():
        red, blue = (_smooth(image[..., channel].astype(np.float32)) + _OFFSET for channel in (0, 2))
        blueness = np.log10(blue / red)
        blueness -= np.median(blueness[ground])
        mask = (blueness > BLUISH_FROM) & (red < DARKER_THAN * np.median(red[ground])) & ground
        strength = float(blueness[mask].mean()) if mask.any() else 0.0
    padded = np.pad(mask, _JOIN_PX)  # else closing eats what touches the edge
    inner = (slice(_JOIN_PX, -_JOIN_PX),) * 2
    labels = number_pieces(~grow(~grow(padded, _JOIN_PX), _JOIN_PX)[inner] | mask)
    return Stained(mask, ground, strength, labels, np.bincount(labels.ravel())[1:])


def shows_nucleus(field: Pixels, box: Box) -> bool:
    """Whether dye is seen in a cell's box, judged against the field around it, so that a lamp's colour may change across."""
    side, x, y = max(box.x1 - box.x0, box.y1 - box.y0), (box.x0 + box.x1) / 2, (box.y0 + box.y1) / 2
    height, width = field.shape[:2]
    x0, y0, x1, y1 = max(0.0, x - side), max(0.0, y - side), min(float(width), x + side), min(float(height), y + side)
    scale = _CELL_PX / max(x1 - x0, y1 - y0)
    size = max(1, round((y1 - y0) * scale)), max(1, round((x1 - x0) * scale))
    mask = find_stained(resize_window(field, (x0, y0, x1, y1), size)).mask
    rows, columns = (
        slice(max(0, int((low - start) * scale)), int((high - start) * scale) + 1)
        for low, high, start in ((box.y0, box.y1, y0), (box.x0, box.x1, x0))
    )
    return bool(mask[rows, columns].mean() >= _NUCLEUS_FROM)


def find_lit(image: Pixels, margin_px: int) -> NDArray[np.bool_]:
    """Which pixels are picture and farther than a margin from what was never lit."""
    return ~grow(image.max(axis=2) < BLACK_UP_TO, margin_px)


def grow(mask: NDArray[np.bool_], times: int) -> NDArray[np.bool_]:
    """The mask and what lies up to so many steps up, down, left or right of it."""
    for _ in range(times if mask.any() else 0):
        around = np.pad(mask, 1)
        mask = mask | around[:-2, 1:-1] | around[2:, 1:-1] | around[1:-1, :-2] | around[1:-1, 2:]
    return mask


def number_pieces(mask: NDArray[np.bool_]) -> NDArray[np.intp]:
    """The number of each pixel's piece from 1, in reading order; 0 beside the mask. Pieces touch at corners too."""
    places = np.flatnonzero(np.pad(mask, 1))
    count, width = len(places), mask.shape[1] + 2
    ranks = np.full((mask.shape[0] + 2) * width, count)
    ranks[places] = np.arange(count)
    steps = np.array([row * width + column for row in (-1, 0, 1) for column in (-1, 0, 1)])
    around = ranks[places[:, None] + steps]
    # Each pixel takes the least number around it, then the number which that pixel has taken meanwhile.
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
    """Mean of the 3 x 3 pixels around each, the edge repeated."""
    around = np.pad(plane, 1, mode="edge")
    across = around[:, :-2] + around[:, 1:-1] + around[:, 2:]
    return np.asarray((across[:-2] + across[1:-1] + across[2:]) / 9, np.float32)
