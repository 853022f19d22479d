"""A detector's answer as boxes, in numpy: peaks of the maps, their sides, and no cell twice.

Knows no model and no field: `leukolens.inference.detector` runs the one and cuts the other.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from leukolens.core.overlaps import measure_overlaps
from leukolens.inference.borders import are_cut

SAME_CELL_OVERLAP = 0.5
"""Two kinds of find that overlap more are one cell, named twice: in the 72 fields of BCCD that were boxed by eye no
two cells of different kinds overlap by more than .17."""


@dataclass(frozen=True)
class Finds:
    """Cells found, as arrays.

    Attributes:
        boxes: `(n, 4)` float64: x0, y0, x1, y1 in pixels of whatever was looked at.
        scores: `(n,)` float64, 0..1.
        kinds: `(n,)` numbers of the kinds, in the card's order.
        smudges: `(n,)` float64, how much each looks like a burst leukocyte's remnant, 0..1.
    """

    boxes: NDArray[np.float64]
    scores: NDArray[np.float64]
    kinds: NDArray[np.intp]
    smudges: NDArray[np.float64]

    def pick(self, chosen: NDArray[np.intp] | NDArray[np.bool_]) -> "Finds":
        """Those of the given numbers, in that order, or those where it is true."""
        return Finds(self.boxes[chosen], self.scores[chosen], self.kinds[chosen], self.smudges[chosen])

    def place(self, scale: NDArray[np.float64], offset: NDArray[np.float64]) -> "Finds":
        """The same cells in other pixels: corners times `scale` plus `offset`, both `(x, y)`."""
        return replace(self, boxes=self.boxes * np.tile(scale, 2) + np.tile(offset, 2))

    def widen(self, factors: NDArray[np.float64]) -> "Finds":
        """The same cells, width and height times the factor of their kind, `(k,)`, about their middles."""
        middles, halves = np.tile(self.centres, 2), np.tile(self.boxes[:, 2:] - self.boxes[:, :2], 2) / 2
        return replace(self, boxes=middles + halves * (-1, -1, 1, 1) * factors[self.kinds][:, None])

    @property
    def centres(self) -> NDArray[np.float64]:
        """Middles of the boxes, `(n, 2)`: x and y."""
        return (self.boxes[:, :2] + self.boxes[:, 2:]) / 2


def join_finds(parts: Sequence[Finds]) -> Finds:
    """All of them, one part after another."""
    if not parts:
        return Finds(np.empty((0, 4)), np.empty(0), np.empty(0, np.intp), np.empty(0))
    return Finds(
        np.concatenate([part.boxes for part in parts]),
        np.concatenate([part.scores for part in parts]),
        np.concatenate([part.kinds for part in parts]),
        np.concatenate([part.smudges for part in parts]),
    )


def lift_cut(finds: Finds, size: tuple[int, int], gains: NDArray[np.float64], least: NDArray[np.float64]) -> Finds:
    """Cells that a border may cut, with what they score less for it made good; then those that score enough, surest first.

    Args:
        finds: In pixels of a picture of `size`.
        size: Its height and width.
        gains: `(k,)` logits that are added to the score of a cut cell of each kind.
        least: `(k,)` scores below which a find goes, 0..1.
    """
    cut = are_cut(finds.boxes, *size)
    lifted = lift_scores(finds.scores, np.where(cut, gains[finds.kinds], 0.0))
    finds = replace(finds, scores=lifted).pick(lifted >= least[finds.kinds])
    return finds.pick(np.argsort(-finds.scores, kind="stable"))


def lift_scores(scores: NDArray[np.float64], gains: NDArray[np.float64]) -> NDArray[np.float64]:
    """Scores, 0..1, with `gains` added to their logits."""
    odds = scores * np.exp(gains)
    return np.asarray(odds / (odds + (1 - scores)))


def decode_maps(
    centres: NDArray[np.float32],
    sides: NDArray[np.float32],
    stride: int,
    least: NDArray[np.float64],
    remnants: NDArray[np.float32] | None = None,
) -> Finds:
    """The cells that one answer speaks of, in pixels of the model's input; repeats are still among them.

    Args:
        centres: `(k, h, w)` logits that a cell of the kind has its centre there.
        sides: `(4, h, w)`: distances left, top, right, bottom from the middle of the grid's cell to the box's sides.
        stride: Input pixels from one cell of the grid to the next.
        least: `(k,)` scores below which nothing is reported, 0..1.
        remnants: `(1, h, w)` logits whose mean over a cell's box says how much it looks like a burst leukocyte's remnant.
    """
    share = least.clip(1e-9, 1 - 1e-9)
    strong = centres >= np.log(share / (1 - share))[:, None, None]
    kinds, rows, columns = np.nonzero(strong)
    framed = np.pad(centres, ((0, 0), (1, 1), (1, 1)), constant_values=-np.inf)
    around = np.stack([framed[kinds, rows + down, columns + right] for down in range(3) for right in range(3)])
    # A peak is no lower than its eight neighbours; where a cell's middle falls between equals, the first one is it.
    peaks = (around[4] > around[:4].max(axis=0)) & (around[4] >= around[5:].max(axis=0))
    kinds, rows, columns = kinds[peaks], rows[peaks], columns[peaks]
    scores = 1 / (1 + np.exp(-around[4][peaks].astype(np.float64)))
    middle = np.stack([columns, rows, columns, rows], axis=1) * float(stride) + stride / 2
    reach = sides[:, rows, columns].T.astype(np.float64).clip(0) * (-1, -1, 1, 1)
    boxes = middle + reach
    smudges = np.zeros(len(scores))
    if remnants is not None:
        smudges = 1 / (1 + np.exp(-average_in_boxes(remnants, boxes, stride)[:, 0].clip(-50, 50)))
    return Finds(boxes, scores, kinds, smudges)


def average_in_boxes(maps: NDArray[np.float32], boxes: NDArray[np.float64], stride: int) -> NDArray[np.float64]:
    """Means `(n, c)` of maps `(c, h, w)` over the cells of their grid that each box `(n, 4)` touches, at least one.

    Boxes are in input pixels, `stride` of which are one cell of the grid.
    """
    height, width = maps.shape[1:]
    sums = np.zeros((len(maps), height + 1, width + 1))
    sums[:, 1:, 1:] = maps.cumsum(axis=1, dtype=np.float64).cumsum(axis=2)
    x0, y0 = (np.floor(boxes[:, side] / stride).clip(0, end - 1).astype(int) for side, end in ((0, width), (1, height)))
    x1, y1 = (np.ceil(boxes[:, side] / stride).clip(1, end).astype(int) for side, end in ((2, width), (3, height)))
    x1, y1 = np.maximum(x1, x0 + 1), np.maximum(y1, y0 + 1)
    inside = sums[:, y1, x1] - sums[:, y0, x1] - sums[:, y1, x0] + sums[:, y0, x0]
    return np.asarray((inside / ((y1 - y0) * (x1 - x0))).T)


def drop_repeats(finds: Finds, most_overlap: float, kinds: Sequence[str]) -> Finds:
    """Each cell once, surest first.

    Of two finds of one kind that overlap by `most_overlap` or more, and of two kinds by `SAME_CELL_OVERLAP`, the
    surer one stays. Platelets on red cells are real and stay; inside a surer leukocyte they are a piece of it (the
    boxes drawn by eye hold 25 platelets on red cells, and none in a leukocyte).

    Args:
        finds: Cells, repeats among them.
        most_overlap: Intersection over union, 0..1.
        kinds: Names of the kinds by their numbers.
    """
    finds = finds.pick(np.argsort(-finds.scores, kind="stable"))
    surer, other = _meeting_pairs(finds.boxes)
    overlaps = measure_overlaps(finds.boxes[surer], finds.boxes[other])
    same_kind = finds.kinds[surer] == finds.kinds[other]
    repeated = overlaps >= np.where(same_kind, most_overlap, SAME_CELL_OVERLAP)
    names = np.array(kinds)
    inside = (names[finds.kinds[surer]] == "leukocyte") & (names[finds.kinds[other]] == "platelet")
    inside[inside] = _lies_in_ellipse(finds.centres[other[inside]], finds.boxes[surer[inside]])
    kept = np.ones(len(finds.scores), bool)
    # Pairs stand in the order of their surer cell, whose own fate is settled when its turn comes.
    pairs = np.stack([surer, other], axis=1)[repeated | inside]
    for stronger, weaker in pairs.tolist():
        if kept[stronger]:
            kept[weaker] = False
    return finds.pick(kept)


def _lies_in_ellipse(points: NDArray[np.float64], boxes: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Whether a point lies in the ellipse that touches all four sides of a box; a cell does not fill its corners."""
    middle, half = (boxes[:, :2] + boxes[:, 2:]) / 2, (boxes[:, 2:] - boxes[:, :2]) / 2
    far = (points - middle) / np.maximum(half, 1e-9)
    return np.asarray((far**2).sum(axis=1) <= 1)


def _meeting_pairs(boxes: NDArray[np.float64]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Every pair of boxes that may touch, the lower number first, in order of it.

    Boxes are laid in bands as high as the highest of them and sorted along x, so that a scan of a hundred thousand
    cells needs no table of all against all.
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
