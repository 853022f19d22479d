"""What all box formats share: the meaning of a dataset's class names, and which boxes can be used."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

from leukolens.core.results import Box
from leukolens.core.taxonomy import CellKind

Kind = tuple[CellKind, str | None]
"""What a dataset's class name or number means: a kind of cell, and a class if it is known."""


NOTHING_LEFT = "left out: none of its boxes can be used"
"""Why an image is refused that has boxes, of which none can be used. It must not count as an image without cells."""


class BoxReader:
    """Collects boxes of one image, and why others could not be used.

    Attributes:
        boxes: In pixels.
        problems: One sentence for each box that was left out.
    """

    def __init__(self, kinds: Mapping[str, Kind]) -> None:
        self.boxes: list[Box] = []
        self.problems: list[str] = []
        self._kinds = kinds

    def add(self, word: str, corners: Sequence[str | float]) -> None:
        """Takes a box: its class name or number, and x0, y0, x1, y1 in pixels."""
        if word not in self._kinds:
            self.problems.append(f"a box is called {word!r}, expected one of {', '.join(self._kinds)}")
            return
        try:
            x0, y0, x1, y1 = (float(corner) for corner in corners)
        except ValueError:
            self.problems.append(f"a box of {word} has no four corners")
            return
        if not (math.isfinite(x0 + y0 + x1 + y1) and x0 < x1 and y0 < y1):
            self.problems.append(f"a box of {word} has no area: {x0:g}, {y0:g} to {x1:g}, {y1:g}")
            return
        kind, label = self._kinds[word]
        self.boxes.append(Box(x0, y0, x1, y1, kind, label))


def label_leukocytes(boxes: Sequence[Box], label: str) -> list[Box]:
    """The same boxes, each leukocyte with this class."""
    return [replace(box, label=label) if box.kind == CellKind.LEUKOCYTE else box for box in boxes]
