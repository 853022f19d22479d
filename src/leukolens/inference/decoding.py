"""Turns the maps that a detector's model gives into boxes, in numpy: peaks, sides, non-maximum suppression.

`leukolens.inference.detector` runs the model and cuts the field into tiles.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from leukolens.core.overlaps import measure_overlaps
from leukolens.inference.borders import are_cut

SAME_CELL_OVERLAP = 0.5
"""Two detections of different kinds that overlap by this are one cell. In the 72 fields of BCCD that we relabelled, no
two cells of different kinds overlap by more than .17."""


@dataclass(frozen=True)
class RawDetections:
    """Detections before they are reported: in pixels of a tile or a field, kinds as numbers.

    Attributes:
        boxes: `(n, 4)` float64: x0, y0, x1, y1 in pixels.
        scores: `(n,)` float64, 0..1.
        kinds: `(n,)` numbers of the kinds, in the card's order.
        smudges: `(n,)` float64, 0..1: how much each looks like a smudge cell.
    """

    boxes: NDArray[np.float64]
    scores: NDArray[np.float64]
    kinds: NDArray[np.intp]
    smudges: NDArray[np.float64]

    def pick(self, chosen: NDArray[np.intp] | NDArray[np.bool_]) -> "RawDetections":
        """The detections of the given numbers, in that order, or those where a mask is true."""
        return RawDetections(self.boxes[chosen], self.scores[chosen], self.kinds[chosen], self.smudges[chosen])

    def place(self, scale: NDArray[np.float64], offset: NDArray[np.float64]) -> "RawDetections":
        """The same cells in other pixels: corners times `scale` plus `offset`, both `(x, y)`."""
        return replace(self, boxes=self.boxes * np.tile(scale, 2) + np.tile(offset, 2))

    def widen(self, factors: NDArray[np.float64]) -> "RawDetections":
        """The same cells, their width and height times the factor of their kind `(k,)`; the middles stay."""
        middles, halves = np.tile(self.centres, 2), np.tile(self.boxes[:, 2:] - self.boxes[:, :2], 2) / 2
        return replace(self, boxes=middles + halves * (-1, -1, 1, 1) * factors[self.kinds][:, None])

    @property
    def centres(self) -> NDArray[np.float64]:
        """Middles of the boxes, `(n, 2)`: x and y."""
        return (self.boxes[:, :2] + self.boxes[:, 2:]) / 2


def join_detections(parts: Sequence[RawDetections]) -> RawDetections:
    """All detections, one part after another."""
    if not parts:
        return RawDetections(np.empty((0, 4)), np.empty(0), np.empty(0, np.intp), np.empty(0))
    return RawDetections(
        np.concatenate([part.boxes for part in parts]),
        np.concatenate([part.scores for part in parts]),
        np.concatenate([part.kinds for part in parts]),
        np.concatenate([part.smudges for part in parts]),
    )


def lift_cut(
    detections: RawDetections, size: tuple[int, int], gains: NDArray[np.float64], least: NDArray[np.float64]
) -> RawDetections:
    """Detections above the thresholds, after the scores of cells that the border may cut are raised; highest first.

    A model gives a cut cell a lower score than a whole one. The gain makes up for that.

    Args:
        detections: In pixels of a picture of `size`.
        size: Its height and width.
        gains: `(k,)` logits that are added to the score of a cut cell of each kind.
        least: `(k,)` thresholds, 0..1.
    """
    cut = are_cut(detections.boxes, *size)
    lifted = lift_scores(detections.scores, np.where(cut, gains[detections.kinds], 0.0))
    detections = replace(detections, scores=lifted).pick(lifted >= least[detections.kinds])
    return detections.pick(np.argsort(-detections.scores, kind="stable"))


def lift_scores(scores: NDArray[np.float64], gains: NDArray[np.float64]) -> NDArray[np.float64]:
    """Scores, 0..1, after `gains` are added to their logits."""
    odds = scores * np.exp(gains)
    return np.asarray(odds / (odds + (1 - scores)))


def decode_maps(
    centres: NDArray[np.float32],
    sides: NDArray[np.float32],
    stride: int,
    least: NDArray[np.float64],
    smudge_map: NDArray[np.float32] | None = None,
) -> RawDetections:
    """The detections in one answer of the model, in pixels of its input, before non-maximum suppression.

    Args:
        centres: `(k, h, w)` logits that a cell of the kind has its centre there.
        sides: `(4, h, w)`: distances left, top, right, bottom from the middle of the grid's cell to the box's sides.
        stride: Input pixels from one cell of the grid to the next.
        least: `(k,)` thresholds, 0..1; nothing below is reported.
        smudge_map: `(1, h, w)` logits. Their mean over a cell's box says how much it looks like a smudge cell.
    """
    share = least.clip(1e-9, 1 - 1e-9)
    strong = centres >= np.log(share / (1 - share))[:, None, None]
    kinds, rows, columns = np.nonzero(strong)
    framed = np.pad(centres, ((0, 0), (1, 1), (1, 1)), constant_values=-np.inf)
    around = np.stack([framed[kinds, rows + down, columns + right] for down in range(3) for right in range(3)])
    # A peak is no lower than its eight neighbours; of equal neighbours the first is the peak.
    peaks = (around[4] > around[:4].max(axis=0)) & (around[4] >= around[5:].max(axis=0))
    kinds, rows, columns = kinds[peaks], rows[peaks], columns[peaks]
    scores = 1 / (1 + np.exp(-around[4][peaks].astype(np.float64)))
    middle = np.stack([columns, rows, columns, rows], axis=1) * float(stride) + stride / 2
    reach = sides[:, rows, columns].T.astype(np.float64).clip(0) * (-1, -1, 1, 1)
    boxes = middle + reach
    smudges = np.zeros(len(scores))
    if smudge_map is not None:
        smudges = 1 / (1 + np.exp(-average_in_boxes(smudge_map, boxes, stride)[:, 0].clip(-50, 50)))
    return RawDetections(boxes, scores, kinds, smudges)


def average_in_boxes(maps: NDArray[np.float32], boxes: NDArray[np.float64], stride: int) -> NDArray[np.float64]:
    """Means `(n, c)` of maps `(c, h, w)` over the cells of their grid that each box `(n, 4)` touches, at least one.

    Boxes are in input pixels; one cell of the grid is `stride` of them wide.
    """
    height, width = maps.shape[1:]
    sums = np.zeros((len(maps), height + 1, width + 1))
    sums[:, 1:, 1:] = maps.cumsum(axis=1, dtype=np.float64).cumsum(axis=2)
    x0, y0 = (np.floor(boxes[:, side] / stride).clip(0, end - 1).astype(int) for side, end in ((0, width), (1, height)))
    x1, y1 = (np.ceil(boxes[:, side] / stride).clip(1, end).astype(int) for side, end in ((2, width), (3, height)))
    x1, y1 = np.maximum(x1, x0 + 1), np.maximum(y1, y0 + 1)
    inside = sums[:, y1, x1] - sums[:, y0, x1] - sums[:, y1, x0] + sums[:, y0, x0]
    return np.asarray((inside / ((y1 - y0) * (x1 - x0))).T)


def suppress_non_maxima(detections: RawDetections, most_overlap: float, kinds: Sequence[str]) -> RawDetections:
    """Each cell once, the highest score first.

    Of two detections of one kind that overlap by `most_overlap` or more, the one with the higher score stays; of two
    kinds likewise, from `SAME_CELL_OVERLAP`. A platelet inside a leukocyte with a higher score is a piece of that and
    goes; one on a red cell stays (of the platelets that we relabelled, 25 lie on red cells and none in a leukocyte).

    Args:
        detections: From all tiles, so one cell may be there several times.
        most_overlap: Intersection over union, 0..1.
        kinds: Names of the kinds by their numbers.
    """
    detections = detections.pick(np.argsort(-detections.scores, kind="stable"))
    surer, other = _meeting_pairs(detections.boxes)
    overlaps = measure_overlaps(detections.boxes[surer], detections.boxes[other])
    same_kind = detections.kinds[surer] == detections.kinds[other]
    repeated = overlaps >= np.where(same_kind, most_overlap, SAME_CELL_OVERLAP)
    names = np.array(kinds)
    inside = (names[detections.kinds[surer]] == "leukocyte") & (names[detections.kinds[other]] == "platelet")
    inside[inside] = _lies_in_ellipse(detections.centres[other[inside]], detections.boxes[surer[inside]])
    kept = np.ones(len(detections.scores), bool)
    # Pairs are sorted by the number of their surer cell, so it is known by then whether that one stays.
    pairs = np.stack([surer, other], axis=1)[repeated | inside]
    for stronger, weaker in pairs.tolist():
        if kept[stronger]:
            kept[weaker] = False
    return detections.pick(kept)


def _lies_in_ellipse(points: NDArray[np.float64], boxes: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Whether each point lies in the ellipse inside its box; a cell does not fill the corners of its box."""
    middle, half = (boxes[:, :2] + boxes[:, 2:]) / 2, (boxes[:, 2:] - boxes[:, :2]) / 2
    far = (points - middle) / np.maximum(half, 1e-9)
    return np.asarray((far**2).sum(axis=1) <= 1)


def _meeting_pairs(boxes: NDArray[np.float64]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Every pair of boxes that may touch, the lower number first, sorted by it.

    Boxes are put into bands as high as the highest box and sorted along x. So a scan of a hundred thousand cells needs
    no table of all against all.
    """
    if not len(boxes):
        return np.empty(0, np.intp), np.empty(0, np.intp)
    wide, high = (boxes[:, 2:] - boxes[:, :2]).max(axis=0) + 1
    band = np.floor((boxes[:, 1] - boxes[:, 1].min()) / high)
    x0 = boxes[:, 0] - boxes[:, 0].min()
    length = x0.max() + 3 * wide
    keys = band * length + x0
    order = np.argsort(keys, kind="stable")
    found = []
    for below in (0, 1):
        first = np.searchsorted(keys[order], keys[order] + below * length - wide)
        last = np.searchsorted(keys[order], keys[order] + below * length + wide, side="right")
        one = np.repeat(np.arange(len(boxes)), last - first)
        two = np.arange(len(one)) - np.repeat(np.cumsum(last - first) - (last - first), last - first)
        two += np.repeat(first, last - first)
        kept = one < two if below == 0 else np.full(len(one), True)
        found.append((order[one[kept]], order[two[kept]]))
    ends = np.concatenate([np.stack(pair) for pair in found], axis=1)
    low, high_number = ends.min(axis=0), ends.max(axis=0)
    in_order = np.argsort(low, kind="stable")
    return low[in_order], high_number[in_order]
