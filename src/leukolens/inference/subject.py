"""Which cell a picture is about, and the square of it that a classifier is shown.

Works on finds alone. `leukolens.analysis` and `leukolens.training` both ask here, so a model is trained, judged and used
on pictures cut alike.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from leukolens.core.detections import Detections
from leukolens.core.overlaps import stack_corners
from leukolens.core.pixels import Preparation
from leukolens.core.results import Box
from leukolens.inference.borders import are_cut

FRAME_UM = 33.4
"""What a classifier is shown: as wide as PBC's frames, 4.45 red cells of 7.5 um (median of TXL-PBC's boxes in them)."""

WIDEST_PLATELET_UM = 8.5
"""A cell found as a leukocyte and wider than this is no platelet. Of PBC's validation pictures, the platelets that were
found as leukocytes measure 7.8 at most; of the leukocytes there all but some lymphocytes and erythroblasts exceed it."""

_CENTRAL = 0.25
"""A platelet this near to the middle, in shares of the picture's sides, is what a picture without a leukocyte shows."""

_AT_THE_MIDDLE, _ASIDE = 0.1, 0.3
"""A platelet as near as the first is what the picture is about, if every leukocyte is farther than the second."""

_AS_WIDE, _AS_CENTRAL = 1.25, 0.1
"""A picture whose shorter side is `FRAME_UM` within this factor, its cell as near to the middle as this, is cut already."""

_LIKELY_SHARE = (0.12, 0.6)
"""Side of a central cell, in shares of the picture's shorter side, with which a picture without a scale is likely so cut."""

_LIKE = 0.5
"""A second leukocyte makes doubtful what a picture is about from this share of the first one's area."""


@dataclass(frozen=True)
class Subject:
    """The cell that a picture is about.

    Attributes:
        box: Where to cut; None where no cell was found, and the picture is taken whole.
        doubt: Why a person should look, in plain words; empty where nothing is odd.
        no_platelet: Whether it is too wide to be one.
    """

    box: Box | None
    doubt: str = ""
    no_platelet: bool = False


def find_subject(detected: Detections, height: int, width: int, platelets: bool = True) -> Subject:
    """The leukocyte nearest the middle, whole ones first; where there is none, a platelet in the middle.

    A picture that is already cut as a classifier is taught is taken whole: to cut it again would add an error to its scale.

    Args:
        detected: What the finder saw in the picture.
        height: Of the picture, in pixels.
        width: Likewise.
        platelets: Whether the picture may be about one; not for a classifier that names none.
    """

    def distance(box: Box) -> float:
        return math.hypot((box.x0 + box.x1) / 2 / width - 0.5, (box.y0 + box.y1) / 2 / height - 0.5)

    leukocytes = _of_kind(detected, "leukocyte")
    small = _of_kind(detected, "platelet") if platelets else ()
    central = sorted((box for box in small if distance(box) < _CENTRAL), key=distance)
    aside = all(distance(box) > _ASIDE for box in leukocytes)
    if central and (not leukocytes or (aside and distance(central[0]) < _AT_THE_MIDDLE)):
        if detected.pixel_size_um is None:
            # Without red cells around it, a small dark thing may be anything: text and cats have such.
            return Subject(None, "no leukocyte and hardly a red cell found: the whole picture is named")
        doubt = "a platelet lies in the middle, a leukocyte aside: the platelet is named" if leukocytes else ""
        return Subject(standard_box(central[0], detected.pixel_size_um), doubt)
    if not leukocytes:
        return Subject(None, "no leukocyte found: the whole picture is named")
    first, *others = sorted(leukocytes, key=lambda box: (is_cut(box, height, width), distance(box)))
    like = [box for box in others if not is_cut(box, height, width) and _area(box) >= _LIKE * _area(first)]
    doubt = f"{1 + len(like)} leukocytes: the one nearest the middle is named" if like else ""
    shown = replace(show_leukocyte(first, detected.pixel_size_um), doubt=doubt)
    if detected.pixel_size_um is None:
        share = max(first.x1 - first.x0, first.y1 - first.y0) / min(height, width)
        cut_already = distance(first) < _CENTRAL and _LIKELY_SHARE[0] <= share <= _LIKELY_SHARE[1]
    else:
        ratio = detected.pixel_size_um * min(height, width) / FRAME_UM
        cut_already = distance(first) < _AS_CENTRAL and 1 / _AS_WIDE <= ratio <= _AS_WIDE
    return replace(shown, box=None) if cut_already else shown


def show_leukocyte(box: Box, pixel_size_um: float | None) -> Subject:
    """A leukocyte as the subject of its picture."""
    return Subject(standard_box(box, pixel_size_um), no_platelet=is_no_platelet(box, pixel_size_um))


def standard_box(box: Box, pixel_size_um: float | None) -> Box:
    """A square at the middle of a box that, cut with PBC's context, gives `FRAME_UM` whatever the cell's size.

    Size tells classes apart, so it must stay visible. Without a scale the box is left as it is.
    """
    if pixel_size_um is None:
        return box
    half = FRAME_UM / Preparation.cell_context / pixel_size_um / 2
    x, y = (box.x0 + box.x1) / 2, (box.y0 + box.y1) / 2
    return replace(box, x0=x - half, y0=y - half, x1=x + half, y1=y + half)


def is_no_platelet(leukocyte: Box, pixel_size_um: float | None) -> bool:
    """Whether a cell found as a leukocyte is known to be too wide for a platelet."""
    return pixel_size_um is not None and math.sqrt(_area(leukocyte)) * pixel_size_um > WIDEST_PLATELET_UM


def is_cut(box: Box, height: int, width: int) -> bool:
    """Whether the picture's border may cut the cell."""
    return bool(are_cut(stack_corners([box]), height, width)[0])


def _of_kind(detected: Detections, kind: str) -> Sequence[Box]:
    return [item.box for item in detected if item.box.kind == kind]


def _area(box: Box) -> float:
    return (box.x1 - box.x0) * (box.y1 - box.y0)
