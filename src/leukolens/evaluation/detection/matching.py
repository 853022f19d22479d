"""What finds of cells are worth: matched with the boxes that are known, average precision, and what a threshold gives.

As COCO does it (Lin et al. 2014), at one overlap: the surest find takes its best free box, each box is taken once.
Reads boxes and finds, never a model. Training keeps epochs by it, export chooses thresholds by it, the report of a
detector shows it; counting is `evaluation.counting`.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from leukolens.core.overlaps import measure_overlaps, stack_corners
from leukolens.core.results import Box, Detection

LEAST_SCORE = 0.02
"""Down to which finds are looked at: the far end of a precision's curve, where next to nothing is right; what lies below
changes an average precision in its third place."""

LEAST_OVERLAP = 0.5
"""Intersection over union from which a find is the boxed cell: AP50's."""

LOOSE_OVERLAP = 0.3
"""The same where only the place counts: a box drawn a third too wide on each side shares no more of a small cell."""

_BORDER_PX = 2.0
"""A box that ends so near to the border is of a cell that the border cuts."""

FALSE_DETECTION, SET_ASIDE = -1, -2
"""What stands for the number of a box where a find has none: it is wrong, or it lies on a box that is set aside."""

_RECALLS = np.linspace(0, 1, 101)


@dataclass(frozen=True)
class JudgedField:
    """One field: what is there and what was found.

    Attributes:
        name: The field's id.
        group: What must stay together in a bootstrap: photographs of one place of a slide.
        truths: Cells that are there.
        detections: Finds down to a low score, for the whole curve.
        doubtful: Boxes of which nobody can say; a find there is neither right nor wrong, and none is no miss.
        left_out: Boxes and finds that the truth's own rule leaves out; likewise, and never counted.
    """

    name: str
    group: str
    truths: tuple[Box, ...]
    detections: tuple[Detection, ...]
    doubtful: tuple[Box, ...] = ()
    left_out: tuple[Box, ...] = ()

    @property
    def aside(self) -> tuple[Box, ...]:
        """Boxes that set aside what is found there."""
        return (*self.doubtful, *self.left_out)


def include_doubtful(field: JudgedField) -> JudgedField:
    """The same field with its doubtful boxes among those that must be found."""
    return replace(field, truths=(*field.truths, *field.doubtful), doubtful=())


def leave_slivers(
    fields: Sequence[JudgedField], kind: str, height: int, width: int, least_shown: float
) -> list[JudgedField]:
    """Fields held to a truth that boxes a cell at the border only where enough of it shows: less is left out, found or not.

    Args:
        fields: All of one size, with the boxes of that truth.
        kind: The kind that the rule is about.
        height: Of the fields, in pixels.
        width: Likewise.
        least_shown: Share of the usual diameter, which is the median of the truth's boxes away from the border.
    """
    boxes = [box for field in fields for box in boxes_of_kind((*field.truths, *field.doubtful), kind)]
    whole = [box for box in boxes if not any(_touch_border(box, height, width))]
    if not whole:
        return list(fields)
    least_px = least_shown * float(np.median([max(box.x1 - box.x0, box.y1 - box.y0) for box in whole]))

    def is_sliver(box: Box) -> bool:
        at_side, at_end = _touch_border(box, height, width)
        narrow, low = box.x1 - box.x0 < least_px, box.y1 - box.y0 < least_px
        return box.kind == kind and ((at_side and narrow) or (at_end and low))

    judged = []
    for field in fields:
        known = (*field.truths, *field.doubtful, *(found.box for found in field.detections))
        judged.append(
            replace(
                field,
                truths=tuple(box for box in field.truths if not is_sliver(box)),
                doubtful=tuple(box for box in field.doubtful if not is_sliver(box)),
                left_out=tuple(box for box in known if is_sliver(box)),
            )
        )
    return judged


def _touch_border(box: Box, height: int, width: int) -> tuple[bool, bool]:
    """Whether a box ends at the left or right border, and whether at the upper or lower one."""
    return min(box.x0, width - box.x1) < _BORDER_PX, min(box.y0, height - box.y1) < _BORDER_PX


def boxes_of_kind(boxes: Sequence[Box], kind: str) -> list[Box]:
    """The boxes of one kind."""
    return [box for box in boxes if box.kind == kind]


def detections_of_kind(detections: Sequence[Detection], kind: str, least_score: float = 0.0) -> list[Detection]:
    """The finds of one kind from a score on, surest first; equals stay in their order."""
    chosen = (found for found in detections if found.box.kind == kind and found.score >= least_score)
    return sorted(chosen, key=lambda found: -found.score)


def match_cells(
    truths: Sequence[Box],
    detections: Sequence[Detection],
    aside: Sequence[Box] = (),
    iou: float = LEAST_OVERLAP,
) -> NDArray[np.intp]:
    """Which box each find of a field is, all of one kind.

    Args:
        truths: Boxes that each may be found once.
        detections: Finds, surest first: those above any threshold are matched as they are without the rest.
        aside: Boxes that set aside whatever lies on them and found no box of `truths`.
        iou: Least intersection over union.

    Returns:
        `(n,)`: the number of the box in `truths`, else `FALSE_DETECTION` or `SET_ASIDE`.
    """
    found = stack_corners([detection.box for detection in detections])[:, None]
    free = measure_overlaps(found, stack_corners(truths))
    lies_aside = (measure_overlaps(found, stack_corners(aside)) >= iou).any(axis=1)
    partners = np.where(lies_aside, SET_ASIDE, FALSE_DETECTION)
    for row in range(len(detections) if truths else 0):
        best = int(free[row].argmax())
        if free[row, best] >= iou:
            partners[row] = best
            free[:, best] = -1
    return partners


class Rates(NamedTuple):
    """Precision, recall and F1 at one threshold, each 0..1."""

    precision: float
    recall: float
    f1: float


@dataclass(frozen=True)
class KindMatches:
    """All finds of one kind in all fields, surest first, those set aside left out.

    Attributes:
        kind: Of the cells.
        scores: `(n,)` float64, falling.
        hits: `(n,)` whether a find is a cell.
        fields: `(n,)` number of the field.
        truths: `(f,)` cells of the kind in each field.
    """

    kind: str
    scores: NDArray[np.float64]
    hits: NDArray[np.bool_]
    fields: NDArray[np.intp]
    truths: NDArray[np.intp]

    def average_precision(self, weights: NDArray[np.intp] | None = None) -> float:
        """Mean of the interpolated precision at 101 recalls (COCO's); not a number where there is no cell.

        Args:
            weights: `(f,)` how often each field counts, for a bootstrap; once where nothing is given.
        """
        counts, all_truths = self._weigh(weights)
        if not all_truths:
            return float("nan")
        hits = np.cumsum(counts * self.hits)
        finds = np.cumsum(counts)
        precision = np.divide(hits, finds, out=np.zeros(len(hits)), where=finds > 0)
        # Of two thresholds the one that finds more and errs less is always the better choice.
        precision = np.maximum.accumulate(precision[::-1])[::-1]
        places = np.searchsorted(hits / all_truths, _RECALLS, side="left")
        return float(np.append(precision, 0.0)[places].mean())

    def rates_at(self, threshold: float, weights: NDArray[np.intp] | None = None) -> Rates:
        """Precision, recall and F1 of the detections at or above a score; 0 where there is nothing to divide by."""
        counts, all_truths = self._weigh(weights)
        counted = counts[self.scores >= threshold]
        hits = float(counted @ self.hits[: len(counted)])
        finds = float(counted.sum())
        return Rates(
            precision=hits / finds if finds else 0.0,
            recall=hits / all_truths if all_truths else 0.0,
            f1=2 * hits / (finds + all_truths) if finds + all_truths else 0.0,
        )

    def best_threshold(self) -> float:
        """The score that gives the best F1: between the last find that counts and the next; 0.5 without finds.

        Half-way in ratio, as scores fall where cells are cut or pale: where the two lie apart, what validation cannot tell is found.
        """
        return self._part_after(int(self._f1().argmax())) if len(self.scores) else 0.5

    def lowest_threshold(self) -> float:
        """The lowest score from which F1 is within chance of the best; 0.5 without finds.

        Chance is one standard error of a share of as many cells as there are (the rule of Breiman et al. 1984).
        """
        if not len(self.scores):
            return 0.5
        f1 = self._f1()
        best = float(f1.max())
        chance = math.sqrt(best * (1 - best) / max(1, int(self.truths.sum())))
        return self._part_after(int(np.flatnonzero(f1 >= best - chance)[-1]))

    def _f1(self) -> NDArray[np.float64]:
        """F1 of the finds down to each; -1 where the next has the same score, for no threshold parts these."""
        f1 = 2 * np.cumsum(self.hits) / (np.arange(1, len(self.scores) + 1) + self.truths.sum())
        f1[:-1][self.scores[:-1] == self.scores[1:]] = -1
        return np.asarray(f1)

    def _part_after(self, last: int) -> float:
        below = self.scores[min(last + 1, len(self.scores) - 1)]
        return float(np.sqrt(self.scores[last] * below))

    def curve(self) -> list[tuple[float, float]]:
        """Recall and precision as the threshold falls."""
        hits, finds = np.cumsum(self.hits), np.arange(1, len(self.hits) + 1)
        return list(zip((hits / max(1, self.truths.sum())).tolist(), (hits / finds).tolist(), strict=True))

    def _weigh(self, weights: NDArray[np.intp] | None) -> tuple[NDArray[np.intp], float]:
        if weights is None:
            return np.ones(len(self.scores), np.intp), float(self.truths.sum())
        return weights[self.fields], float(weights @ self.truths)


def match_kind(fields: Sequence[JudgedField], kind: str, iou: float = LEAST_OVERLAP) -> KindMatches:
    """Matches the finds of one kind in every field."""
    scores, hits, numbers = [np.empty(0)], [np.empty(0, bool)], [np.empty(0, np.intp)]
    for number, field in enumerate(fields):
        finds = detections_of_kind(field.detections, kind)
        partners = match_cells(boxes_of_kind(field.truths, kind), finds, boxes_of_kind(field.aside, kind), iou)
        judged = partners != SET_ASIDE
        scores.append(np.array([found.score for found in finds])[judged])
        hits.append(partners[judged] >= 0)
        numbers.append(np.full(int(judged.sum()), number, np.intp))
    order = np.argsort(-np.concatenate(scores), kind="stable")
    truths = np.array([len(boxes_of_kind(field.truths, kind)) for field in fields], np.intp)
    return KindMatches(
        kind, np.concatenate(scores)[order], np.concatenate(hits)[order], np.concatenate(numbers)[order], truths
    )


def average_precision(
    truths: Sequence[Sequence[Box]],
    detections: Sequence[Sequence[Detection]],
    kind: str,
    iou: float = LEAST_OVERLAP,
) -> float:
    """COCO's 101-point average precision of one kind over fields; not a number where no field has such a cell."""
    return match_kind(_pair(truths, detections), kind, iou).average_precision()


def _pair(truths: Sequence[Sequence[Box]], detections: Sequence[Sequence[Detection]]) -> list[JudgedField]:
    pairs = enumerate(zip(truths, detections, strict=True))
    return [JudgedField(str(number), str(number), tuple(boxes), tuple(finds)) for number, (boxes, finds) in pairs]
