"""Boxes of cells as arrays, for training: which are sure, which are relabelled."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from leukolens.core.overlaps import stack_corners
from leukolens.core.pixels import Pixels
from leukolens.core.results import Box
from leukolens.core.taxonomy import DETECTED_KINDS


@dataclass(frozen=True)
class Labels:
    """Boxes as arrays.

    Attributes:
        boxes: `(n, 4)` float64: x0, y0, x1, y1 in pixels.
        kinds: `(n,)` numbers of the taxonomy's detected kinds.
        sure: `(n,)` bool; where False, the place teaches neither that a cell is there nor that none is.
    """

    boxes: NDArray[np.float64]
    kinds: NDArray[np.intp]
    sure: NDArray[np.bool_]

    def pick(self, chosen: NDArray[np.bool_]) -> "Labels":
        """The rows where `chosen` is true."""
        return Labels(self.boxes[chosen], self.kinds[chosen], self.sure[chosen])


def label_boxes(boxes: Sequence[Box]) -> Labels:
    """Boxes as arrays, all sure."""
    kinds = np.array([DETECTED_KINDS.index(box.kind) for box in boxes], np.intp)
    return Labels(stack_corners(boxes), kinds, np.ones(len(boxes), bool))


def label_relabelled(cells: Sequence[Box], doubtful: Sequence[Box]) -> Labels:
    """Boxes as arrays, the doubtful ones not sure."""
    labels = label_boxes([*cells, *doubtful])
    return replace(labels, sure=np.arange(len(labels.kinds)) < len(cells))


def replace_kind(labels: Labels, boxes: Sequence[Box], kind: str) -> Labels:
    """Labels whose boxes of one kind are others, all sure."""
    others = labels.pick(labels.kinds != DETECTED_KINDS.index(kind))
    own = label_boxes(boxes)
    return Labels(
        np.concatenate([others.boxes, own.boxes]),
        np.concatenate([others.kinds, own.kinds]),
        np.concatenate([others.sure, own.sure]),
    )


def tighten_boxes(labels: Labels, margin_px: float, pixels: Pixels) -> Labels:
    """Tight boxes, of boxes that stand off their cells; a side at the border, where a cell is cut, stays.

    Args:
        labels: Boxes in pixels of the picture.
        margin_px: How far each side stands off; of a small box no more than a quarter of its width or height.
        pixels: The picture, `(h, w, 3)`.
    """
    least, most = labels.boxes[:, :2], labels.boxes[:, 2:]
    margin = np.minimum(margin_px, (most - least) / 4)
    ends = np.array([pixels.shape[1], pixels.shape[0]])
    drawn = [np.where(least > margin, least + margin, least), np.where(most < ends - margin, most - margin, most)]
    return replace(labels, boxes=np.concatenate(drawn, axis=1))
