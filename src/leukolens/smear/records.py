"""The records that counting a smear gives: fields and their cells, the differential, counts by kind."""

from dataclasses import dataclass

from leukolens.core.card import Card
from leukolens.core.intervals import Interval
from leukolens.core.results import Advice, CellStatus, FieldCell, Refusal
from leukolens.core.taxonomy import CellKind
from leukolens.quality.eyepiece import Window


@dataclass(frozen=True)
class FieldResult:
    """One field of a smear.

    Attributes:
        name: Path of the file; `array 0` for the first input where that was an array.
        height_px: Height of the decoded picture.
        width_px: Width of the decoded picture.
        cells: Every cell that was found, counted or not.
        red_cell_px: Diameter of the red cells in pixels; None where unknown.
        pixel_size_um: Micrometres per pixel; None where unknown.
        scale_origin: `given`, `red cells` or `unknown`.
        advice: What is wrong with the picture. The field is not counted if one of them stops it.
        warnings: What was odd about the file, although it could be read.
        view: The part of the picture that was searched: left, top, right, bottom in pixels. None means all of it.
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
    view: Window | None = None

    @property
    def usable(self) -> bool:
        """Whether its cells are counted."""
        return not any(item.stops for item in self.advice)


@dataclass(frozen=True)
class Reference:
    """The range in which most healthy people's values lie.

    Attributes:
        low: Lower end, in percent or in cells per litre.
        high: Upper end, in the same unit.
        per_liter: Whether the unit is cells per litre.
        source: Name of the table, and where its figures come from.
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
    """One class of a differential. All shares are percent of the leukocytes counted.

    Attributes:
        label: The class.
        count: Cells of this class that were counted.
        percent: Their share.
        interval: 95 % interval of this share alone. It does not know the classifier's errors.
        simultaneous: Interval that holds for all classes together with 95 %.
        corrected: Share after correction for the classifier's known errors; None where it cannot be corrected.
        corrected_interval: 95 % interval of the corrected share.
        if_unsure: Lowest and highest share if all cells for review were of one class.
        per_liter: Cells of the class per litre, with interval; None where the leukocyte count is not given.
        flag: `low` or `high` if the whole interval, and the corrected one if any, lie outside the reference range.
        reference: The reference range; None where there is none.
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
        shares: One per leukocyte class of the classifier.
        leukocytes: Leukocytes counted: all shares are parts of them.
        apart: Leukocytes that were found but not counted, by status.
        erythroblasts: Nucleated red cells with status accepted.
        erythroblasts_per_100: Per 100 leukocytes, with interval. None where too few leukocytes were counted to tell, or
            the classifier has no such class.
        leukocytes_per_liter: As given by the caller.
        corrected_leukocytes_per_liter: Without the nucleated red cells that a counter takes for leukocytes. None
            where one of the two is unknown.
        neutrophil_lymphocyte_ratio: With interval; None where no lymphocyte was counted.
        progress: The usual goals, `(goal, missing cells)`.
        why_not_corrected: Why no share is corrected; empty where they are.
        shift: Why the cells seem to differ from the validation cells of the classifier (distribution shift). Then no
            class can be relied on, nothing is corrected and nothing is flagged. Empty otherwise.
    """

    shares: tuple[Share, ...]
    leukocytes: int
    apart: dict[CellStatus, int]
    erythroblasts: int
    erythroblasts_per_100: tuple[float, Interval] | None
    leukocytes_per_liter: float | None
    corrected_leukocytes_per_liter: float | None
    neutrophil_lymphocyte_ratio: tuple[float, Interval] | None
    progress: tuple[tuple[int, int], ...]
    why_not_corrected: str = ""
    shift: str = ""


@dataclass(frozen=True)
class KindCount:
    """How many cells of one kind the usable fields hold.

    Attributes:
        kind: The kind.
        count: Cells in all usable fields.
        per_field: Mean per field, with its interval over fields.
        estimate: Cells per microlitre by the site's factor, in words; empty without a factor.
    """

    kind: CellKind
    count: int
    per_field: tuple[float, Interval]
    estimate: str = ""


@dataclass(frozen=True, repr=False)
class SmearRecord:
    """What was found in the fields of one smear; `SmearResult` adds tables, pictures and files.

    Attributes:
        name: Name of the smear.
        fields: In the order given.
        refused: Inputs that could not be read, and why.
        differential: Of all usable fields.
        kinds: Counts of each kind.
        classes: Classes of the classifier.
        classifier: Name of the classifier's bundle.
        detector: Name of the detector's bundle.
        cards: Cards of the two models, for the report.
    """

    name: str
    fields: tuple[FieldResult, ...]
    refused: tuple[Refusal, ...]
    differential: Differential
    kinds: tuple[KindCount, ...]
    classes: tuple[str, ...]
    classifier: str
    detector: str
    cards: tuple[Card, ...] = ()
