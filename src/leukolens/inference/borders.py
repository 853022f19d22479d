"""Which cells the border of a field may cut: one rule for detection, classification, counting and training."""

import numpy as np
from numpy.typing import NDArray

from leukolens.core.overlaps import stack_corners
from leukolens.core.results import Box

_LEAST_BORDER_PX, _BORDER_SHARE = 2.0, 0.045
"""Measured on 56 drawn leukocytes of about 100 px that a border cuts: the detector's box ends at most 2 px before the
border for 45 of them, at most 4.6 px for 54. Of whole leukocytes within 10 px of the border, one in nine ends so
near."""


def borders_px(corners: NDArray[np.float64]) -> NDArray[np.float64]:
    """How near to the border each box `(n, 4)` may come before the border may cut its cell: `(n,)` pixels."""
    longer = (corners[:, 2:] - corners[:, :2]).max(axis=1)
    return np.asarray(np.maximum(_LEAST_BORDER_PX, _BORDER_SHARE * longer))


def are_cut(corners: NDArray[np.float64], height: int, width: int) -> NDArray[np.bool_]:
    """Whether the border of a field of that size may cut the cell of each box `(n, 4)` x0, y0, x1, y1: `(n,)`."""
    left, top, right, bottom = corners.T
    nearest = np.minimum.reduce([left, top, width - right, height - bottom])
    return np.asarray(nearest < borders_px(corners))


def is_cut(box: Box, height: int, width: int) -> bool:
    """Whether the border of a field of that size may cut the cell in the box."""
    return bool(are_cut(stack_corners([box]), height, width)[0])
