"""How many leukocytes of a smear one whole cell stands for, because the border of a field cuts others.

A cell that the border cuts is not counted, and large cells are cut more often than small ones. On a field of W x H
pixels a cell of w x h that may lie anywhere is whole with a probability of (W - w)(H - h) / WH (Miles 1974, `On the
elimination of edge effects in planar sampling`). At 640 x 480 px and 0.13 um per pixel this is a third lower for a
monocyte than for a lymphocyte. Where each photograph was centred on a leukocyte, none is cut. The positions of the
whole cells show which of the two it was: spread over the field, or in the middle.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator

import numpy as np

from leukolens.core.overlaps import stack_corners
from leukolens.core.results import CellStatus, FieldCell
from leukolens.core.taxonomy import CellKind
from leukolens.inference.borders import borders_px
from leukolens.smear.records import FieldResult

_MIDDLE = 0.5
"""Side of the middle part of a field, as a share of the positions that a whole cell can have."""

_LEAST_CHANCE = 0.2
"""Lowest probability of being whole that is used: no cell stands for more than five."""


def weigh_classes(fields: Iterable[FieldResult]) -> dict[str, float]:
    """By class, how many cells one accepted cell stands for: 1 or more; 1 where photographs are centred on cells.

    Args:
        fields: The usable fields of one smear.
    """
    chances: dict[str, list[float]] = defaultdict(list)
    in_the_middle = []
    for field in fields:
        for cell in _find_counted(field):
            chance, central = _place(cell, field)
            chances[str(cell.box.label)].append(chance)
            in_the_middle.append(central)
    if not in_the_middle:
        return {}
    anywhere = min(1.0, (1 - float(np.mean(in_the_middle))) / (1 - _MIDDLE**2))
    return {
        label: 1 + anywhere * float(np.mean([1 / chance - 1 for chance in each])) for label, each in chances.items()
    }


def _find_counted(field: FieldResult) -> Iterator[FieldCell]:
    return (cell for cell in field.cells if cell.box.kind == CellKind.LEUKOCYTE and cell.status == CellStatus.ACCEPTED)


def _place(cell: FieldCell, field: FieldResult) -> tuple[float, bool]:
    """The probability that a cell of this size is whole, and whether this one lies in the middle of the field."""
    left, top, right, bottom = field.view or (0, 0, field.width_px, field.height_px)
    box, border = cell.box, float(borders_px(stack_corners([cell.box]))[0])
    chance, central = 1.0, True
    for start, end, low, high in ((left, right, box.x0, box.x1), (top, bottom, box.y0, box.y1)):
        free = end - start - (high - low) - 2 * border
        chance *= max(0.0, free) / (end - start)
        place = (low - start - border) / free if free > 0 else 0.5
        central &= abs(place - 0.5) < _MIDDLE / 2
    return max(_LEAST_CHANCE, chance), central
