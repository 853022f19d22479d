"""The evaluation of a detector: fields of a dataset with boxes to figures and a report. Needs no torch."""

from collections import Counter
from collections.abc import Sequence

from leukolens.core.card import DetectorCard
from leukolens.core.errors import UsageError
from leukolens.core.files import show_name
from leukolens.core.results import Refusal
from leukolens.core.taxonomy import CellKind
from leukolens.datasets.manifest import Record
from leukolens.datasets.sources.bccd_relabelled import (
    BCCD_HEIGHT_PX,
    BCCD_WIDTH_PX,
    RED_CELL_SHOWN,
    list_relabelled_test,
)
from leukolens.datasets.splits import Split, read_split
from leukolens.evaluation.detection.matching import leave_slivers
from leukolens.evaluation.detection.metrics import RAW, RELABELLED, Evidence, measure_detector
from leukolens.evaluation.detection.report import write_detection_report
from leukolens.evaluation.records import Provenance
from leukolens.inference.bundles import Bundle
from leukolens.inference.crops import find_crops
from leukolens.inference.detect import Truth, find_in_records, pair_with_truth
from leukolens.training.task import Evaluation, Question


def evaluate_bundle(bundle: Bundle[DetectorCard], question: Question) -> Evaluation:
    """Measures a detector against the boxes of a dataset, and writes its report.

    Raises:
        UsageError: the dataset has no boxes, no such part, or was not relabelled.
    """
    evidence, refused, chosen = _gather(bundle, question)
    metrics = measure_detector(evidence)
    report = write_detection_report(question.out, evidence, metrics, find_crops(chosen))
    read = len(chosen) - len(refused)
    lines = [f"data {show_name(question.data.name)}, split: {evidence.provenance.split}, {read} fields"]
    for name, judged in metrics.truths.items():
        kinds = ", ".join(
            f"{kind} AP50 {values.ap50:.3f} F1 {values.f1:.3f}" for kind, values in judged.per_kind.items()
        )
        interval = judged.map50_ci
        lines.append(f"{name}: mAP50 {judged.map50:.3f} ({interval.low:.3f} to {interval.high:.3f}); {kinds}")
    return Evaluation(report, tuple(lines), refused, evidence.provenance.why_leaky)


def _gather(
    bundle: Bundle[DetectorCard], question: Question
) -> tuple[Evidence, tuple[Refusal, ...], tuple[Record, ...]]:
    """Detections beside ground truth, the fields that could not be read, and the fields that were chosen."""
    data = question.data.name
    records = tuple(record for record in question.data.records if record.boxes)
    if not records:
        raise UsageError(f"{data} has no fields with boxes, so there is nothing to compare a detector with.")
    split_path = bundle.folder / "split.json"
    split = read_split(split_path) if split_path.is_file() else None
    chosen, what = _choose(records, split, question.part)
    truths: dict[str, dict[str, Truth]] = {RAW: {record.id: (record.boxes, ()) for record in chosen}}
    relabelled = list_relabelled_test() if all(record.source == "bccd" for record in chosen) else {}
    if all(record.id in relabelled for record in chosen):
        truths[RELABELLED] = relabelled
    leading = question.truth or (RELABELLED if RELABELLED in truths else RAW)
    if leading not in truths:
        raise UsageError(f"Only BCCD's test fields were relabelled; for {what} of {data} leave --truth out.")
    progress = question.reporter.progress
    found, refused = find_in_records(chosen, bundle, lambda done: progress("detecting", done, len(chosen)))
    leaky, why = _find_leak(chosen, split)
    fields = {name: pair_with_truth(chosen, found, known) for name, known in truths.items()}
    if RELABELLED in fields:
        fields[RELABELLED] = leave_slivers(
            fields[RELABELLED], CellKind.RED_CELL, BCCD_HEIGHT_PX, BCCD_WIDTH_PX, RED_CELL_SHOWN
        )
    evidence = Evidence(
        fields,
        leading,
        {str(kind): score for kind, score in bundle.card.score_thresholds.items()},
        Provenance(f"{bundle.card.name} ({bundle.card.architecture}, ONNX)", data, what, leaky, why),
        len(refused),
        Counter(field.scale_origin for field in found.values()),
    )
    return evidence, refused, chosen


def _choose(records: Sequence[Record], split: Split | None, part: str | None) -> tuple[tuple[Record, ...], str]:
    """The records of a part, by the bundle's own split or else by the dataset's; the test part where there is one."""
    parts = {record.id: (split.part_of(record.id) if split else "") or record.part for record in records}
    wanted = part or ("test" if "test" in parts.values() else "all")
    chosen = tuple(record for record in records if wanted in ("all", parts[record.id]))
    if not chosen:
        known = ", ".join(sorted({name for name in parts.values() if name})) or "no parts"
        raise UsageError(f"No field with boxes is in the part {wanted!r}. There are: {known}, and all.")
    return chosen, wanted


def _find_leak(chosen: Sequence[Record], split: Split | None) -> tuple[bool, str]:
    """Whether some of the fields were used for training or validation, or the split itself leaks."""
    if split is None:
        return False, ""
    used = {name for part in ("train", "validation") for name in split.parts.get(part, ())}
    count = sum(record.id in used for record in chosen)
    if count:
        return True, f"{count} of {len(chosen)} fields were trained or chosen on"
    return split.leaky, split.why_leaky
