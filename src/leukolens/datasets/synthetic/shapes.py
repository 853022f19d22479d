"""Geometry of synthetic cells: signed distances, smooth noise, granules.

All is computed in a small square window around one cell, in micrometres.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Plane = NDArray[np.float32]
"""`(n, n)` float32: one value for each pixel of a window."""

Point = tuple[float, float]
"""x and y in micrometres from the middle of the window."""


@dataclass(frozen=True)
class Window:
    """A square of `(n, n)` pixels around (0, 0): `x` and `y` hold each pixel's place in micrometres."""

    x: Plane
    y: Plane
    px_per_um: float

    @property
    def side_px(self) -> int:
        """Pixels along one side, always odd."""
        return int(self.x.shape[0])

    @property
    def half_um(self) -> float:
        """From the middle to the edge of the window."""
        return self.side_px / (2 * self.px_per_um)


def open_window(half_um: float, px_per_um: float) -> Window:
    """The smallest window that reaches `half_um` from its middle on every side."""
    reach = int(np.ceil(half_um * px_per_um))
    line = (np.arange(-reach, reach + 1) / px_per_um).astype(np.float32)
    x, y = np.meshgrid(line, line)
    return Window(x, y, px_per_um)


def draw_noise(window: Window, grain_um: float, rng: np.random.Generator) -> Plane:
    """Smooth noise about 0 with a standard deviation near 0.7, its lumps about `grain_um` wide."""
    knots = max(3, round(2 * window.half_um / grain_um) + 2)
    coarse = rng.standard_normal((knots, knots)).astype(np.float32)
    side = window.side_px
    return np.asarray(Image.fromarray(coarse).resize((side, side), Image.Resampling.BICUBIC), dtype=np.float32)


def warp(window: Window, amount_um: float, grain_um: float, rng: np.random.Generator) -> Window:
    """The same window with its coordinates shaken, so that shapes drawn on it get irregular outlines."""
    return Window(
        window.x + amount_um * draw_noise(window, grain_um, rng),
        window.y + amount_um * draw_noise(window, grain_um, rng),
        window.px_per_um,
    )


def blob_distance(window: Window, radius_um: float, wobble: Sequence[float], rng: np.random.Generator) -> Plane:
    """Signed distance (negative inside) to a rounded shape; `wobble[k]` is the relative strength of k + 2 bulges."""
    angle = np.arctan2(window.y, window.x)
    edge = np.full_like(angle, radius_um)
    for order, strength in enumerate(wobble, start=2):
        edge += radius_um * strength * rng.normal() * np.cos(order * (angle - rng.uniform(0, 2 * np.pi)))
    return np.hypot(window.x, window.y) - edge


def ellipse_distance(window: Window, centre: Point, radii_um: Point, angle: float) -> Plane:
    """Signed distance, good near the outline, to an ellipse whose first radius points along `angle`."""
    x, y = window.x - np.float32(centre[0]), window.y - np.float32(centre[1])
    along = x * np.float32(np.cos(angle)) + y * np.float32(np.sin(angle))
    across = y * np.float32(np.cos(angle)) - x * np.float32(np.sin(angle))
    scaled = np.hypot(along / radii_um[0], across / radii_um[1])
    return ((scaled - 1) * min(radii_um)).astype(np.float32)


def strand_distance(window: Window, start: Point, end: Point, radius_um: float) -> Plane:
    """Signed distance to a straight strand with round ends."""
    step_x, step_y = end[0] - start[0], end[1] - start[1]
    x, y = window.x - np.float32(start[0]), window.y - np.float32(start[1])
    length = max(step_x * step_x + step_y * step_y, 1e-6)
    part = np.clip((x * np.float32(step_x) + y * np.float32(step_y)) / length, 0, 1)
    distance = np.hypot(x - part * step_x, y - part * step_y) - radius_um
    return np.asarray(distance, dtype=np.float32)


def join(first: Plane, second: Plane, smooth_um: float) -> Plane:
    """Signed distance to both shapes together, the seam rounded over `smooth_um`."""
    near = np.maximum(smooth_um - np.abs(first - second), 0) / smooth_um
    return np.asarray(np.minimum(first, second) - near * near * (smooth_um / 4), dtype=np.float32)


def carve(shape: Plane, hole: Plane, smooth_um: float) -> Plane:
    """Signed distance to `shape` without `hole`."""
    return -join(-shape, hole, smooth_um)


def fill(distance: Plane, px_per_um: float, softness_px: float = 1.2) -> Plane:
    """How much of each pixel lies inside, 0..1, with an edge `softness_px` wide."""
    return np.asarray(np.clip(0.5 - distance * (px_per_um / softness_px), 0, 1), dtype=np.float32)


def ramp(values: Plane, low: float, high: float) -> Plane:
    """0 below `low`, 1 above `high`, a smooth step between. It falls if `low` is larger than `high`."""
    part = np.clip((values - low) / (high - low), 0, 1)
    return np.asarray(part * part * (3 - 2 * part), dtype=np.float32)


def scatter_granules(
    window: Window, spacing_um: float, radius_um: float, sharpness: float, rng: np.random.Generator
) -> Plane:
    """Granules over the whole window, 0..1: a jittered lattice of soft discs of uneven strength."""
    knots = np.arange(-window.half_um, window.half_um, spacing_um)
    places = np.stack(np.meshgrid(knots, knots), axis=-1).reshape(-1, 2)
    places = (places + rng.uniform(-0.5, 0.5, places.shape) * spacing_um + window.half_um) * window.px_per_um
    weight = rng.uniform(0.25, 1, len(places))
    plane = np.zeros_like(window.x)
    corner = np.floor(places).astype(int)
    part = places - corner
    for step_x in (0, 1):
        for step_y in (0, 1):
            column, row = corner[:, 0] + step_x, corner[:, 1] + step_y
            share = np.abs(1 - step_x - part[:, 0]) * np.abs(1 - step_y - part[:, 1]) * weight
            inside = (column >= 0) & (row >= 0) & (column < window.side_px) & (row < window.side_px)
            np.add.at(plane, (row[inside], column[inside]), share[inside])
    sigma = max(radius_um * window.px_per_um * 0.7, 0.4)
    peak = max(2 * np.pi * sigma * sigma, 1.0)
    return np.asarray(np.clip(blur(plane, sigma) * np.float32(peak * sharpness), 0, 1), dtype=np.float32)


def blur(plane: NDArray[np.float32], sigma_px: float) -> NDArray[np.float32]:
    """Gaussian blur over the first two axes, edges repeated; returns float32 of the same shape."""
    reach = max(1, int(np.ceil(2.5 * sigma_px)))
    kernel = np.exp(-0.5 * (np.arange(-reach, reach + 1) / sigma_px) ** 2)
    kernel = (kernel / kernel.sum()).astype(np.float32)
    for axis in (0, 1):
        widths = [(reach, reach) if other == axis else (0, 0) for other in range(plane.ndim)]
        padded = np.pad(plane, widths, mode="edge")
        size = plane.shape[axis]
        take = [slice(None)] * plane.ndim
        total = np.zeros_like(plane)
        for offset, share in enumerate(kernel):
            take[axis] = slice(offset, offset + size)
            total += share * padded[tuple(take)]
        plane = total
    return plane
