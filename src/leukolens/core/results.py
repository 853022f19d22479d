"""The frozen results that rooms hand to one another: boxes, calls on cells, fields, smears, and what became of an input."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from leukolens.core.intervals import Interval


@dataclass(frozen=True)
class Box:
    """Where a cell lies in its field, in pixels of the field as decoded; `x1` and `y1` are exclusive.

    `kind` is `leukocyte`, `red_cell` or `platelet`; `label` is a class of the taxonomy where one is known.
    """

    x0: float
    y0: float
    x1: float
    y1: float
    kind: str
    label: str | None = None

    def widen(self, factor: float) -> "Box":
        """The same cell's, its width and height times the factor, about its middle."""
        x, y = (self.x0 + self.x1) / 2, (self.y0 + self.y1) / 2
        across, down = factor * (self.x1 - self.x0) / 2, factor * (self.y1 - self.y0) / 2
        return replace(self, x0=x - across, y0=y - down, x1=x + across, y1=y + down)


@dataclass(frozen=True)
class CellCall:
    """What LeukoLens says of one cell.

    Attributes:
        image: Name of the input that the cell stands in.
        label: The most probable class, empty when rejected before it was named.
        probability: Calibrated probability of `label`, 0..1.
        probabilities: One per class of the bundle, `(k,)` float64 summing to 1; empty when never named.
        status: `accepted`, `review` or `rejected`.
        reason: Why it is not accepted, in plain words; empty otherwise.
        warnings: What was odd about the input though it could be read.
        box: Where the input was cut; None where it was taken whole.
    """

    image: str
    label: str
    probability: float
    probabilities: NDArray[np.float64]
    status: str
    reason: str = ""
    warnings: tuple[str, ...] = ()
    box: Box | None = None


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
        score: How sure the finder is, 0..1.
        smudge: How much it looks like a burst leukocyte's remnant, 0..1; 0 where the finder does not tell.
    """

    box: Box
    score: float
    smudge: float = 0.0


@dataclass(frozen=True)
class DetectedField:
    """What a finder of cells saw in one field.

    Attributes:
        detections: In pixels of the field, surest first.
        red_cell_px: Diameter of the field's red cells, the ruler where no pixel size is given; None where unknown.
        pixel_size_um: Micrometres a pixel; None where unknown.
        scale_origin: `given`, `red cells` (taken to be 7.5 um wide) or `unknown`.
    """

    detections: tuple[Detection, ...]
    red_cell_px: float | None
    pixel_size_um: float | None
    scale_origin: str


CELL_STATUSES = ("accepted", "review", "cut", "clumped", "smudge", "repeated", "rejected")
"""What becomes of a cell that was found.

Only `accepted` ones are counted; `review` is unsure, `cut` lies on the field's border, `clumped` cannot be told from its
neighbours, `smudge` has burst, `repeated` was counted in an overlapping field, `rejected` is none of the classes asked for.
"""


@dataclass(frozen=True)
class FieldCell:
    """One cell of a field.

    Attributes:
        box: Where, of which kind, and its class in `box.label` where it was named.
        score: How sure the finder is that a cell of this kind is there, 0..1.
        probability: Calibrated probability of the class; the score where cells of this kind are not named.
        probabilities: One per class of the classifier, `(k,)` float64; empty where it was not asked.
        status: One of `CELL_STATUSES`.
        reason: Why it is not accepted, in plain words; empty otherwise.
    """

    box: Box
    score: float
    probability: float
    probabilities: NDArray[np.float64]
    status: str
    reason: str = ""


@dataclass(frozen=True)
class Advice:
    """What is wrong with a picture, and what to do about it at the microscope.

    `stops` says that nothing counted on it may be used.
    """

    fault: str
    action: str
    stops: bool = False


@dataclass(frozen=True)
class FieldResult:
    """One field of a smear.

    Attributes:
        name: Name of the input.
        height_px: Of the field as decoded.
        width_px: Likewise.
        cells: Every cell found, counted or not.
        red_cell_px: Diameter of its red cells; None where unknown.
        pixel_size_um: Micrometres a pixel; None where unknown.
        scale_origin: `given`, `red cells` or `unknown`.
        advice: What is wrong with the picture; with one that stops, the field is left out of the smear's counts.
        warnings: What was odd about the file though it could be read.
        seen: Left, top, right and bottom of what was looked at, in pixels, where an eyepiece leaves black around it.
    """

    name: str
    height_px: int
    width_px: int
    cells: tuple[FieldCell, ...]
    red_cell_px: float | None
    pixel_size_um: float | None
    scale_origin: str
    advice: tuple[Advice, ...] = ()
    warnings: tuple[str, ...] = ()
    seen: tuple[int, int, int, int] | None = None

    @property
    def usable(self) -> bool:
        """Whether its cells may be counted."""
        return not any(item.stops for item in self.advice)


@dataclass(frozen=True)
class Reference:
    """The range that a healthy person's value lies in.

    Attributes:
        low: Its lower end, in percent, or in cells per litre.
        high: Its upper end.
        per_liter: Whether it is of cells per litre.
        source: Which table it stands in, and where that has it from.
    """

    low: float
    high: float
    per_liter: bool
    source: str

    @property
    def words(self) -> str:
        """The range with its unit."""
        if self.per_liter:
            return f"{self.low / 1e9:g} to {self.high / 1e9:g} x 10^9 per litre"
        return f"{self.low:g} to {self.high:g} %"

    def __str__(self) -> str:
        """The range with its source."""
        return f"{self.words} ({self.source})"


@dataclass(frozen=True)
class Share:
    """One class of a differential; all shares are percent of the leukocytes counted.

    Attributes:
        label: The class.
        count: Cells counted as it.
        percent: Their share.
        interval: 95 % interval of that share alone, what the count says before the classifier's errors.
        simultaneous: Interval which holds for all classes at once with 95 %.
        corrected: Share after the classifier's known errors; None where they are not known or plainly do not hold here.
        corrected_interval: 95 % interval of that.
        if_unsure: Least and greatest share if all unsure cells were of one class.
        per_liter: Cells of the class per litre, with its interval; None where the leukocyte count is not given.
        flag: `low` or `high` where the whole interval, and the corrected one if any, lie outside the reference range.
        reference: The range; None where there is none.
    """

    label: str
    count: int
    percent: float
    interval: Interval
    simultaneous: Interval
    corrected: float | None
    corrected_interval: Interval | None
    if_unsure: tuple[float, float]
    per_liter: tuple[float, Interval] | None = None
    flag: str = ""
    reference: Reference | None = None


@dataclass(frozen=True)
class Differential:
    """A differential count.

    Attributes:
        shares: One per leukocyte class that the classifier can name.
        leukocytes: Cells counted: the denominator.
        apart: Leukocytes found but not counted, by status.
        erythroblasts: Nucleated red cells accepted.
        erythroblasts_per_100: Per 100 leukocytes with its interval; None where no leukocyte was counted, or the
            classifier cannot name an erythroblast.
        leukocytes_per_liter: As given by the caller.
        corrected_leukocytes_per_liter: Without the nucleated red cells that a counter takes for leukocytes; None
            where one of the two is not known.
        neutrophil_lymphocyte_ratio: With its interval; None where no lymphocyte was counted.
        progress: Cells counted against the usual goals, `(goal, missing)`.
        why_not_corrected: Why no share is corrected, in plain words; empty where they are.
        unlike: Why the cells seem unlike those that the classifier was judged on; then no name can be relied on, nothing is
            corrected and nothing flagged. Empty where they do not.
    """

    shares: tuple[Share, ...]
    leukocytes: int
    apart: dict[str, int]
    erythroblasts: int
    erythroblasts_per_100: tuple[float, Interval] | None
    leukocytes_per_liter: float | None
    corrected_leukocytes_per_liter: float | None
    neutrophil_lymphocyte_ratio: tuple[float, Interval] | None
    progress: tuple[tuple[int, int], ...]
    why_not_corrected: str = ""
    unlike: str = ""


@dataclass(frozen=True)
class KindCount:
    """How many cells of one kind the usable fields hold.

    Attributes:
        kind: One of the taxonomy's detected kinds.
        count: In all usable fields.
        per_field: Mean per field with its interval over fields.
        estimate: What the site's factor makes of it, in words with its unit; empty without a factor.
    """

    kind: str
    count: int
    per_field: tuple[float, Interval]
    estimate: str = ""


@dataclass(frozen=True)
class SmearResult:
    """What was found in the fields of one smear.

    Attributes:
        name: Of the smear.
        fields: In the order given.
        refused: Inputs that could not be read, and why.
        differential: Of all usable fields.
        kinds: Counts of each kind.
        classes: Classes that the classifier can name.
        classifier: Name of its bundle.
        detector: Name of the finder's bundle.
    """

    name: str
    fields: tuple[FieldResult, ...]
    refused: tuple[Refusal, ...]
    differential: Differential
    kinds: tuple[KindCount, ...]
    classes: tuple[str, ...]
    classifier: str
    detector: str
