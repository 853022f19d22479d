"""What a finder of cells is worth on a dataset, in numbers: its `metrics.json`, against one truth or two.

Where a dataset's own boxes are known to be careless and its fields were boxed anew, both truths stand side by side, and
what part of the error is the careless boxes' own. Reads finds and boxes, never a model.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from leukolens.core.errors import DataError
from leukolens.core.taxonomy import DETECTED_KINDS
from leukolens.evaluation.classification.metrics import Provenance
from leukolens.evaluation.counting.agreement import compare_counts
from leukolens.evaluation.detection.errors import FALSE, MISSED, FieldError, attribute_errors
from leukolens.evaluation.detection.matching import (
    SET_ASIDE,
    JudgedField,
    boxes_of_kind,
    detections_of_kind,
    include_doubtful,
    match_cells,
    measure_detections,
)

RAW, RELABELLED, RELABELLED_SURE = "raw", "relabelled", "relabelled_sure"
"""The dataset's own boxes; boxes drawn anew by eye, all of them; the same with the doubtful ones set aside."""


@dataclass(frozen=True)
class Evidence:
    """What was found, and what is there.

    Attributes:
        fields: Fields by truth, `RAW` and, where there is one, `RELABELLED`; the finds are the same in both.
        leading: The truth that comes first.
        thresholds: By kind, the score from which cells are counted.
        provenance: What was judged, on what.
        refused: Fields that could not be read.
        scales: How many fields had their scale from where.
    """

    fields: Mapping[str, Sequence[JudgedField]]
    leading: str
    thresholds: Mapping[str, float]
    provenance: Provenance
    refused: int = 0
    scales: Mapping[str, int] = field(default_factory=dict)

    @property
    def kinds(self) -> tuple[str, ...]:
        """Kinds that the detector finds and the leading truth knows."""
        known = {box.kind for item in self.fields[self.leading] for box in (*item.truths, *item.doubtful)}
        return tuple(kind for kind in DETECTED_KINDS if kind in known and kind in self.thresholds)

    @property
    def views(self) -> dict[str, list[JudgedField]]:
        """The truths as they are judged, the leading one first."""
        views = {}
        for name in sorted(self.fields, key=lambda name: name != self.leading):
            views[name] = [include_doubtful(item) for item in self.fields[name]]
            if any(item.doubtful for item in self.fields[name]):
                views[RELABELLED_SURE] = list(self.fields[name])
        return views

    def raw_errors(self) -> list[FieldError]:
        """Errors against the dataset's own boxes, with whose they are; none where there are no others."""
        if RELABELLED not in self.fields:
            return []
        return attribute_errors(self.fields[RAW], self.fields[RELABELLED], self.kinds, self.thresholds)


def measure_detector(evidence: Evidence, draws: int = 1000) -> dict[str, Any]:
    """Everything that `metrics.json` says.

    Raises:
        DataError: no field has a box of a kind that the detector finds.
    """
    if not evidence.kinds:
        raise DataError(f"No field of {evidence.provenance.data} has a box of a kind that this detector finds.")
    truths: dict[str, Any] = {}
    for name, fields in evidence.views.items():
        truths[name] = measure_detections(fields, evidence.kinds, evidence.thresholds, draws)
        if name != RELABELLED_SURE:  # The finder counts doubtful cells too, so counts are compared with all.
            truths[name]["counting"] = {
                kind: asdict(compare_counts(*count_by_field(fields, kind, evidence.thresholds[kind]), draws))
                for kind in truths[name]["per_kind"]
            }
    errors = evidence.raw_errors()
    whose = {
        kind: {sort: _count_by(errors, kind, sort) for sort in (FALSE, MISSED)} for kind in evidence.kinds if errors
    }
    return {
        **asdict(evidence.provenance),
        "n": len(evidence.fields[evidence.leading]),
        "n_refused": evidence.refused,
        "truth": evidence.leading,
        "scales": dict(evidence.scales),
        "truths": truths,
        "finds_left_out": _count_left_out(evidence),
        "errors_against_raw": whose,
    }


def count_by_field(
    fields: Sequence[JudgedField], kind: str, threshold: float
) -> tuple[list[int], list[int], list[str]]:
    """Cells of a kind counted and known in each field, what is set aside left out; and the fields' groups."""
    counted, true = [], []
    for item in fields:
        finds = detections_of_kind(item.detections, kind, threshold)
        known = boxes_of_kind(item.truths, kind)
        counted.append(int((match_cells(known, finds, boxes_of_kind(item.aside, kind)) != SET_ASIDE).sum()))
        true.append(len(known))
    return counted, true, [item.group for item in fields]


def _count_left_out(evidence: Evidence) -> dict[str, int]:
    """By kind, the finds above the threshold that the leading truth's own rule leaves out; none where it has none."""
    fields = evidence.views[evidence.leading]
    left_out = {}
    for kind in evidence.kinds:
        threshold = evidence.thresholds[kind]
        found = sum(len(detections_of_kind(item.detections, kind, threshold)) for item in fields)
        if aside := found - sum(count_by_field(fields, kind, threshold)[0]):
            left_out[kind] = aside
    return left_out


def _count_by(errors: Sequence[FieldError], kind: str, sort: str) -> dict[str, int]:
    chosen = [error.whose for error in errors if error.box.kind == kind and error.sort == sort]
    return {whose: chosen.count(whose) for whose in sorted(set(chosen))}
