"""Draws synthetic images of stained blood with their ground truth: cells of every class, fields, smears.

Figures measured on them say nothing about real blood.
"""

from leukolens.datasets.synthetic.fields import (
    Slide,
    SyntheticCell,
    SyntheticField,
    draw_cell,
    draw_field,
    draw_slide,
    draw_smear,
)
from leukolens.datasets.synthetic.files import write_cells, write_fields, write_smear_fields

__all__ = [
    "Slide",
    "SyntheticCell",
    "SyntheticField",
    "draw_cell",
    "draw_field",
    "draw_slide",
    "draw_smear",
    "write_cells",
    "write_fields",
    "write_smear_fields",
]
