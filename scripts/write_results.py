"""Writes docs/results.md from the metrics that `leukolens evaluate` left under docs/results/<name>/: `make docs`."""

import json
from pathlib import Path

from leukolens.core.intervals import Interval
from leukolens.core.results import Detection
from leukolens.core.taxonomy import DETECTED_KINDS
from leukolens.datasets.sources.bccd_relabelled import list_relabelled_test, list_second_look, list_second_platelets
from leukolens.evaluation.classification.records import Metrics
from leukolens.evaluation.counting.agreement import CountAgreement
from leukolens.evaluation.detection.matching import LEAST_OVERLAP, LOOSE_OVERLAP, boxes_of_kind, match_cells
from leukolens.evaluation.detection.records import DetectionMetrics
from leukolens.evaluation.records import read_record

DOCS = Path(__file__).parents[1] / "docs"

HEAD = """# Results

Written by `scripts/write_results.py` from `docs/results/*/metrics.json`, which `leukolens evaluate` wrote; no figure is typed by hand.
Intervals are 95 %; where images share groups (source field, slide) they are drawn over groups. Rows marked **LEAKS** are too good to
be true and stand here for comparison only. Research use, not a medical device.

"""


def show(value: float, interval: Interval) -> str:
    return f"{value:.4f} ({interval.low:.3f} to {interval.high:.3f})"


def describe(name: str, metrics: Metrics) -> str:
    worst, recall = metrics.worst_class()
    groups, shared = metrics.groups, metrics.shared_classes
    cells = [
        f"[{name}](results/{name}/metrics.json)" + (" **LEAKS**" if metrics.leaky else ""),
        metrics.model,
        f"{metrics.data}: {metrics.split}",
        f"{metrics.n}" + (f" in {groups.n} groups" if groups else ""),
        show(metrics.balanced_accuracy, metrics.balanced_accuracy_ci),
        f"{worst.replace('_', ' ')} {recall:.3f}",
        show(metrics.accuracy, metrics.accuracy_ci),
        show(groups.accuracy, groups.ci) if groups else "",
        f"{shared.balanced_accuracy:.4f} over {len(shared.classes)}" if shared else "",
        f"{metrics.ece:.4f}",
        f"{metrics.coverage:.1%}, {metrics.accepted_accuracy or 0:.2%} right",
    ]
    return "| " + " | ".join(cells) + " |"


DETECTOR_HEAD = """
## Finding and counting

The detector on BCCD's 72 test fields: against BCCD's own boxes (`raw`), against boxes that were drawn again by eye, blind to any detector (`relabelled`),
and against those without the doubtful ones (`relabelled_sure`). Relabelling had the rule to box a red cell of which a third shows, so a sliver at the
border is left out there, detected or not. Thresholds were chosen on validation fields. Intervals are over fields.

"""


LOOKS_HEAD = """
Eight of these fields, and the platelets of all 72, were boxed a second time, by a person who did not know the first boxes (neither is a haematologist).
A detector cannot be judged much further than two looks agree. Where they agree more at an overlap of .3, they saw the same cells and drew
them differently.

"""


def describe_detector(name: str, metrics: DetectionMetrics) -> list[str]:
    rows = []
    for truth, measured in metrics.truths.items():
        for kind, values in measured.per_kind.items():
            cells = [
                f"[{name}](results/{name}/metrics.json)",
                metrics.model,
                f"{metrics.data}: {metrics.split}, {metrics.n} fields",
                truth,
                f"{measured.map50:.3f} ({measured.map50_ci.low:.3f} to {measured.map50_ci.high:.3f})",
                kind.replace("_", " "),
                values.show("ap50"),
                values.show("f1"),
                *describe_counts(measured.counting.get(kind)),
            ]
            rows.append("| " + " | ".join(cells) + " |")
    return rows


def describe_counts(counts: CountAgreement | None) -> list[str]:
    if counts is None:
        return [""] * 4
    bias = counts.bias_interval
    return [
        f"{counts.counted} of {counts.true}",
        f"{counts.bias_percent:+.1f} % ({bias.low:+.1f} to {bias.high:+.1f})",
        f"{counts.mean_error:.2f}",
        f"{counts.limits.low:+.1f} to {counts.limits.high:+.1f}" if counts.limits else "",
    ]


def compare_looks() -> list[str]:
    """Of each kind, how far two looks at the same test fields agree, which no detector can be expected to pass."""
    first = {field: [*sure, *doubtful] for field, (sure, doubtful) in list_relabelled_test().items()}
    second = {field: [*sure, *doubtful] for field, (sure, doubtful) in list_second_look().items()}
    rows = []
    for kind in DETECTED_KINDS:
        looked = list_second_platelets() if kind == "platelet" else second
        pairs = [[boxes_of_kind(first[field], kind), boxes_of_kind(boxes, kind)] for field, boxes in looked.items()]
        counts = [sum(len(boxes) for boxes in look) for look in zip(*pairs, strict=True)]
        agreed = [
            sum(
                int((match_cells(one, [Detection(box, 1.0) for box in other], iou=iou) >= 0).sum())
                for one, other in pairs
            )
            for iou in (LEAST_OVERLAP, LOOSE_OVERLAP)
        ]
        f1 = [f"{2 * hits / sum(counts):.3f}" for hits in agreed]
        cells = [kind.replace("_", " "), len(looked), *counts, agreed[0], *f1]
        rows.append("| " + " | ".join(map(str, cells)) + " |")
    return rows


def tabulate(header: str, rows: list[str]) -> str:
    return "\n".join([header, "|" + "---|" * header.count(" | ") + "---|", *rows]) + "\n"


def main() -> None:
    classifiers, detectors = [], []
    for path in sorted((DOCS / "results").glob("*/metrics.json")):
        name = path.parent.name
        if "truths" in json.loads(path.read_text(encoding="utf-8")):
            detectors += describe_detector(name, read_record(path, DetectionMetrics))
        else:
            classifiers.append(describe(name, read_record(path, Metrics)))
    header = "| result | model | data | images | balanced accuracy | worst class | accuracy | per group | only shared classes | ECE | accepted |"
    text = HEAD + tabulate(header, classifiers)
    header = "| result | model | data | truth | mAP50 | kind | AP50 | F1 | counted | bias | mean error a field | limits of agreement |"
    text += DETECTOR_HEAD + tabulate(header, detectors)
    text += LOOKS_HEAD + tabulate(
        "| kind | fields | first look | second look | agreed | F1 | F1, overlap .3 |", compare_looks()
    )
    notes = DOCS / "results" / "notes.md"
    (DOCS / "results.md").write_text(text + "\n" + notes.read_text(encoding="utf-8"), encoding="utf-8")


if __name__ == "__main__":
    main()
