"""The figures of a detector as typed records: what its `metrics.json` holds, in its order."""

import msgspec

from leukolens.core.intervals import Interval
from leukolens.evaluation.counting.agreement import CountAgreement


class KindMetrics(msgspec.Struct, frozen=True):
    """Figures of one kind of cell. Each interval is a 95 % bootstrap over groups of fields.

    Attributes:
        threshold: Score from which a detection is counted.
        true: Cells in the ground truth.
        counted: Detections at or above the threshold.
        hits: Of these, the detections that are a cell of the ground truth.
        f1_loose: F1 where a smaller overlap is enough (`LOOSE_OVERLAP`).
        ap50: COCO's average precision at an overlap of one half.
        ap50_ci: Its interval.
        precision: Share of the counted detections that is right.
        precision_ci: Its interval.
        recall: Share of the cells that is found.
        recall_ci: Its interval.
        f1: Harmonic mean of the two.
        f1_ci: Its interval.
    """

    threshold: float
    true: int
    counted: int
    hits: int
    f1_loose: float
    ap50: float
    ap50_ci: Interval
    precision: float
    precision_ci: Interval
    recall: float
    recall_ci: Interval
    f1: float
    f1_ci: Interval

    def show(self, figure: str, digits: int = 3) -> str:
        """A figure with its interval, such as `0.951 (0.942 to 0.963)`."""
        interval: Interval = getattr(self, f"{figure}_ci")
        return f"{getattr(self, figure):.{digits}f} ({interval.low:.{digits}f} to {interval.high:.{digits}f})"


class TruthMetrics(msgspec.Struct, frozen=True, omit_defaults=True):
    """Figures against one ground truth.

    Attributes:
        map50: Mean of the kinds' average precisions.
        map50_ci: Its 95 % bootstrap interval over groups of fields.
        per_kind: Figures of each kind that the ground truth has.
        counting: Counts beside true counts, by kind; empty where doubtful cells are set aside, as the detector counts these.
    """

    map50: float
    map50_ci: Interval
    per_kind: dict[str, KindMetrics]
    counting: dict[str, CountAgreement] = {}


class DetectionMetrics(msgspec.Struct, frozen=True):
    """All figures of a detector on one set of fields.

    Attributes:
        model: See `Provenance`, as are the next four.
        data: Likewise.
        split: Likewise.
        leaky: Likewise.
        why_leaky: Likewise.
        n: Fields.
        n_refused: Fields that could not be read; they are in no other figure.
        truth: The ground truth that leads the report.
        scales: Fields by the origin of their scale.
        truths: Figures against each ground truth.
        detections_left_out: By kind, detections that the leading ground truth's own rule leaves out.
        errors_against_raw: By kind, sort of error and cause, the errors against the dataset's own boxes; empty where
            there are no other boxes.
    """

    model: str
    data: str
    split: str
    leaky: bool
    why_leaky: str
    n: int
    n_refused: int
    truth: str
    scales: dict[str, int]
    truths: dict[str, TruthMetrics]
    detections_left_out: dict[str, int]
    errors_against_raw: dict[str, dict[str, dict[str, int]]]
