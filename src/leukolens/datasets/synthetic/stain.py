"""Colours of synthetic blood: what each part of a cell absorbs, and how the stain differs between slides.

Colours are optical densities of the three channels (Beer and Lambert). So overlapping red cells become darker as under
a microscope, and the stain of a slide is one small matrix.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Density = NDArray[np.float32]
"""`(..., 3)` float32: optical density of red, green and blue light, 0 where nothing absorbs."""

_CLEAR = np.array([255.0, 230.0, 203.0])


def density_of(red: int, green: int, blue: int) -> Density:
    """The optical density that gives this RGB colour on a cream background of (255, 230, 203)."""
    return np.log(_CLEAR / np.maximum([red, green, blue], 1)).astype(np.float32)


CHROMATIN = density_of(56, 15, 112)
CHROMATIN_PALE = density_of(136, 72, 158)
RED_CELL = density_of(209, 172, 164)
RED_CELL_YOUNG = density_of(194, 166, 172)
NEUTROPHIL_PLASM = density_of(228, 192, 190)
NEUTROPHIL_GRANULE = density_of(150, 92, 160)
EOSINOPHIL_PLASM = density_of(206, 140, 150)
EOSINOPHIL_GRANULE = density_of(186, 90, 104)
BASOPHIL_PLASM = density_of(186, 134, 182)
BASOPHIL_GRANULE = density_of(66, 20, 108)
BLUE_PLASM = density_of(112, 96, 172)
GREY_PLASM = density_of(172, 146, 186)
LILAC_PLASM = density_of(192, 152, 184)
PRIMARY_GRANULE = density_of(84, 24, 118)
ERYTHROBLAST_PLASM = density_of(164, 142, 168)
PLATELET_PLASM = density_of(186, 148, 186)
PLATELET_GRANULE = density_of(92, 32, 132)


@dataclass(frozen=True)
class Stain:
    """How one slide was stained.

    Attributes:
        background: RGB of empty glass, 0..255.
        matrix: `(3, 3)` float32. A row of densities times its transpose gives the densities on this slide. It is the
            identity for the site with cream background for which the colours above were measured.
    """

    background: tuple[float, float, float]
    matrix: Density

    def develop(self, density: Density) -> NDArray[np.float32]:
        """The `(..., 3)` float32 RGB image, 0..255, that these densities give on this slide."""
        light = np.exp(-np.maximum(density @ self.matrix.T, 0))
        return np.asarray(light * np.asarray(self.background, dtype=np.float32), dtype=np.float32)


_STYLES = (
    # Share, background and factors on the channels of four sites: cream, cool grey, pink and greenish.
    (0.68, (254, 230, 204), (1.0, 1.0, 1.0)),
    (0.16, (226, 220, 232), (0.95, 1.0, 0.9)),
    (0.1, (242, 220, 216), (0.95, 1.0, 0.95)),
    (0.06, (216, 224, 216), (0.9, 0.95, 0.85)),
)


def draw_stain(rng: np.random.Generator) -> Stain:
    """Draws the stain of a slide: the style of one of four sites, varied."""
    shares = np.array([share for share, _, _ in _STYLES])
    _, background, factors = _STYLES[int(rng.choice(len(_STYLES), p=shares / shares.sum()))]
    overall = rng.uniform(0.85, 1.12)
    channels = rng.normal(1, 0.035, 3) * overall
    return Stain(_shift(background, 2.5, rng), np.diag(channels * factors).astype(np.float32))


_BLUE_LOOK = (
    # Density at the cream site, RGB here, and weight. Pale things need more weight.
    (RED_CELL, (184, 152, 146), 5.0),
    (CHROMATIN, (88, 54, 190), 1.0),
    (EOSINOPHIL_GRANULE, (176, 98, 126), 1.0),
    (BLUE_PLASM, (120, 130, 195), 1.0),
    (NEUTROPHIL_PLASM, (190, 165, 190), 1.0),
)


def draw_blue_stain(rng: np.random.Generator) -> Stain:
    """Draws a stain with blue-violet nuclei and tan red cells on greenish grey, as Wright stain often gives."""
    background = _shift((211, 214, 206), 3, rng)
    before = np.stack([weight * density for density, _, weight in _BLUE_LOOK], axis=1)
    after = np.stack(
        [weight * np.log(np.divide(background, _shift(colour, 3, rng))) for _, colour, weight in _BLUE_LOOK], axis=1
    )
    # The matrix that brings the measured colours nearest to those of this slide, by least squares.
    matrix = after @ np.linalg.pinv(before)
    return Stain(background, (matrix * rng.uniform(0.9, 1.1)).astype(np.float32))


def _shift(colour: tuple[int, int, int], spread: float, rng: np.random.Generator) -> tuple[float, float, float]:
    red, green, blue = (
        float(min(255.0, level + move)) for level, move in zip(colour, rng.normal(0, spread, 3), strict=True)
    )
    return red, green, blue


def mix(first: Density, second: Density, part: NDArray[np.floating[Any]] | float) -> Density:
    """`first` where `part` is 0, `second` where it is 1, mixed between. A `part` of `(n, n)` gives `(n, n, 3)`."""
    weight = np.asarray(part, dtype=np.float32)[..., None]
    return (first + (second - first) * weight).astype(np.float32)
