"""The figures of a detector on fields with known boxes, against one ground truth or two.

Where a dataset's own boxes are careless and its fields were relabelled, both ground truths stand side by side. Reads
detections and boxes, never a model.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field

import msgspec
import numpy as np
from numpy.typing import NDArray

from leukolens.core.errors import DataError
from leukolens.core.intervals import grouped_bootstraps
from leukolens.core.taxonomy import DETECTED_KINDS
from leukolens.evaluation.counting.agreement import compare_counts
from leukolens.evaluation.detection.errors import ErrorSort, FieldError, attribute_errors
from leukolens.evaluation.detection.matching import (
    LOOSE_OVERLAP,
    SET_ASIDE,
    JudgedField,
    boxes_of_kind,
    detections_of_kind,
    include_doubtful,
    match_cells,
    match_kind,
)
from leukolens.evaluation.detection.records import DetectionMetrics, KindMetrics, TruthMetrics
from leukolens.evaluation.records import Provenance

RAW, RELABELLED, RELABELLED_SURE = "raw", "relabelled", "relabelled_sure"
"""The dataset's own boxes; all relabelled boxes; the relabelled boxes with the doubtful ones set aside."""


@dataclass(frozen=True)
class Evidence:
    """What was found, and what is there.

    Attributes:
        fields: Fields by ground truth, `RAW` and, where there is one, `RELABELLED`; with the same detections.
        leading: The ground truth that comes first.
        thresholds: By kind, the score from which detections are counted.
        provenance: What was evaluated, on which data.
        refused: Fields that could not be read.
        scales: Fields by the origin of their scale.
    """

    fields: Mapping[str, Sequence[JudgedField]]
    leading: str
    thresholds: Mapping[str, float]
    provenance: Provenance
    refused: int = 0
    scales: Mapping[str, int] = field(default_factory=dict)

    @property
    def kinds(self) -> tuple[str, ...]:
        """Kinds that the detector finds and the leading ground truth has."""
        known = {box.kind for item in self.fields[self.leading] for box in (*item.truths, *item.doubtful)}
        return tuple(kind for kind in DETECTED_KINDS if kind in known and kind in self.thresholds)

    @property
    def views(self) -> dict[str, list[JudgedField]]:
        """Fields by the ground truth that they are measured against, the leading one first."""
        views = {}
        for name in sorted(self.fields, key=lambda name: name != self.leading):
            views[name] = [include_doubtful(item) for item in self.fields[name]]
            if any(item.doubtful for item in self.fields[name]):
                views[RELABELLED_SURE] = list(self.fields[name])
        return views

    def raw_errors(self) -> list[FieldError]:
        """Errors against the dataset's own boxes with their causes; empty where there are no relabelled boxes."""
        if RELABELLED not in self.fields:
            return []
        return attribute_errors(self.fields[RAW], self.fields[RELABELLED], self.kinds, self.thresholds)


def measure_detector(evidence: Evidence, draws: int = 1000) -> DetectionMetrics:
    """All figures of a detector.

    Args:
        evidence: What was found and what is there.
        draws: Of the bootstrap.

    Raises:
        DataError: no field has a box of a kind that the detector finds.
    """
    if not evidence.kinds:
        raise DataError(
            f"No field of {evidence.provenance.data} has a box of a kind that this detector finds "
            f"({', '.join(evidence.thresholds)}). Choose a dataset that has such boxes."
        )
    truths = {}
    for name, fields in evidence.views.items():
        measured = measure_detections(fields, evidence.kinds, evidence.thresholds, draws)
        if name != RELABELLED_SURE:  # The detector counts doubtful cells too, so counts are compared with all cells.
            counting = {
                kind: compare_counts(*count_by_field(fields, kind, evidence.thresholds[kind]), draws)
                for kind in measured.per_kind
            }
            measured = msgspec.structs.replace(measured, counting=counting)
        truths[name] = measured
    errors = evidence.raw_errors()
    return DetectionMetrics(
        **asdict(evidence.provenance),
        n=len(evidence.fields[evidence.leading]),
        n_refused=evidence.refused,
        truth=evidence.leading,
        scales=dict(evidence.scales),
        truths=truths,
        detections_left_out=_count_left_out(evidence),
        errors_against_raw={
            kind: {sort: _count_causes(errors, kind, sort) for sort in ErrorSort} for kind in evidence.kinds if errors
        },
    )


def measure_detections(
    fields: Sequence[JudgedField], kinds: Sequence[str], thresholds: Mapping[str, float], draws: int = 1000
) -> TruthMetrics:
    """Average precision, precision, recall and F1 of each kind, each with its interval over groups of fields.

    Args:
        fields: What is there and what was found.
        kinds: Kinds to measure; one without a cell in the ground truth is left out.
        thresholds: By kind, the score from which detections are counted; chosen on other fields than these.
        draws: Of the bootstrap.
    """
    matches = [matched for kind in kinds if (matched := match_kind(fields, kind)).truths.any()]

    def measure(weights: NDArray[np.intp] | None) -> list[float]:
        """The mean of the average precisions, then four figures of each kind."""
        precisions = [matched.average_precision(weights) for matched in matches]
        # A draw may lack all cells of a rare kind.
        known = [value for value in precisions if not math.isnan(value)]
        figures = [sum(known) / len(known) if known else math.nan]
        for matched, precision in zip(matches, precisions, strict=True):
            figures += [precision, *matched.rates_at(thresholds[matched.kind], weights)]
        return figures

    groups = [field.group for field in fields]
    intervals = grouped_bootstraps(
        lambda rows: measure(np.bincount(rows, minlength=len(fields))), groups, [""] * len(groups), draws
    )
    map50, *figures = zip(measure(None), intervals, strict=True)
    per_kind = {}
    for number, matched in enumerate(matches):
        threshold = thresholds[matched.kind]
        counted = matched.scores >= threshold
        ap50, precision, recall, f1 = figures[4 * number : 4 * number + 4]
        per_kind[matched.kind] = KindMetrics(
            threshold=threshold,
            true=int(matched.truths.sum()),
            counted=int(counted.sum()),
            hits=int(matched.hits[counted].sum()),
            f1_loose=match_kind(fields, matched.kind, LOOSE_OVERLAP).rates_at(threshold).f1,
            ap50=ap50[0],
            ap50_ci=ap50[1],
            precision=precision[0],
            precision_ci=precision[1],
            recall=recall[0],
            recall_ci=recall[1],
            f1=f1[0],
            f1_ci=f1[1],
        )
    return TruthMetrics(*map50, per_kind)


def count_by_field(
    fields: Sequence[JudgedField], kind: str, threshold: float
) -> tuple[list[int], list[int], list[str]]:
    """Counted and known cells of a kind in each field, without those set aside; and the group of each field."""
    counted, true = [], []
    for item in fields:
        detections = detections_of_kind(item.detections, kind, threshold)
        known = boxes_of_kind(item.truths, kind)
        counted.append(int((match_cells(known, detections, boxes_of_kind(item.aside, kind)) != SET_ASIDE).sum()))
        true.append(len(known))
    return counted, true, [item.group for item in fields]


def _count_left_out(evidence: Evidence) -> dict[str, int]:
    """By kind, the counted detections that the leading ground truth's own rule leaves out."""
    fields = evidence.views[evidence.leading]
    left_out = {}
    for kind in evidence.kinds:
        threshold = evidence.thresholds[kind]
        found = sum(len(detections_of_kind(item.detections, kind, threshold)) for item in fields)
        if aside := found - sum(count_by_field(fields, kind, threshold)[0]):
            left_out[kind] = aside
    return left_out


def _count_causes(errors: Sequence[FieldError], kind: str, sort: ErrorSort) -> dict[str, int]:
    chosen = [error.cause for error in errors if error.box.kind == kind and error.sort == sort and error.cause]
    return {cause: chosen.count(cause) for cause in sorted(set(chosen))}
