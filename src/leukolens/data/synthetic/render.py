"""A frame being painted: patches go on as densities, then light, focus and the sensor make an 8-bit image of it.

What stands where is decided in `fields`; this module only knows pixels.
"""

import numpy as np
from numpy.typing import NDArray

from leukolens.data.synthetic.shapes import Plane, blur
from leukolens.data.synthetic.stain import Density, Stain

Box = tuple[int, int, int, int]
"""x0, y0, x1, y1 in pixels, x1 and y1 just outside."""


class Canvas:
    """An empty frame of `(height, width)` pixels that takes patches one after another, the later ones on top."""

    def __init__(self, width_px: int, height_px: int) -> None:
        self.density: Density = np.zeros((height_px, width_px, 3), dtype=np.float32)

    def absorb(self, density: Density, x_px: float, y_px: float) -> None:
        """Adds a patch's densities with its middle at a place, as see-through things lie over one another."""
        place, part = self._cut(density.shape[0], x_px, y_px)
        there = self.density[place]
        # a second layer counts for less than it would by Beer's law: stacked red cells flatten each other
        self.density[place] = np.maximum(there, density[part]) + 0.4 * np.minimum(there, density[part])

    def cover(self, density: Density, cover: Plane, x_px: float, y_px: float) -> None:
        """Lays a patch over what is there, as far as its `cover` (0..1) hides it."""
        place, part = self._cut(density.shape[0], x_px, y_px)
        hide = cover[part][..., None]
        self.density[place] += hide * (density[part] - self.density[place])

    def box_of(self, cover: Plane, x_px: float, y_px: float) -> Box | None:
        """The pixels on the frame that a patch of this cover takes with its middle there, or None if it takes none."""
        (rows, columns), part = self._cut(cover.shape[0], x_px, y_px)
        taken = cover[part] > 0.5
        down, across = np.flatnonzero(taken.any(axis=1)), np.flatnonzero(taken.any(axis=0))
        if down.size == 0:
            return None
        left, top = columns.start, rows.start
        return int(left + across[0]), int(top + down[0]), int(left + across[-1] + 1), int(top + down[-1] + 1)

    def _cut(self, side_px: int, x_px: float, y_px: float) -> tuple[tuple[slice, slice], tuple[slice, slice]]:
        height, width = self.density.shape[:2]
        left, top = round(x_px) - side_px // 2, round(y_px) - side_px // 2
        x0, x1 = min(max(left, 0), width), min(max(left + side_px, 0), width)
        y0, y1 = min(max(top, 0), height), min(max(top + side_px, 0), height)
        return (slice(y0, y1), slice(x0, x1)), (slice(y0 - top, y1 - top), slice(x0 - left, x1 - left))


def expose(canvas: Canvas, stain: Stain, unevenness: float, rng: np.random.Generator) -> NDArray[np.uint8]:
    """The frame as a camera sees it, `(height, width, 3)` uint8 RGB: lit, slightly out of focus, with sensor noise.

    `unevenness` 0 is flat light, 1 a strong gradient with dark corners.
    """
    image = blur(stain.develop(canvas.density), rng.uniform(0.42, 0.95))
    image *= _light(canvas, unevenness, rng)
    image += rng.uniform(0.6, 2.2) * rng.standard_normal(image.shape, dtype=np.float32)
    return np.clip(np.rint(image), 0, 255).astype(np.uint8)


def _light(canvas: Canvas, unevenness: float, rng: np.random.Generator) -> NDArray[np.float32]:
    height, width = canvas.density.shape[:2]
    x = np.linspace(-1, 1, width, dtype=np.float32)[None, :]
    y = np.linspace(-1, 1, height, dtype=np.float32)[:, None]
    slope_x, slope_y = rng.normal(0, 0.06 * unevenness, 2)
    vignette = rng.uniform(0, 0.16) * unevenness
    plane = 1 + np.float32(slope_x) * x + np.float32(slope_y) * y - np.float32(vignette) * (x * x + y * y)
    return np.asarray(plane * rng.uniform(0.95, 1.02), dtype=np.float32)[..., None]
