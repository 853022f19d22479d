"""Draws smudge cells into photographs: burst leukocytes, stained patches without the outline of a cell.

Few labelled photographs of smudge cells exist, so detectors are trained on drawn ones. The colour of the dye is
measured on a leukocyte of the same photograph. The dye covers red cells and glass as on a slide.
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
_LEAST_SHARE = 0.25
"""A place belongs to the box if it has this share of the dye of the densest place."""
_LEAST_DYE = 0.02


def measure_dye(field: Pixels, leukocyte: Box) -> Density:
    """Optical density of the nucleus of a leukocyte above empty glass, `(3,)` float32.

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
        field: `(h, w, 3)` uint8 RGB. It is not changed.
        middle: Place of the smudge, x and y in pixels of the field.
        pixel_size_um: Micrometres a pixel.
        dye: Optical density of an intact nucleus, from `measure_dye`.
        rng: Source of all chance.

    Returns:
        The photograph with the smudge, and the box of the smudge, of kind `leukocyte`.
    """
    window = open_window(_HALF_UM, 1 / pixel_size_um)
    density = _draw_smudge(window, rng)
    left, top = (round(place) - window.side_px // 2 for place in middle)
    height, width = field.shape[:2]
    rows = slice(max(0, top), min(height, top + window.side_px))
    columns = slice(max(0, left), min(width, left + window.side_px))
    part = density[rows.start - top : rows.stop - top, columns.start - left : columns.stop - left]
    colour = dye * np.exp(rng.normal(0, 0.08, 3)) * rng.uniform(0.25, 1.0)
    light = (field[rows, columns] + np.float32(1)) * np.exp(-part[..., None] * colour) - 1
    drawn = field.copy()
    # Rounded. Without it even the faintest dye would darken the whole window by one grey level.
    drawn[rows, columns] = np.rint(light).clip(0, 255).astype(np.uint8)
    down, across = np.nonzero(part >= _LEAST_SHARE * part.max())
    x, y = columns.start, rows.start
    return drawn, Box(x + across.min(), y + down.min(), x + across.max() + 1, y + down.max() + 1, CellKind.LEUKOCYTE)


def _draw_smudge(window: Window, rng: np.random.Generator) -> Plane:
    """How much dye lies where, about 0..1: an uneven patch, often with streaks, holes or granules."""
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
    """Noise with lumps that are long along an angle in radians, the direction in which the smear was spread."""
    knots = round(2 * window.half_um / rng.uniform(0.8, 1.6)), round(2 * window.half_um / rng.uniform(6, 12)) + 2
    noise = Image.fromarray(rng.standard_normal(knots).astype(np.float32))
    smooth = noise.resize((window.side_px, window.side_px), Image.Resampling.BICUBIC)
    return np.asarray(smooth.rotate(-np.degrees(angle), Image.Resampling.BILINEAR), np.float32)
