"""Draws seeded synthetic stained blood with its truth: cells of every class, fields, smears. Light install only."""

from leukolens.data.synthetic.fields import draw_cell
from leukolens.data.synthetic.files import write_cells

__all__ = ["draw_cell", "write_cells"]
