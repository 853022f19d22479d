"""The records that packages hand to one another: boxes, statuses, predictions, detections, cells of a field, refused inputs."""

from dataclasses import dataclass, replace
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from leukolens.core.taxonomy import CellKind


@dataclass(frozen=True)
class Box:
    """Where a cell lies in its image.

    Attributes:
        x0: Left, in pixels of the image as decoded.
        y0: Top, likewise.
        x1: Right, exclusive.
        y1: Bottom, exclusive.
        kind: Kind of cell.
        label: Class of the taxonomy; None where unknown.
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
        """`(4,)` float64: x0, y0, x1, y1."""
        return np.array([self.x0, self.y0, self.x1, self.y1], np.float64)

    def shift(self, x: float, y: float) -> "Box":
        """The same box, moved right by `x` and down by `y` pixels."""
        return replace(self, x0=self.x0 + x, y0=self.y0 + y, x1=self.x1 + x, y1=self.y1 + y)

    def widen(self, factor: float) -> "Box":
        """A box with the same centre, and the factor times the width and height."""
        x, y = self.centre
        across, down = factor * self.width / 2, factor * self.height / 2
        return replace(self, x0=x - across, y0=y - down, x1=x + across, y1=y + down)


class CellStatus(StrEnum):
    """Whether a cell is counted, and if not, why. Only `accepted` cells are."""

    ACCEPTED = "accepted"
    """The calibrated probability reaches the card's threshold, and no check failed."""
    REVIEW = "review"
    """A person must look; the reason says why."""
    REJECTED = "rejected"
    """An image of one cell that cannot show a cell: too small, or of one colour. A cell of a field is never rejected."""
    CUT = "cut"
    """A cell that the field's border crosses."""
    CLUMPED = "clumped"
    """A leukocyte that overlaps another one."""
    REPEATED = "repeated"
    """A cell that was counted in another field already, which shows the same place."""


@dataclass(frozen=True, eq=False)
class Prediction:
    """Class, probability and status of one cell.

    Attributes:
        image: Name of the input.
        label: The most probable class; empty for a rejected image.
        probability: Calibrated probability of `label`, 0..1; 0 for a rejected image.
        probabilities: `(k,)` float64, one per class of the bundle, summing to 1; empty for a rejected image.
        status: `ACCEPTED`, `REVIEW` or `REJECTED`.
        reason: Why it is not accepted; empty otherwise.
        warnings: What was odd about the input, though it could be read.
        box: The cell as the detector found it, in pixels of the photograph; None where the photograph was taken whole.
        crop_box: The square that the classifier was shown, likewise. Beyond the photograph's border, pixels are mirrored.
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
    """An input that could not be used.

    Attributes:
        image: Its name.
        why: Why not.
    """

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


@dataclass(frozen=True, eq=False)
class FieldCell:
    """One cell of a field.

    Attributes:
        box: Where, of which kind, and of which class (`box.label`) if it was classified.
        score: How sure the detector is that a cell of this kind is there, 0..1.
        probability: Calibrated probability of the class; the score for a kind that is not classified.
        probabilities: `(k,)` float64, one per class of the classifier; empty for a cell that was not classified.
        status: Counted, for review, or why it is not counted.
        reason: Why it is not accepted; empty otherwise.
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
    """What is wrong with a field, and what to do about it.

    Attributes:
        fault: What is wrong.
        action: What to do at the microscope.
        stops: Whether no cell of the field may be counted.
    """

    fault: str
    action: str
    stops: bool = False
