"""A drawn smear's cells beside what was found: the table by which `leukolens demo` shows that counting works."""

from collections.abc import Iterable, Mapping
from pathlib import Path

from leukolens.core.results import Box, FieldCell
from leukolens.core.taxonomy import DETECTED_KINDS, CellKind
from leukolens.reporting.page import Section
from leukolens.smear.records import SmearRecord


def compare_with_drawn(result: SmearRecord, drawn: Mapping[str, Iterable[Box]]) -> Section:
    """Drawn and found cells of each kind, and each class of the nucleated ones; `drawn` is by stem of the field."""
    usable = [field for field in result.fields if field.usable]
    truth = [box for field in usable for box in drawn.get(Path(field.name).stem, ())]
    found = [cell for field in usable for cell in field.cells]
    rows = []
    for kind in DETECTED_KINDS:
        there = sum(box.kind == kind for box in truth)
        rows.append(_row(kind, there, [cell for cell in found if cell.box.kind == kind]))
    for label in result.classes:
        there = sum(box.kind == CellKind.LEUKOCYTE and box.label == label for box in truth)
        named = [cell for cell in found if cell.box.kind == CellKind.LEUKOCYTE and cell.box.label == label]
        if there or named:
            rows.append(_row(label, there, named))
    text = (
        "These fields were drawn by a program, which knows what it drew. That drawn cells are found and counted says that "
        "everything works here. It says nothing of how well photographs of blood are counted.",
        "The kinds of cell come first, then the classes that the leukocytes were named. Of those found some are cut by a field's border, some unsure.",
    )
    header = ("cell", "drawn", "found", "cut", "unsure")
    return Section("Counted against drawn", text=text, header=header, rows=tuple(rows))


def _row(name: str, drawn: int, found: list[FieldCell]) -> tuple[str, ...]:
    counts = [sum(cell.status == status for cell in found) for status in ("cut", "review")]
    return name.replace("_", " "), str(drawn), str(len(found)), *map(str, counts)
