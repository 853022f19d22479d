"""A drawn smear's counts beside what was drawn: the table by which `leukolens demo` shows that counting works.

Only cells that the border does not cut are compared: a cut one is found, and rightly not counted.
"""

from collections.abc import Iterable, Mapping
from pathlib import Path

from leukolens.core.results import Box, FieldCell, SmearResult
from leukolens.core.taxonomy import DETECTED_KINDS
from leukolens.reporting.page import Section
from leukolens.runtime.subject import is_cut


def compare_with_drawn(result: SmearResult, drawn: Mapping[str, Iterable[Box]]) -> Section:
    """Drawn and counted cells of each kind, and each class of the nucleated ones; `drawn` is by stem of the field."""
    truth: list[Box] = []
    found: list[FieldCell] = []
    for field in result.fields:
        if field.usable:
            boxes = drawn[Path(field.name).stem]
            truth += [box for box in boxes if not is_cut(box, field.height_px, field.width_px)]
            found += [cell for cell in field.cells if cell.status != "cut"]
    rows = []
    for kind in DETECTED_KINDS:
        same = [cell for cell in found if cell.box.kind == kind]
        rows.append(_row(kind, sum(box.kind == kind for box in truth), same))
    for label in result.classes:
        named = [cell for cell in found if cell.box.kind == "leukocyte" and cell.box.label == label]
        count = sum(box.kind == "leukocyte" and box.label == label for box in truth)
        if count or named:
            rows.append(_row(label, count, named))
    text = (
        "These fields were drawn by a program, which knows what it drew. How well a smear of drawn cells is counted says "
        "that everything works here. It says nothing of how well photographs of blood are counted.",
        "Cells that the border cuts are left out. Leukocytes are listed by kind first, then by the class they were named.",
    )
    return Section(
        "Counted against drawn", text=text, header=("cell", "drawn", "found", "of these unsure"), rows=tuple(rows)
    )


def _row(name: str, drawn: int, found: list[FieldCell]) -> tuple[str, ...]:
    unsure = sum(cell.status == "review" for cell in found)
    return name.replace("_", " "), str(drawn), str(len(found)), str(unsure)
