"""Writes the folder that `leukolens count` leaves: tables, overlays, report and FHIR of one smear.

The folder appears whole or not at all. The caller holds it, and checks whether it may be written over.
"""

import json
import re
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

from PIL import Image

from leukolens.core.errors import DataError, InputRefused
from leukolens.core.files import read_rows, write_atomically, write_rows, write_text
from leukolens.core.folders import build_folder
from leukolens.core.pixels import Pixels
from leukolens.images.decoding import read_image
from leukolens.reporting.page import Section
from leukolens.smear.fhir import describe_smear
from leukolens.smear.overlay import draw_overlay
from leukolens.smear.pictures import FieldView, show_field
from leukolens.smear.records import FieldResult, SmearRecord
from leukolens.smear.report import FILES, render_report
from leukolens.smear.tables import (
    CELL_COLUMNS,
    FIELD_COLUMNS,
    SHARE_COLUMNS,
    describe_result,
    list_cells,
    list_fields,
    list_shares,
)

ReadField = Callable[[FieldResult], Pixels]
"""Gives a field's picture as it was when it was counted, `(h, w, 3)` uint8 RGB, or raises `InputRefused`."""

Progress = Callable[[int, int], None]
"""Called after each field with how many are done and how many there are."""

_SAFE_SIGNS = "-_. ()"
_LONGEST_STEM = 60  # letters of up to four bytes each: file systems end at 255 bytes
_WINDOWS_DEVICES = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?", re.IGNORECASE)
_ARRAY_NAME = re.compile(r"array \d+")


def read_again(field: FieldResult) -> Pixels:
    """The picture of a field, decoded again from its file: `(h, w, 3)` uint8 RGB.

    Raises:
        InputRefused: the file is gone, was changed, or there never was one.
    """
    if _ARRAY_NAME.fullmatch(field.name) and not Path(field.name).exists():
        raise InputRefused("was given as an array, and arrays are not kept.")
    return check_picture(field, read_image(field.name).pixels)


def check_picture(field: FieldResult, pixels: Pixels) -> Pixels:
    """The same picture, if it has the size of the one that was counted.

    Raises:
        InputRefused: it has another size.
    """
    if pixels.shape != (field.height_px, field.width_px, 3):
        expected = f"{field.width_px} x {field.height_px} pixels"
        raise InputRefused(f"is not the picture that was counted: expected {expected}, got an array {pixels.shape}.")
    return pixels


def write_smear(
    out: Path,
    result: SmearRecord,
    read_field: ReadField = read_again,
    progress: Progress = lambda done, fields: None,
    known: Section | None = None,
) -> Path:
    """Writes every file of a smear into a folder.

    Args:
        out: The folder; made if it does not exist. What an earlier count left in it is replaced, by one rename at the end.
        result: The smear.
        read_field: Gives a field's picture.
        progress: Told after each field that is drawn.
        known: A section of the report on what was known of the smear before.

    Returns:
        The path of the report.

    Raises:
        DataError: a file could not be written.
    """
    with build_folder(out, _list_ours(out).__contains__) as folder:
        names = [f"{stem}.png" for stem in name_safely(field.name for field in result.fields)]
        _write_tables(folder, result, names)
        views: list[FieldView] = []
        for number, name in enumerate(names):
            views.append(_show_field(result, number, read_field, folder / "overlay" / name))
            progress(number + 1, len(names))
        overlays = ["" if view.gone else name for view, name in zip(views, names, strict=True)]
        if overlays != names:
            write_rows(folder / "fields.csv", FIELD_COLUMNS, list_fields(result.fields, overlays))
        write_text(folder / "report.html", render_report(result, views, known, beside=True))
    return out / "report.html"


def _write_tables(folder: Path, result: SmearRecord, overlays: Sequence[str]) -> None:
    """Writes what was counted, before anything is drawn."""
    write_rows(folder / "cells.csv", CELL_COLUMNS, list_cells(result.fields))
    write_rows(folder / "fields.csv", FIELD_COLUMNS, list_fields(result.fields, overlays))
    write_rows(folder / "differential.csv", SHARE_COLUMNS, list_shares(result.differential.shares))
    write_rows(folder / "refused.csv", ("image", "why"), [(refusal.image, refusal.why) for refusal in result.refused])
    write_text(folder / "differential.json", _to_json(describe_result(result)))
    issued = datetime.now(UTC).isoformat(timespec="seconds")
    write_text(folder / "fhir.json", _to_json(describe_smear(result, issued)))


def write_report(path: Path, result: SmearRecord, read_field: ReadField = read_again) -> None:
    """Writes the report alone, one HTML file.

    Raises:
        DataError: the file could not be written.
    """
    views = [_show_field(result, number, read_field, None) for number in range(len(result.fields))]
    write_text(path, render_report(result, views))


def name_safely(names: Iterable[str]) -> Iterator[str]:
    """One file name without suffix for each name: safe on every system, recognisable, distinct in any letter case."""
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


def _list_ours(out: Path) -> set[str]:
    """What an earlier count left in a folder: its tables, its report and the overlays that its fields.csv names."""
    try:
        rows = read_rows(out / "fields.csv")
    except DataError:
        rows = []
    return {"report.html", *FILES, *(f"overlay/{row['overlay']}" for row in rows if row.get("overlay"))}


def _show_field(result: SmearRecord, number: int, read_field: ReadField, overlay: Path | None) -> FieldView:
    """What the report shows of a field; draws its overlay too if there is a path for it."""
    field = result.fields[number]
    try:
        pixels = read_field(field)
    except InputRefused as error:
        # The counts stand. Only the picture is missing.
        return FieldView(field, "", {}, f"The picture cannot be shown: it {error}")
    if overlay is not None:
        with write_atomically(overlay) as temporary:
            # Compression 3 of 9: twice as quick as the default for a tenth more bytes.
            Image.fromarray(draw_overlay(pixels, field.cells)).save(temporary, format="PNG", compress_level=3)
    return show_field(field, pixels, number, len(result.fields))


def _to_json(fields: Mapping[str, object]) -> str:
    return json.dumps(fields, indent=1, ensure_ascii=False, allow_nan=False) + "\n"
