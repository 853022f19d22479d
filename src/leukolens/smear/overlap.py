"""Finds cells that two fields of one smear both show, so that no cell is counted twice.

Two fields overlap if many of their cells lie at the same distance from each other and the pictures agree there. Shifts are
searched, as when the stage is moved. A whole field that was saved again at another size, mirrored or turned by quarters is
found too; a part of one that was turned is not. An overlap with fewer than `_LEAST_SHARED` cells in common is not found.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from leukolens.core.pixels import Pixels
from leukolens.core.results import Box

_THUMB_PX = 120
"""Shorter side of the pictures that are compared: a red cell is then about 25 pixels wide."""

_LEAST_SHARED = 3
"""Cells that must agree on a shift. The pictures must agree too."""

_NEAR = 0.2
"""Largest distance between two detections of one cell, in diameters of a typical cell."""

_LEAST_CORRELATION = 0.8
"""Lowest correlation of the two pictures in the part that both show. It is .90 to .98 in pairs of BCCD fields that show
one place twice, and at most .65 in 12,000 other pairs whose cells agree on some shift."""


@dataclass(frozen=True)
class Sight:
    """What is kept of a field to recognise it in others.

    Attributes:
        centres: `(n, 2)` float64, x and y of each cell in pixels of the thumbnail.
        kinds: `(n,)` kinds of the cells.
        cell_px: Median of the longer sides of the cells, in pixels of the thumbnail.
        thumb: Grey thumbnail, `(h, w)` float32, 0..255, `_THUMB_PX` on the shorter side.
    """

    centres: NDArray[np.float64]
    kinds: NDArray[np.str_]
    cell_px: float
    thumb: NDArray[np.float32]


def remember_field(pixels: Pixels, boxes: Sequence[Box]) -> Sight:
    """What is kept of a field `(h, w, 3)` uint8 RGB and of the boxes of its cells."""
    image = Image.fromarray(pixels).convert("L")
    scale = max(1.0, min(image.size) / _THUMB_PX)
    size = (max(1, round(image.width / scale)), max(1, round(image.height / scale)))
    thumb = np.asarray(image.resize(size, Image.Resampling.BOX), np.float32)
    centres = np.array([box.centre for box in boxes]).reshape(-1, 2) / scale
    side = float(np.median([max(box.width, box.height) for box in boxes] or [1.0])) / scale
    return Sight(centres, np.array([box.kind for box in boxes]), side, thumb)


def pair_cells(first: Sight, second: Sight) -> list[tuple[int, int]]:
    """Pairs (place in `first`, place in `second`) that are the same cell; empty where the fields do not overlap."""
    if pairs := _pair_shifted(first, second):
        return pairs
    for position in range(1, 8):
        turned = _turn(second, position)
        if _has_shape_of(first, turned) and _correlate(first, turned, np.zeros(2)) >= _LEAST_CORRELATION:
            return _pair_shifted(first, turned)
    return []


def _turn(sight: Sight, position: int) -> Sight:
    """The field mirrored or turned by quarters: position 1 to 7, as `datasets.duplicates` counts them."""
    thumb, centres = sight.thumb, sight.centres
    if position & 4:
        thumb, centres = thumb.T, centres[:, ::-1]
    if position & 2:
        thumb, centres = thumb[::-1], centres * (1, -1) + (0, thumb.shape[0])
    if position & 1:
        thumb, centres = thumb[:, ::-1], centres * (-1, 1) + (thumb.shape[1], 0)
    return replace(sight, thumb=thumb, centres=centres)


def _has_shape_of(first: Sight, second: Sight) -> bool:
    """Whether two thumbnails have one shape; rounding may differ by a pixel."""
    return bool(np.abs(np.subtract(first.thumb.shape, second.thumb.shape)).max() <= 1)


def _pair_shifted(first: Sight, second: Sight) -> list[tuple[int, int]]:
    tolerance = _NEAR * min(first.cell_px, second.cell_px)
    pairs = np.argwhere(first.kinds[:, None] == second.kinds[None, :])
    if len(pairs) < _LEAST_SHARED:
        return []
    shifts = first.centres[pairs[:, 0]] - second.centres[pairs[:, 1]]
    shift = _vote(shifts, tolerance)
    agreeing = pairs[np.hypot(*(shifts - shift).T) <= tolerance]
    # Each cell is in one pair at most: the first that agrees.
    _, rows = np.unique(agreeing[:, 0], return_index=True)
    _, columns = np.unique(agreeing[rows, 1], return_index=True)
    agreeing = agreeing[rows][columns]
    if len(agreeing) < _LEAST_SHARED or _correlate(first, second, shift) < _LEAST_CORRELATION:
        return []
    return [(int(a), int(b)) for a, b in agreeing]


def _vote(shifts: NDArray[np.float64], tolerance: float) -> NDArray[np.float64]:
    """The shift that most pairs agree on: the median of the fullest square of a grid and its neighbours."""
    squares = np.floor(shifts / tolerance).astype(np.int64)
    squares -= squares.min(axis=0) - 1
    rows, columns = squares.max(axis=0) + 2
    votes = np.zeros((rows, columns), np.int32)
    np.add.at(votes, tuple(squares.T), 1)
    moves = [(row, column) for row in range(3) for column in range(3)]
    around = np.sum([votes[i : rows - 2 + i, j : columns - 2 + j] for i, j in moves], axis=0)
    best = np.array(np.unravel_index(int(np.argmax(around)), around.shape)) + 1
    near = np.abs(squares - best).max(axis=1) <= 1
    return np.asarray(np.median(shifts[near], axis=0))


def _correlate(first: Sight, second: Sight, shift: NDArray[np.float64]) -> float:
    """Pearson's correlation of the part that both thumbnails show; 0 where there is none."""
    dx, dy = (round(float(value)) for value in shift)
    height = min(first.thumb.shape[0], second.thumb.shape[0] + dy) - max(0, dy)
    width = min(first.thumb.shape[1], second.thumb.shape[1] + dx) - max(0, dx)
    if height < 2 or width < 2:
        return 0.0
    here = first.thumb[max(0, dy) :, max(0, dx) :][:height, :width]
    there = second.thumb[max(0, -dy) :, max(0, -dx) :][:height, :width]
    spread = float(here.std() * there.std())
    return float(((here - here.mean()) * (there - there.mean())).mean()) / spread if spread > 0 else 0.0
