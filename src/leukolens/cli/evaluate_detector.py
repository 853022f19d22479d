"""`leukolens evaluate` for a finder of cells: fields of a dataset with boxes to figures and a report.

No command of its own: `cli.evaluate` hands detectors' bundles over to it.
"""

import sys
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from leukolens.core.results import Refusal
    from leukolens.datasets.manifest import Manifest, Record
    from leukolens.datasets.splits import Split
    from leukolens.evaluation.detection.metrics import Evidence
    from leukolens.inference.detect import Truth


def is_detector(model: str) -> bool:
    """Whether what a user named is a detector's bundle."""
    from leukolens.core.card import read_task
    from leukolens.core.tasks import Task
    from leukolens.inference.bundles import list_bundles

    return read_task(list_bundles().get(model, Path(model))) is Task.DETECTION


def evaluate_detector(
    model: str, manifest: "Manifest", part: str | None, truth: str | None, out: Path
) -> "tuple[Refusal, ...]":
    """Judges a detector and writes its report; gives the fields that could not be read.

    Raises:
        UsageError: the dataset has no boxes, no such part, or was not boxed anew.
        BundleError: the bundle does not hold together.
    """
    from leukolens.evaluation.detection.metrics import measure_detector
    from leukolens.evaluation.detection.report import write_detection_report
    from leukolens.inference.crops import find_crops

    records = tuple(record for record in manifest.records if record.boxes)
    evidence, refused, chosen = _gather(model, manifest.name, records, part, truth)
    metrics = measure_detector(evidence)
    report = write_detection_report(out, evidence, metrics, find_crops(chosen))
    for refusal in refused:
        click.echo(f"refused: {refusal.image} {refusal.why}", err=True)
    if evidence.provenance.leaky:
        click.secho(f"This split leaks: {evidence.provenance.why_leaky}", fg="red", err=True)
    for name, judged in metrics.truths.items():
        kinds = ", ".join(
            f"{kind} AP50 {values.ap50:.3f} F1 {values.f1:.3f}" for kind, values in judged.per_kind.items()
        )
        interval = judged.map50_ci
        click.echo(f"{name}: mAP50 {judged.map50:.3f} ({interval.low:.3f} to {interval.high:.3f}); {kinds}")
    click.echo(f"report: {report}")
    return refused


def _gather(
    model: str, data: str, records: "tuple[Record, ...]", part: str | None, truth: str | None
) -> "tuple[Evidence, tuple[Refusal, ...], tuple[Record, ...]]":
    from leukolens.core.errors import UsageError
    from leukolens.core.tasks import Task
    from leukolens.datasets.sources.bccd_relabelled import (
        BCCD_HEIGHT_PX,
        BCCD_WIDTH_PX,
        RED_CELL_SHOWN,
        list_relabelled_test,
    )
    from leukolens.datasets.splits import read_split
    from leukolens.evaluation.detection.matching import leave_slivers
    from leukolens.evaluation.detection.metrics import RAW, RELABELLED, Evidence
    from leukolens.evaluation.records import Provenance
    from leukolens.inference.bundles import load_bundle
    from leukolens.inference.detect import find_in_records, pair_with_truth

    if not records:
        raise UsageError(f"{data} has no fields with boxes, so there is nothing to hold a detector against.")
    bundle = load_bundle(model, Task.DETECTION)
    split_path = bundle.folder / "split.json"
    split = read_split(split_path) if split_path.is_file() else None
    chosen, what = _choose(records, split, part)
    truths: dict[str, dict[str, Truth]] = {RAW: {record.id: (record.boxes, ()) for record in chosen}}
    anew = list_relabelled_test() if all(record.source == "bccd" for record in chosen) else {}
    if all(record.id in anew for record in chosen):
        truths[RELABELLED] = anew
    leading = truth or (RELABELLED if RELABELLED in truths else RAW)
    if leading not in truths:
        raise UsageError(f"Only BCCD's test fields were boxed anew; for {what} of {data} leave --truth out.")
    with click.progressbar(length=len(chosen), hidden=not sys.stderr.isatty(), file=sys.stderr) as bar:
        found, refused = find_in_records(chosen, bundle, lambda done: bar.update(1))
    leaky, why = _find_leak(chosen, split)
    fields = {name: pair_with_truth(chosen, found, known) for name, known in truths.items()}
    if RELABELLED in fields:
        fields[RELABELLED] = leave_slivers(
            fields[RELABELLED], "red_cell", BCCD_HEIGHT_PX, BCCD_WIDTH_PX, RED_CELL_SHOWN
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


def _choose(records: "tuple[Record, ...]", split: "Split | None", part: str | None) -> "tuple[tuple[Record, ...], str]":
    """The records of a part, as the bundle's own split has it or else as the dataset came; test where there is one."""
    from leukolens.core.errors import UsageError

    parts = {record.id: (split.part_of(record.id) if split else "") or record.part for record in records}
    wanted = part or ("test" if "test" in parts.values() else "all")
    chosen = tuple(record for record in records if wanted in ("all", parts[record.id]))
    if not chosen:
        known = ", ".join(sorted({name for name in parts.values() if name})) or "no parts"
        raise UsageError(f"No field with boxes is in the part {wanted!r}. There are: {known}, and all.")
    return chosen, wanted


def _find_leak(chosen: "tuple[Record, ...]", split: "Split | None") -> tuple[bool, str]:
    """Whether the bundle's own split says that a field was learned or chosen on, or that the split itself leaks."""
    if split is None:
        return False, ""
    learned = {name for part in ("train", "validation") for name in split.parts.get(part, ())}
    seen = sum(record.id in learned for record in chosen)
    if seen:
        return True, f"{seen} of {len(chosen)} fields were trained or chosen on"
    return split.leaky, split.why_leaky
