"""The evaluation report: one HTML file, its figures as SVG, `metrics.json` and `predictions.csv`."""

import json
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import roc_curve

from leukolens.core.files import show_name, write_text
from leukolens.core.predictions import Predictions
from leukolens.core.results import Prediction
from leukolens.evaluation.classification.failures import FaultRow, Findings, Share, lay_heat, tabulate_faults
from leukolens.evaluation.classification.metrics import Scored, score, worst_class
from leukolens.reporting.charts import draw_bars, draw_lines, draw_matrix
from leukolens.reporting.page import Picture, Section, render_page

MOST_ERRORS = 80
"""Pictures in the gallery of errors; the rest stand in predictions.csv."""

ImageOf = Callable[[str], NDArray[np.uint8] | None]


def write_evaluation(
    out: Path,
    predictions: Predictions,
    metrics: Mapping[str, Any],
    image_of: ImageOf,
    findings: Findings | None = None,
) -> Path:
    """Writes everything into a folder.

    Args:
        out: The folder.
        predictions: What was judged.
        metrics: From `compute_metrics`.
        image_of: Gives the picture of an image by its name, or None where it is not to be had.
        findings: What was measured of the pictures and where the model looked, where that was done.

    Returns:
        Path of `report.html`.
    """
    scored = score(predictions)
    figures = _draw(scored, predictions, metrics)
    for name, chart in figures.items():
        write_text(out / f"{name}.svg", chart)
    write_text(out / "metrics.json", json.dumps(metrics, indent=1, ensure_ascii=False, allow_nan=False) + "\n")
    predictions.save(out / "predictions.csv")
    faults = [] if findings is None else tabulate_faults(predictions, findings)
    sections = [
        _headline(metrics),
        _classes(metrics, figures),
        _probabilities(metrics, figures),
        *([] if findings is None else [_reasons(faults, findings)]),
        _errors(predictions, image_of, findings, {row.word for row in faults if row.is_reason}),
    ]
    page = render_page(f"How good is {metrics['model'] or 'it'}?", f"{metrics['data']}, {metrics['split']}", sections)
    write_text(out / "report.html", page)
    return out / "report.html"


def _draw(scored: Scored, predictions: Predictions, metrics: Mapping[str, Any]) -> dict[str, str]:
    labels, counts = metrics["confusion"]["labels"], metrics["confusion"]["counts"]
    recalls = [
        (name.replace("_", " "), values["recall"], values["recall_ci"]["low"], values["recall_ci"]["high"])
        for name, values in metrics["per_class"].items()
        if values["support"]
    ]
    return {
        "recall": draw_bars(recalls, "Share of each class that was found", "recall, 95 % Wilson interval over images"),
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
            lines[name.replace("_", " ")] = _thin(list(zip(false.tolist(), true.tolist(), strict=True)))
    return draw_lines(lines, "Each class against all others (ROC)", "false alarms", "found", diagonal=True)


def _thin(points: list[tuple[float, float]], most: int = 200) -> list[tuple[float, float]]:
    step = max(1, len(points) // most)
    return [*points[::step], points[-1]]


def _draw_reliability(scored: Scored, bins: int = 15) -> str:
    confidence = scored.probabilities.max(axis=1)
    parts = np.array_split(np.argsort(confidence, kind="stable"), min(bins, len(confidence)))
    points = [(float(confidence[part].mean()), float(scored.right[part].mean())) for part in parts]
    return draw_lines(
        {"calls": points},
        "Is .9 right nine times of ten? (15 bins of equal mass)",
        "stated probability",
        "share right",
        diagonal=True,
    )


def _headline(metrics: Mapping[str, Any]) -> Section:
    name, share = worst_class(metrics)
    groups = metrics["groups"]
    figures = [
        (f"{metrics['balanced_accuracy']:.4f}", f"balanced accuracy, {_interval(metrics['balanced_accuracy_ci'])}"),
        (f"{share:.3f}", f"found of the worst class, {name.replace('_', ' ')}"),
        (f"{metrics['accuracy']:.4f}", f"accuracy, {_interval(metrics['accuracy_ci'])}"),
        (f"{metrics['ece']:.4f}", "expected calibration error"),
        (str(metrics["n"]), "images judged"),
    ]
    if groups:
        figures.append(
            (f"{groups['accuracy']:.4f}", f"accuracy per group, {groups['n']} groups, {_interval(groups['ci'])}")
        )
    text = [
        f"Accepted without review: {metrics['coverage']:.1%} of the images, of which {_percent(metrics['accepted_accuracy'])} are right."
    ]
    if groups:
        text.append(
            f"The {metrics['n']} images come from {groups['n']} independent groups, so the intervals are drawn over groups. "
            f"As if every image were independent, accuracy would read {_interval(metrics['accuracy_ci_naive'])}: too narrow."
        )
    if metrics["n_refused"]:
        text.append(f"{metrics['n_refused']} images could not be read and are in no figure.")
    if metrics["shared_classes"]:
        shared = metrics["shared_classes"]
        text.append(
            f"Only between the {len(shared['classes'])} classes that model and data share: balanced accuracy {shared['balanced_accuracy']:.4f}. "
            "Above, a call into a class that the data does not have counts as wrong."
        )
    warning = (
        f"THIS SPLIT LEAKS: {metrics['why_leaky']}. These figures are too good to be true." if metrics["leaky"] else ""
    )
    return Section("In short", tuple(text), warning, tuple(figures))


def _classes(metrics: Mapping[str, Any], figures: Mapping[str, str]) -> Section:
    groups = (metrics["groups"] or {}).get("per_class", {})
    rows = []
    for name, values in metrics["per_class"].items():
        numbers = [f"{values[key]:.4f}" for key in ("precision", "recall", "f1")]
        group = groups.get(name)
        per_group = (
            ", ".join(filter(None, (f"{group['accuracy']:.3f} of {group['n']}", group["note"]))) if group else ""
        )
        rows.append((name.replace("_", " "), *numbers, str(values["support"]), per_group))
    header = ("class", "precision", "recall", "F1", "images", "right per group")
    charts = (figures["recall"], figures["confusion-counts"], figures["confusion-percent"])
    return Section("Class by class", header=header, rows=tuple(rows), charts=charts)


def _probabilities(metrics: Mapping[str, Any], figures: Mapping[str, str]) -> Section:
    names = {
        "macro_f1": "macro-F1",
        "auc": "area under ROC, mean over classes",
        "cross_entropy": "cross-entropy",
        "binary_cross_entropy": "binary cross-entropy, mean over classes",
        "ece": "expected calibration error",
    }
    rows = tuple(
        (name, "not defined here" if metrics[key] is None else f"{metrics[key]:.4f}") for key, name in names.items()
    )
    return Section(
        "Can its probabilities be believed?",
        header=("measure", "value"),
        rows=rows,
        charts=(figures["reliability"], figures["roc"]),
    )


def _reasons(faults: Sequence[FaultRow], findings: Findings) -> Section:
    wrong, right = faults[-1].wrong, faults[-1].right
    if not wrong.images or not right.images:
        few = f"{wrong.images} errors and {right.images} right calls could be measured: too few to compare."
        return Section("What was wrong with the pictures?", (few,))
    rows = tuple((row.word, _share(row.wrong), _share(row.right), row.verdict) for row in faults)
    text = [
        f"Measured without any model on {wrong.images} errors and {right.images} right calls. A picture shows a fault where it "
        "lies beyond 97.5 % of the pictures that were called rightly: those of its own class where that has enough of them, "
        "and never those of its own group.",
        "A fault as common beside right calls explains nothing, and one that is more common need not be the cause. An error "
        "without a fault has its reason in the cell, its label or the model.",
    ]
    if wrong.groups < wrong.images or right.groups < right.images:
        text.append(
            f"The errors come from {wrong.groups} groups, the right calls from {right.groups}; the intervals count each "
            "group once, as its images resemble one another."
        )
    header = ("fault", "beside errors (95 % Wilson)", "beside right calls", "so it stands")
    return Section("What was wrong with the pictures?", tuple(text), header=header, rows=rows)


def _share(share: Share) -> str:
    low, high = share.interval.low, share.interval.high
    return f"{share.count} of {share.images}, {share.count / share.images:.1%} ({100 * low:.1f} to {100 * high:.1f})"


def _errors(
    predictions: Predictions, image_of: ImageOf, findings: Findings | None, reasons: Collection[str]
) -> Section:
    wrong = [
        (call, truth)
        for call, truth in zip(predictions.items, predictions.truths, strict=True)
        if truth and call.label != truth
    ]
    wrong.sort(key=lambda pair: -pair[0].probability)
    pictures = [_show_error(call, truth, image_of, findings, reasons) for call, truth in wrong[:MOST_ERRORS]]
    more = f" {len(wrong) - len(pictures)} more stand in predictions.csv." if len(wrong) > len(pictures) else ""
    text = [
        f"{len(wrong)} of {sum(bool(truth) for truth in predictions.truths)} images, the surest errors first: a sure error is a trap, or a wrong label.{more}"
    ]
    if findings is not None and findings.method and wrong:
        text.append(
            f"Right beside each, as the model saw it, in yellow: {findings.method}. It shows where, not why, and coarsely."
        )
    return Section("Errors", tuple(text), pictures=tuple(pictures))


def _show_error(
    call: Prediction, truth: str, image_of: ImageOf, findings: Findings | None, reasons: Collection[str]
) -> Picture:
    pixels = image_of(call.image)
    shown = np.full((64, 64, 3), 230, np.uint8) if pixels is None else pixels
    called = f"{call.label.replace('_', ' ')} {call.probability:.0%}" if call.label else f"rejected: {call.reason}"
    lines = [f"labelled {truth.replace('_', ' ')}", *(["no picture at hand"] if pixels is None else [])]
    heat = None
    if findings is not None:
        faults = findings.faults.get(call.image)
        if faults is not None:
            likely = [word for word in faults if word in reasons]
            also = [word for word in faults if word not in reasons]
            lines += [f"possible reason: {', '.join(likely)}"] if likely else []
            lines += [f"seen, but not shown to matter: {', '.join(also)}"] if also else []
            lines += [] if faults else ["picture as usual"]
        heat = findings.heat_of(call.image)
    overlay = None if heat is None else lay_heat(*heat)
    return Picture(shown, f"called {called}", (*lines, show_name(call.image)), "bad", overlay)


def _interval(interval: Mapping[str, Any]) -> str:
    return f"95 % interval {interval['low']:.4f} to {interval['high']:.4f} ({interval['method']})"


def _percent(value: float | None) -> str:
    return "none" if value is None else f"{value:.2%}"
