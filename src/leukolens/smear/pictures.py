"""The pictures of a smear's report: every leukocyte at one scale, by class, and every field with its cells outlined.

Only what the page shows is kept of a field's picture, so that a long smear takes little memory.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image

from leukolens.core.acceptance import BELOW_THRESHOLD
from leukolens.core.files import show_name
from leukolens.core.pixels import Pixels, resize_window
from leukolens.core.results import CellStatus, FieldCell
from leukolens.core.taxonomy import CELL_CLASSES, CellKind
from leukolens.reporting.page import Picture, Section
from leukolens.reporting.plates import Plate, draw_plate
from leukolens.smear.overlay import name_cell, outline_cells
from leukolens.smear.records import FieldResult, SmearRecord

CROP_UM = 24.0
"""Side of each cell's picture: the widest monocyte with a little of what lies around it."""

CROP_PX = 112
MOST_CROPS = 60
"""Most pictures of one class. A page with thousands of pictures does not open on an old laptop."""

MOST_PLATES = 200
"""Most fields shown; the others are in the folder `overlay`."""

_MOST_PIXELS = 80_000_000
_MOST_PLATE_PIXELS = 1_200_000


@dataclass(frozen=True)
class FieldView:
    """What the report keeps of a field's picture.

    Attributes:
        field: The field.
        drawing: SVG with outlines; empty where the picture cannot be read or is not shown.
        crops: A picture `(CROP_PX, CROP_PX, 3)` uint8 RGB of each leukocyte, by its place in the field's cells.
        gone: Why there is no picture; empty otherwise.
    """

    field: FieldResult
    drawing: str
    crops: dict[int, Pixels]
    gone: str = ""


def show_field(field: FieldResult, pixels: Pixels, number: int, fields: int) -> FieldView:
    """A field drawn for the report, and pictures of its leukocytes at one scale.

    Args:
        field: The field.
        pixels: Its picture, `(h, w, 3)` uint8 RGB.
        number: Its place in the smear, from 0.
        fields: Number of fields of the smear. The more there are, the smaller each is drawn.
    """
    drawing = ""
    if number < MOST_PLATES:
        most = min(_MOST_PLATE_PIXELS, _MOST_PIXELS // min(fields, MOST_PLATES))
        drawing = draw_plate(pixels, outline_cells(field.cells), f"Field {number + 1} with its cells outlined", most)
    crops = {
        index: _cut_crop(pixels, cell, field)
        for index, cell in enumerate(field.cells)
        if cell.box.kind == CellKind.LEUKOCYTE and field.usable
    }
    return FieldView(field, drawing, crops)


def _cut_crop(pixels: Pixels, cell: FieldCell, field: FieldResult) -> Pixels:
    """A square around a cell, grey beyond the field's border. A mirrored border would show cells that do not exist."""
    box = cell.box
    side = CROP_UM / field.pixel_size_um if field.pixel_size_um else 2 * max(box.width, box.height)
    side = min(max(8.0, side), 4.0 * max(pixels.shape[:2]))
    left, top = (middle - side / 2 for middle in box.centre)
    scale = CROP_PX / side
    height, width = pixels.shape[:2]
    x0, y0, x1, y1 = max(0.0, left), max(0.0, top), min(width, left + side), min(height, top + side)
    canvas = Image.new("RGB", (CROP_PX, CROP_PX), "#d9dde2")
    size = (max(1, round((x1 - x0) * scale)), max(1, round((y1 - y0) * scale)))
    if x1 - x0 >= 1 and y1 - y0 >= 1:
        piece = resize_window(pixels, (x0, y0, x1, y1), (size[1], size[0]))
        canvas.paste(Image.fromarray(piece), (round((x0 - left) * scale), round((y0 - top) * scale)))
    return np.asarray(canvas)


def show_classes(result: SmearRecord, views: Sequence[FieldView]) -> Iterator[Section]:
    """A gallery for each class that was found, the least certain cells first. The first gallery states the scale."""
    text = [_say_scale(views)]
    for label in (name for name in CELL_CLASSES if name in result.classes):
        shown = [
            item
            for item in _gather(views)
            if item[0].box.label == label and item[0].status in (CellStatus.ACCEPTED, CellStatus.REVIEW)
        ]
        if not shown:
            continue
        shown.sort(key=lambda item: (item[0].status == CellStatus.ACCEPTED, item[0].probability))
        review = sum(cell.status == CellStatus.REVIEW for cell, _, _ in shown)
        title = f"{label.replace('_', ' ').capitalize()}: {len(shown) - review} counted"
        if len(shown) > MOST_CROPS:
            text.append(f"The {MOST_CROPS} least certain cells are shown. All cells are in cells.csv.")
        pictures = tuple(_show_cell(*item, result.classes) for item in shown[:MOST_CROPS])
        yield Section(title + (f", {review} for review" if review else ""), tuple(text), pictures=pictures, small=True)
        text = []


def _say_scale(views: Sequence[FieldView]) -> str:
    order = "Under each cell is the probability of its class. Cells for review come first."
    unknown = sum(not view.field.pixel_size_um for view in views)
    if unknown == len(views):
        return f"{order} The scale is unknown: each picture is twice as wide as its cell."
    known = f"{order} Each picture is {CROP_UM:g} µm wide"
    return known + (f", except on {unknown} fields of unknown scale." if unknown else ".")


def _show_cell(cell: FieldCell, number: int, crop: Pixels, classes: Sequence[str]) -> Picture:
    lines = [f"field {number}"]
    if cell.status == CellStatus.REVIEW:
        lines = ["for review", *_explain_review(cell, classes), *lines]
    mark = "unsure" if cell.status == CellStatus.REVIEW else ""
    spoken = f"{name_cell(cell)} of field {number}"
    words = _spell_probability(cell.probability)
    return Picture(crop, words, tuple(lines), mark, spoken=spoken, link=link_field(number))


def _spell_probability(probability: float) -> str:
    return "over 99%" if probability >= 0.995 else f"{probability:.0%}"


def _explain_review(cell: FieldCell, classes: Sequence[str]) -> Iterator[str]:
    """The second most probable class; if the cell is for review for another reason than its class, that reason."""
    if not cell.reason.startswith(BELOW_THRESHOLD):
        yield cell.reason
    elif len(cell.probabilities) == len(classes) > 1:
        second = int(np.argsort(cell.probabilities)[-2])
        yield f"or {classes[second].replace('_', ' ')} {cell.probabilities[second]:.0%}"


def show_apart(views: Sequence[FieldView]) -> Section | None:
    """A gallery of the leukocytes that were set apart; None where there is none."""
    shown = [item for item in _gather(views) if item[0].status not in (CellStatus.ACCEPTED, CellStatus.REVIEW)]
    if not shown:
        return None
    shown.sort(key=lambda item: item[0].status)
    pictures = tuple(
        Picture(crop, name_cell(cell), (cell.reason, f"field {number}"), "bad", link=link_field(number))
        for cell, number, crop in shown[:MOST_CROPS]
    )
    text = ["These leukocytes were found but not counted. The reason is under each picture."]
    if len(shown) > MOST_CROPS:
        text.append(f"{MOST_CROPS} of {len(shown)} are shown. All cells are in cells.csv.")
    return Section(f"Set apart: {len(shown)} leukocytes", tuple(text), pictures=pictures, small=True)


def _gather(views: Sequence[FieldView]) -> Iterator[tuple[FieldCell, int, Pixels]]:
    """Each leukocyte with the number of its field, from 1, and its picture."""
    for number, view in enumerate(views, start=1):
        for index, crop in view.crops.items():
            yield view.field.cells[index], number, crop


def show_fields(views: Sequence[FieldView]) -> Section | None:
    """Every field with its cells outlined, which a reader can enlarge; None without fields."""
    plates = []
    for number, view in enumerate(views[:MOST_PLATES], start=1):
        field = view.field
        lines = [f"{advice.fault}: {advice.action}" for advice in field.advice]
        lines += [view.gone] if view.gone else []
        lines += [] if field.usable else ["Not counted."]
        title = f"Field {number}: {last_part(field.name)}"
        plates.append(Plate(title, view.drawing, tuple(lines), f"field-{number}"))
    if not plates:
        return None
    text = [
        "The colour shows the class. Solid line: counted. Dashed line: for review. Dotted line: set apart. "
        "Thin grey line: red cell. Thin dark line: platelet.",
        "The pictures on this page are reduced and compressed. Judge cells on the original photographs.",
    ]
    if len(views) > MOST_PLATES:
        text.append(f"The first {MOST_PLATES} of {len(views)} fields are shown. All are in the folder overlay.")
    return Section("Every field with its cells", tuple(text), plates=tuple(plates))


def link_field(number: int) -> str:
    """Where the picture of a field is on the page; empty where it is not shown. Fields are numbered from 1."""
    return f"#field-{number}" if number <= MOST_PLATES else ""


def last_part(name: str) -> str:
    """The file name at the end of a field's path, on one printable line."""
    return show_name(name.replace("\\", "/").rstrip("/").rpartition("/")[2] or name)
