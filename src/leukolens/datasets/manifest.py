"""The manifest of a dataset: a table of its images with labels, groups and boxes.

Sources under `leukolens.datasets.sources` write manifests; all other code reads them. A manifest points at images where
they lie, in folders or zips. No image is copied.
"""

import json
import math
import os
import re
from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import msgspec

from leukolens.core.errors import DataError
from leukolens.core.files import decode_text, hash_bytes, read_rows, show_name, write_rows
from leukolens.core.results import Box, Refusal
from leukolens.core.taxonomy import CELL_CLASSES, CellKind
from leukolens.images.decoding import split_reference

PARTS = ("train", "validation", "test")
"""The parts of a split."""

UNMAPPED = "unmapped/"
"""Start of the group's name of an image whose group is unknown."""


@dataclass(frozen=True)
class Record:
    """One image of a dataset, or one boxed cell of it.

    Attributes:
        id: Its name in split files: the stem if that is unique, else the path without extension. `field#2` is the
            third labelled cell of a field.
        image: Path, or `archive.zip::member`.
        label: Class of the taxonomy. None if the dataset gives none.
        original_label: The class as the dataset calls it.
        source: The dataset from which it came.
        group: Name shared by images that must stay on one side of a split: those of one source field, slide or set of
            near-duplicates.
        part: Part of the provided split: `train`, `validation`, `test` or empty.
        sub_label: Finer type, if the dataset gives one.
        boxes: Cells of a field.
        cell: The box of the cell that this record is about. None if it is about the whole image.
        united_group: Name shared by all groups that show the same thing, such as two photographs of one field of view.
            Splits keep these groups together. Empty if the group stands alone.
        same_picture: Name shared by all records that are one picture. Splits keep one. Empty if there is no other.
        fixed_part: Part that it always has in a split of fields, `test` or `validation`. Empty if the part is drawn.
        not_trained_on: Why a split of fields leaves it out. Empty if it may be used.
    """

    id: str
    image: str
    label: str | None
    original_label: str
    source: str
    group: str
    part: str = ""
    sub_label: str | None = None
    boxes: tuple[Box, ...] = ()
    cell: Box | None = None
    united_group: str = ""
    same_picture: str = ""
    fixed_part: str = ""
    not_trained_on: str = ""


@dataclass(frozen=True)
class Manifest:
    """A dataset.

    Attributes:
        name: Name under which it was added.
        records: Its images, or its cells after `cells`.
        refused: What could not be used, and why.
        doubts: What is used although something about it is unsure, and what.
    """

    name: str
    records: tuple[Record, ...]
    refused: tuple[Refusal, ...] = ()
    doubts: tuple[Refusal, ...] = ()

    @property
    def hash(self) -> str:
        """SHA-256 over ids, labels, groups and boxes. It does not depend on where the files lie."""
        rows = sorted(
            json.dumps([record.id, record.label, record.group, _spell_box(record.cell), len(record.boxes)])
            for record in self.records
        )
        return hash_bytes("\n".join(rows).encode("utf-8", "surrogatepass"))

    def cells(self) -> "Manifest":
        """One record for each leukocyte box with a class. Records without such boxes stay as they are."""
        records: list[Record] = []
        for record in self.records:
            named = [box for box in record.boxes if box.label is not None and box.kind == CellKind.LEUKOCYTE]
            if record.cell is not None or not named:
                records.append(record)
                continue
            for index, box in enumerate(named):
                records.append(replace(record, id=f"{record.id}#{index}", label=box.label, boxes=(), cell=box))
        return replace(self, records=tuple(records))

    def labelled(self) -> "Manifest":
        """Only the records that have a class."""
        return replace(self, records=tuple(record for record in self.records if record.label is not None))

    def select(self, ids: Iterable[str]) -> "Manifest":
        """The records with the given ids, in the order of the ids.

        Raises:
            DataError: an id is not in the dataset.
        """
        by_id = {record.id: record for record in self.records}
        wanted = list(ids)
        missing = [name for name in wanted if name not in by_id]
        if missing:
            raise DataError(
                f"{len(missing)} images are not in the dataset {self.name}, {show_name(missing[0])} first. Is it the dataset that the split was made for?"
            )
        return replace(self, records=tuple(by_id[name] for name in wanted))


def _spell_box(box: Box | None) -> str:
    """A box as text for the hash. It must never change, or old splits would no longer fit their dataset."""
    if box is None:
        return "None"
    corners = ", ".join(f"{name}={getattr(box, name)}" for name in ("x0", "y0", "x1", "y1"))
    return f"Box({corners}, kind={str(box.kind)!r}, label={box.label!r})"


_COLUMNS = ("id", "image", "label", "original_label", "sub_label", "source", "group", "part", "cell", "boxes")
_FACTS = ("united_group", "same_picture", "fixed_part", "not_trained_on")
"""Columns with what a source knows about single images. A manifest may lack them; then nothing is known."""


def save_manifest(path: Path, manifest: Manifest, only_new: bool = False) -> None:
    """Writes a manifest as CSV. What was refused or is doubtful goes to `<stem>.notes.csv` beside it.

    Raises:
        UsageError: `only_new`, and there is such a manifest already.
    """
    rows = []
    for record in manifest.records:
        cell = json.dumps(asdict(record.cell)) if record.cell else ""
        boxes = json.dumps([asdict(box) for box in record.boxes]) if record.boxes else ""
        given = (record.id, record.image, record.label, record.original_label, record.sub_label, record.source)
        rows.append([*given, record.group, record.part, cell, boxes, *(getattr(record, name) for name in _FACTS)])
    write_rows(path, (*_COLUMNS, *_FACTS), rows, only_new)
    notes = [(note.image, "refused", note.why) for note in manifest.refused]
    notes += [(note.image, "doubt", note.why) for note in manifest.doubts]
    write_rows(path.with_suffix(".notes.csv"), ("image", "verdict", "why"), notes)


def is_manifest(path: Path) -> bool:
    """True if a CSV file has the columns of a manifest."""
    return set(_COLUMNS) <= _read_header(path)


def has_facts(path: Path) -> bool:
    """True if a manifest file has the columns with what its source knows about single images."""
    return set(_FACTS) <= _read_header(path)


def _read_header(path: Path) -> set[str]:
    try:
        header = decode_text(path.read_bytes()).partition("\n")[0]
    except (OSError, ValueError) as error:
        raise DataError(f"{show_name(str(path))} cannot be read as a CSV file: {error}") from error
    return set(re.split("[,;\t\r]", header))


def load_manifest(path: Path) -> Manifest:
    """Reads a manifest. Relative paths of images start at its folder.

    Raises:
        DataError: it is missing, lacks a column, or has a class or box that cannot be read.
    """
    rows = read_rows(path)
    if not rows or set(_COLUMNS) - set(rows[0]):
        raise DataError(
            f"{show_name(str(path))} is not a manifest: expected the columns {', '.join(_COLUMNS)} and at least one row."
        )
    records = []
    for number, row in enumerate(rows, start=2):
        try:
            records.append(_parse_record(row, path.parent))
        except (ValueError, RecursionError) as error:
            raise DataError(f"{show_name(str(path))}, line {number} cannot be used: {error}") from error
    if len({record.id for record in records}) < len(records):
        raise DataError(f"{show_name(str(path))} uses one id for several images. Add the dataset again.")
    notes: dict[str, list[Refusal]] = {"refused": [], "doubt": []}
    beside = path.with_suffix(".notes.csv")
    for row in read_rows(beside) if beside.is_file() else ():
        notes.setdefault(row.get("verdict", ""), []).append(Refusal(row.get("image", ""), row.get("why", "")))
    return Manifest(path.stem, tuple(records), tuple(notes["refused"]), tuple(notes["doubt"]))


def _parse_record(row: dict[str, str], folder: Path) -> Record:
    label = row["label"] or None
    if label is not None and label not in CELL_CLASSES:
        raise ValueError(f"label {label!r}, expected one of {', '.join(CELL_CLASSES)} or nothing")
    if not row["id"] or not row["image"]:
        raise ValueError("an image without an id or a path")
    for column, values in (("part", PARTS), ("fixed_part", PARTS[1:])):
        if row.get(column) and row[column] not in values:
            raise ValueError(f"{column} {row[column]!r}, expected one of {', '.join(values)} or nothing")
    return Record(
        row["id"],
        # Joined as text, so that the path stays letter by letter the same.
        row["image"] if split_reference(row["image"])[0].is_absolute() else os.path.join(folder, row["image"]),
        label,
        row["original_label"],
        row["source"],
        row["group"] or row["id"],
        row["part"],
        row["sub_label"] or None,
        _parse_boxes(row["boxes"]) if row["boxes"] else (),
        _parse_cell(row["cell"]) if row["cell"] else None,
        *(row.get(name, "") for name in _FACTS),
    )


class _BoxFields(msgspec.Struct):
    """A box as a manifest spells it in JSON."""

    x0: float
    y0: float
    x1: float
    y1: float
    kind: CellKind
    label: str | None

    def __post_init__(self) -> None:
        if not (math.isfinite(self.x0 + self.y0 + self.x1 + self.y1) and self.x0 < self.x1 and self.y0 < self.y1):
            raise ValueError("expected x0 < x1 and y0 < y1")
        if self.label is not None and self.label not in CELL_CLASSES:
            raise ValueError(f"box label {self.label!r}, expected one of {', '.join(CELL_CLASSES)}")

    def to_box(self) -> Box:
        return Box(self.x0, self.y0, self.x1, self.y1, self.kind, self.label)


_READ_BOX = msgspec.json.Decoder(_BoxFields)
_READ_BOXES = msgspec.json.Decoder(list[_BoxFields])


def _parse_boxes(text: str) -> tuple[Box, ...]:
    try:
        return tuple(box.to_box() for box in _READ_BOXES.decode(text))
    except msgspec.MsgspecError as error:
        raise ValueError(f"boxes: {error}") from error


def _parse_cell(text: str) -> Box:
    try:
        return _READ_BOX.decode(text).to_box()
    except msgspec.MsgspecError as error:
        raise ValueError(f"box of the cell: {error}") from error
