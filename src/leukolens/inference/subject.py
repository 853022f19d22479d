"""Which cell a picture is about, chosen among the cells that the detector found."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from leukolens.core.detections import Detections
from leukolens.core.results import Box
from leukolens.core.taxonomy import CellKind
from leukolens.inference.borders import is_cut
from leukolens.inference.view import DetectedView

WIDEST_PLATELET_UM = 8.5
"""A cell that was found as a leukocyte and is wider than this is no platelet. Of PBC's validation pictures, platelets
that were found as leukocytes measure 7.8 at most; all leukocytes but some lymphocytes and erythroblasts exceed 8.5."""

_CENTRAL = 0.25
"""In a picture without a leukocyte, a platelet must be this near to the middle, in shares of the picture's sides."""

_AT_THE_MIDDLE, _ASIDE = 0.1, 0.3
"""A picture is about a platelet as near as the first if every leukocyte is farther away than the second."""

_AS_WIDE, _AS_CENTRAL = 1.25, 0.1
"""A picture is taken whole if its shorter side is the crop's width within this factor and its cell is as near to the
middle."""

_LIKELY_SHARE = (0.12, 0.6)
"""A picture without a scale is taken whole if its central cell's side has this share of the picture's shorter side."""

_LIKE = 0.5
"""A second leukocyte with this share of the first one's area sends the picture to review."""


@dataclass(frozen=True)
class Subject:
    """The cell that a picture is about.

    Attributes:
        box: The cell in pixels of the photograph; None where the photograph is taken whole.
        reason: Why a person should look, in plain words; empty where nothing speaks against the choice.
        no_platelet: Whether the cell is too wide for a platelet.
        smudge: How much the cell looks like a smudge cell, 0..1; 0 where that is not known.
    """

    box: Box | None
    reason: str = ""
    no_platelet: bool = False
    smudge: float = 0.0


def choose_subject(found: DetectedView, frame_um: float, platelets: bool = True) -> Subject:
    """The leukocyte nearest the middle, whole ones first; where there is none, a platelet in the middle.

    A picture that is as wide as a crop already is taken whole: another cut would only add an error to its scale.

    Args:
        found: What the detector found in the photograph.
        frame_um: Width of the classifier's crop in micrometres.
        platelets: Whether the picture may be about a platelet; False for a classifier without that class.
    """
    detected, height, width = found.in_view, found.height_px, found.width_px

    def distance(box: Box) -> float:
        x, y = box.centre
        return math.hypot(x / width - 0.5, y / height - 0.5)

    smudges = {item.box: item.smudge for item in detected}
    leukocytes = _of_kind(detected, CellKind.LEUKOCYTE)
    small = _of_kind(detected, CellKind.PLATELET) if platelets else ()
    central = sorted((box for box in small if distance(box) < _CENTRAL), key=distance)
    aside = all(distance(box) > _ASIDE for box in leukocytes)
    if central and (not leukocytes or (aside and distance(central[0]) < _AT_THE_MIDDLE)):
        if detected.pixel_size_um is None:
            # Without red cells around it, a small dark thing may be anything: text and cats have such.
            return Subject(None, "no leukocyte and hardly a red cell found: the whole picture is classified")
        reason = "a platelet lies in the middle, a leukocyte aside: the platelet is classified" if leukocytes else ""
        return Subject(found.place(central[0]), reason)
    if not leukocytes:
        return Subject(None, "no leukocyte found: the whole picture is classified")
    first, *others = sorted(leukocytes, key=lambda box: (is_cut(box, height, width), distance(box)))
    like = [box for box in others if not is_cut(box, height, width) and box.area >= _LIKE * first.area]
    reason = f"{1 + len(like)} leukocytes: the one nearest the middle is classified" if like else ""
    if detected.pixel_size_um is None:
        share = max(first.width, first.height) / min(height, width)
        is_crop = distance(first) < _CENTRAL and _LIKELY_SHARE[0] <= share <= _LIKELY_SHARE[1]
    else:
        ratio = detected.pixel_size_um * min(height, width) / frame_um
        is_crop = distance(first) < _AS_CENTRAL and 1 / _AS_WIDE <= ratio <= _AS_WIDE
    chosen = take_leukocyte(found.place(first), detected.pixel_size_um)
    chosen = replace(chosen, reason=reason, smudge=smudges[first])
    return replace(chosen, box=None) if is_crop else chosen


def take_leukocyte(box: Box, pixel_size_um: float | None) -> Subject:
    """A leukocyte that is known to lie in a box, as the subject of its picture."""
    return Subject(box, no_platelet=is_no_platelet(box, pixel_size_um))


def is_no_platelet(leukocyte: Box, pixel_size_um: float | None) -> bool:
    """Whether a cell that was found as a leukocyte is too wide for a platelet; False where no scale is known."""
    return pixel_size_um is not None and math.sqrt(leukocyte.area) * pixel_size_um > WIDEST_PLATELET_UM


def _of_kind(detected: Detections, kind: CellKind) -> Sequence[Box]:
    return [item.box for item in detected if item.box.kind == kind]
