"""Says what is wrong with a field photograph, and what to do about it at the microscope.

Called by `analysis` once the cells of a field were looked for. The limits lie just beyond what good real fields show:
BCCD's, half of Chula's, a quarter of TXL-PBC's. How many of the others are blamed wrongly, and how much of each kind
of spoiling is noticed, stands in `docs/lab/log.md` (2026-11-21).
"""

from collections.abc import Iterator

from leukolens.core.detections import Detections
from leukolens.core.pixels import Pixels
from leukolens.core.results import Advice
from leukolens.quality.field_measures import FieldQuality, Finds, measure_field

# Not blood: no good field lies beyond any of these; cats, paper and landscapes do.
_LEAST_DENSITY = 0.035  # 8 % of the light gone in the darkest things
_LEAST_COLOUR = 0.2
_MOST_BROWN = 0.3
_MOST_UNEVEN = 3.0
_MOST_USUAL_DENSITY = 0.45
_ENOUGH_RED_CELLS = 10  # of which a field is blood whatever its light, and from which shares of them mean something

_SHARP_FROM, _SEEN_FROM = 0.22, 0.12  # focus: blur of a tenth of a red cell, and of a fifth
_UNSCALED_SEEN_FROM = 0.04
_DARK_BELOW = 0.44
_MOST_BURNT = 0.05
_LEAST_RED_CELL, _LEAST_NUCLEUS = 0.028, 0.06
_LEAST_PINK = 0.25
_EVEN_TINT = 0.08  # beyond, the lamp's colour differs so much across the field that it hides that of the cells
_MOST_COVER, _MOST_CROWDED, _MOST_RED_CELL_SHARE = 0.77, 0.85, 1.1
_THICK_COVER = 0.55  # stacks of cells in a thin film cover less
_LEAST_COVER, _LEAST_RED_CELL_SHARE = 0.3, 0.18
_SMALL_RED_CELL_PX, _TINY_RED_CELL_PX = 14, 8  # PBC's cells reduced: the classifier loses 1 % at 16 px, 23 % at 7
_LEAST_ACROSS = 3

_MORE_STAIN = "Stain longer or with fresh stain, and rinse less; close the condenser diaphragm a little."
_LESS_LIGHT = "Lower the lamp, or shorten the camera's exposure, until the background is not pure white."


def judge_field(pixels: Pixels, detected: Detections | None) -> tuple[Advice, ...]:
    """What is wrong with a field, worst first, and what to do; nothing where it is good.

    Args:
        pixels: The field, `(h, w, 3)` uint8 RGB, black surroundings cut away.
        detected: What the finder of cells saw in it; None where it did not look, and then less can be said.
    """
    quality = measure_field(pixels, detected)
    stops = tuple(_find_stops(quality))
    # Of a picture that shows no blood, nothing else is worth saying.
    return stops[:1] or tuple(_find_flaws(quality))


def _find_stops(quality: FieldQuality) -> Iterator[Advice]:
    finds = quality.finds
    if quality.density < _LEAST_DENSITY and quality.burnt_share > _MOST_BURNT:
        yield Advice("burnt out to white", f"{_LESS_LIGHT} Then photograph again.", True)
    elif quality.density < _LEAST_DENSITY:
        yield Advice(
            "nothing to be seen on it",
            "Check that the slide is stained and lies the right way up, focus on the cells, and photograph again.",
            True,
        )
    if _is_no_blood(quality):
        yield Advice(
            "not a stained blood film, or not in colour",
            "Photograph a stained blood film through the microscope, in colour and without filters.",
            True,
        )
    if quality.focus < (_SEEN_FROM if finds and finds.red_cell_px else _UNSCALED_SEEN_FROM):
        yield Advice(
            "far out of focus", "Refocus with the fine knob until cell edges are sharp, then photograph again.", True
        )
    if finds is None:
        return
    if not finds.leukocytes and not finds.red_cells:
        yield Advice("no cells found", "Move to a part of the film with cells, focus, and photograph again.", True)
    if finds.red_cell_px and finds.red_cell_px < _TINY_RED_CELL_PX:
        yield Advice(
            "magnification far too low",
            "Use the 40x or 100x objective, or save the photograph at full size: cells are too small to be named.",
            True,
        )


def _is_no_blood(quality: FieldQuality) -> bool:
    if quality.colour < _LEAST_COLOUR or quality.brownness > _MOST_BROWN:
        return True
    if quality.finds and quality.finds.red_cells >= _ENOUGH_RED_CELLS:
        return False
    return quality.unevenness > _MOST_UNEVEN or quality.usual_density > _MOST_USUAL_DENSITY


def _find_flaws(quality: FieldQuality) -> Iterator[Advice]:
    if quality.burnt_share > _MOST_BURNT:
        yield Advice("overexposed", _LESS_LIGHT)
    if quality.brightness < _DARK_BELOW:
        yield Advice("underexposed", "Raise the lamp, open the condenser diaphragm, or lengthen the camera's exposure.")
    finds = quality.finds
    if finds is None:
        return
    if finds.red_cell_px and quality.focus < _SHARP_FROM:
        yield Advice(
            "out of focus", "Refocus with the fine knob; with oil immersion, check that oil and slide are clean."
        )
    if quality.burnt_share <= _MOST_BURNT:  # what is burnt out looks pale
        yield from _judge_stain(quality, finds)
    yield from _judge_spread(quality, finds)


def _judge_stain(quality: FieldQuality, finds: Finds) -> Iterator[Advice]:
    enough = finds.red_cells >= _ENOUGH_RED_CELLS
    pale_red = enough and finds.red_cell_density is not None and finds.red_cell_density < _LEAST_RED_CELL
    pale_nuclei = finds.nucleus_density is not None and finds.nucleus_density < _LEAST_NUCLEUS
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
        yield Advice("stained too blue", "Check the buffer's pH (6.8 to 7.2), stain for less time or rinse longer.")


def _is_thick(quality: FieldQuality, finds: Finds) -> bool:
    if quality.cover > _MOST_COVER and quality.tint < _EVEN_TINT:
        return True
    if finds.red_cells < _ENOUGH_RED_CELLS or quality.cover < _THICK_COVER:
        return False
    return (finds.crowded_share or 0.0) > _MOST_CROWDED or (finds.red_cell_share or 0.0) > _MOST_RED_CELL_SHARE


def _is_thin(quality: FieldQuality, red_cell_share: float) -> bool:
    # Where much of the light is gone, cells are there that the finder missed.
    return red_cell_share < _LEAST_RED_CELL_SHARE and quality.cover < _LEAST_COVER


def _judge_spread(quality: FieldQuality, finds: Finds) -> Iterator[Advice]:
    if _is_thick(quality, finds):
        yield Advice(
            "too thick: cells lie on one another", "Move towards the feathered edge, where cells lie side by side."
        )
    elif finds.red_cell_share is not None and _is_thin(quality, finds.red_cell_share):
        yield Advice(
            "too thin: few cells with wide gaps",
            "Move away from the feathered edge, towards the thicker part of the film.",
        )
    if finds.red_cell_px and finds.red_cell_px < _SMALL_RED_CELL_PX:
        yield Advice("magnification too low", "Use the 40x or 100x objective, or save the photograph at full size.")
    if finds.red_cells_across is not None and finds.red_cells_across < _LEAST_ACROSS:
        yield Advice(
            "magnification too high",
            "Use a lower objective, or do not zoom the camera: hardly a cell fits into the field.",
        )
