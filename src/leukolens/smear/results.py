"""What is found in a smear: fields, their cells, the differential with its intervals, counts by kind."""

from dataclasses import dataclass

from leukolens.core.intervals import Interval
from leukolens.core.results import Advice, FieldCell, Refusal
from leukolens.core.taxonomy import CellKind


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
        kind: Which.
        count: In all usable fields.
        per_field: Mean per field with its interval over fields.
        estimate: What the site's factor makes of it, in words with its unit; empty without a factor.
    """

    kind: CellKind
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
