"""The scale of a field, from the red cells in it: they are 7.5 micrometres wide, give or take little.

Works on finds alone; who calls says how to look at a part of the field (`leukolens.inference.detector`).
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from leukolens.core.card import DetectorCard
from leukolens.core.taxonomy import CellKind
from leukolens.inference.decoding import Finds

RED_CELL_UM = 7.5
"""What red cells measure on a dry smear, on average."""

LEAST_RED_CELLS = 3
"""Fewer give no median to trust: a nucleus taken for a red cell could decide. Frames of one cell show few more."""

SCALE_TOLERANCE = 0.15
"""A detector is trained on sizes from two thirds to one and a half of its own, so this far off costs nothing."""

_SMALLEST_PX = 16.0
_STEP = 2.0
_WINDOW_CELLS = 6
_BELIEVED = (0.6, 1.7)  # Measured over supposed diameter: beyond, what was measured were other things than red cells.
_SPOTS = ((0.5, 0.5), (0.25, 0.25), (0.75, 0.75), (0.75, 0.25), (0.25, 0.75))

Window = tuple[int, int, int, int]
Look = Callable[[Window, float], Finds]
"""Finds, in pixels of the field, in a window x0, y0, x1, y1 of it, supposing its red cells have that diameter."""


def measure_red_cells(finds: Finds, window: Window, card: DetectorCard) -> float | None:
    """Median diameter of the sure and round red cells that the window shows whole; None where there are too few."""
    diameters, _ = _list_red_cells(finds, window, card)
    return float(np.median(diameters)) if len(diameters) >= LEAST_RED_CELLS else None


def guess_diameter(size: tuple[int, int], look: Look, card: DetectorCard) -> float:
    """Diameter that the red cells of a field seem to have, in its pixels.

    Supposes one diameter after another, the largest first since it is the cheapest to look at, until what is seen
    bears it out; else the one under which red cells cover most; else the one with the surest finds of any kind.

    Args:
        size: Height and width of the field.
        look: Runs the detector on a window.
        card: The detector's.
    """
    supposed = _list_diameters(min(size))
    seen: dict[float, float] = {}
    sure: dict[float, float] = {}
    for spot in _SPOTS:
        for diameter in supposed:
            window = _place_window(size, spot, diameter)
            finds = look(window, diameter)
            diameters, scores = _list_red_cells(finds, window, card)
            measured = float(np.median(diameters)) if len(diameters) else 0.0
            if len(diameters) > LEAST_RED_CELLS and _BELIEVED[0] <= measured / diameter <= _BELIEVED[1]:
                return measured
            if len(diameters) >= LEAST_RED_CELLS:
                area = (window[2] - window[0]) * (window[3] - window[1])
                seen[measured] = float((scores * diameters**2).sum()) / area
            # The mean, not the sum: seen too large, a cell falls into pieces, more of them and less sure.
            sure[diameter] = max(sure.get(diameter, 0.0), float(finds.scores.mean()) if len(finds.scores) else 0.0)
    best = seen or sure
    return max(best, key=lambda diameter: best[diameter])


def _list_diameters(shorter_side: int) -> list[float]:
    """Diameters to suppose, the largest first: from a third of the field down to what can just be told apart."""
    diameters = [max(_SMALLEST_PX, shorter_side / 3)]
    while diameters[-1] / _STEP >= _SMALLEST_PX:
        diameters.append(diameters[-1] / _STEP)
    return diameters


def _place_window(size: tuple[int, int], spot: tuple[float, float], diameter: float) -> Window:
    """A window a few cells wide at a spot of the field given in shares of it; all of a side where that is short."""
    side = round(_WINDOW_CELLS * diameter)
    (y0, y1), (x0, x1) = (_place_side(length, side, share) for length, share in zip(size, spot, strict=True))
    return x0, y0, x1, y1


def _place_side(length: int, side: int, share: float) -> tuple[int, int]:
    start = min(max(0, round(length * share - side / 2)), max(0, length - side))
    return start, min(length, start + side)


def _list_red_cells(
    finds: Finds, window: Window, card: DetectorCard
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Diameters and scores of sure, round and whole red cells."""
    if CellKind.RED_CELL not in card.kinds:
        return np.empty(0), np.empty(0)
    sides = finds.boxes[:, 2:] - finds.boxes[:, :2]
    x0, y0, x1, y1 = window
    whole = (finds.boxes[:, :2] > (x0 + 1, y0 + 1)).all(axis=1) & (finds.boxes[:, 2:] < (x1 - 1, y1 - 1)).all(axis=1)
    is_round = sides.min(axis=1) >= 0.75 * sides.max(axis=1)
    sure = (finds.kinds == card.kinds.index(CellKind.RED_CELL)) & (
        finds.scores >= card.score_thresholds[CellKind.RED_CELL]
    )
    kept = whole & is_round & sure
    return sides[kept].mean(axis=1), finds.scores[kept]
