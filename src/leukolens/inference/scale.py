"""Measures the scale of a field on its red cells, which are 7.5 micrometres wide on average."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from leukolens.core.card import DetectorCard
from leukolens.core.errors import UsageError
from leukolens.core.taxonomy import CellKind
from leukolens.inference.decoding import RawDetections

RED_CELL_UM = 7.5
"""Mean diameter of red cells on a dry smear."""

LEAST_RED_CELLS = 3
"""With fewer, one nucleus taken for a red cell could decide the median. Pictures of one cell show few more."""

SCALE_TOLERANCE = 0.15
"""A detector is trained on sizes from two thirds to one and a half of its own, so this error costs nothing."""

PIXEL_SIZES_UM = (0.02, 2.0)
"""Micrometres per pixel that a light microscope with a camera can have."""

_LIKELY_RED_CELL_UM = (5.4, 10.5)
"""Median diameter of red cells in one field: smaller ones than in most anaemias, and larger ones than in most macrocytoses."""

_SMALLEST_PX = 16.0
_STEP = 2.0
_WINDOW_CELLS = 6
_BELIEVED = (0.6, 1.7)  # Measured over assumed diameter; beyond, other things than red cells were measured.
_SPOTS = ((0.5, 0.5), (0.25, 0.25), (0.75, 0.75), (0.75, 0.25), (0.25, 0.75))

Window = tuple[int, int, int, int]
Detect = Callable[[Window, float], RawDetections]
"""Gives the detections in a window x0, y0, x1, y1 of the field, in its pixels, for an assumed diameter of red cells."""


def measure_red_cells(detections: RawDetections, window: Window, card: DetectorCard) -> float | None:
    """Median diameter of the certain and round red cells that are whole in the window; None where there are too few."""
    diameters, _ = _list_red_cells(detections, window, card)
    return float(np.median(diameters)) if len(diameters) >= LEAST_RED_CELLS else None


def check_pixel_size(pixel_size_um: float) -> None:
    """Refuses a pixel size that no light microscope has.

    Raises:
        UsageError: it is out of range.
    """
    least, most = PIXEL_SIZES_UM
    if not least <= pixel_size_um <= most:
        told = f"A pixel size is {least:g} to {most:g} micrometres on a light microscope; received {pixel_size_um:g}"
        raise UsageError(f"{told}. Without a pixel size, the scale is measured on the red cells.")


def contradict_pixel_size(pixel_size_um: float, red_cell_px: float) -> str:
    """Why a given pixel size cannot be right, if it makes red cells too small or too large; empty where it can.

    Args:
        pixel_size_um: As given.
        red_cell_px: Median diameter of the red cells of the field.
    """
    across = pixel_size_um * red_cell_px
    if _LIKELY_RED_CELL_UM[0] <= across <= _LIKELY_RED_CELL_UM[1]:
        return ""
    told = f"the pixel size of {pixel_size_um:g} micrometres makes the red cells {across:.1f} micrometres wide"
    likely = f"{RED_CELL_UM / red_cell_px:.3f}"
    return f"{told}, but they are about {RED_CELL_UM:g}: check it (the red cells say {likely}), or leave it out"


def guess_diameter(size: tuple[int, int], detect: Detect, card: DetectorCard) -> float:
    """A first guess of the diameter of a field's red cells, in pixels.

    Diameters are assumed one after another, the largest first since it is the fastest. The first is taken with which
    the detector measures about that diameter. If there is none, it is the one with which red cells cover most of the
    window, and without red cells the one with the highest mean score.

    Args:
        size: Height and width of the field.
        detect: Runs the detector on a window.
        card: The detector's.
    """
    assumed = _list_diameters(min(size))
    seen: dict[float, float] = {}
    sure: dict[float, float] = {}
    for spot in _SPOTS:
        for diameter in assumed:
            window = _place_window(size, spot, diameter)
            detections = detect(window, diameter)
            diameters, scores = _list_red_cells(detections, window, card)
            measured = float(np.median(diameters)) if len(diameters) else 0.0
            if len(diameters) > LEAST_RED_CELLS and _BELIEVED[0] <= measured / diameter <= _BELIEVED[1]:
                return measured
            if len(diameters) >= LEAST_RED_CELLS:
                area = (window[2] - window[0]) * (window[3] - window[1])
                seen[measured] = float((scores * diameters**2).sum()) / area
            # The mean, not the sum: a cell that is shown too large falls into many pieces with low scores.
            sure[diameter] = max(
                sure.get(diameter, 0.0), float(detections.scores.mean()) if len(detections.scores) else 0.0
            )
    best = seen or sure
    return max(best, key=lambda diameter: best[diameter])


def _list_diameters(shorter_side: int) -> list[float]:
    """Diameters to assume, the largest first: from a third of the field down to the smallest that can be told apart."""
    diameters = [max(_SMALLEST_PX, shorter_side / 3)]
    while diameters[-1] / _STEP >= _SMALLEST_PX:
        diameters.append(diameters[-1] / _STEP)
    return diameters


def _place_window(size: tuple[int, int], spot: tuple[float, float], diameter: float) -> Window:
    """A window a few cells wide around a spot, which is given in shares of the field; a small field is taken whole."""
    side = round(_WINDOW_CELLS * diameter)
    (y0, y1), (x0, x1) = (_place_side(length, side, share) for length, share in zip(size, spot, strict=True))
    return x0, y0, x1, y1


def _place_side(length: int, side: int, share: float) -> tuple[int, int]:
    start = min(max(0, round(length * share - side / 2)), max(0, length - side))
    return start, min(length, start + side)


def _list_red_cells(
    detections: RawDetections, window: Window, card: DetectorCard
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Diameters and scores of certain, round and whole red cells."""
    if CellKind.RED_CELL not in card.kinds:
        return np.empty(0), np.empty(0)
    sides = detections.boxes[:, 2:] - detections.boxes[:, :2]
    x0, y0, x1, y1 = window
    whole = (detections.boxes[:, :2] > (x0 + 1, y0 + 1)).all(axis=1) & (detections.boxes[:, 2:] < (x1 - 1, y1 - 1)).all(
        axis=1
    )
    is_round = sides.min(axis=1) >= 0.75 * sides.max(axis=1)
    sure = (detections.kinds == card.kinds.index(CellKind.RED_CELL)) & (
        detections.scores >= card.score_thresholds[CellKind.RED_CELL]
    )
    kept = whole & is_round & sure
    return sides[kept].mean(axis=1), detections.scores[kept]
