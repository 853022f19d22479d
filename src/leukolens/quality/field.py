"""States what is wrong with the photograph of a field, and what to do about it at the microscope.

The limits lie just beyond the values of good real fields: those of BCCD, half of Chula's and a quarter of TXL-PBC's.
How many of the other fields get a wrong warning, and how much of each fault is noticed, is in `docs/lab/log.md`
(2026-11-21).
"""

from collections.abc import Iterator

from leukolens.core.detections import Detections
from leukolens.core.pixels import Pixels
from leukolens.core.results import Advice
from leukolens.quality.field_measures import CellMeasures, FieldQuality, measure_field

# Not blood: no good field is beyond these limits; photographs of cats, paper and landscapes are.
_LEAST_DENSITY = 0.035  # the darkest parts take away 8 % of the light
_LEAST_COLOUR = 0.2
_MOST_BROWN = 0.3
_MOST_UNEVEN = 3.0
_MOST_USUAL_DENSITY = 0.45
_ENOUGH_RED_CELLS = 10  # with so many, a field is blood whatever its light, and shares of them can be used

_SHARP_FROM, _VISIBLE_FROM = 0.22, 0.12  # focus: blur by a tenth of a red cell, and by a fifth
_UNSCALED_VISIBLE_FROM = 0.04
_DARK_BELOW = 0.44
_MOST_BURNT = 0.05
_LEAST_RED_CELL, _LEAST_NUCLEUS = 0.028, 0.06
_LEAST_PINK = 0.25
_EVEN_TINT = 0.08  # above this, the lamp's colour differs so much across the field that it hides the cells' colour
_MOST_COVER, _MOST_CROWDED, _MOST_RED_CELL_SHARE = 0.77, 0.85, 1.1
_THICK_COVER = 0.55  # stacks of cells in a thin film cover less than this
_LEAST_COVER, _LEAST_RED_CELL_SHARE = 0.3, 0.18
_SMALL_RED_CELL_PX, _TINY_RED_CELL_PX = (
    14,
    8,
)  # on PBC's cells, reduced, the classifier loses 1 % at 16 px and 23 % at 7 px
_LEAST_ACROSS = 3

_MORE_STAIN = "Stain longer, or use fresh stain. Rinse less. Close the condenser diaphragm a little."
_LESS_LIGHT = "Reduce the light, or shorten the camera's exposure, until the background is not pure white."


def judge_field(pixels: Pixels, detected: Detections | None) -> tuple[Advice, ...]:
    """What is wrong with a field and what to do, the worst first; empty for a good field.

    Args:
        pixels: The field, `(h, w, 3)` uint8 RGB, without the black around an eyepiece's disc.
        detected: The cells found in it; None if no detector was run, and then fewer faults can be found.
    """
    quality = measure_field(pixels, detected)
    stops = tuple(_find_stops(quality))
    # If one fault stops the count, the others do not matter.
    return stops[:1] or tuple(_find_flaws(quality))


def _find_stops(quality: FieldQuality) -> Iterator[Advice]:
    cells = quality.cells
    if quality.density < _LEAST_DENSITY and quality.burnt_share > _MOST_BURNT:
        yield Advice("burnt out to white", f"{_LESS_LIGHT} Photograph again.", True)
    elif quality.density < _LEAST_DENSITY:
        yield Advice(
            "nothing visible",
            "Check that the slide is stained and lies the right way up. Focus on the cells and photograph again.",
            True,
        )
    if _is_no_blood(quality):
        yield Advice(
            "not a stained blood film, or not in colour",
            "Photograph a stained blood film through the microscope, in colour and without filters.",
            True,
        )
    if quality.focus < (_VISIBLE_FROM if cells and cells.red_cell_px else _UNSCALED_VISIBLE_FROM):
        yield Advice(
            "far out of focus",
            "Turn the fine focus knob until the edges of the cells are sharp. Photograph again.",
            True,
        )
    if cells is None:
        return
    if not cells.leukocytes and not cells.red_cells:
        yield Advice("no cells found", "Move to a part of the film with cells. Focus and photograph again.", True)
    if cells.red_cell_px and cells.red_cell_px < _TINY_RED_CELL_PX:
        yield Advice(
            "magnification far too low",
            "Use the 40x or 100x objective, or save the photograph at full size. The cells are too small to classify.",
            True,
        )


def _is_no_blood(quality: FieldQuality) -> bool:
    if quality.colour < _LEAST_COLOUR or quality.brownness > _MOST_BROWN:
        return True
    if quality.cells and quality.cells.red_cells >= _ENOUGH_RED_CELLS:
        return False
    return quality.unevenness > _MOST_UNEVEN or quality.usual_density > _MOST_USUAL_DENSITY


def _find_flaws(quality: FieldQuality) -> Iterator[Advice]:
    if quality.burnt_share > _MOST_BURNT:
        yield Advice("overexposed", _LESS_LIGHT)
    if quality.brightness < _DARK_BELOW:
        yield Advice(
            "underexposed", "Increase the light, open the condenser diaphragm, or lengthen the camera's exposure."
        )
    cells = quality.cells
    if cells is None:
        return
    if cells.red_cell_px and quality.focus < _SHARP_FROM:
        yield Advice(
            "out of focus", "Turn the fine focus knob. With oil immersion, check that oil and slide are clean."
        )
    if quality.burnt_share <= _MOST_BURNT:  # overexposed cells look pale too
        yield from _judge_stain(quality, cells)
    yield from _judge_spread(quality, cells)


def _judge_stain(quality: FieldQuality, cells: CellMeasures) -> Iterator[Advice]:
    enough = cells.red_cells >= _ENOUGH_RED_CELLS
    pale_red = enough and cells.red_cell_density is not None and cells.red_cell_density < _LEAST_RED_CELL
    pale_nuclei = cells.nucleus_density is not None and cells.nucleus_density < _LEAST_NUCLEUS
    if pale_nuclei:
        yield Advice(
            "nuclei hardly darker than the background",
            _MORE_STAIN,
        )
    elif pale_red:
        yield Advice(
            "stained too pale",
            _MORE_STAIN,
        )
    if quality.tint < _EVEN_TINT and quality.pinkness < _LEAST_PINK:
        yield Advice(
            "stained too blue", "Check the pH of the buffer (6.8 to 7.2). Stain for less time, or rinse longer."
        )


def _is_thick(quality: FieldQuality, cells: CellMeasures) -> bool:
    if quality.cover > _MOST_COVER and quality.tint < _EVEN_TINT:
        return True
    if cells.red_cells < _ENOUGH_RED_CELLS or quality.cover < _THICK_COVER:
        return False
    return (cells.crowded_share or 0.0) > _MOST_CROWDED or (cells.red_cell_share or 0.0) > _MOST_RED_CELL_SHARE


def _is_thin(quality: FieldQuality, red_cell_share: float) -> bool:
    # Where cells take away much of the light, the detector missed some of them.
    return red_cell_share < _LEAST_RED_CELL_SHARE and quality.cover < _LEAST_COVER


def _judge_spread(quality: FieldQuality, cells: CellMeasures) -> Iterator[Advice]:
    if _is_thick(quality, cells):
        yield Advice(
            "too thick: cells lie on each other", "Move towards the feathered edge, where the cells lie side by side."
        )
    elif cells.red_cell_share is not None and _is_thin(quality, cells.red_cell_share):
        yield Advice(
            "too thin: few cells with wide gaps",
            "Move away from the feathered edge, towards the thicker part of the film.",
        )
    if cells.red_cell_px and cells.red_cell_px < _SMALL_RED_CELL_PX:
        yield Advice("magnification too low", "Use the 40x or 100x objective, or save the photograph at full size.")
    if cells.red_cells_across is not None and cells.red_cells_across < _LEAST_ACROSS:
        yield Advice(
            "magnification too high",
            "Use a lower objective, or do not zoom the camera. Too few cells fit into the field.",
        )
