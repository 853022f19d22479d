"""One image for people with examples of what the generator draws: the eight classes, and a field with its boxes.

`python -m leukolens.datasets.synthetic OUT.png` writes it.
"""

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from leukolens.core.taxonomy import CELL_CLASSES
from leukolens.datasets.synthetic.fields import draw_cell, draw_field

_CELL_PX = 160
_IN_A_ROW = 6
_HEAD_PX = 28
_NAME_PX = 190
_BOX_COLOURS = {"leukocyte": (20, 60, 220), "red_cell": (210, 60, 50), "platelet": (20, 140, 60)}


def draw_sheet(seed: int = 0) -> NDArray[np.uint8]:
    """The sheet, `(height, width, 3)` uint8 RGB: one row for each class, then a field without and with its boxes."""
    rows = len(CELL_CLASSES)
    width = _NAME_PX + _IN_A_ROW * _CELL_PX
    field = draw_field(np.random.default_rng([seed, rows]), width_px=width // 2, height_px=420)
    sheet = Image.new("RGB", (width, _HEAD_PX + rows * _CELL_PX + _HEAD_PX + 420), (255, 255, 255))
    pen = ImageDraw.Draw(sheet)
    font = ImageFont.load_default(size=16)
    pen.text((8, 4), f"SYNTHETIC - drawn by a program, no real cells (seed {seed})", (0, 0, 0), font)
    for row, label in enumerate(CELL_CLASSES):
        top = _HEAD_PX + row * _CELL_PX
        pen.text((8, top + _CELL_PX // 2 - 10), label.replace("_", " "), (0, 0, 0), font)
        for column in range(_IN_A_ROW):
            cell = Image.fromarray(draw_cell(label, np.random.default_rng([seed, row, column])))
            sheet.paste(cell.resize((_CELL_PX, _CELL_PX)), (_NAME_PX + column * _CELL_PX, top))
    top = _HEAD_PX + rows * _CELL_PX
    pen.text((8, top + 4), "SYNTHETIC field: plain, and with its truth", (0, 0, 0), font)
    plain = Image.fromarray(field.image)
    sheet.paste(plain, (0, top + _HEAD_PX))
    for cell_truth in field.cells:
        box = (cell_truth.x0, cell_truth.y0, cell_truth.x1 - 1, cell_truth.y1 - 1)
        ImageDraw.Draw(plain).rectangle(box, outline=_BOX_COLOURS[cell_truth.kind])
    sheet.paste(plain, (width // 2, top + _HEAD_PX))
    return np.asarray(sheet)
