"""Writes docs/results.md from docs/results/<name>/metrics.json, which `leukolens evaluate` writes. Run by `make docs`."""

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

`scripts/write_results.py` writes this page from `docs/results/*/metrics.json`, which `leukolens evaluate` writes. No figure is
typed by hand. Intervals are 95 %. Where images share groups (field of view, slide), the intervals are computed over groups. Rows
marked **LEAKS** are too high and are shown for comparison only. Research use, not a medical device.

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
## Detection and counting

The detector on the 72 test fields of BCCD, against three ground truths: BCCD's own boxes (`raw`), boxes that were relabelled by eye
without any detections in view (`relabelled`), and the relabelled boxes with the doubtful ones set aside (`relabelled_sure`). The
rule of the relabelling was to box a red cell at the border only if at least a third of it shows. A detection of less is neither
right nor wrong. The thresholds were chosen on validation fields. Intervals are computed over fields.

"""


LOOKS_HEAD = """
Eight of these fields, and the platelets of all of them, were relabelled a second time, without the first result in view. Neither
time was it done by a haematologist. How far the two agree on all cells, doubtful ones included, is about as far as a detector can be
judged. If they agree more at an overlap of .3, they found the same cells and drew the boxes differently.

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
    """Agreement of two relabellings of the same test fields, by kind."""
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
    header = "| result | model | data | ground truth | mAP50 | kind | AP50 | F1 | counted | bias | mean error a field | limits of agreement |"
    text += DETECTOR_HEAD + tabulate(header, detectors)
    text += LOOKS_HEAD + tabulate(
        "| kind | fields | first time | second time | agreed | F1 | F1, overlap .3 |", compare_looks()
    )
    notes = DOCS / "results" / "notes.md"
    (DOCS / "results.md").write_text(text + "\n" + notes.read_text(encoding="utf-8"), encoding="utf-8")


if __name__ == "__main__":
    main()
