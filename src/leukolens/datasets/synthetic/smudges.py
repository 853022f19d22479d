"""Smudge cells drawn into photographs: what a burst leukocyte leaves, a stained patch without a cell's outline.

Photographs of smudge cells that someone has named are hardly to be had, so a finder learns them from these. The dye's
colour comes from a leukocyte of the same photograph, and it lies over red cells and glass as it does on a slide.
"""

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from leukolens.core.pixels import Pixels
from leukolens.core.results import Box
from leukolens.core.taxonomy import CellKind
from leukolens.datasets.synthetic.shapes import Plane, Point, Window, draw_noise, open_window, ramp, scatter_granules
from leukolens.datasets.synthetic.stain import Density

_HALF_UM = 20.0
_SEEN_FROM = 0.25
"""Share of the densest place's dye from which a place belongs to the smudge's box."""
_LEAST_DYE = 0.02


def measure_dye(field: Pixels, leukocyte: Box) -> Density:
    """Optical density of a leukocyte's nucleus above the field's empty glass, `(3,)` float32.

    Args:
        field: `(h, w, 3)` uint8 RGB.
        leukocyte: In pixels of the field.
    """
    glass = np.median(field[field[..., 1] >= np.percentile(field[..., 1], 75)], axis=0)
    cell = field[max(0, int(leukocyte.y0)) : int(leukocyte.y1) + 1, max(0, int(leukocyte.x0)) : int(leukocyte.x1) + 1]
    nucleus = np.median(cell[cell[..., 0] <= np.percentile(cell[..., 0], 25)], axis=0)
    return np.asarray(np.maximum(np.log((glass + 1) / (nucleus + 1)), _LEAST_DYE), np.float32)


def smear_leukocyte(
    field: Pixels, middle: Point, pixel_size_um: float, dye: Density, rng: np.random.Generator
) -> tuple[Pixels, Box]:
    """Draws a smudge cell into a photograph.

    Args:
        field: `(h, w, 3)` uint8 RGB; it is not changed.
        middle: Where, x and y in pixels of the field.
        pixel_size_um: Micrometres a pixel.
        dye: Of an intact nucleus there, from `measure_dye`.
        rng: Source of all chance.

    Returns:
        The photograph with the smudge, and the smudge's box, its kind `leukocyte`.
    """
    window = open_window(_HALF_UM, 1 / pixel_size_um)
    density = _draw_remnant(window, rng)
    left, top = (round(place) - window.side_px // 2 for place in middle)
    height, width = field.shape[:2]
    rows = slice(max(0, top), min(height, top + window.side_px))
    columns = slice(max(0, left), min(width, left + window.side_px))
    part = density[rows.start - top : rows.stop - top, columns.start - left : columns.stop - left]
    colour = dye * np.exp(rng.normal(0, 0.08, 3)) * rng.uniform(0.25, 1.0)
    light = (field[rows, columns] + np.float32(1)) * np.exp(-part[..., None] * colour) - 1
    drawn = field.copy()
    # Rounded: cut off, even the faintest dye would take a grey level from all of the window.
    drawn[rows, columns] = np.rint(light).clip(0, 255).astype(np.uint8)
    down, across = np.nonzero(part >= _SEEN_FROM * part.max())
    x, y = columns.start, rows.start
    return drawn, Box(x + across.min(), y + down.min(), x + across.max() + 1, y + down.max() + 1, CellKind.LEUKOCYTE)


def _draw_remnant(window: Window, rng: np.random.Generator) -> Plane:
    """How much of the nucleus' dye lies where, near 0..1: an uneven patch, often streaked, holed or with strewn granules."""
    angle, stretch = rng.uniform(0, np.pi), np.exp(rng.uniform(0, 0.4))
    along = (window.x * np.cos(angle) + window.y * np.sin(angle)) / stretch
    across = (window.y * np.cos(angle) - window.x * np.sin(angle)) * stretch
    beyond = np.hypot(along, across) - rng.uniform(3.2, 6.5)
    beyond = beyond + rng.uniform(0.8, 2.8) * draw_noise(window, rng.uniform(2.5, 5), rng)
    beyond = beyond + rng.uniform(0.1, 1.0) * draw_noise(window, 1.2, rng)
    grain = draw_noise(window, rng.uniform(0.6, 1.6), rng)
    if rng.random() < 0.5:
        streaks = _draw_streaks(window, angle, rng)
        beyond, grain = beyond + rng.uniform(0.3, 1.5) * streaks, streaks
    density = 1 / (1 + np.exp((beyond / rng.uniform(0.15, 1.3)).clip(-30, 30)))
    density = density * np.clip(1 + rng.uniform(0.05, 0.35) * grain, 0, 2)
    if rng.random() < 0.35:
        holes = ramp(draw_noise(window, rng.uniform(0.8, 1.6), rng), 0.8, 1.4)
        density = density * (1 - 0.8 * holes)
    if rng.random() < 0.3:
        granules = scatter_granules(window, rng.uniform(0.8, 2.0), rng.uniform(0.12, 0.3), 1.0, rng)
        density = np.maximum(density, 0.8 * granules * ramp(beyond, rng.uniform(2, 5), 0))
    return np.asarray(density, np.float32)


def _draw_streaks(window: Window, angle: float, rng: np.random.Generator) -> NDArray[np.float32]:
    """Noise whose lumps are long along an angle in radians: the spreader pulled what the cell held that way."""
    knots = round(2 * window.half_um / rng.uniform(0.8, 1.6)), round(2 * window.half_um / rng.uniform(6, 12)) + 2
    noise = Image.fromarray(rng.standard_normal(knots).astype(np.float32))
    smooth = noise.resize((window.side_px, window.side_px), Image.Resampling.BICUBIC)
    return np.asarray(smooth.rotate(-np.degrees(angle), Image.Resampling.BILINEAR), np.float32)
