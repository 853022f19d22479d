"""The errors of a detector, and whether the detector or the boxes of the dataset are their cause.

A dataset's own boxes may be careless. Where its fields were relabelled, each error is checked against the careful boxes:
a false detection may be a cell that has no box, and a missed cell may be none.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

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

_SAME_PLACE = 0.3
"""Overlap from which a careful box and a careless box are about the same cell, even if one is badly drawn."""


class ErrorSort(StrEnum):
    """The two sorts of errors, as files and readers see them."""

    FALSE = "false detection"
    MISSED = "missed cell"


class Cause(StrEnum):
    """What causes an error, as files and readers see it."""

    DETECTOR = "detector"
    GROUND_TRUTH = "ground truth"
    DOUBTFUL = "doubtful"


@dataclass(frozen=True)
class FieldError:
    """One error in one field, at the thresholds at which cells are counted.

    Attributes:
        field: The field's id.
        sort: A false detection or a missed cell.
        box: What was found, or what was missed.
        score: Of the detection; 0 for a missed cell.
        cause: What causes it; None where there are no careful boxes.
        reason: In words; empty likewise.
    """

    field: str
    sort: ErrorSort
    box: Box
    score: float
    cause: Cause | None = None
    reason: str = ""


def list_errors(
    fields: Sequence[JudgedField], kinds: Sequence[str], thresholds: Mapping[str, float]
) -> list[FieldError]:
    """False detections from the highest score down, then missed cells in the order of the fields."""
    false, missed = [], []
    for field in fields:
        for kind in kinds:
            truths = boxes_of_kind(field.truths, kind)
            detections = detections_of_kind(field.detections, kind, thresholds[kind])
            partners = match_cells(truths, detections, boxes_of_kind(field.aside, kind))
            false += [
                FieldError(field.name, ErrorSort.FALSE, found.box, found.score)
                for found, partner in zip(detections, partners, strict=True)
                if partner == FALSE_DETECTION
            ]
            missed += [
                FieldError(field.name, ErrorSort.MISSED, truth, 0.0)
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
    """The errors against careless boxes, each with its cause.

    Args:
        careless: Fields with the boxes that are checked.
        careful: The same fields and detections with careful boxes. Errors in a field that is not among them are left out.
        kinds: Kinds to check.
        thresholds: By kind, the score from which detections are counted.
    """
    checked = {field.name: field for field in careless}
    trusted = {field.name: field for field in careful}
    errors = []
    for error in list_errors(careless, kinds, thresholds):
        if error.field not in trusted:
            continue
        threshold = thresholds[error.box.kind]
        if error.sort == ErrorSort.FALSE:
            cause, reason = _explain_false(error, trusted[error.field], checked[error.field].truths, threshold)
        else:
            cause, reason = _explain_missed(error, trusted[error.field], threshold)
        errors.append(replace(error, cause=cause, reason=reason))
    return errors


def _explain_false(
    error: FieldError, field: JudgedField, checked: Sequence[Box], threshold: float
) -> tuple[Cause, str]:
    kind = error.box.kind
    detections = detections_of_kind(field.detections, kind, threshold)
    partners = match_cells(boxes_of_kind(field.truths, kind), detections, boxes_of_kind(field.aside, kind))
    pairs = zip(detections, partners.tolist(), strict=True)
    partner = next(number for found, number in pairs if found.box == error.box)
    if partner == SET_ASIDE:
        at_border = error.box in field.left_out
        return Cause.DOUBTFUL, "at the border, too little of it shows" if at_border else "relabelled as doubtful"
    if partner == FALSE_DETECTION:
        return Cause.DETECTOR, "the relabelled field has no such cell"
    overlaps = measure_overlaps(stack_corners([error.box]), stack_corners(checked))
    if not overlaps.size or overlaps.max() < _SAME_PLACE:
        return Cause.GROUND_TRUTH, "a cell that has no box"
    boxed = checked[int(overlaps.argmax())].kind
    return Cause.GROUND_TRUTH, "its box is badly drawn" if boxed == kind else f"boxed as a {boxed.replace('_', ' ')}"


def _explain_missed(error: FieldError, field: JudgedField, threshold: float) -> tuple[Cause, str]:
    kind = error.box.kind
    sure, doubtful = boxes_of_kind(field.truths, kind), boxes_of_kind(field.aside, kind)
    overlaps = measure_overlaps(stack_corners([error.box]), stack_corners([*sure, *doubtful]))
    if not overlaps.size or overlaps.max() < _SAME_PLACE:
        return Cause.GROUND_TRUTH, "the relabelled field has no such cell"
    best = int(np.argmax(overlaps))
    detections = detections_of_kind(field.detections, kind, threshold)
    if best in match_cells([*sure, *doubtful], detections):
        return Cause.GROUND_TRUTH, "found, but its box is badly drawn"
    if best < len(sure):
        return Cause.DETECTOR, "a cell that was not found"
    return Cause.DOUBTFUL, "relabelled as doubtful"
