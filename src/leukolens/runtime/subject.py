"""Which cell a picture is about, and the square of it that a classifier is shown.

Works on finds alone. `leukolens.analysis` and `leukolens.training` both ask here, so a model is trained, judged and used
on pictures cut alike.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from leukolens.core.pixels import Preparation
from leukolens.core.results import Box, DetectedField

FRAME_UM = 33.4
"""What a classifier is shown: as wide as PBC's frames, 4.45 red cells of 7.5 um (median of TXL-PBC's boxes in them)."""

BORDER_PX = 2
"""A box that comes this near to the picture's border is of a cell that the border may cut."""

_CENTRAL = 0.25
"""A platelet this near to the middle, in shares of the picture's sides, is what a picture without a leukocyte shows."""

_LIKE = 0.5
"""A second leukocyte makes doubtful what a picture is about from this share of the first one's area."""


@dataclass(frozen=True)
class Subject:
    """The cell that a picture is about.

    Attributes:
        box: Where to cut; None where no cell was found, and the picture is taken whole.
        doubt: Why a person should look, in plain words; empty where nothing is odd.
    """

    box: Box | None
    doubt: str = ""


def find_subject(detected: DetectedField, height: int, width: int) -> Subject:
    """The leukocyte nearest the middle, whole ones first; where there is none, a platelet in the middle."""

    def distance(box: Box) -> float:
        return math.hypot((box.x0 + box.x1) / 2 / width - 0.5, (box.y0 + box.y1) / 2 / height - 0.5)

    leukocytes = _of_kind(detected, "leukocyte")
    if leukocytes:
        first, *others = sorted(leukocytes, key=lambda box: (is_cut(box, height, width), distance(box)))
        like = [box for box in others if not is_cut(box, height, width) and _area(box) >= _LIKE * _area(first)]
        doubt = f"{1 + len(like)} leukocytes: the one nearest the middle is named" if like else ""
        return Subject(standard_box(first, detected.pixel_size_um), doubt)
    platelets = [box for box in _of_kind(detected, "platelet") if distance(box) < _CENTRAL]
    if platelets and detected.pixel_size_um is not None:
        return Subject(standard_box(min(platelets, key=distance), detected.pixel_size_um))
    return Subject(None, "" if platelets else "no leukocyte found: the whole picture is named")


def standard_box(box: Box, pixel_size_um: float | None) -> Box:
    """A square at the middle of a box that, cut with PBC's context, gives `FRAME_UM` whatever the cell's size.

    Size tells classes apart, so it must stay visible. Without a scale the box is left as it is.
    """
    if pixel_size_um is None:
        return box
    half = FRAME_UM / Preparation.cell_context / pixel_size_um / 2
    x, y = (box.x0 + box.x1) / 2, (box.y0 + box.y1) / 2
    return replace(box, x0=x - half, y0=y - half, x1=x + half, y1=y + half)


def is_cut(box: Box, height: int, width: int) -> bool:
    """Whether the picture's border may cut the cell."""
    return bool(min(box.x0, box.y0, width - box.x1, height - box.y1) < BORDER_PX)


def _of_kind(detected: DetectedField, kind: str) -> Sequence[Box]:
    return [item.box for item in detected.detections if item.box.kind == kind]


def _area(box: Box) -> float:
    return (box.x1 - box.x0) * (box.y1 - box.y0)
