"""The ladder's table: published beside ours, made from the records alone, as `ladder.md` and one HTML page.

Nothing is typed by hand: figures of ours come from the records, those of the texts from `study.rungs`.
"""

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import stdev
from typing import Any

from leukolens.core.files import write_text
from leukolens.core.intervals import Interval
from leukolens.core.taxonomy import CELL_CLASSES
from leukolens.evaluation.classification.comparison import GroupTally, compare_runs, estimate_runs
from leukolens.ladder.eye import compare_with_eye
from leukolens.ladder.figures import tell_accuracy, tell_ends, tell_group_accuracy, tell_share
from leukolens.ladder.protocols import PROTOCOLS
from leukolens.ladder.records import RunRecord, read_records
from leukolens.ladder.rungs import RUNGS, Rung
from leukolens.ladder.runs import plan_runs
from leukolens.ladder.timing import BACKBONES, Backbone
from leukolens.ladder.torn import leave_torn_out
from leukolens.reporting.charts import draw_curves, draw_matrix
from leukolens.reporting.page import Section, render_page

FAR_BELOW = 0.03
"""A run this far under its text's figure, under the same protocol, must say why."""

_INTRODUCTION = "What this is"
_RIVAL = "conv-batchnorm"
_GENERATIONS = ("dense", "conv1-pbc", "conv1-augmented", "conv3", "resnet50-frozen", "resnet50")

MAIN_HEADER = (
    "rung",
    "text",
    "protocol",
    "published test",
    "ours: test per image (95 %)",
    "ours: per source field (95 %)",
    "points against published",
    "weights began as",
)
MORE_HEADER = (
    "rung",
    "protocol",
    "training: published / ours",
    "validation: published / ours",
    "cross-entropy / binary (published)",
    "px, epochs, training seconds, device",
    "parameters",
    "seed, commit, data, split",
)


def write_table(out: Path) -> list[Path]:
    """Writes `ladder.md`, `ladder.html` and a page per run; returns what was written.

    Args:
        out: The folder of the ladder, whose `runs` holds the records.
    """
    records = read_records(out / "runs")
    by_rung = {name: [record for record in records if record.rung == name] for name in RUNGS}
    sections = [
        _introduce(records),
        _tabulate(by_rung),
        _tell_more(by_rung),
        _tell_classes(by_rung),
        _leaks(by_rung),
        _generations(by_rung),
        _folds(by_rung),
        _against(by_rung),
        leave_torn_out(out / "torn-fields.csv", by_rung),
        *compare_with_eye(by_rung),
        *_speed(out),
        _notes(by_rung),
    ]
    sections = [section for section in sections if section.rows or section.charts or section.title == _INTRODUCTION]
    written = [out.parent / "ladder.md", out / "ladder.html"]
    write_text(written[0], _as_markdown(sections, out.name))
    write_text(
        written[1], render_page("The ladder", "Five texts' models, run again on one footing", sections, dated=False)
    )
    for record in records:
        page = out / "runs" / record.rung / record.variant / "report.html"
        write_text(page, _run_page(record, RUNGS[record.rung]))
        written.append(page)
    return written


def _introduce(records: Sequence[RunRecord]) -> Section:
    there = {(record.rung, record.variant) for record in records}
    left = [f"{run.rung} {run.variant}" for run in plan_runs((), None, None) if (run.rung, run.variant) not in there]
    missing = (f"Not run yet: {', '.join(left)}.",) if left else ()
    return Section(
        _INTRODUCTION,
        (
            f"{len(records)} runs. Each row is a real training whose recipe, history, environment and metrics lie under ladder/runs; "
            "leukolens ladder run makes them, leukolens ladder table writes this page from them. Research use, not a medical device.",
            *missing,
            "LEAKS: copies of one source field, or pictures of one field, stand on both sides of that split, so the figure is too good to be true. "
            "Intervals are 95 %, drawn over source fields where there are such (grouped bootstrap within classes), else Wilson's. "
            "Kaggle's TEST holds 71 source fields, of which 4 are monocytes: one monocyte field holds about a quarter of its class's images, "
            "some 6 points of accuracy per image, so no figure on it can tell two good models apart.",
            "Rows whose network should have begun from ImageNet weights that were not to be had here are shown, not compared.",
        ),
    )


def _single(by_rung: Mapping[str, Sequence[RunRecord]]) -> list[RunRecord]:
    return [record for records in by_rung.values() for record in records if "@" not in record.variant]


def _tabulate(by_rung: Mapping[str, Sequence[RunRecord]]) -> Section:
    records = _single(by_rung)
    rows = tuple(_main_row(record, RUNGS[record.rung]) for record in records)
    links = tuple(f"runs/{record.rung}/{record.variant}/report.html" for record in records)
    return Section("Every rung", header=MAIN_HEADER, rows=rows, links=links)


def _main_row(record: RunRecord, rung: Rung) -> tuple[str, ...]:
    test = record.metrics.test
    groups = test.groups
    same = record.protocol == rung.as_published
    return (
        record.rung,
        rung.text,
        f"{record.protocol}{' LEAKS' if test.leaky else ''}",
        tell_share(rung.published.test) if same else "",
        f"{tell_share(test.accuracy)} ({tell_ends(test.accuracy_ci)}), n {test.n}",
        f"{tell_share(groups.accuracy)} of {groups.n} ({tell_ends(groups.ci)})" if groups else "",
        _compare(record, rung),
        _origin(record.environment),
    )


def _tell_more(by_rung: Mapping[str, Sequence[RunRecord]]) -> Section:
    rows = tuple(_more_row(record, RUNGS[record.rung]) for record in _single(by_rung))
    return Section("More of each run", header=MORE_HEADER, rows=rows)


def _more_row(record: RunRecord, rung: Rung) -> tuple[str, ...]:
    test, facts = record.metrics.test, record.environment
    same = record.protocol == rung.as_published
    published = rung.published
    size = facts["preparation"]
    loss = f" ({published.loss:.3f})" if same and published.loss else ""
    return (
        record.rung,
        record.protocol,
        _pair(published.train if same else None, record.metrics.train.accuracy),
        _pair(published.validation if same else None, record.metrics.validation.accuracy),
        f"{test.cross_entropy:.3f} / {test.binary_cross_entropy:.3f}{loss}",
        f"{size['height_px']}x{size['width_px']}, {facts['epochs_done']} of {facts['epochs']}, {facts['training_seconds']:.0f}, {facts['device']}",
        f"{facts['parameters']:,}",
        f"{facts['seed']}, {facts['commit'][:9]}, {facts['data_hash'][:9]}, {facts['split_hash'][:9]}",
    )


def _tell_classes(by_rung: Mapping[str, Sequence[RunRecord]]) -> Section:
    rows = []
    for record in _single(by_rung):
        rung, found = RUNGS[record.rung], record.metrics.test.per_class
        published = rung.published.f1 if record.protocol == rung.as_published else {}
        cells = [
            _pair(published.get(name), found[name].f1) if name in found and found[name].support else ""
            for name in CELL_CLASSES
        ]
        rows.append((record.rung, record.protocol, *cells))
    header = ("rung", "protocol", *(name.replace("_", " ") for name in CELL_CLASSES))
    return Section("F1 on test, class by class: published / ours", header=header, rows=tuple(rows))


def is_comparable(record: RunRecord) -> bool:
    """Whether a run began where its text's did: not from random weights for want of ImageNet's."""
    return not record.environment["weights_origin"].startswith("random: no ImageNet")


def _compare(record: RunRecord, rung: Rung) -> str:
    if record.protocol != rung.as_published or rung.published.test is None:
        return ""
    if not is_comparable(record):
        return "not compared: random weights"
    gap = record.metrics.test.accuracy - rung.published.test
    return f"{100 * gap:+.1f}" + (", see why below" if gap < -FAR_BELOW else "")


def _leaks(by_rung: Mapping[str, Sequence[RunRecord]]) -> Section:
    rows = []
    for name, records in by_rung.items():
        found = {record.variant: record.metrics.test for record in records}
        for leaky, honest in (("merged", "merged-fields"), ("merged-70", "merged-70-fields")):
            if leaky in found and honest in found:
                a, b = found[leaky], found[honest]
                row = [
                    name,
                    f"{tell_share(a.accuracy)} ({tell_ends(a.accuracy_ci)})",
                    f"{tell_share(b.accuracy)} ({tell_ends(b.accuracy_ci)})",
                ]
                rows.append((*row, f"{100 * (a.accuracy - b.accuracy):+.1f}", str(b.groups.n if b.groups else b.n)))
    header = ("rung", "by image (LEAKS)", "by source field", "the leak, in points", "test fields")
    text = "The same model, the same pool, the same fractions; only what may stand on both sides differs."
    return Section("What the merged splits owe to the leak", (text,), header=header, rows=tuple(rows))


def _generations(by_rung: Mapping[str, Sequence[RunRecord]]) -> Section:
    found = [record for name in _GENERATIONS for record in by_rung[name] if record.variant == "pbc"]
    series: dict[str, list[float]] = {
        part: [getattr(record.metrics, part).accuracy for record in found] for part in ("train", "validation", "test")
    }
    published = [RUNGS[record.rung].published.test for record in found]
    series["published test"] = [math.nan if value is None else value for value in published]
    if not found:
        return Section("Text 001's generations")
    names = ", ".join(f"{index} {record.rung}" for index, record in enumerate(found))
    chart = draw_curves(series, "Accuracy by generation on PBC", "generation", "accuracy")
    return Section("Text 001's generations", (f"Generations: {names}.",), charts=(chart,))


def _folds(by_rung: Mapping[str, Sequence[RunRecord]]) -> Section:
    rows = []
    for name, records in by_rung.items():
        for protocol in ("folds", "fields"):
            several = [record for record in records if record.protocol == protocol and "@" in record.variant]
            if several:
                found = estimate_runs([record.tallies for record in several])
                each = ", ".join(tell_share(record.metrics.test.accuracy) for record in several)
                rows.append(
                    (
                        name,
                        protocol,
                        str(len(several)),
                        tell_accuracy(found),
                        tell_group_accuracy(found),
                        f"{found.images} of {found.groups}",
                        f"{each}; deviation {_deviation(several)}",
                    )
                )
    text = "Seeds are averaged field by field, folds lie side by side; intervals over source fields within classes."
    header = ("rung", "protocol", "runs", "per image (95 %)", "per source field (95 %)", "images of fields", "each run")
    return Section("Folds and seeds", (text,), header=header, rows=tuple(rows))


def _deviation(records: Sequence[RunRecord]) -> str:
    values = [record.metrics.test.accuracy for record in records]
    return tell_share(stdev(values)) if len(values) > 1 else "unknown"


def _against(by_rung: Mapping[str, Sequence[RunRecord]]) -> Section:
    """Each rung against text 003's on the same 71 fields of TEST, one draw of fields for both."""

    def tallies(name: str, protocol: str) -> list[tuple[GroupTally, ...]]:
        return [record.tallies for record in by_rung[name] if record.protocol == protocol and record.tallies]

    rows = []
    for name in by_rung:
        own = tallies(name, "fields")
        for protocol in ("fields", RUNGS[_RIVAL].as_published):
            rival = tallies(_RIVAL, protocol)
            if own and rival and name != _RIVAL:
                found = compare_runs(own, rival)
                per_image = f"{100 * found.difference:+.1f} ({_points(found.interval)})"
                per_field = f"{100 * found.group_difference:+.1f} ({_points(found.group_interval)})"
                size = f"{found.images} of {found.groups}"
                rows.append((f"{name}, {len(own)} runs", f"{_RIVAL}, {protocol}", per_image, per_field, size))
    text = (
        f"Points more than our rerun of {_RIVAL}, once trained on the same fields, once as published (on more of TRAIN, its best epoch chosen on copies of "
        "training fields). Seeds averaged; paired bootstrap over source fields within classes. The intervals speak of fields like these 71, 4 of them "
        "monocytes, not of other laboratories."
    )
    header = ("rung", "against", "points per image (95 %)", "points per source field (95 %)", "images of fields")
    return Section("Against text 003's network, field by field", (text,), header=header, rows=tuple(rows))


def _points(interval: Interval) -> str:
    return f"{100 * interval.low:+.1f} to {100 * interval.high:+.1f}"


def _speed(out: Path) -> list[Section]:
    """Milliseconds per image, where `leukolens ladder time` measured them."""
    path = out / "timings.json"
    if not path.is_file():
        return []
    found = json.loads(path.read_text(encoding="utf-8"))
    machine = ", ".join(f"{key} {value}" for key, value in found["machine"].items())
    text = f"One machine, one sitting ({machine}); compare rows with each other. Milliseconds per image, batches of 1 / 32, float32 but for the last."
    header = (
        "network",
        "px",
        "parameters",
        "MB / 8-bit MB",
        "layers with weights",
        "torch ms",
        "ONNX ms",
        "8-bit ONNX ms",
    )
    printed = {backbone.architecture: backbone for backbone in BACKBONES.values()}
    rungs = tuple(
        (name, *_timed(row), _tops(printed.get(row["architecture"]))) for name, row in found.get("rungs", {}).items()
    )
    backbones = tuple(
        (
            f"{name} ({row['architecture']})",
            *_timed(row),
            _tops(BACKBONES[name]),
            str(BACKBONES[name].depth or ""),
            f"{BACKBONES[name].cpu_ms}",
        )
        for name, row in found.get("backbones", {}).items()
    )
    tops = "ImageNet top-1 / top-5 (text 004)"
    extra = (tops, "depth (text 004)", "CPU ms (text 004, its machine)")
    return [
        Section("Size and speed of the rungs", (text,), header=(*header, tops), rows=rungs),
        Section("Text 004's twelve backbones", (text,), header=(*header, *extra), rows=backbones),
    ]


def _tops(backbone: Backbone | None) -> str:
    return "" if backbone is None else f"{tell_share(backbone.top1)} / {tell_share(backbone.top5)}"


def _timed(row: Mapping[str, Any]) -> tuple[str, ...]:
    times = (f"{row[f'{kind}_ms_1']:.2f} / {row[f'{kind}_ms_32']:.2f}" for kind in ("torch", "onnx", "int8"))
    size = f"{row['height_px']}x{row['width_px']}"
    megabytes = f"{row['megabytes']} / {row['megabytes_int8']}"
    return (size, f"{row['parameters']:,}", megabytes, str(row["weighted_layers"]), *times)


def _notes(by_rung: Mapping[str, Sequence[RunRecord]]) -> Section:
    rows = [(name, rung.idea, rung.note, rung.why) for name, rung in RUNGS.items() if by_rung[name]]
    kinds = [(name, protocol.what, "", "") for name, protocol in PROTOCOLS.items()]
    header = ("name", "what", "note", "why ours falls below")
    return Section("Rungs and protocols in words", header=header, rows=(*rows, *kinds))


def _run_page(record: RunRecord, rung: Rung) -> str:
    """Curves, both confusions, each class and the surest errors of one run; photographs stay where the run was made."""
    test, facts = record.metrics.test, record.environment
    names = ("train_loss", "train_accuracy", "validation_loss", "validation_accuracy")
    series = {name.replace("_", " "): [float(row[name]) for row in record.history] for name in names}
    labels, counts = test.confusion.labels, test.confusion.counts
    warning = f"THIS SPLIT LEAKS: {test.why_leaky}." if test.leaky else ""
    told = tuple(
        (key, str(facts[key])) for key in ("data", "split", "weights_origin", "device", "training_seconds", "commit")
    )
    classes = tuple(
        (name.replace("_", " "), *(f"{value:.4f}" for value in (row.precision, row.recall, row.f1)), str(row.support))
        for name, row in test.per_class.items()
    )
    sections = [
        Section(
            "In short",
            (rung.idea, rung.note),
            warning,
            (
                (f"{test.accuracy:.4f}", f"test accuracy, {tell_ends(test.accuracy_ci)}"),
                (f"{test.balanced_accuracy:.4f}", "balanced accuracy"),
                (str(test.n), "test images"),
            ),
            ("what", "value"),
            told,
        ),
        Section(
            "Learning, and who is taken for whom",
            charts=(
                draw_curves(series, "Accuracy and loss over the epochs", "epoch", "accuracy, loss"),
                draw_matrix(labels, counts, "Confusion: images", percent=False),
                draw_matrix(labels, counts, "Confusion: percent of each true class", percent=True),
            ),
        ),
        Section("Class by class", header=("class", "precision", "recall", "F1", "images"), rows=classes),
        Section(
            "Surest errors",
            ("The gallery with photographs lies in the report of the run, where it was made.",),
            header=("image", "group", "labelled", "called", "probability", "measured of the picture"),
            rows=tuple(tuple(row.values()) for row in record.errors),
        ),
        Section(
            "Why it failed, as far as it can be measured",
            ("What is as common beside right calls as beside errors is no reason.",),
            header=("fault", "beside errors", "beside right calls", "verdict"),
            rows=tuple(tuple(row.values()) for row in record.faults),
        ),
    ]
    return render_page(f"{record.rung}, {record.variant}", rung.text, sections, dated=False)


def _as_markdown(sections: Sequence[Section], folder: str) -> str:
    lines = [
        "# The ladder",
        "",
        f"Written by `leukolens ladder table`; the same with charts: [{folder}/ladder.html]({folder}/ladder.html).",
        "",
    ]
    for section in sections:
        lines += [f"## {section.title}", ""]
        for paragraph in section.text:
            lines += [paragraph, ""]
        if section.rows:
            lines += ["| " + " | ".join(section.header) + " |", "|" + "---|" * len(section.header)]
            for row, link in zip(section.rows, section.links or [""] * len(section.rows), strict=True):
                first = f"[{row[0]}]({folder}/{link})" if link else row[0]
                lines.append("| " + " | ".join([first, *(cell.replace("|", "/") for cell in row[1:])]) + " |")
            lines.append("")
    return "\n".join(lines)


def _pair(published: float | None, ours: float) -> str:
    return f"{tell_share(published) or '-'} / {tell_share(ours)}"


def _origin(facts: Mapping[str, Any]) -> str:
    origin: str = facts["weights_origin"]
    return origin.partition(";")[0]
