"""Finds the bluish pixels of an image, the dye in nuclei and platelets, and the separate pieces that they form.

A simple rule of colour, no model: it counts dark dye residues too, and misses pale cells. Its only callers are
`scan`, which measures every image with it, and `figures`, which draws its outlines.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from leukolens.core.pixels import Pixels

BLUISH_FROM = 0.09
"""A pixel is bluish when log10(blue / red) lies this far above the image's middle pixel: blue over red by 23 %.

Chosen by looking at 32 images each of five datasets: lower takes in red cells, higher loses pale nuclei.
"""

DARKER_THAN = 0.92
"""And when it lets less red through than this share of the image's middle pixel: dye takes light away."""

SMALLEST_SHARE = 0.002
"""Pieces below this share of the image are specks: a 360 px PBC frame's platelets start at about twice that."""

BLACK_UP_TO = 16
_SMOOTH_PX = 3
_MARGIN_PX = 2  # JPEG blurs the edge of a black border over about two pixels of the reduced image
_JOIN_PX = 2  # lobes of one nucleus lie closer than this on an image of 120 px
_OFFSET = 8  # keeps the ratio of two nearly black values from meaning anything


@dataclass(frozen=True)
class Stained:
    """The bluish pixels of one image.

    Attributes:
        mask: `(h, w)` bool, which pixels are bluish.
        ground: `(h, w)` bool, which pixels are picture and not black border.
        strength: Mean of log10(blue / red) above the image's middle pixel over those; 0 when there are none.
        pieces: Shares of the image that the separate pieces take, largest first, specks left out.
        cut: The largest piece touches the image's edge.
    """

    mask: NDArray[np.bool_]
    ground: NDArray[np.bool_]
    strength: float
    pieces: tuple[float, ...]
    cut: bool

    @property
    def amount(self) -> float:
        """Share of the image that is bluish."""
        return float(self.mask.mean())


def find_stained(image: Pixels) -> Stained:
    """Measures the bluish pixels of a reduced image, about 120 px long, `(h, w, 3)` uint8.

    Colour is judged against the image's own middle pixel, so that lamps and cameras matter less. That presumes that
    dye covers less than half of the image: in a crop filled by one nucleus nothing is found.
    """
    ground = image.max(axis=2) >= BLACK_UP_TO
    if not ground.all():
        ground = ndimage.binary_erosion(ground, iterations=_MARGIN_PX, border_value=1)
    if not ground.any():
        return Stained(ground, ground, 0.0, (), False)
    red = ndimage.uniform_filter(image[..., 0].astype(np.float32), _SMOOTH_PX) + _OFFSET
    blue = ndimage.uniform_filter(image[..., 2].astype(np.float32), _SMOOTH_PX) + _OFFSET
    blueness = np.log10(blue / red)
    blueness -= np.median(blueness[ground])
    mask = (blueness > BLUISH_FROM) & (red < DARKER_THAN * np.median(red[ground])) & ground
    if not mask.any():
        return Stained(mask, ground, 0.0, (), False)
    pieces, cut = _measure_pieces(mask)
    return Stained(mask, ground, float(blueness[mask].mean()), pieces, cut)


def _measure_pieces(mask: NDArray[np.bool_]) -> tuple[tuple[float, ...], bool]:
    padded = np.pad(mask, _JOIN_PX)  # else closing eats what touches the edge
    joined = ndimage.binary_closing(padded, iterations=_JOIN_PX)[_JOIN_PX:-_JOIN_PX, _JOIN_PX:-_JOIN_PX] | mask
    numbered, _ = ndimage.label(joined, np.ones((3, 3)))
    areas = np.bincount(numbered.ravel())
    areas[0] = 0
    shares = areas / mask.size
    edge = np.concatenate([numbered[0], numbered[-1], numbered[:, 0], numbered[:, -1]])
    cut = bool((edge == areas.argmax()).any())
    pieces = tuple(float(share) for share in np.sort(shares)[::-1] if share >= SMALLEST_SHARE)
    return pieces, cut and bool(pieces)
