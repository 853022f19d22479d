"""The evaluation report of a classifier: one HTML file, its charts as SVG, `metrics.json` and `predictions.csv`."""

from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path

import numpy as np
from sklearn.metrics import roc_curve

from leukolens.core.files import show_name, write_text
from leukolens.core.intervals import Interval
from leukolens.core.pixels import Pixels
from leukolens.core.predictions import Predictions
from leukolens.core.results import Prediction
from leukolens.evaluation.classification.calibration import split_bins
from leukolens.evaluation.classification.failures import FaultRow, Findings, Share, lay_heat, tabulate_faults
from leukolens.evaluation.classification.metrics import Scored, score
from leukolens.evaluation.classification.records import Metrics
from leukolens.evaluation.records import write_record
from leukolens.reporting.charts import draw_bars, draw_lines, draw_matrix, show_words
from leukolens.reporting.page import Picture, Section, render_page

MOST_ERRORS = 80
"""Images in the gallery of errors; `predictions.csv` has the rest."""

ImageOf = Callable[[str], Pixels | None]
"""Gives an image `(h, w, 3)` uint8 RGB by its name; None where it is not available."""


def write_evaluation(
    out: Path, predictions: Predictions, metrics: Metrics, image_of: ImageOf, findings: Findings | None = None
) -> Path:
    """Writes the report and its files into a folder.

    Args:
        out: The folder.
        predictions: What was evaluated.
        metrics: From `compute_metrics`.
        image_of: Gives an image by its name.
        findings: Faults that were measured on the images, and maps of where the model looked; None without them.

    Returns:
        Path of `report.html`.
    """
    scored = score(predictions)
    charts = _draw(scored, predictions, metrics)
    for name, chart in charts.items():
        write_text(out / f"{name}.svg", chart)
    write_record(out / "metrics.json", metrics)
    predictions.save(out / "predictions.csv")
    faults = [] if findings is None else tabulate_faults(predictions, findings)
    sections = [
        _summarise(metrics),
        _tabulate_classes(metrics, charts),
        _show_probabilities(metrics, charts),
        *([] if findings is None else [_compare_faults(faults, findings)]),
        _show_errors(predictions, image_of, findings, {row.word for row in faults if row.is_reason}),
    ]
    title = f"Evaluation of {metrics.model}" if metrics.model else "Evaluation"
    subtitle = ", ".join(filter(None, (metrics.data, metrics.split)))
    write_text(out / "report.html", render_page(title, subtitle, sections))
    return out / "report.html"


def _draw(scored: Scored, predictions: Predictions, metrics: Metrics) -> dict[str, str]:
    labels, counts = metrics.confusion.labels, metrics.confusion.counts
    recalls = [
        (show_words(name), values.recall, values.recall_ci.low, values.recall_ci.high)
        for name, values in metrics.per_class.items()
        if values.support
    ]
    return {
        "recall": draw_bars(recalls, "Recall of each class", "recall, 95 % Wilson interval over images"),
        "confusion-counts": draw_matrix(labels, counts, "Confusion: images", percent=False),
        "confusion-percent": draw_matrix(labels, counts, "Confusion: percent of each true class", percent=True),
        "roc": _draw_roc(scored, predictions),
        "reliability": _draw_reliability(scored),
    }


def _draw_roc(scored: Scored, predictions: Predictions) -> str:
    lines = {}
    for index, name in enumerate(predictions.classes):
        truth = scored.known == index
        if 0 < truth.sum() < len(truth):
            false, true, _ = roc_curve(truth, scored.probabilities[:, index])
            lines[show_words(name)] = list(zip(false.tolist(), true.tolist(), strict=True))
    labels = ("false positive rate", "recall (true positive rate)")
    return draw_lines(lines, "ROC curve of each class against all others", *labels, diagonal=True)


def _draw_reliability(scored: Scored) -> str:
    confidence = scored.probabilities.max(axis=1)
    points = [(float(confidence[part].mean()), float(scored.right[part].mean())) for part in split_bins(confidence)]
    title = f"Share right by probability ({len(points)} bins of equal mass)"
    return draw_lines({"predictions": points}, title, "predicted probability", "share right", diagonal=True)


def _summarise(metrics: Metrics) -> Section:
    name, recall = metrics.worst_class()
    groups = metrics.groups
    figures = [
        (f"{metrics.balanced_accuracy:.4f}", f"balanced accuracy, {_show_interval(metrics.balanced_accuracy_ci)}"),
        (f"{recall:.3f}", f"recall of the worst class, {show_words(name)}"),
        (f"{metrics.accuracy:.4f}", f"accuracy, {_show_interval(metrics.accuracy_ci)}"),
        (f"{metrics.ece:.4f}", "expected calibration error"),
        (str(metrics.n), "images evaluated"),
    ]
    text = [
        "Balanced accuracy is the mean of the recalls of all classes, so a rare class counts as much as a common one.",
        f"{metrics.coverage:.1%} of the predictions are accepted without review; "
        f"{'none' if metrics.accepted_accuracy is None else f'{metrics.accepted_accuracy:.2%}'} of these are right.",
    ]
    if groups:
        figures.append((f"{groups.accuracy:.4f}", f"accuracy over {groups.n} groups, {_show_interval(groups.ci)}"))
        text.append(
            f"The {metrics.n} images come from {groups.n} independent groups, for example fields of view or slides. "
            "Images of one group resemble each other, so the intervals are computed over groups. A group is right when "
            "more than half of its images are right. If each image were independent, accuracy would have this interval, "
            f"which is too narrow: {_show_interval(metrics.accuracy_ci_naive)}."
        )
    if metrics.n_refused:
        text.append(f"Images that could not be read, and are in no figure: {metrics.n_refused}.")
    if metrics.shared_classes:
        shared = metrics.shared_classes
        text.append(
            "The model has classes that the data does not have. A prediction of such a class counts as wrong. If only "
            f"the {len(shared.classes)} classes of both may be predicted, balanced accuracy is "
            f"{shared.balanced_accuracy:.4f}."
        )
    warning = (
        f"THIS SPLIT LEAKS: {metrics.why_leaky}. On new data, expect lower figures than these." if metrics.leaky else ""
    )
    return Section("In short", tuple(text), warning, tuple(figures))


def _tabulate_classes(metrics: Metrics, charts: Mapping[str, str]) -> Section:
    groups = metrics.groups.per_class if metrics.groups else {}
    rows = []
    for name, values in metrics.per_class.items():
        numbers = (f"{value:.4f}" for value in (values.precision, values.recall, values.f1))
        group = groups.get(name)
        share = f"{group.accuracy:.3f} of {group.n}" if group else ""
        per_group = f"{share} ({group.note})" if group and group.note else share
        rows.append((show_words(name), *numbers, str(values.support), *([per_group] if groups else [])))
    text = (
        "Precision: of the images that are predicted as this class, the share that is right. Recall: of the images of "
        "this class, the share that is predicted so. F1: the harmonic mean of precision and recall.",
    )
    header = ("class", "precision", "recall", "F1", "images", *(["groups right"] if groups else []))
    shown = (charts["recall"], charts["confusion-counts"], charts["confusion-percent"])
    return Section("Each class", text, header=header, rows=tuple(rows), charts=shown)


def _show_probabilities(metrics: Metrics, charts: Mapping[str, str]) -> Section:
    measured = {
        "macro-F1: mean F1 of the classes": metrics.macro_f1,
        "area under the ROC curve, mean over classes": metrics.auc,
        "cross-entropy": metrics.cross_entropy,
        "binary cross-entropy, mean over classes": metrics.binary_cross_entropy,
        "expected calibration error": metrics.ece,
    }
    rows = tuple((name, "undefined" if value is None else f"{value:.4f}") for name, value in measured.items())
    text = (
        "Probabilities are well calibrated when, for example, 90 % of the predictions with a probability of .9 are "
        "right. Then the first curve lies on the dashed line. The expected calibration error is the mean distance of "
        "the curve from that line: 0 is perfect.",
    )
    shown = (charts["reliability"], charts["roc"])
    return Section("Probabilities", text, header=("measure", "value"), rows=rows, charts=shown)


def _compare_faults(faults: Sequence[FaultRow], findings: Findings) -> Section:
    title = "Image faults in errors and in right predictions"
    wrong, right = faults[-1].wrong, faults[-1].right
    if not wrong.images or not right.images:
        few = f"{wrong.images} errors and {right.images} right predictions could be measured: too few to compare."
        return Section(title, (few,))
    rows = tuple((row.word, _show_share(row.wrong), _show_share(row.right), row.verdict) for row in faults)
    text = [
        f"The faults are measured on {wrong.images} wrongly and {right.images} rightly predicted images, without a "
        "model. An image has a fault where its value lies beyond that of 97.5 % of the rightly predicted images. It is "
        "compared with images of its own class, where there are enough, and never with images of its own group.",
        "A fault that is as frequent in right predictions does not explain the errors. A fault that is more frequent in "
        "errors is a possible reason, but need not be the cause. An error without a fault comes from the cell, from its "
        "label or from the model.",
    ]
    if wrong.groups < wrong.images or right.groups < right.images:
        text.append(
            f"The errors come from {wrong.groups} groups, the right predictions from {right.groups}. Images of one group "
            "resemble each other, so the intervals count each group once."
        )
    header = ("fault", "in errors (95 % Wilson interval)", "in right predictions", "result")
    return Section(title, tuple(text), header=header, rows=rows)


def _show_share(share: Share) -> str:
    low, high = share.interval.low, share.interval.high
    return f"{share.count} of {share.images}, {share.count / share.images:.1%} ({100 * low:.1f} to {100 * high:.1f})"


def _show_errors(
    predictions: Predictions, image_of: ImageOf, findings: Findings | None, reasons: Collection[str]
) -> Section:
    pairs = [pair for pair in zip(predictions.items, predictions.truths, strict=True) if pair[1]]
    wrong = [(prediction, truth) for prediction, truth in pairs if prediction.label != truth]
    wrong.sort(key=lambda pair: -pair[0].probability)
    if not wrong:
        return Section("Errors", (f"All of the {len(pairs)} images are predicted rightly.",))
    pictures = [
        _show_error(prediction, truth, image_of, findings, reasons) for prediction, truth in wrong[:MOST_ERRORS]
    ]
    text = [
        f"{len(wrong)} of {len(pairs)} images are predicted wrongly. The errors with the highest probability come first: "
        "check whether the label is wrong, or what misleads the model."
    ]
    if len(wrong) > len(pictures):
        text.append(f"{len(pictures)} errors are shown; all of them are in predictions.csv.")
    if findings is not None and findings.method:
        text.append(
            f"On the right of each image, yellow shows where the model looked: {findings.method}. The map is coarse. It "
            "shows where the model looked, not why it was wrong."
        )
    return Section("Errors", tuple(text), pictures=tuple(pictures))


def _show_error(
    prediction: Prediction, truth: str, image_of: ImageOf, findings: Findings | None, reasons: Collection[str]
) -> Picture:
    pixels = image_of(prediction.image)
    shown = np.full((64, 64, 3), 230, np.uint8) if pixels is None else pixels
    predicted = (
        f"predicted {show_words(prediction.label)} {prediction.probability:.0%}"
        if prediction.label
        else f"rejected: {prediction.reason}"
    )
    lines = [f"labelled {show_words(truth)}", *(["image not available"] if pixels is None else [])]
    heat = None
    if findings is not None:
        faults = findings.faults.get(prediction.image)
        if faults is not None:
            lines += _word_faults(faults, reasons)
        heat = findings.heat_of(prediction.image)
    overlay = None if heat is None else lay_heat(*heat)
    return Picture(shown, predicted, (*lines, show_name(prediction.image)), "bad", overlay)


def _word_faults(faults: Sequence[str], reasons: Collection[str]) -> list[str]:
    if not faults:
        return ["no image fault"]
    likely = ", ".join(word for word in faults if word in reasons)
    others = ", ".join(word for word in faults if word not in reasons)
    lines = [f"possible reason: {likely}"] if likely else []
    return lines + ([f"other image faults: {others}"] if others else [])


def _show_interval(interval: Interval) -> str:
    return f"95 % interval {interval.low:.4f} to {interval.high:.4f} ({interval.method})"
