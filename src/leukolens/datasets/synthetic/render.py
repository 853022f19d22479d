"""Composes an image: patches are added as optical densities, then light, focus and sensor noise make 8-bit pixels."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from leukolens.datasets.synthetic.shapes import Plane, blur
from leukolens.datasets.synthetic.stain import Density, Stain

Box = tuple[int, int, int, int]
"""x0, y0, x1, y1 in pixels, x1 and y1 just outside."""


class Canvas:
    """An image of optical densities to which patches are added, later ones on top."""

    def __init__(self, width_px: int, height_px: int) -> None:
        self.density: Density = np.zeros((height_px, width_px, 3), dtype=np.float32)

    def absorb(self, density: Density, x_px: float, y_px: float, twice: float = 0.4) -> None:
        """Adds the densities of a patch with its middle at a place, as transparent things overlap.

        Only the share `twice` of the thinner layer is added, less than by Beer's law, because stacked cells are
        flatter.
        """
        place, part = self._cut(density.shape[0], x_px, y_px)
        there = self.density[place]
        self.density[place] = np.maximum(there, density[part]) + twice * np.minimum(there, density[part])

    def cover(self, density: Density, cover: Plane, x_px: float, y_px: float) -> None:
        """Draws a patch over what is there. `cover` (0..1) says how much it hides."""
        place, part = self._cut(density.shape[0], x_px, y_px)
        hide = cover[part][..., None]
        self.density[place] += hide * (density[part] - self.density[place])

    def visible_box(self, cover: Plane, x_px: float, y_px: float) -> tuple[Box, float]:
        """The box of the visible part of a patch with its middle at a place, and the share that is visible."""
        (rows, columns), part = self._cut(cover.shape[0], x_px, y_px)
        taken = cover[part] > 0.5
        down, across = np.flatnonzero(taken.any(axis=1)), np.flatnonzero(taken.any(axis=0))
        if down.size == 0:
            return (0, 0, 0, 0), 0.0
        left, top = int(columns.start), int(rows.start)
        box = (left + int(across[0]), top + int(down[0]), left + int(across[-1]) + 1, top + int(down[-1]) + 1)
        return box, float(taken.sum() / (cover > 0.5).sum())

    def _cut(self, side_px: int, x_px: float, y_px: float) -> tuple[tuple[slice, slice], tuple[slice, slice]]:
        height, width = self.density.shape[:2]
        left, top = round(x_px) - side_px // 2, round(y_px) - side_px // 2
        x0, x1 = min(max(left, 0), width), min(max(left + side_px, 0), width)
        y0, y1 = min(max(top, 0), height), min(max(top + side_px, 0), height)
        return (slice(y0, y1), slice(x0, x1)), (slice(y0 - top, y1 - top), slice(x0 - left, x1 - left))


@dataclass(frozen=True)
class Optics:
    """One microscope and camera.

    Attributes:
        unevenness: 0 is even light, 1 a clear gradient with dark corners.
        edge_tint: Factors on the channels red, green and blue in the corners.
        blur_px: Range of the focus error.
        fringe_px: How far red and blue are shifted apart, as simple lenses do.
    """

    unevenness: float = 0.25
    edge_tint: tuple[float, float, float] = (1.0, 1.0, 1.0)
    blur_px: tuple[float, float] = (0.42, 0.95)
    fringe_px: float = 0.0


def expose(canvas: Canvas, stain: Stain, optics: Optics, rng: np.random.Generator) -> NDArray[np.uint8]:
    """The image, `(height, width, 3)` uint8 RGB, with light, slight blur and sensor noise."""
    image = blur(stain.develop(canvas.density), rng.uniform(*optics.blur_px))
    if optics.fringe_px:
        image = _part_colours(image, optics.fringe_px)
    image *= _light(canvas, optics, rng)
    image += rng.uniform(0.6, 2.2) * rng.standard_normal(image.shape, dtype=np.float32)
    return np.clip(np.rint(image), 0, 255).astype(np.uint8)


def _light(canvas: Canvas, optics: Optics, rng: np.random.Generator) -> NDArray[np.float32]:
    height, width = canvas.density.shape[:2]
    x = np.linspace(-1, 1, width, dtype=np.float32)[None, :]
    y = np.linspace(-1, 1, height, dtype=np.float32)[:, None]
    from_middle = x * x + y * y
    slope_x, slope_y = rng.normal(0, 0.06 * optics.unevenness, 2)
    vignette = rng.uniform(0, 0.16) * optics.unevenness
    plane = 1 + np.float32(slope_x) * x + np.float32(slope_y) * y - np.float32(vignette) * from_middle
    tint = 1 + (np.asarray(optics.edge_tint, dtype=np.float32) - 1) * (from_middle / 2)[..., None]
    return np.asarray((plane * rng.uniform(0.95, 1.02))[..., None] * tint, dtype=np.float32)


def _part_colours(image: NDArray[np.float32], fringe_px: float) -> NDArray[np.float32]:
    whole, part = int(fringe_px), np.float32(fringe_px % 1)
    parted = np.empty_like(image)
    parted[..., 1] = image[..., 1]
    for channel, way in ((0, 1), (2, -1)):
        padded = np.pad(image[..., channel], whole + 1, mode="edge")
        near = np.roll(padded, way * whole, (0, 1))
        far = np.roll(padded, way * (whole + 1), (0, 1))
        parted[..., channel] = (near + part * (far - near))[whole + 1 : -whole - 1, whole + 1 : -whole - 1]
    return parted
