"""Whose error is it: a finder's, or that of the boxes it is held against? Asks other, more careful boxes.

A find that the first boxes call false may be a cell that they lack; a cell that it is said to have missed may be none.
Called by `evaluation.detection_metrics`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from leukolens.core.overlaps import measure_overlaps, stack_corners
from leukolens.core.results import Box
from leukolens.evaluation.detection.matching import (
    FALSE_DETECTION,
    SET_ASIDE,
    JudgedField,
    boxes_of_kind,
    detections_of_kind,
    match_cells,
)

FALSE, MISSED = "false find", "missed cell"
DETECTOR, GROUND_TRUTH, DOUBTFUL = "the finder's", "the truth's", "doubtful"
"""Whose an error is."""

_SAME_PLACE = 0.3
"""Overlap from which a careful box is about the same cell as a careless one, which may be drawn badly."""


@dataclass(frozen=True)
class FieldError:
    """One error in one field, at the thresholds at which cells are counted.

    Attributes:
        field: The field's id.
        sort: `FALSE` or `MISSED`.
        box: What was found, or what was missed.
        score: Of the find; 0 for a cell that was missed.
        whose: `DETECTOR`, `GROUND_TRUTH` or `DOUBTFUL`; empty where nobody was asked.
        why: In words; empty likewise.
    """

    field: str
    sort: str
    box: Box
    score: float
    whose: str = ""
    why: str = ""


def list_errors(
    fields: Sequence[JudgedField], kinds: Sequence[str], thresholds: Mapping[str, float]
) -> list[FieldError]:
    """False finds, the surest first, then missed cells in the order of the fields."""
    false, missed = [], []
    for field in fields:
        for kind in kinds:
            truths = boxes_of_kind(field.truths, kind)
            finds = detections_of_kind(field.detections, kind, thresholds[kind])
            partners = match_cells(truths, finds, boxes_of_kind(field.aside, kind))
            false += [
                FieldError(field.name, FALSE, found.box, found.score)
                for found, partner in zip(finds, partners, strict=True)
                if partner == FALSE_DETECTION
            ]
            missed += [
                FieldError(field.name, MISSED, truth, 0.0)
                for number, truth in enumerate(truths)
                if number not in partners
            ]
    return sorted(false, key=lambda error: -error.score) + missed


def attribute_errors(
    careless: Sequence[JudgedField],
    careful: Sequence[JudgedField],
    kinds: Sequence[str],
    thresholds: Mapping[str, float],
) -> list[FieldError]:
    """The errors against one truth, and whose each one is.

    Args:
        careless: Fields with the boxes that are doubted.
        careful: The same fields and finds with boxes to be believed; errors in a field that is not there are left out.
        kinds: Those to judge.
        thresholds: By kind, the score from which cells are counted.
    """
    doubted = {field.name: field for field in careless}
    believed = {field.name: field for field in careful}
    said = []
    for error in list_errors(careless, kinds, thresholds):
        if error.field not in believed:
            continue
        threshold = thresholds[error.box.kind]
        if error.sort == FALSE:
            whose, why = _judge_false(error, believed[error.field], doubted[error.field].truths, threshold)
        else:
            whose, why = _judge_missed(error, believed[error.field], threshold)
        said.append(FieldError(error.field, error.sort, error.box, error.score, whose, why))
    return said


def _judge_false(error: FieldError, field: JudgedField, doubted: Sequence[Box], threshold: float) -> tuple[str, str]:
    kind = error.box.kind
    finds = detections_of_kind(field.detections, kind, threshold)
    partners = match_cells(boxes_of_kind(field.truths, kind), finds, boxes_of_kind(field.aside, kind))
    partner = next(number for found, number in zip(finds, partners.tolist(), strict=True) if found.box == error.box)
    if partner == SET_ASIDE:
        sliver = error.box in field.left_out
        return DOUBTFUL, "at the border, too little of it shows" if sliver else "looked at closely, nobody could say"
    if partner == FALSE_DETECTION:
        return DETECTOR, "looked at closely, there is no such cell"
    overlaps = measure_overlaps(stack_corners([error.box]), stack_corners(doubted))
    if not overlaps.size or overlaps.max() < _SAME_PLACE:
        return GROUND_TRUTH, "a cell that has no box"
    called = doubted[int(overlaps.argmax())].kind
    return GROUND_TRUTH, "its box was drawn badly" if called == kind else f"boxed as a {called.replace('_', ' ')}"


def _judge_missed(error: FieldError, field: JudgedField, threshold: float) -> tuple[str, str]:
    kind = error.box.kind
    sure, doubtful = boxes_of_kind(field.truths, kind), boxes_of_kind(field.aside, kind)
    overlaps = measure_overlaps(stack_corners([error.box]), stack_corners([*sure, *doubtful]))
    if not overlaps.size or overlaps.max() < _SAME_PLACE:
        return GROUND_TRUTH, "looked at closely, there is no such cell"
    best = int(np.argmax(overlaps))
    finds = detections_of_kind(field.detections, kind, threshold)
    if best in match_cells([*sure, *doubtful], finds):
        return GROUND_TRUTH, "found, but its box was drawn badly"
    return (
        (DETECTOR, "a cell, and not found") if best < len(sure) else (DOUBTFUL, "looked at closely, nobody could say")
    )
