"""The folder that `leukolens count` leaves: tables, overlays, report and FHIR of one smear.

Each file is written whole or not at all; whether the folder may be written over is for the caller to ask. The columns
are a contract with scripts. What stands in them was found and counted elsewhere.
"""

import json
import re
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from PIL import Image

from leukolens.core.errors import DataError, InputRefused
from leukolens.core.files import read_rows, show_name, write_atomically, write_rows, write_text
from leukolens.core.intervals import Interval
from leukolens.core.pixels import Pixels
from leukolens.core.results import CellStatus
from leukolens.core.taxonomy import CellKind
from leukolens.images.decoding import read_image
from leukolens.reporting.page import CAUTION, Section
from leukolens.smear.fhir import describe_smear
from leukolens.smear.overlay import draw_overlay
from leukolens.smear.pictures import FieldView, show_field
from leukolens.smear.records import Differential, FieldResult, Share, SmearRecord
from leukolens.smear.report import ModelCard, render_report

KIND_CODES = {CellKind.LEUKOCYTE: "wbc", CellKind.RED_CELL: "rbc", CellKind.PLATELET: "platelet"}
"""What the kinds are called in the files."""

CELL_COLUMNS = ("field", "x0", "y0", "x1", "y1", "kind", "label", "probability", "status", "reason")
_APART = tuple(status for status in CellStatus if status not in (CellStatus.ACCEPTED, CellStatus.REJECTED))
FIELD_COLUMNS = (
    *("field", "status", "width_px", "height_px", "pixel_size_um", "scale_origin", "red_cell_px"),
    *KIND_CODES.values(),
    *(f"wbc_{status}" for status in _APART),
    *("advice", "warnings", "overlay"),
)
SHARE_COLUMNS = (
    *("class", "count", "percent", "ci_low", "ci_high", "method"),
    *("simultaneous_low", "simultaneous_high", "simultaneous_method"),
    *("corrected_percent", "corrected_low", "corrected_high", "corrected_method"),
    *("if_unsure_low", "if_unsure_high", "per_liter", "per_liter_low", "per_liter_high", "flag", "reference"),
)
_SAFE_SIGNS = "-_. ()"
_LONGEST_STEM = 60  # letters, of up to four bytes each: file systems end at 255 bytes
_WINDOWS_DEVICES = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?", re.IGNORECASE)


def read_pixels(name: str) -> Pixels:
    """The picture of a field that was named by its path.

    Raises:
        InputRefused: it cannot be read any more.
    """
    return read_image(name).pixels


def write_smear(
    out: Path,
    result: SmearRecord,
    cards: Sequence[ModelCard],
    read_field: Callable[[str], Pixels] = read_pixels,
    report: Callable[[int], None] = lambda done: None,
    known: Section | None = None,
) -> Path:
    """Writes every file of a smear into a folder; gives the report's path.

    Args:
        out: The folder; made where it is not there. Overlays that an earlier count left in it are removed.
        result: Of the smear.
        cards: Of the models that made it.
        read_field: Gives a field's picture by its name, as decoded when it was counted.
        report: Told how many fields are drawn.
        known: What was known of the smear before, for the report.

    Raises:
        DataError: a file could not be written.
    """
    overlays = [f"{stem}.png" for stem in name_safely(field.name for field in result.fields)]
    _remove_earlier(out)
    views, drawn = [], []
    for number, (field, overlay) in enumerate(zip(result.fields, overlays, strict=True)):
        view = _draw_field(field, (number, len(result.fields)), read_field, out / "overlay" / overlay)
        views.append(view)
        drawn.append("" if view.gone else overlay)
        report(number + 1)
    write_rows(out / "cells.csv", CELL_COLUMNS, _list_cells(result.fields))
    write_rows(out / "fields.csv", FIELD_COLUMNS, map(_describe_field, result.fields, drawn))
    rows = [_describe_share(share) for share in result.differential.shares]
    write_rows(out / "differential.csv", SHARE_COLUMNS, rows)
    write_rows(out / "refused.csv", ("image", "why"), [(refusal.image, refusal.why) for refusal in result.refused])
    write_text(out / "differential.json", _to_json(_describe_differential(result, rows)))
    issued = datetime.now(UTC).isoformat(timespec="seconds")
    write_text(out / "fhir.json", _to_json(describe_smear(result, issued)))
    write_text(out / "report.html", render_report(result, views, cards, known))
    return out / "report.html"


def name_safely(names: Iterable[str]) -> Iterator[str]:
    """File names without suffix, one for each name: safe on any system, recognisable, no two alike in any case."""
    taken: set[str] = set()
    for name in names:
        last = name.replace("\\", "/").rstrip("/").rpartition("/")[2]
        letters = unicodedata.normalize("NFC", last.rpartition(".")[0] or last)
        stem = "".join(letter if letter.isalnum() or letter in _SAFE_SIGNS else "_" for letter in letters)
        stem = stem[:_LONGEST_STEM].strip(" .-") or "field"
        if _WINDOWS_DEVICES.fullmatch(stem):
            stem = f"field_{stem}"
        candidate, number = stem, 1
        while candidate.casefold() in taken:
            number += 1
            candidate = f"{stem}-{number}"
        taken.add(candidate.casefold())
        yield candidate


def _remove_earlier(out: Path) -> None:
    """Takes away the overlays that the folder's `fields.csv` names, so that no other smear's field stays among this one's."""
    try:
        rows = read_rows(out / "fields.csv")
    except DataError:
        return
    for row in rows:
        name = row.get("overlay", "")
        if name and Path(name).name == name and "\\" not in name:
            (out / "overlay" / name).unlink(missing_ok=True)


def _draw_field(
    field: FieldResult, place: tuple[int, int], read_field: Callable[[str], Pixels], overlay: Path
) -> FieldView:
    try:
        pixels = read_field(field.name)
    except InputRefused as error:
        # The counts stand; only the picture went away between counting and drawing.
        return FieldView(field, "", {}, f"The picture is gone: it {error}")
    if pixels.shape[:2] != (field.height_px, field.width_px):
        return FieldView(field, "", {}, "The picture is another than the one that was counted.")
    with write_atomically(overlay) as temporary:
        # compression 3 of 9: twice as quick as the default for a tenth more bytes
        Image.fromarray(draw_overlay(pixels, field.cells)).save(temporary, format="PNG", compress_level=3)
    return show_field(field, pixels, *place)


def _list_cells(fields: Iterable[FieldResult]) -> Iterator[tuple[object, ...]]:
    for field in fields:
        for cell in field.cells:
            box = cell.box
            corners = (round(float(value), 1) for value in (box.x0, box.y0, box.x1, box.y1))
            named = (KIND_CODES[box.kind], box.label, round(float(cell.probability), 6), cell.status, cell.reason)
            yield (field.name, *corners, *named)


def _describe_field(field: FieldResult, overlay: str) -> tuple[object, ...]:
    accepted = [cell.box.kind for cell in field.cells if cell.status == CellStatus.ACCEPTED]
    leukocytes = [cell.status for cell in field.cells if cell.box.kind == CellKind.LEUKOCYTE]
    return (
        field.name,
        "counted" if field.usable else "left out",
        field.width_px,
        field.height_px,
        _round(field.pixel_size_um, 5),
        field.scale_origin,
        _round(field.red_cell_px, 2),
        *(accepted.count(kind) for kind in KIND_CODES),
        *(leukocytes.count(status) for status in _APART),
        "; ".join(f"{advice.fault}: {advice.action.rstrip('.')}" for advice in field.advice),
        "; ".join(field.warnings),
        overlay,
    )


def _describe_share(share: Share) -> tuple[object, ...]:
    per_liter, per_liter_interval = share.per_liter or (None, None)
    return (
        share.label,
        share.count,
        _round(share.percent, 4),
        *_ends(share.interval),
        share.interval.method,
        *_ends(share.simultaneous),
        share.simultaneous.method,
        _round(share.corrected, 4),
        *_ends(share.corrected_interval),
        share.corrected_interval.method if share.corrected_interval else None,
        *(_round(value, 4) for value in share.if_unsure),
        _round(per_liter, 0),
        *_ends(per_liter_interval, 0),
        share.flag,
        str(share.reference or ""),
    )


def _describe_differential(result: SmearRecord, rows: Sequence[tuple[object, ...]]) -> dict[str, Any]:
    differential: Differential = result.differential
    return {
        "smear": show_name(result.name),
        "fields": len(result.fields),
        "fields_used": sum(field.usable for field in result.fields),
        "refused": [{"image": show_name(refusal.image), "why": refusal.why} for refusal in result.refused],
        "leukocytes": differential.leukocytes,
        "apart": differential.apart,
        "unlike_validation": differential.unlike,
        "differential": [dict(zip(SHARE_COLUMNS, row, strict=True)) for row in rows],
        "erythroblasts": differential.erythroblasts,
        "erythroblasts_per_100": _estimate(differential.erythroblasts_per_100),
        "leukocytes_per_liter": differential.leukocytes_per_liter,
        "corrected_leukocytes_per_liter": differential.corrected_leukocytes_per_liter,
        "neutrophil_lymphocyte_ratio": _estimate(differential.neutrophil_lymphocyte_ratio),
        "progress": [{"goal": goal, "missing": missing} for goal, missing in differential.progress],
        "kinds": [
            {"kind": KIND_CODES[kind.kind], "count": kind.count, "estimate": kind.estimate}
            | {f"per_field_{key}": value for key, value in (_estimate(kind.per_field) or {}).items()}
            for kind in result.kinds
        ],
        "classifier": result.classifier,
        "detector": result.detector,
        "leukolens": version("leukolens"),
        "caution": CAUTION,
    }


def _estimate(estimate: tuple[float, Interval] | None) -> dict[str, object] | None:
    if estimate is None:
        return None
    low, high = _ends(estimate[1])
    return {"value": _round(estimate[0], 4), "ci_low": low, "ci_high": high, "method": estimate[1].method}


def _ends(interval: Interval | None, digits: int = 4) -> tuple[float | None, float | None]:
    return (None, None) if interval is None else (_round(interval.low, digits), _round(interval.high, digits))


def _round(value: float | None, digits: int) -> float | None:
    return None if value is None else round(float(value), digits)


def _to_json(fields: dict[str, Any]) -> str:
    return json.dumps(fields, indent=1, ensure_ascii=False, allow_nan=False) + "\n"
