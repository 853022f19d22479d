"""Intersection over union of boxes."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from leukolens.core.results import Box


def stack_corners(boxes: Sequence[Box]) -> NDArray[np.float64]:
    """Corners of boxes, `(n, 4)` float64: x0, y0, x1, y1 in pixels."""
    return np.array([(box.x0, box.y0, box.x1, box.y1) for box in boxes], float).reshape(-1, 4)


def measure_overlaps(first: NDArray[np.float64], second: NDArray[np.float64]) -> NDArray[np.float64]:
    """Intersection over union of boxes, 0..1; 0 where neither box has an area.

    Args:
        first: `(..., 4)`: x0, y0, x1, y1.
        second: `(..., 4)`, broadcast against `first`: `first[:, None]` gives each pair.

    Returns:
        `(...)` float64, the broadcast shape without the last axis.
    """
    low = np.maximum(first[..., :2], second[..., :2])
    high = np.minimum(first[..., 2:], second[..., 2:])
    shared = (high - low).clip(0).prod(axis=-1)
    together = _area(first) + _area(second) - shared
    return np.asarray(np.divide(shared, together, out=np.zeros_like(shared), where=together > 0))


def _area(boxes: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray((boxes[..., 2:] - boxes[..., :2]).clip(0).prod(axis=-1))
