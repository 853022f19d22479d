"""Status and reason of a cell, from its probabilities and from where it lies."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from leukolens.core.acceptance import make_prediction
from leukolens.core.card import ClassifierCard
from leukolens.core.overlaps import stack_corners
from leukolens.core.pixels import Pixels
from leukolens.core.results import Box, CellStatus, Detection, FieldCell, Prediction
from leukolens.core.taxonomy import LEUKOCYTE_CLASSES, CellKind
from leukolens.inference.borders import are_cut, is_cut
from leukolens.inference.subject import is_no_platelet

_MOST_SHARED = 0.25
"""A leukocyte whose box shares more of its area than this with another leukocyte's box lies in a clump."""

_ON_THE_BORDER = "lies on the field's border"

LOOKS_BURST = "perhaps a smudge cell: it looks burst"
"""Reason of a suspected smudge cell. On a site that the detector does not know, 14 of 100 whole neutrophils were suspected,
so a suspicion alone takes no cell out of the count."""


def rule_out_platelet(probabilities: NDArray[np.float64], classes: Sequence[str]) -> NDArray[np.float64]:
    """Probabilities `(k,)` of a cell that is known to be no platelet; unchanged where there is no such class."""
    left = np.where([name == "platelet" for name in classes], 0.0, probabilities)
    return np.asarray(left / left.sum()) if left.sum() > 0 else probabilities


def send_to_review(prediction: Prediction, reason: str) -> Prediction:
    """The same prediction, for review, the reason put before its own."""
    return replace(prediction, status=CellStatus.REVIEW, reason="; ".join(filter(None, (reason, prediction.reason))))


def reject_image(name: str, reason: str, warnings: tuple[str, ...] = ()) -> Prediction:
    """The prediction on a picture that shows no cell."""
    return Prediction(name, "", 0.0, np.empty(0), CellStatus.REJECTED, reason, warnings)


def judge_leukocytes(
    view: Pixels,
    leukocytes: Sequence[Detection],
    probabilities: NDArray[np.float64],
    card: ClassifierCard,
    pixel_size_um: float | None,
    smudge_threshold: float | None,
) -> list[FieldCell]:
    """Class, status and reason of each leukocyte of a field. None is rejected.

    Args:
        view: `(h, w, 3)` uint8 RGB.
        leukocytes: `n` detections in pixels of the view.
        probabilities: `(n, k)` float64, calibrated.
        card: The classifier's.
        pixel_size_um: Micrometres per pixel; None where unknown.
        smudge_threshold: Of the detector's card.
    """
    cells = []
    for item, row in zip(leukocytes, probabilities, strict=True):
        if is_no_platelet(item.box, pixel_size_um):
            row = rule_out_platelet(row, card.classes)
        prediction = make_prediction("", row, card.classes, card.accept_threshold)
        status, reason = prediction.status, prediction.reason
        others = [other.box for other in leukocytes if other is not item]
        if apart := find_apart(item.box, others, view):
            status, reason = apart
        elif burst := suspect_smudge(item.smudge, smudge_threshold):
            suspected = send_to_review(prediction, burst)
            status, reason = suspected.status, suspected.reason
        elif prediction.label not in (*LEUKOCYTE_CLASSES, "erythroblast"):
            status, reason = CellStatus.REVIEW, f"found as a leukocyte, but classified as a {prediction.label}"
        box = replace(item.box, label=prediction.label)
        cells.append(FieldCell(box, item.score, prediction.probability, row, status, reason))
    return cells


def suspect_smudge(smudge: float, threshold: float | None) -> str:
    """The reason of a suspected smudge cell; empty for any other cell.

    Args:
        smudge: How much the cell looks like a smudge cell, 0..1.
        threshold: From which value a cell is suspected; None for a detector that cannot tell.
    """
    return LOOKS_BURST if threshold is not None and smudge >= threshold else ""


def judge_others(view: Pixels, detections: Sequence[Detection]) -> list[FieldCell]:
    """Status and reason of the red cells and platelets of a field `(h, w, 3)`: only the border counts against them."""
    others = [item for item in detections if item.box.kind != CellKind.LEUKOCYTE]
    cells = []
    for item, cut in zip(others, are_cut(stack_corners([item.box for item in others]), *view.shape[:2]), strict=True):
        status, reason = (CellStatus.CUT, _ON_THE_BORDER) if cut else (CellStatus.ACCEPTED, "")
        cells.append(FieldCell(item.box, item.score, item.score, np.empty(0), status, reason))
    return cells


def find_apart(box: Box, others: Sequence[Box], view: Pixels) -> tuple[CellStatus, str] | None:
    """Status and reason of a leukocyte that the border cuts or that overlaps another one; None for any other."""
    if is_cut(box, *view.shape[:2]):
        return CellStatus.CUT, _ON_THE_BORDER
    for other in others:
        width = min(box.x1, other.x1) - max(box.x0, other.x0)
        height = min(box.y1, other.y1) - max(box.y0, other.y0)
        if width > 0 and height > 0 and width * height > _MOST_SHARED * box.area:
            return CellStatus.CLUMPED, "overlaps another leukocyte"
    return None
