"""Draws the outlines of a field's cells on its picture.

The colour shows the class. The line shows the status: solid for accepted, dashed for review, dotted for set apart. Only
leukocytes get a word. The report draws the same outlines as SVG (`leukolens.reporting.plates`).
"""

import itertools
from collections.abc import Iterable, Iterator

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from leukolens.core.pixels import Pixels
from leukolens.core.results import CellStatus, FieldCell
from leukolens.core.taxonomy import CELL_CLASSES, CellKind
from leukolens.reporting.charts import GREY, PALETTE
from leukolens.reporting.plates import DASHED, DOTTED, WHOLE, Outline, ink_on, reduce_picture

LARGEST_OVERLAY_PX = 2400
"""Longest side of an overlay. A larger field is reduced: its outlines would be too fine to see."""

CLASS_COLOURS = dict(zip(CELL_CLASSES, PALETTE, strict=True))
_UNNAMED = "#444444"
_MARKS = {CellStatus.ACCEPTED: "", CellStatus.REVIEW: "?"}
_LINES = {CellStatus.ACCEPTED: WHOLE, CellStatus.REVIEW: DASHED}


def outline_cells(cells: Iterable[FieldCell]) -> tuple[Outline, ...]:
    """The outlines of a field's cells; leukocytes come last, so that they are drawn on top."""
    outlines = [_outline(cell) for cell in cells]
    return tuple(sorted(outlines, key=lambda outline: bool(outline.word)))


def name_cell(cell: FieldCell) -> str:
    """The word for a cell in pictures: its class, with a question mark if for review, or why it was set apart."""
    if cell.status not in _MARKS:
        return cell.status
    return (cell.box.label or "cell").replace("_", " ") + _MARKS[cell.status]


def _outline(cell: FieldCell) -> Outline:
    box = cell.box
    corners = (box.x0, box.y0, box.x1, box.y1)
    line = _LINES.get(cell.status, DOTTED)
    if box.kind != CellKind.LEUKOCYTE:
        colour = GREY if box.kind == CellKind.RED_CELL else CLASS_COLOURS["platelet"]
        return Outline(corners, colour, line)
    return Outline(corners, CLASS_COLOURS.get(box.label or "", _UNNAMED), line, name_cell(cell))


def draw_overlay(pixels: Pixels, cells: Iterable[FieldCell]) -> Pixels:
    """A field with its cells outlined, `(h, w, 3)` uint8 RGB, reduced to `LARGEST_OVERLAY_PX` if it is larger.

    Args:
        pixels: The field, `(h, w, 3)` uint8 RGB; not changed.
        cells: Its cells.
    """
    height, width = pixels.shape[:2]
    scale = min(1.0, LARGEST_OVERLAY_PX / max(height, width))
    # A copy: Pillow may draw into the memory of the array.
    image = Image.fromarray(reduce_picture(pixels, scale)).copy()
    draw = ImageDraw.Draw(image)
    longer = max(image.size)
    thick = max(1, round(longer / 400))
    font = ImageFont.load_default(max(11, longer / 60))
    for outline in outline_cells(cells):
        corners = tuple(value * scale for value in outline.corners)
        _draw_line(draw, corners, outline, thick)
        if outline.word:
            _write_word(draw, corners, outline, font, image.size)
    return np.asarray(image)


def _draw_line(draw: ImageDraw.ImageDraw, corners: tuple[float, ...], outline: Outline, thick: int) -> None:
    if outline.word:  # White lines inside and outside: dark colours are hard to see on a dark nucleus.
        draw.rectangle(_inset(corners, -thick), outline="#ffffff", width=1)
        draw.rectangle(_inset(corners, 2 * thick), outline="#ffffff", width=1)
    else:
        thick = max(1, thick // 2)
    for segment in _cut_line(corners, outline.line, thick):
        draw.line(segment, fill=outline.colour, width=2 * thick if outline.word else thick)


def _inset(corners: tuple[float, ...], by: float) -> tuple[float, float, float, float]:
    """The rectangle, smaller by so many pixels on each side; not smaller than a point."""
    x0, y0, x1, y1 = corners
    by_x, by_y = min(by, (x1 - x0) / 2), min(by, (y1 - y0) / 2)
    x0, y0 = x0 + by_x, y0 + by_y
    return x0, y0, max(x0, x1 - by_x), max(y0, y1 - by_y)


def _cut_line(corners: tuple[float, ...], line: str, thick: int) -> Iterator[list[tuple[float, float]]]:
    """The sides of a rectangle, in dashes or dots if its line is not solid."""
    x0, y0, x1, y1 = corners
    path = [(x0, y0), (x1, y0), (x1, y1), (x0, y1), (x0, y0)]
    on, off = {WHOLE: (0, 0), DASHED: (6 * thick, 4 * thick), DOTTED: (2 * thick, 4 * thick)}[line]
    for (ax, ay), (bx, by) in itertools.pairwise(path):
        length = max(abs(bx - ax), abs(by - ay))
        if not on or length <= on:
            yield [(ax, ay), (bx, by)]
            continue
        for start in np.arange(0, length, on + off):
            first, last = start / length, min(length, start + on) / length
            yield [
                (ax + (bx - ax) * first, ay + (by - ay) * first),
                (ax + (bx - ax) * last, ay + (by - ay) * last),
            ]


def _write_word(
    draw: ImageDraw.ImageDraw,
    corners: tuple[float, ...],
    outline: Outline,
    font: ImageFont.FreeTypeFont | ImageFont.ImageFont,
    size: tuple[int, int],
) -> None:
    """Writes the word on the outline's colour, above the box or inside its top, always inside the picture."""
    left, top, right, bottom = draw.textbbox((0, 0), outline.word, font=font)
    width, height = right - left + 6, bottom - top + 4
    x = min(max(0.0, corners[0]), max(0.0, size[0] - width))
    y = corners[1] - height if corners[1] >= height else max(0.0, corners[1])
    y = min(y, max(0.0, size[1] - height))
    draw.rectangle((x, y, x + width, y + height), fill=outline.colour)
    draw.text((x + 3 - left, y + 2 - top), outline.word, font=font, fill=ink_on(outline.colour))
