"""The frozen results that rooms hand to one another: boxes, calls on cells, fields, smears, and what became of an input."""

from dataclasses import dataclass, replace
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from leukolens.core.taxonomy import CellKind


@dataclass(frozen=True)
class Box:
    """Where a cell lies in its field, in pixels of the field as decoded; `x1` and `y1` are exclusive.

    `label` is a class of the taxonomy where one is known.
    """

    x0: float
    y0: float
    x1: float
    y1: float
    kind: CellKind
    label: str | None = None

    @property
    def width(self) -> float:
        """In pixels."""
        return self.x1 - self.x0

    @property
    def height(self) -> float:
        """In pixels."""
        return self.y1 - self.y0

    @property
    def area(self) -> float:
        """In square pixels."""
        return self.width * self.height

    @property
    def centre(self) -> tuple[float, float]:
        """Its x and y, in pixels."""
        return (self.x0 + self.x1) / 2, (self.y0 + self.y1) / 2

    @property
    def xyxy(self) -> NDArray[np.float64]:
        """`(4,)`: x0, y0, x1, y1."""
        return np.array([self.x0, self.y0, self.x1, self.y1], np.float64)

    def shift(self, x: float, y: float) -> "Box":
        """The same box, moved right and down by so many pixels."""
        return replace(self, x0=self.x0 + x, y0=self.y0 + y, x1=self.x1 + x, y1=self.y1 + y)

    def widen(self, factor: float) -> "Box":
        """The same cell's, its width and height times the factor, about its middle."""
        x, y = self.centre
        across, down = factor * self.width / 2, factor * self.height / 2
        return replace(self, x0=x - across, y0=y - down, x1=x + across, y1=y + down)


class CellStatus(StrEnum):
    """What becomes of a cell or an image; only `accepted` cells are counted."""

    ACCEPTED = "accepted"
    """The calibrated probability reaches the card's threshold, and nothing else speaks against it."""
    REVIEW = "review"
    """A person has to look: the reason says why."""
    REJECTED = "rejected"
    """An image that shows no cell or cannot be used; never a cell of a field."""
    CUT = "cut"
    """A cell of a field that lies on the field's border."""
    CLUMPED = "clumped"
    """A leukocyte that overlaps another one."""
    SMUDGE = "smudge"
    """A leukocyte that looks burst."""
    REPEATED = "repeated"
    """A cell that was counted in another field, which shows the same place."""


@dataclass(frozen=True)
class Prediction:
    """What LeukoLens says of one cell.

    Attributes:
        image: Name of the input that the cell stands in.
        label: The most probable class, empty when rejected before it was named.
        probability: Calibrated probability of `label`, 0..1.
        probabilities: One per class of the bundle, `(k,)` float64 summing to 1; empty when never named.
        status: `ACCEPTED`, `REVIEW` or `REJECTED`.
        reason: Why it is not accepted, in plain words; empty otherwise.
        warnings: What was odd about the input though it could be read.
        box: The cell as the detector found it, in pixels of the photograph; None where the photograph was taken whole.
        crop_box: The square that the classifier was shown, likewise. It may reach beyond the border; pixels are mirrored
            there.
    """

    image: str
    label: str
    probability: float
    probabilities: NDArray[np.float64]
    status: CellStatus
    reason: str = ""
    warnings: tuple[str, ...] = ()
    box: Box | None = None
    crop_box: Box | None = None


@dataclass(frozen=True)
class Refusal:
    """An input that could not be used, and why."""

    image: str
    why: str


@dataclass(frozen=True)
class Detection:
    """A cell that was found.

    Attributes:
        box: Where, and of which kind.
        score: How sure the detector is, 0..1.
        smudge: How much it looks like a smudge cell, 0..1; 0 where the detector has no smudge head.
    """

    box: Box
    score: float
    smudge: float = 0.0


@dataclass(frozen=True)
class FieldCell:
    """One cell of a field.

    Attributes:
        box: Where, of which kind, and its class in `box.label` where it was named.
        score: How sure the detector is that a cell of this kind is there, 0..1.
        probability: Calibrated probability of the class; the score where cells of this kind are not named.
        probabilities: One per class of the classifier, `(k,)` float64; empty where it was not asked.
        status: Counted, for review, or why it is set apart.
        reason: Why it is not accepted, in plain words; empty otherwise.
        crop_box: The square that the classifier was shown, in pixels of the photograph; None for cells that were not
            classified.
    """

    box: Box
    score: float
    probability: float
    probabilities: NDArray[np.float64]
    status: CellStatus
    reason: str = ""
    crop_box: Box | None = None


@dataclass(frozen=True)
class Advice:
    """What is wrong with a picture, and what to do about it at the microscope.

    `stops` says that nothing counted on it may be used.
    """

    fault: str
    action: str
    stops: bool = False
