"""Counts a synthetic smear and compares what was drawn with what was found: what `leukolens demo` does."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from leukolens.core.files import read_rows
from leukolens.core.results import Box, CellStatus, FieldCell
from leukolens.core.taxonomy import DETECTED_KINDS, CellKind
from leukolens.datasets.synthetic import write_smear_fields
from leukolens.reporting.page import Section
from leukolens.smear.count import count
from leukolens.smear.files import read_again, write_smear
from leukolens.smear.records import SmearRecord
from leukolens.smear.results import SmearResult

FIELDS = 8
LEUKOCYTES_PER_FIELD = 5.0
SEED = 2


@dataclass(frozen=True)
class DrawnRow:
    """Cells of one kind or class.

    Attributes:
        name: The kind or class, in words.
        drawn: How many were drawn.
        found: How many were found.
        cut: How many of those found are cut by the border.
        review: How many of those found are for review.
    """

    name: str
    drawn: int
    found: int
    cut: int
    review: int


@dataclass(frozen=True)
class DrawnCount:
    """A synthetic smear that was counted.

    Attributes:
        result: What was found.
        rows: Drawn and found cells, the kinds first, then the leukocyte classes.
        report: Path of the report.
    """

    result: SmearResult
    rows: tuple[DrawnRow, ...]
    report: Path


def count_drawn_smear(
    folder: Path, classifier: str | Path | None = None, detector: str | Path | None = None
) -> DrawnCount:
    """Draws eight fields into `folder/drawn`, counts them, and writes the files of the count into the folder.

    Args:
        folder: Made if it does not exist.
        classifier: Name or folder of its bundle; None for the default one.
        detector: Likewise.

    Raises:
        BundleError: a bundle does not hold together.
        DataError: a file could not be written.
    """
    drawn = write_smear_fields(folder / "drawn", FIELDS, SEED, LEUKOCYTES_PER_FIELD)
    result = count(drawn / "images", name="drawn by a program", classifier=classifier, detector=detector)
    rows = compare_with_drawn(result, _read_truth(drawn / "truth.csv"))
    report = write_smear(folder, result, read_again, known=_show_comparison(rows))
    return DrawnCount(result, rows, report)


def compare_with_drawn(result: SmearRecord, drawn: Mapping[str, Iterable[Box]]) -> tuple[DrawnRow, ...]:
    """Drawn and found cells of each kind, then of each class; `drawn` is by name of the field, without suffix."""
    usable = [field for field in result.fields if field.usable]
    truths = [box for field in usable for box in drawn.get(Path(field.name).stem, ())]
    found = [cell for field in usable for cell in field.cells]
    rows = []
    for kind in DETECTED_KINDS:
        there = sum(box.kind == kind for box in truths)
        rows.append(_compare(kind, there, [cell for cell in found if cell.box.kind == kind]))
    for label in result.classes:
        there = sum(box.kind == CellKind.LEUKOCYTE and box.label == label for box in truths)
        cells = [cell for cell in found if cell.box.kind == CellKind.LEUKOCYTE and cell.box.label == label]
        if there or cells:
            rows.append(_compare(label, there, cells))
    return tuple(rows)


def _compare(name: str, drawn: int, found: Sequence[FieldCell]) -> DrawnRow:
    statuses = [cell.status for cell in found]
    cut, review = statuses.count(CellStatus.CUT), statuses.count(CellStatus.REVIEW)
    return DrawnRow(name.replace("_", " "), drawn, len(found), cut, review)


def _show_comparison(rows: Sequence[DrawnRow]) -> Section:
    text = (
        "A program drew these fields, so it is known which cells are on them. If the drawn cells are found, the "
        "installation works. This does not show how well photographs of blood are counted.",
        "The first three rows are kinds of cell. The others are the classes of the leukocytes.",
    )
    header = ("cell", "drawn", "found", "cut by the border", "for review")
    table = tuple((row.name, *map(str, (row.drawn, row.found, row.cut, row.review))) for row in rows)
    return Section("Drawn and found", text=text, header=header, rows=table)


def _read_truth(path: Path) -> dict[str, list[Box]]:
    boxes: dict[str, list[Box]] = {}
    for row in read_rows(path):
        x0, y0, x1, y1 = (float(row[side]) for side in ("x0", "y0", "x1", "y1"))
        boxes.setdefault(row["field"], []).append(Box(x0, y0, x1, y1, CellKind(row["kind"]), row["label"] or None))
    return boxes
