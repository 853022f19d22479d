"""The errors of a detector in images: each error with its surroundings, and the fields with most errors."""

from collections import Counter
from collections.abc import Callable, Sequence

import numpy as np
from PIL import Image, ImageDraw

from leukolens.core.files import show_name
from leukolens.core.pixels import Pixels, crop_cell, square_box
from leukolens.core.results import Box
from leukolens.evaluation.detection.errors import Cause, ErrorSort, FieldError
from leukolens.evaluation.detection.matching import JudgedField
from leukolens.evaluation.detection.metrics import Evidence
from leukolens.reporting.charts import BLUE, GREEN, RED, show_words
from leukolens.reporting.page import Picture
from leukolens.reporting.plates import DASHED, WHOLE, Outline, Plate, draw_plate

ImageOf = Callable[[str], Pixels | None]
"""Gives the image of a field by its id; None where it is not available."""

LEGEND = "Thick red is the error, green are the known cells, blue are the other counted detections."

_MOST_PLATES = 4
_PICTURE_PX = 224
_SKY = "#1E88FF"  # the palette's blue is too close to its green in thin lines
_PLATE_PIXELS = 500_000
_MARKS = {Cause.GROUND_TRUTH: "good", Cause.DOUBTFUL: "unsure", Cause.DETECTOR: "bad", None: "bad"}


def choose_errors(errors: Sequence[FieldError], most: int) -> list[FieldError]:
    """At most so many errors in their order, as many of each sort and kind as possible, so that rare ones are shown."""
    turns: dict[tuple[str, str], int] = {}
    ranked = []
    for place, error in enumerate(errors):
        turn = turns[(error.sort, error.box.kind)] = turns.get((error.sort, error.box.kind), -1) + 1
        ranked.append((turn, place))
    chosen = sorted(place for _, place in sorted(ranked)[:most])
    return [errors[place] for place in chosen]


def show_errors(
    errors: Sequence[FieldError], fields: Sequence[JudgedField], evidence: Evidence, image_of: ImageOf
) -> tuple[Picture, ...]:
    """One picture of each error.

    Args:
        errors: To show.
        fields: The fields with the ground truth that the errors are against.
        evidence: For its thresholds.
        image_of: Gives the image of a field.
    """
    by_name = {field.name: field for field in fields}
    return tuple(_show_error(error, by_name[error.field], evidence, image_of(error.field)) for error in errors)


def _show_error(error: FieldError, field: JudgedField, evidence: Evidence, pixels: Pixels | None) -> Picture:
    kind = show_words(error.box.kind)
    is_false = error.sort == ErrorSort.FALSE
    title = f"false {kind}, score {error.score:.2f}" if is_false else f"missed {kind}"
    lines = [error.reason] if error.reason else []
    mark = _MARKS[error.cause]
    if pixels is None:
        blank = np.full((_PICTURE_PX, _PICTURE_PX, 3), 230, np.uint8)
        return Picture(blank, title, (*lines, "image not available", show_name(error.field)), mark)
    shown = _draw_error(pixels, error, field.truths, _list_counted(field, evidence))
    return Picture(shown, title, (*lines, show_name(error.field)), mark)


def _list_counted(field: JudgedField, evidence: Evidence) -> list[Box]:
    return [
        found.box
        for found in field.detections
        if found.box.kind in evidence.thresholds and found.score >= evidence.thresholds[found.box.kind]
    ]


def _draw_error(pixels: Pixels, error: FieldError, truths: Sequence[Box], counted: Sequence[Box]) -> Pixels:
    """The surroundings of an error with the boxes in them, `(224, 224, 3)` uint8 RGB."""
    box = error.box
    # At least a quarter of the field's height, so that the neighbours of a small platelet are shown.
    square = square_box(box, max(2.2 * max(box.width, box.height), min(pixels.shape[:2]) / 4))
    scale, left, top = _PICTURE_PX / square.width, square.x0, square.y0
    image = Image.fromarray(crop_cell(pixels, square)).resize((_PICTURE_PX, _PICTURE_PX), Image.Resampling.BILINEAR)
    pen = ImageDraw.Draw(image)
    drawn = [(one, GREEN, 2) for one in truths if one != box] + [(one, _SKY, 2) for one in counted if one != box]
    for one, colour, wide in [*drawn, (box, RED, 5)]:
        corners = ((one.x0 - left) * scale, (one.y0 - top) * scale, (one.x1 - left) * scale, (one.y1 - top) * scale)
        pen.rectangle(corners, outline=colour, width=wide)
    return np.asarray(image)


def draw_worst_fields(
    errors: Sequence[FieldError], fields: Sequence[JudgedField], evidence: Evidence, image_of: ImageOf
) -> tuple[Plate, ...]:
    """The fields with most errors, with right detections in blue and errors in red."""
    by_name = {field.name: field for field in fields}
    plates: list[Plate] = []
    for name, count in Counter(error.field for error in errors).most_common(_MOST_PLATES):
        pixels = image_of(name)
        if pixels is None:
            continue
        wrong = [error for error in errors if error.field == name]
        false = [error.box for error in wrong if error.sort == ErrorSort.FALSE]
        right = (box for box in _list_counted(by_name[name], evidence) if box not in false)
        outlines = [Outline(_corners(box), BLUE, WHOLE) for box in right]
        for error in wrong:
            word, line = ("false", WHOLE) if error.sort == ErrorSort.FALSE else ("missed", DASHED)
            outlines.append(Outline(_corners(error.box), RED, line, f"{word} {show_words(error.box.kind)}"))
        drawing = draw_plate(pixels, outlines, f"Field {name} with its errors", _PLATE_PIXELS)
        plates.append(Plate(f"{show_name(name)}: {count} errors", drawing, (), f"worst-{len(plates)}"))
    return tuple(plates)


def _corners(box: Box) -> tuple[float, float, float, float]:
    return box.x0, box.y0, box.x1, box.y1
