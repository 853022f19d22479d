"""The detections of an evaluation and their errors as CSV files."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from leukolens.core.files import write_rows
from leukolens.core.results import Box
from leukolens.evaluation.detection.errors import FieldError
from leukolens.evaluation.detection.matching import (
    FALSE_DETECTION,
    SET_ASIDE,
    boxes_of_kind,
    detections_of_kind,
    match_cells,
)
from leukolens.evaluation.detection.metrics import Evidence

_VERDICTS = {FALSE_DETECTION: "false", SET_ASIDE: "aside"}
_BOX_COLUMNS = ("kind", "x0", "y0", "x1", "y1")


def write_detections(path: Path, evidence: Evidence) -> None:
    """Writes each detection, whether it is counted, and what it is against each ground truth: cell, false or aside."""
    views = evidence.views
    rows = []
    for number, field in enumerate(views[evidence.leading]):
        for kind in evidence.kinds:
            detections = detections_of_kind(field.detections, kind)
            verdicts = []
            for fields in views.values():
                item = fields[number]
                partners = match_cells(boxes_of_kind(item.truths, kind), detections, boxes_of_kind(item.aside, kind))
                verdicts.append([_VERDICTS.get(partner, "cell") for partner in partners.tolist()])
            for row, found in enumerate(detections):
                counted = found.score >= evidence.thresholds[kind]
                place = (field.name, *_spell(found.box), f"{found.score:.4f}")
                rows.append((*place, counted, *(column[row] for column in verdicts)))
    write_rows(path, ("field", *_BOX_COLUMNS, "score", "counted", *views), rows)


def write_errors(path: Path, errors: Mapping[str, Sequence[FieldError]]) -> None:
    """Writes the errors against each ground truth, with their cause where it is known."""
    rows = [
        (
            *(truth, error.field, error.sort, *_spell(error.box), f"{error.score:.4f}"),
            *(error.cause or "", error.reason),
        )
        for truth, listed in errors.items()
        for error in listed
    ]
    write_rows(path, ("truth", "field", "error", *_BOX_COLUMNS, "score", "cause", "reason"), rows)


def _spell(box: Box) -> tuple[str, ...]:
    return (box.kind, *(f"{value:.1f}" for value in box.xyxy))
