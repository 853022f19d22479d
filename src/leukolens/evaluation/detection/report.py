"""The evaluation report of a detector: `report.html` with charts and errors, `metrics.json`, and tables as CSV."""

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from leukolens.core.files import write_text
from leukolens.core.intervals import Interval
from leukolens.evaluation.counting.agreement import CountAgreement, Limits
from leukolens.evaluation.detection.errors import Cause, ErrorSort, FieldError, list_errors
from leukolens.evaluation.detection.files import write_detections, write_errors
from leukolens.evaluation.detection.gallery import LEGEND, ImageOf, choose_errors, draw_worst_fields, show_errors
from leukolens.evaluation.detection.matching import match_kind
from leukolens.evaluation.detection.metrics import RAW, RELABELLED, RELABELLED_SURE, Evidence, count_by_field
from leukolens.evaluation.detection.records import DetectionMetrics
from leukolens.evaluation.records import write_record
from leukolens.reporting.charts import draw_bars, draw_lines, draw_points, show_words
from leukolens.reporting.page import Section, render_page

MOST_PICTURES = 48
"""Images in a gallery; `errors.csv` has all errors."""

_TRUTH_NAMES = {
    RAW: "the dataset's own boxes",
    RELABELLED: "relabelled boxes",
    RELABELLED_SURE: "relabelled, without doubtful boxes",
}
_SHORT_NAMES = {RAW: "raw", RELABELLED: "relabelled", RELABELLED_SURE: "sure"}
_SCALES = {"given": "given", "red cells": "measured on red cells", "unknown": "unknown"}


def write_detection_report(out: Path, evidence: Evidence, metrics: DetectionMetrics, image_of: ImageOf) -> Path:
    """Writes `metrics.json`, `detections.csv`, `errors.csv`, charts and `report.html` into a folder.

    Args:
        out: The folder.
        evidence: What was evaluated.
        metrics: From `measure_detector`.
        image_of: Gives the image of a field by its id.

    Returns:
        Path of `report.html`.
    """
    leading = evidence.views[evidence.leading]
    errors = list_errors(leading, evidence.kinds, evidence.thresholds)
    raw_errors = evidence.raw_errors()
    charts = _draw_charts(evidence, metrics)
    for name, chart in charts.items():
        write_text(out / f"{name}.svg", chart)
    write_record(out / "metrics.json", metrics)
    write_detections(out / "detections.csv", evidence)
    write_errors(out / "errors.csv", {evidence.leading: errors, **({RAW: raw_errors} if raw_errors else {})})
    sections = [
        _summarise(metrics, evidence),
        _describe_detection(metrics, charts),
        _describe_counting(metrics, charts),
        *([_describe_causes(metrics, raw_errors, evidence, image_of)] if raw_errors else []),
        _show_errors(errors, evidence, image_of),
        Section(
            "Fields with most errors",
            ("Blue: right detections. Red: false detections. Dashed red: missed cells.",),
            plates=draw_worst_fields(errors, leading, evidence, image_of),
        ),
    ]
    title = f"Evaluation of {metrics.model}"
    subtitle = f"{metrics.data}, {metrics.split}; ground truth: {_TRUTH_NAMES[evidence.leading]}"
    write_text(out / "report.html", render_page(title, subtitle, sections))
    return out / "report.html"


def _draw_charts(evidence: Evidence, metrics: DetectionMetrics) -> dict[str, str]:
    bars = [
        (f"{show_words(kind)}, {_SHORT_NAMES[truth]}", values.ap50, values.ap50_ci.low, values.ap50_ci.high)
        for truth, measured in metrics.truths.items()
        for kind, values in measured.per_kind.items()
    ]
    leading = evidence.views[evidence.leading]
    curves = {show_words(kind): match_kind(leading, kind).curve() for kind in evidence.kinds}
    charts = {
        "ap50": draw_bars(bars, "Average precision at an overlap of .5", "AP50, 95 % bootstrap interval over groups"),
        "precision-recall": draw_lines(curves, "Precision and recall as the threshold falls", "recall", "precision"),
    }
    for kind, agreement in metrics.truths[evidence.leading].counting.items():
        counted, true, _ = count_by_field(leading, kind, evidence.thresholds[kind])
        points = [((found + known) / 2, float(found - known)) for found, known in zip(counted, true, strict=True)]
        charts[f"agreement-{kind}"] = draw_points(
            {"one field": points},
            f"Counted less true: {show_words(kind)}",
            "mean of counted and true",
            "counted less true",
            _list_levels(agreement.limits),
        )
    return charts


def _list_levels(limits: Limits | None) -> list[tuple[str, float, float, float]]:
    if limits is None:
        return []
    levels = (
        ("upper limit", limits.high, limits.high_interval),
        ("mean", limits.mean, limits.mean_interval),
        ("lower limit", limits.low, limits.low_interval),
    )
    return [(word, value, interval.low, interval.high) for word, value, interval in levels]


def _summarise(metrics: DetectionMetrics, evidence: Evidence) -> Section:
    measured = metrics.truths[metrics.truth]
    figures = [(f"{measured.map50:.3f}", f"mAP50: mean of the average precisions, {_show_interval(measured.map50_ci)}")]
    for kind, values in measured.per_kind.items():
        figures.append((f"{values.f1:.3f}", f"F1 of {show_words(kind)}s, {_show_interval(values.f1_ci)}"))
    figures.append((str(metrics.n), "fields evaluated"))
    thresholds = ", ".join(f"{show_words(kind)}s {evidence.thresholds[kind]:.2f}" for kind in evidence.kinds)
    text = [
        "A detection is right if it overlaps a known cell of its kind by at least one half (intersection over union). "
        "Each cell is found at most once.",
        f"Detections are counted from these scores on: {thresholds}. The thresholds come with the model; they were "
        "chosen on other fields.",
    ]
    if metrics.scales:
        parts = ", ".join(f"{_SCALES.get(name, name)} in {count} fields" for name, count in metrics.scales.items())
        text.append(f"Scale of the fields: {parts}.")
    if metrics.n_refused:
        text.append(f"Fields that could not be read, and are in no figure: {metrics.n_refused}.")
    warning = (
        f"THIS SPLIT LEAKS: {metrics.why_leaky}. On new data, expect lower figures than these." if metrics.leaky else ""
    )
    return Section("In short", tuple(text), warning, tuple(figures))


def _describe_detection(metrics: DetectionMetrics, charts: Mapping[str, str]) -> Section:
    rows = []
    for truth, measured in metrics.truths.items():
        for kind, values in measured.per_kind.items():
            shown = (values.show(name) for name in ("ap50", "precision", "recall", "f1"))
            numbers = (f"{values.f1_loose:.3f}", *map(str, (values.true, values.counted, values.hits)))
            rows.append((_TRUTH_NAMES[truth], show_words(kind), *shown, *numbers))
        mean = f"{measured.map50:.3f} {_show_range(measured.map50_ci, 3)}"
        rows.append((_TRUTH_NAMES[truth], "mean of kinds", mean, *[""] * 7))
    header = (
        *("ground truth", "kind", "AP50 (95 %)", "precision", "recall", "F1", "F1 at overlap .3"),
        *("cells", "counted", "right"),
    )
    text = [
        "AP50, the average precision, uses all detections, whatever their score. Precision, recall and F1 use only the "
        "detections that are counted. Cells of one field resemble each other, so the intervals are computed over groups "
        "of fields.",
        "If F1 is much higher at an overlap of .3, the detector finds the cells, but its boxes are wider or narrower than "
        "those of the ground truth.",
    ]
    if metrics.detections_left_out:
        left_out = ", ".join(f"{count} {show_words(kind)}s" for kind, count in metrics.detections_left_out.items())
        text.append(
            f"Against the relabelled boxes, {left_out} at the border are neither right nor wrong and not counted. Less "
            "than a third of each shows, and the rule of the relabelling was to leave such cells without a box."
        )
    shown_charts = (charts["ap50"], charts["precision-recall"])
    return Section("Detection", tuple(text), header=header, rows=tuple(rows), charts=shown_charts)


def _describe_counting(metrics: DetectionMetrics, charts: Mapping[str, str]) -> Section:
    rows = tuple(
        (_TRUTH_NAMES[truth], show_words(kind), *_show_counts(values))
        for truth, measured in metrics.truths.items()
        for kind, values in measured.counting.items()
    )
    header = (
        *("ground truth", "kind", "counted", "true", "mean error per field, cells", "bias"),
        "limits of agreement, cells",
    )
    text = (
        "Mean error: how far the count of one field is off on average, in either direction. Bias: how far the count of "
        "all fields together is off. Limits of agreement: 95 % of the differences of single fields lie between them "
        "(Bland and Altman 1999).",
    )
    shown = tuple(chart for name, chart in charts.items() if name.startswith("agreement-"))
    return Section("Counting", text, header=header, rows=rows, charts=shown)


def _show_counts(counts: CountAgreement) -> tuple[str, ...]:
    limits = counts.limits
    ends = ((limits.low, limits.low_interval), (limits.high, limits.high_interval)) if limits else ()
    return (
        str(counts.counted),
        str(counts.true),
        f"{counts.mean_error:.2f} {_show_range(counts.mean_error_interval, 2)}",
        f"{counts.bias_percent:+.1f} % {_show_range(counts.bias_interval, 1)}",
        " to ".join(f"{end:+.1f} {_show_range(interval, 1)}" for end, interval in ends) or "one field only",
    )


def _describe_causes(
    metrics: DetectionMetrics, errors: Sequence[FieldError], evidence: Evidence, image_of: ImageOf
) -> Section:
    causes = (Cause.GROUND_TRUTH, Cause.DOUBTFUL, Cause.DETECTOR)
    rows = []
    for kind, sorts in metrics.errors_against_raw.items():
        for sort, counts in sorts.items():
            numbers = [counts.get(cause, 0) for cause in causes]
            rows.append((show_words(kind), f"{sort}s", str(sum(numbers)), *map(str, numbers)))
    of_truth = [error for error in errors if error.cause == Cause.GROUND_TRUTH]
    text = (
        "The fields were relabelled by eye, without any detections in view. So each error against the dataset's own boxes "
        "can be checked.",
        f"{len(of_truth)} of these {len(errors)} errors ({len(of_truth) / len(errors):.0%}) are errors of the dataset's "
        "own boxes: the false detection is a cell that has no box or a badly drawn one, or the missed cell is none or "
        "was found.",
        f"Examples of these. {LEGEND}",
    )
    header = ("kind", "error", "all", *(f"cause: {cause}" for cause in causes))
    shown = choose_errors(of_truth, MOST_PICTURES // 2)
    pictures = show_errors(shown, evidence.fields[RAW], evidence, image_of)
    return Section("Errors of the dataset's own boxes", text, header=header, rows=tuple(rows), pictures=pictures)


def _show_errors(errors: Sequence[FieldError], evidence: Evidence, image_of: ImageOf) -> Section:
    if not errors:
        return Section("Errors", ("There are none.",))
    shown = choose_errors(errors, MOST_PICTURES)
    counts = Counter((error.sort, error.box.kind) for error in errors)
    words = {ErrorSort.FALSE: "false", ErrorSort.MISSED: "missed"}
    listed = ", ".join(f"{count} {words[sort]} {show_words(kind)}s" for (sort, kind), count in counts.items())
    text = [f"Errors: {listed}.", f"The false detections of highest score come first. {LEGEND}"]
    if len(errors) > len(shown):
        text.append(f"{len(shown)} errors are shown; all of them are in errors.csv.")
    pictures = show_errors(shown, evidence.views[evidence.leading], evidence, image_of)
    return Section("Errors", tuple(text), pictures=pictures)


def _show_range(interval: Interval, digits: int) -> str:
    return f"({interval.low:.{digits}f} to {interval.high:.{digits}f})"


def _show_interval(interval: Interval) -> str:
    return f"95 % interval {interval.low:.3f} to {interval.high:.3f} ({interval.method})"
