"""The report on a finder of cells: `report.html` with every sort of error in pictures, figures, and its tables as files.

Takes what `detection_metrics` measured; computes nothing.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from leukolens.core.files import show_name, write_rows, write_text
from leukolens.core.intervals import Interval
from leukolens.core.pixels import Pixels, crop_cell, square_box
from leukolens.core.results import Box
from leukolens.evaluation.counting.agreement import Limits
from leukolens.evaluation.detection.errors import (
    DETECTOR,
    DOUBTFUL,
    FALSE,
    GROUND_TRUTH,
    MISSED,
    FieldError,
    list_errors,
)
from leukolens.evaluation.detection.matching import (
    FALSE_DETECTION,
    SET_ASIDE,
    JudgedField,
    boxes_of_kind,
    detections_of_kind,
    match_cells,
    match_kind,
)
from leukolens.evaluation.detection.metrics import RAW, RELABELLED, RELABELLED_SURE, Evidence, count_by_field
from leukolens.evaluation.detection.records import DetectionMetrics
from leukolens.evaluation.records import write_record
from leukolens.reporting.charts import BLUE, GREEN, RED, draw_bars, draw_lines, draw_points
from leukolens.reporting.page import Picture, Section, render_page
from leukolens.reporting.plates import DASHED, WHOLE, Outline, Plate, draw_plate

MOST_PICTURES = 48
"""Pictures in a gallery; the rest stand in `errors.csv`."""

MOST_PLATES = 4

ImageOf = Callable[[str], Pixels | None]

_TRUTH_NAMES = {
    RAW: "the dataset's own boxes",
    RELABELLED: "boxes drawn anew",
    RELABELLED_SURE: "anew, without doubtful ones",
}
_PICTURE_PX = 224
_SKY = "#1E88FF"  # The palette's blue is too near to green in lines as thin as these.
_PLATE_PIXELS = 500_000


def write_detection_report(out: Path, evidence: Evidence, metrics: DetectionMetrics, image_of: ImageOf) -> Path:
    """Writes `metrics.json`, `detections.csv`, `errors.csv`, figures and `report.html` into a folder.

    Args:
        out: The folder.
        evidence: What was judged.
        metrics: From `measure_detector`.
        image_of: Gives the picture of a field by its id, or None where it is not to be had.

    Returns:
        Path of `report.html`.
    """
    leading = evidence.views[evidence.leading]
    errors = list_errors(leading, evidence.kinds, evidence.thresholds)
    raw_errors = evidence.raw_errors()
    figures = _draw_figures(evidence, metrics)
    for name, chart in figures.items():
        write_text(out / f"{name}.svg", chart)
    write_record(out / "metrics.json", metrics)
    _write_detections(out / "detections.csv", evidence)
    _write_errors(out / "errors.csv", {evidence.leading: errors, **({RAW: raw_errors} if raw_errors else {})})
    sections = [
        _headline(metrics, evidence),
        _finding(metrics, figures),
        _counting(metrics, figures),
        *([_whose(metrics, raw_errors, evidence, image_of)] if raw_errors else []),
        _errors(errors, evidence, image_of),
        _worst_fields(errors, leading, evidence, image_of),
    ]
    page = render_page(
        f"How well does {evidence.provenance.model} find cells?",
        f"{evidence.provenance.data}, {evidence.provenance.split}; against {_TRUTH_NAMES[evidence.leading]}",
        sections,
    )
    write_text(out / "report.html", page)
    return out / "report.html"


def _name(kind: str) -> str:
    return kind.replace("_", " ")


def _draw_figures(evidence: Evidence, metrics: DetectionMetrics) -> dict[str, str]:
    bars = []
    for truth, judged in metrics.truths.items():
        short = truth.replace("relabelled_sure", "sure").replace("relabelled", "by eye")
        for kind, values in judged.per_kind.items():
            interval = values.ap50_ci
            bars.append((f"{_name(kind)}, {short}", values.ap50, interval.low, interval.high))
    leading = evidence.views[evidence.leading]
    curves = {_name(kind): match_kind(leading, kind).curve() for kind in evidence.kinds}
    figures = {
        "ap50": draw_bars(bars, "Average precision at half overlap", "AP50, 95 % bootstrap interval over fields"),
        "precision-recall": draw_lines(curves, "From the surest find downwards", "recall", "precision"),
    }
    for kind, agreement in metrics.truths[evidence.leading].counting.items():
        counted, true, _ = count_by_field(leading, kind, evidence.thresholds[kind])
        points = [((found + known) / 2, float(found - known)) for found, known in zip(counted, true, strict=True)]
        figures[f"agreement-{kind}"] = draw_points(
            {"one field": points},
            f"Counted less true: {_name(kind)}",
            "mean of counted and true",
            "counted less true",
            _list_levels(agreement.limits),
        )
    return figures


def _list_levels(limits: Limits | None) -> list[tuple[str, float, float, float]]:
    if limits is None:
        return []
    levels = (
        ("upper limit", limits.high, limits.high_interval),
        ("mean", limits.mean, limits.mean_interval),
        ("lower limit", limits.low, limits.low_interval),
    )
    return [(word, value, interval.low, interval.high) for word, value, interval in levels]


def _write_detections(path: Path, evidence: Evidence) -> None:
    """Every find, and against each truth whether it is a cell."""
    views = evidence.views
    rows = []
    for number, field in enumerate(views[evidence.leading]):
        for kind in evidence.kinds:
            finds = detections_of_kind(field.detections, kind)
            said = []
            for fields in views.values():
                item = fields[number]
                partners = match_cells(boxes_of_kind(item.truths, kind), finds, boxes_of_kind(item.aside, kind))
                said.append([_VERDICTS.get(partner, "cell") for partner in partners.tolist()])
            for row, found in enumerate(finds):
                counted = found.score >= evidence.thresholds[kind]
                rows.append(
                    (field.name, *_spell(found.box), f"{found.score:.4f}", counted, *(one[row] for one in said))
                )
    write_rows(path, ("field", *_BOX_COLUMNS, "score", "counted", *views), rows)


_VERDICTS = {FALSE_DETECTION: "false", SET_ASIDE: "aside"}
_BOX_COLUMNS = ("kind", "x0", "y0", "x1", "y1")


def _spell(box: Box) -> tuple[str, ...]:
    return (box.kind, *(f"{value:.1f}" for value in (box.x0, box.y0, box.x1, box.y1)))


def _write_errors(path: Path, errors: Mapping[str, Sequence[FieldError]]) -> None:
    rows = [
        (truth, error.field, error.sort, *_spell(error.box), f"{error.score:.4f}", error.whose, error.why)
        for truth, listed in errors.items()
        for error in listed
    ]
    write_rows(path, ("truth", "field", "error", *_BOX_COLUMNS, "score", "whose", "why"), rows)


def _headline(metrics: DetectionMetrics, evidence: Evidence) -> Section:
    judged = metrics.truths[metrics.truth]
    figures = [(f"{judged.map50:.3f}", f"mean of the kinds' average precision, {_interval(judged.map50_ci)}")]
    for kind, values in judged.per_kind.items():
        figures.append((f"{values.f1:.3f}", f"F1 of {_name(kind)}s, {_interval(values.f1_ci)}"))
    figures.append((str(metrics.n), "fields judged"))
    thresholds = ", ".join(f"{_name(kind)}s {evidence.thresholds[kind]:.2f}" for kind in evidence.kinds)
    text = [
        f"A find is right where it shares half of its area with a known cell of its kind, each cell once. Cells are counted "
        f"from these scores on, which the model's card brings from other fields: {thresholds}."
    ]
    if metrics.scales:
        how = {"given": "given", "red cells": "taken from the red cells", "unknown": "not to be had"}
        parts = ", ".join(f"{how.get(name, name)} in {count}" for name, count in metrics.scales.items())
        text.append(f"The scale was {parts} of the fields.")
    if metrics.n_refused:
        text.append(f"{metrics.n_refused} fields could not be read and are in no figure.")
    warning = f"THIS SPLIT LEAKS: {metrics.why_leaky}. These figures are too good to be true." if metrics.leaky else ""
    return Section("In short", tuple(text), warning, tuple(figures))


def _finding(metrics: DetectionMetrics, figures: Mapping[str, str]) -> Section:
    rows = []
    for truth, judged in metrics.truths.items():
        for kind, values in judged.per_kind.items():
            scores = [values.show(name) for name in ("ap50", "precision", "recall", "f1")]
            numbers = [str(number) for number in (values.true, values.counted, values.hits)]
            rows.append((_TRUTH_NAMES[truth], _name(kind), *scores, f"{values.f1_loose:.3f}", *numbers))
        rows.append((_TRUTH_NAMES[truth], "all", f"{judged.map50:.3f} {_range(judged.map50_ci)}", *[""] * 7))
    header = (
        "truth",
        "kind",
        "AP50 (95 %)",
        "precision",
        "recall",
        "F1",
        "F1, overlap .3",
        "cells",
        "counted",
        "right",
    )
    text: tuple[str, ...] = (
        "AP50 looks at all finds, however unsure; precision, recall and F1 only at those that are counted. Intervals are "
        "drawn over fields, as cells of one field are alike. Where F1 at an overlap of .3 is much higher, cells were found "
        "where they are, but boxes were drawn wider or narrower than the truth's.",
    )
    left_out = [f"{count} {_name(kind)}s" for kind, count in metrics.detections_left_out.items()]
    if left_out:
        text += (
            f"Against boxes drawn anew, {', '.join(left_out)} found at the border are neither right nor wrong and not counted: "
            "less than a third of them shows, and such cells were not to be boxed.",
        )
    charts = (figures["ap50"], figures["precision-recall"])
    return Section("Finding", text, header=header, rows=tuple(rows), charts=charts)


def _counting(metrics: DetectionMetrics, figures: Mapping[str, str]) -> Section:
    rows = []
    for truth, judged in metrics.truths.items():
        for kind, values in judged.counting.items():
            limits = values.limits
            between = (
                f"{limits.low:+.1f} {_range(limits.low_interval, 1)} to {limits.high:+.1f} "
                f"{_range(limits.high_interval, 1)}"
                if limits
                else "one field only"
            )
            rows.append(
                (
                    _TRUTH_NAMES[truth],
                    _name(kind),
                    str(values.counted),
                    str(values.true),
                    f"{values.mean_error:.2f} {_range(values.mean_error_interval, 2)}",
                    f"{values.bias_percent:+.1f} % {_range(values.bias_interval, 1)}",
                    between,
                )
            )
    header = ("truth", "kind", "counted", "true", "off per field, cells", "bias in all", "limits of agreement, cells")
    text = (
        "Off per field: how far one field's count is off on average, up or down. Bias: what remains when all fields are "
        "added up. Limits of agreement: between them lie 95 % of the fields' differences (Bland and Altman 1999).",
    )
    charts = tuple(chart for name, chart in figures.items() if name.startswith("agreement-"))
    return Section("Counting", text, header=header, rows=tuple(rows), charts=charts)


def _whose(metrics: DetectionMetrics, errors: Sequence[FieldError], evidence: Evidence, image_of: ImageOf) -> Section:
    rows = []
    for kind, sorts in metrics.errors_against_raw.items():
        for sort, counts in sorts.items():
            numbers = [counts.get(whose, 0) for whose in (GROUND_TRUTH, DOUBTFUL, DETECTOR)]
            rows.append((_name(kind), f"{sort}s", str(sum(numbers)), *map(str, numbers)))
    theirs = [error for error in errors if error.whose == GROUND_TRUTH]
    total = f"{len(theirs)} of the {len(errors)} errors ({len(theirs) / len(errors):.0%})"
    text = (
        f"Held against the dataset's own boxes, {total} are not the finder's: the fields were boxed anew by eye, blind to "
        "any detector, and there the find is a cell that had no box, or the missed cell is none or was found.",
        "Below, examples of them: " + _LEGEND,
    )
    header = ("kind", "error", "all", GROUND_TRUTH, DOUBTFUL, DETECTOR)
    shown = _spread(theirs, MOST_PICTURES // 2)
    pictures = tuple(_picture(error, evidence.fields[RAW], evidence, image_of) for error in shown)
    return Section(
        "How much of the error is that of the dataset's own boxes?",
        text,
        header=header,
        rows=tuple(rows),
        pictures=pictures,
    )


_LEGEND = "thick red is what the picture is about, green the known cells, blue what else was counted."


def _errors(errors: Sequence[FieldError], evidence: Evidence, image_of: ImageOf) -> Section:
    shown = _spread(errors, MOST_PICTURES)
    counts = Counter((error.sort, error.box.kind) for error in errors)
    words = {FALSE: "false {}s", MISSED: "missed {}s"}
    said = ", ".join(f"{count} {words[sort].format(_name(kind))}" for (sort, kind), count in counts.items()) or "None"
    more = f" {len(errors) - len(shown)} more stand in errors.csv." if len(errors) > len(shown) else ""
    text = (f"{said}. The surest false finds first: {_LEGEND}{more}",)
    pictures = tuple(_picture(error, evidence.views[evidence.leading], evidence, image_of) for error in shown)
    return Section("Errors", text, pictures=pictures)


def _spread(errors: Sequence[FieldError], most: int) -> list[FieldError]:
    """As many of each sort and kind as there is room for, in their order: rare ones are not crowded out."""
    turns: dict[tuple[str, str], int] = {}
    ranked = []
    for place, error in enumerate(errors):
        turn = turns[(error.sort, error.box.kind)] = turns.get((error.sort, error.box.kind), -1) + 1
        ranked.append((turn, place))
    chosen = sorted(place for _, place in sorted(ranked)[:most])
    return [errors[place] for place in chosen]


def _picture(error: FieldError, fields: Sequence[JudgedField], evidence: Evidence, image_of: ImageOf) -> Picture:
    field = next(item for item in fields if item.name == error.field)
    pixels = image_of(error.field)
    kind = _name(error.box.kind)
    title = f"{kind}, {error.score:.2f}: false" if error.sort == FALSE else f"{kind}: missed"
    lines = [error.why] if error.why else []
    mark = {GROUND_TRUTH: "good", DOUBTFUL: "unsure", DETECTOR: "bad"}.get(error.whose, "bad")
    if pixels is None:
        shown: NDArray[np.uint8] = np.full((_PICTURE_PX, _PICTURE_PX, 3), 230, np.uint8)
        return Picture(shown, title, (*lines, "no picture at hand", show_name(error.field)), mark)
    counted = [found.box for found in field.detections if found.score >= evidence.thresholds.get(found.box.kind, 2.0)]
    return Picture(_draw_error(pixels, error, field.truths, counted), title, (*lines, show_name(error.field)), mark)


def _draw_error(pixels: Pixels, error: FieldError, truths: Sequence[Box], counted: Sequence[Box]) -> Pixels:
    """The surroundings of an error with the boxes that are there, in one size whatever the cell's."""
    box = error.box
    # A platelet alone says nothing: a quarter of the field's height shows its neighbours.
    side = max(2.2 * max(box.x1 - box.x0, box.y1 - box.y0), min(pixels.shape[:2]) / 4)
    square = square_box(box, side)
    scale, left, top = _PICTURE_PX / square.width, square.x0, square.y0
    image = Image.fromarray(crop_cell(pixels, square)).resize((_PICTURE_PX, _PICTURE_PX), Image.Resampling.BILINEAR)
    pen = ImageDraw.Draw(image)
    drawn = [(one, GREEN, 2) for one in truths] + [(one, _SKY, 2) for one in counted] + [(box, RED, 5)]
    for one, colour, wide in drawn:
        if one == box and colour != RED:
            continue
        corners = ((one.x0 - left) * scale, (one.y0 - top) * scale, (one.x1 - left) * scale, (one.y1 - top) * scale)
        pen.rectangle(corners, outline=colour, width=wide)
    return np.asarray(image)


def _worst_fields(
    errors: Sequence[FieldError], fields: Sequence[JudgedField], evidence: Evidence, image_of: ImageOf
) -> Section:
    counts = Counter(error.field for error in errors)
    plates: list[Plate] = []
    for name, count in counts.most_common(MOST_PLATES):
        pixels = image_of(name)
        if pixels is None:
            continue
        field = next(item for item in fields if item.name == name)
        wrong = {(error.sort, error.box): error for error in errors if error.field == name}
        outlines = [
            Outline(_corners(found.box), BLUE, WHOLE)
            for found in field.detections
            if found.score >= evidence.thresholds.get(found.box.kind, 2.0) and (FALSE, found.box) not in wrong
        ]
        outlines += [
            Outline(
                _corners(box),
                RED,
                DASHED if sort == MISSED else WHOLE,
                f"{'missed' if sort == MISSED else 'false'} {_name(box.kind)}",
            )
            for sort, box in wrong
        ]
        drawing = draw_plate(pixels, outlines, f"Field {name} with its errors", _PLATE_PIXELS)
        plates.append(Plate(f"{show_name(name)}: {count} errors", drawing, (), f"worst-{len(plates)}"))
    text = ("Blue: found rightly. Red: found falsely; dashed: missed.",)
    return Section("The fields with most errors", text, plates=tuple(plates))


def _corners(box: Box) -> tuple[float, float, float, float]:
    return box.x0, box.y0, box.x1, box.y1


def _range(interval: Interval, digits: int = 3) -> str:
    return f"({interval.low:.{digits}f} to {interval.high:.{digits}f})"


def _interval(interval: Interval) -> str:
    return f"95 % interval {interval.low:.3f} to {interval.high:.3f} ({interval.method})"
