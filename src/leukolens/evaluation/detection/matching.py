"""Detections matched with known boxes: average precision, and precision and recall at a threshold.

Matching is COCO's (Lin et al. 2014) at one overlap: the detection of highest score takes the free box that it overlaps
most, and each box is taken once. Average precision is COCO's too, interpolated at 101 recalls; scikit-learn's is not
interpolated. Training, export and the evaluation of a detector all use this module.
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
"""Detections below this score are not evaluated. Nearly all of them are wrong; they change average precision in its third
decimal place."""

LEAST_OVERLAP = 0.5
"""Intersection over union from which a detection is the boxed cell, as in AP50."""

LOOSE_OVERLAP = 0.3
"""The same where only the place counts. A box of a small cell that is a third too wide on each side overlaps no more."""

_BORDER_PX = 2.0
"""A box that ends so close to the border is of a cell that is cut by the border."""

FALSE_DETECTION, SET_ASIDE = -1, -2
"""Stands for the number of a box where a detection has none: it is wrong, or it lies on a box that is set aside."""

_RECALLS = np.linspace(0, 1, 101)


@dataclass(frozen=True)
class JudgedField:
    """One field: its known cells and its detections.

    Attributes:
        name: The field's id.
        group: Its group in a bootstrap: photographs of one place of a slide are one group.
        truths: Known cells.
        detections: Detections down to a low score.
        doubtful: Boxes of doubtful cells. A detection there is neither right nor wrong; none there is not a miss.
        left_out: Boxes and detections that the ground truth's own rule leaves out; likewise, and never counted.
    """

    name: str
    group: str
    truths: tuple[Box, ...]
    detections: tuple[Detection, ...]
    doubtful: tuple[Box, ...] = ()
    left_out: tuple[Box, ...] = ()

    @property
    def aside(self) -> tuple[Box, ...]:
        """Boxes on which a detection is neither right nor wrong."""
        return (*self.doubtful, *self.left_out)


def include_doubtful(field: JudgedField) -> JudgedField:
    """The same field, with its doubtful boxes among the cells that must be found."""
    return replace(field, truths=(*field.truths, *field.doubtful), doubtful=())


def leave_slivers(
    fields: Sequence[JudgedField], kind: str, height: int, width: int, least_shown: float
) -> list[JudgedField]:
    """Fields without cells at the border of which too little shows, as the rule of the relabelling was.

    Args:
        fields: All of one size, with the relabelled boxes.
        kind: The kind that the rule is about.
        height: Of the fields, in pixels.
        width: Of the fields, in pixels.
        least_shown: Least share of the usual diameter that must show. The usual diameter is the median over the known
            boxes away from the border.
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
    """Whether a box ends at the left or right border, and whether it ends at the upper or lower one."""
    return min(box.x0, width - box.x1) < _BORDER_PX, min(box.y0, height - box.y1) < _BORDER_PX


def boxes_of_kind(boxes: Sequence[Box], kind: str) -> list[Box]:
    """The boxes of one kind."""
    return [box for box in boxes if box.kind == kind]


def detections_of_kind(detections: Sequence[Detection], kind: str, least_score: float = 0.0) -> list[Detection]:
    """The detections of one kind at or above a score, highest score first; equal scores keep their order."""
    chosen = (found for found in detections if found.box.kind == kind and found.score >= least_score)
    return sorted(chosen, key=lambda found: -found.score)


def match_cells(
    truths: Sequence[Box],
    detections: Sequence[Detection],
    aside: Sequence[Box] = (),
    iou: float = LEAST_OVERLAP,
) -> NDArray[np.intp]:
    """Which box each detection of a field is; all are of one kind.

    Args:
        truths: Known boxes; each is matched at most once.
        detections: From the highest score down, so that a threshold does not change the matches above it.
        aside: Boxes on which a detection without a match is set aside.
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
    """All detections of one kind in all fields, highest score first, without those set aside.

    Attributes:
        kind: Of the cells.
        scores: `(n,)` float64, falling.
        hits: `(n,)` whether a detection is a cell.
        fields: `(n,)` number of the field.
        truths: `(f,)` cells of the kind in each field.
    """

    kind: str
    scores: NDArray[np.float64]
    hits: NDArray[np.bool_]
    fields: NDArray[np.intp]
    truths: NDArray[np.intp]

    def average_precision(self, weights: NDArray[np.intp] | None = None) -> float:
        """COCO's average precision: mean interpolated precision at 101 recalls; not a number where there is no cell.

        Args:
            weights: `(f,)` how often each field counts, for a bootstrap; once each by default.
        """
        counts, all_truths = self._weigh(weights)
        if not all_truths:
            return float("nan")
        hits = np.cumsum(counts * self.hits)
        found = np.cumsum(counts)
        precision = np.divide(hits, found, out=np.zeros(len(hits)), where=found > 0)
        # Interpolated: the highest precision at this recall or a higher one.
        precision = np.maximum.accumulate(precision[::-1])[::-1]
        places = np.searchsorted(hits / all_truths, _RECALLS, side="left")
        return float(np.append(precision, 0.0)[places].mean())

    def rates_at(self, threshold: float, weights: NDArray[np.intp] | None = None) -> Rates:
        """Precision, recall and F1 of the detections at or above a score; 0 where there is nothing to divide by."""
        counts, all_truths = self._weigh(weights)
        counted = counts[self.scores >= threshold]
        hits = float(counted @ self.hits[: len(counted)])
        found = float(counted.sum())
        return Rates(
            precision=hits / found if found else 0.0,
            recall=hits / all_truths if all_truths else 0.0,
            f1=2 * hits / (found + all_truths) if found + all_truths else 0.0,
        )

    def best_threshold(self) -> float:
        """The threshold of the best F1; 0.5 without detections.

        It lies between the last counted score and the next one, half-way in ratio: scores fall where cells are cut or
        pale, so a lower threshold finds more of them, and validation cannot tell the two scores apart.
        """
        return self._part_after(int(self._f1().argmax())) if len(self.scores) else 0.5

    def lowest_threshold(self) -> float:
        """The lowest threshold whose F1 is within one standard error of the best; 0.5 without detections.

        The standard error is that of a share over the known cells (the rule of Breiman et al. 1984).
        """
        if not len(self.scores):
            return 0.5
        f1 = self._f1()
        best = float(f1.max())
        chance = math.sqrt(best * (1 - best) / max(1, int(self.truths.sum())))
        return self._part_after(int(np.flatnonzero(f1 >= best - chance)[-1]))

    def _f1(self) -> NDArray[np.float64]:
        """F1 at each score; -1 where the next score is equal, as no threshold lies between equal scores."""
        f1 = 2 * np.cumsum(self.hits) / (np.arange(1, len(self.scores) + 1) + self.truths.sum())
        f1[:-1][self.scores[:-1] == self.scores[1:]] = -1
        return np.asarray(f1)

    def _part_after(self, last: int) -> float:
        below = self.scores[min(last + 1, len(self.scores) - 1)]
        return float(np.sqrt(self.scores[last] * below))

    def curve(self) -> list[tuple[float, float]]:
        """Recall and precision as the threshold falls."""
        hits, found = np.cumsum(self.hits), np.arange(1, len(self.hits) + 1)
        return list(zip((hits / max(1, self.truths.sum())).tolist(), (hits / found).tolist(), strict=True))

    def _weigh(self, weights: NDArray[np.intp] | None) -> tuple[NDArray[np.intp], float]:
        if weights is None:
            return np.ones(len(self.scores), np.intp), float(self.truths.sum())
        return weights[self.fields], float(weights @ self.truths)


def match_kind(fields: Sequence[JudgedField], kind: str, iou: float = LEAST_OVERLAP) -> KindMatches:
    """Matches the detections of one kind in each field."""
    scores, hits, numbers = [np.empty(0)], [np.empty(0, bool)], [np.empty(0, np.intp)]
    for number, field in enumerate(fields):
        detections = detections_of_kind(field.detections, kind)
        partners = match_cells(boxes_of_kind(field.truths, kind), detections, boxes_of_kind(field.aside, kind), iou)
        judged = partners != SET_ASIDE
        scores.append(np.array([found.score for found in detections])[judged])
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
    return [
        JudgedField(str(number), str(number), tuple(boxes), tuple(detections)) for number, (boxes, detections) in pairs
    ]
