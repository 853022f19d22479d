"""Finds the bright disc that an eyepiece leaves in a phone's photograph, and the largest rectangle inside it.

Cells are searched in this rectangle only. A photograph without such a disc is used whole; so is one whose disc is so
large that all four corners are lit. The photograph itself is not changed.
"""

import numpy as np
from numpy.typing import NDArray

from leukolens.core.pixels import Pixels
from leukolens.quality.image import resize_by
from leukolens.quality.stain import number_pieces

_REDUCED_PX = 160
_DARK_BELOW = 0.45
"""A pixel darker than this share of the disc's light is outside. Glare and the fall-off of a lamp seldom reach it."""

_LEAST_OUTSIDE = 0.02
"""Smallest share of the photograph that is outside. A smaller dark part is a nucleus or dirt at the edge."""

_ROUND_WITHIN = 0.05
"""How far the rim may be from a circle, as a share of the radius: to a phone held at an angle a disc is an ellipse."""

_LEAST_ROUND = 0.9
"""Share of the rim that must be this close to the circle."""

_LEAST_ARC = 90
"""Degrees of the circle on which the rim must be visible. A straight black edge fits a circle on fewer."""

_ARC_STEP = 5
_RADII = (
    0.3,
    1.2,
)  # of the photograph's shorter side: a smaller one is a hole in something else, a larger one almost a line
_INSIDE_FROM = 0.96  # of the radius: the rim is blurred
_STEPS = 48  # positions tried for each side of the rectangle

_Circle = tuple[float, float, float]

Window = tuple[int, int, int, int]
"""A part of a picture: left, top, right and bottom in pixels; right and bottom are exclusive."""


def find_view(pixels: Pixels) -> Window | None:
    """The largest upright rectangle inside the eyepiece's disc, in pixels of the photograph; None without a disc.

    Args:
        pixels: The photograph, `(h, w, 3)` uint8 RGB. The disc may be off centre, and the photograph's border may cut
            it.
    """
    height, width = pixels.shape[:2]
    scale = min(1.0, _REDUCED_PX / max(height, width))
    light = resize_by(pixels, scale).max(axis=2)
    outside = _find_outside(light)
    if outside.mean() < _LEAST_OUTSIDE:
        return None
    circle = _fit_rim(outside)
    if circle is None:
        return None
    x0, y0, x1, y1 = np.array(_find_window(circle, light.shape)) / scale
    window = (int(np.ceil(x0)), int(np.ceil(y0)), min(width, int(x1 // 1)), min(height, int(y1 // 1)))
    return window if window[2] > window[0] and window[3] > window[1] else None


def _find_outside(light: Pixels) -> NDArray[np.bool_]:
    """The dark parts that touch the border of the photograph."""
    dark = light < _DARK_BELOW * np.percentile(light, 90)
    labels = number_pieces(dark)
    at_frame = np.unique(np.concatenate([labels[0], labels[-1], labels[:, 0], labels[:, -1]]))
    return np.asarray(np.isin(labels, at_frame[at_frame > 0]))


def _fit_rim(outside: NDArray[np.bool_]) -> _Circle | None:
    """The circle along which the outside ends; None where it is not a circle."""
    x, y = _find_rim(outside)
    if len(x) < _LEAST_ARC // _ARC_STEP:
        return None
    near = np.ones(len(x), bool)
    for _ in range(5):
        # The next fit leaves out dark cells at the rim.
        column, row, radius = _fit_circle(x[near], y[near])
        away = np.abs(np.hypot(x - column, y - row) - radius)
        near = away <= max(np.quantile(away, 0.7), _ROUND_WITHIN * radius)
    shorter = min(outside.shape)
    if (
        not _RADII[0] * shorter <= radius <= _RADII[1] * shorter
        or (away <= _ROUND_WITHIN * radius).mean() < _LEAST_ROUND
    ):
        return None
    degrees = np.degrees(np.arctan2(y - row, x - column)[near])
    if len(np.unique(degrees // _ARC_STEP)) * _ARC_STEP < _LEAST_ARC:
        return None
    rows, columns = np.indices(outside.shape)
    disc = np.hypot(columns + 0.5 - column, rows + 0.5 - row)
    beyond = disc > (1 + _ROUND_WITHIN) * radius
    # Light beyond the rim, or dark parts far inside it: this is not an eyepiece.
    if not beyond.any() or outside[beyond].mean() < 0.9 or outside[disc < (1 - _ROUND_WITHIN) * radius].mean() > 0.02:
        return None
    return column, row, radius


def _find_rim(outside: NDArray[np.bool_]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Middle x and y of each edge between a pixel outside and its neighbour inside."""
    rows, columns = np.nonzero(outside[:, 1:] != outside[:, :-1])
    across, along = np.nonzero(outside[1:] != outside[:-1])
    return np.concatenate([columns + 1.0, along + 0.5]), np.concatenate([rows + 0.5, across + 1.0])


def _fit_circle(x: NDArray[np.float64], y: NDArray[np.float64]) -> _Circle:
    """Centre and radius by algebraic least squares (Kasa 1976)."""
    sides = np.stack([x, y, np.ones_like(x)], axis=1)
    a, b, c = np.linalg.lstsq(sides, x**2 + y**2, rcond=None)[0]
    return float(a / 2), float(b / 2), float(np.sqrt(max(0.0, c + a**2 / 4 + b**2 / 4)))


def _find_window(circle: _Circle, shape: tuple[int, ...]) -> tuple[float, float, float, float]:
    """The largest rectangle inside both the circle and the photograph."""
    column, row, radius = circle
    radius *= _INSIDE_FROM
    height, width = shape
    sides = np.linspace(max(0.0, column - radius), min(width, column + radius), _STEPS)
    left, right = np.meshgrid(sides, sides, indexing="ij")
    reach = np.sqrt(np.maximum(0, radius**2 - np.maximum(np.abs(left - column), np.abs(right - column)) ** 2))
    top, bottom = np.maximum(0, row - reach), np.minimum(height, row + reach)
    areas = np.maximum(0, right - left) * np.maximum(0, bottom - top)
    best = np.unravel_index(int(areas.argmax()), areas.shape)
    return float(left[best]), float(top[best]), float(right[best]), float(bottom[best])
