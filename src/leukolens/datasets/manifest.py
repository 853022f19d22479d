"""One manifest for every dataset: which image, which label, which group, which boxes.

Sources under `leukolens.datasets.sources` make manifests; everything else reads them. A manifest points at images where
they lie, in folders or zips, and copies none.
"""

import csv
import json
import math
import os
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from leukolens.core.errors import DataError, InputRefused
from leukolens.core.files import hash_bytes, read_rows, show_name, write_rows
from leukolens.core.pixels import Pixels, Preparation, crop_cell
from leukolens.core.results import Box, Refusal
from leukolens.core.taxonomy import CELL_CLASSES, DETECTED_KINDS, CellKind
from leukolens.images.decoding import DecodedImage, read_image, split_reference

UNMAPPED = "unmapped/"
"""How the group of an image begins whose group should be known but is not."""


@dataclass(frozen=True)
class Record:
    """One image of a dataset, or one boxed cell of it.

    Attributes:
        id: What split files call it: its stem where that is unique, else its path without extension; `field#2`
            for the third labelled cell of a field.
        image: Path, or `archive.zip::member`.
        label: Class of the taxonomy, None where the dataset gives none.
        original_label: The dataset's own word.
        source: The dataset it came from.
        group: What must stay on one side of a split: source field, slide, set of near-duplicates.
        part: Provided split: `train`, `validation`, `test` or empty.
        sub_label: Finer type, where the dataset gave one.
        boxes: Cells of a field.
        cell: The box that this record is about; None when it is the whole image.
        united_group: Name shared by all groups that show the same thing, such as two photographs of one field of view.
            Splits keep these groups together. Empty if the group stands alone.
        same_picture: Name shared by all records that are one picture. Splits keep one of them. Empty if there is no other.
        fixed_part: Part that a split of fields gives it, whatever is drawn: `test` or `validation`. Empty if it is drawn.
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
        name: What it was added as.
        records: Its images, or its cells after `cells`.
        refused: What was found but could not be used, and why.
        doubts: What is used though something about it is unsure, and what.
    """

    name: str
    records: tuple[Record, ...]
    refused: tuple[Refusal, ...] = ()
    doubts: tuple[Refusal, ...] = ()

    @property
    def hash(self) -> str:
        """SHA-256 over what decides a result: ids, labels, groups, boxes; not where the files lie."""
        rows = sorted(
            json.dumps([record.id, record.label, record.group, _spell_box(record.cell), len(record.boxes)])
            for record in self.records
        )
        return hash_bytes("\n".join(rows).encode("utf-8", "surrogatepass"))

    def cells(self) -> "Manifest":
        """One record per labelled leukocyte box where fields have such boxes; other records as they are."""
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
        """The records of the given ids, in their order.

        Raises:
            DataError: one of them is not here.
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
    """A box as hashes of manifests have always spelt it: what a split was made for must not change with our classes."""
    if box is None:
        return "None"
    corners = ", ".join(f"{name}={getattr(box, name)}" for name in ("x0", "y0", "x1", "y1"))
    return f"Box({corners}, kind={str(box.kind)!r}, label={box.label!r})"


def read_cell(record: Record, context: float) -> DecodedImage:
    """Decodes a record's image, cut around its cell where it is about one.

    Raises:
        InputRefused: the image cannot be read.
    """
    decoded = read_image(record.image)
    if record.cell is None:
        return decoded
    return DecodedImage(crop_cell(decoded.pixels, record.cell, context), decoded.warnings)


def find_pictures(records: Iterable[Record]) -> Callable[[str], Pixels | None]:
    """Gives the picture of a record by its id, cut around its cell; None where it is unknown or cannot be read."""
    by_id = {record.id: record for record in records}

    def picture(name: str) -> Pixels | None:
        try:
            return read_cell(by_id[name], Preparation.cell_context).pixels
        except (InputRefused, KeyError):
            return None

    return picture


def refuse_missing(manifest: Manifest) -> Manifest:
    """The same dataset without the images whose file or zip is not there; those are listed as refused."""
    there: dict[Path, bool] = {}
    records: list[Record] = []
    refused = list(manifest.refused)
    for record in manifest.records:
        path = split_reference(record.image)[0]
        if there.setdefault(path, path.is_file()):
            records.append(record)
        else:
            refused.append(Refusal(record.id, f"{path} is not there"))
    return replace(manifest, records=tuple(records), refused=tuple(refused))


_COLUMNS = ("id", "image", "label", "original_label", "sub_label", "source", "group", "part", "cell", "boxes")
_FACTS = ("united_group", "same_picture", "fixed_part", "not_trained_on")
"""Columns with what a source knows of single images. A manifest may lack them: then nothing is known."""


def save_manifest(path: Path, manifest: Manifest) -> None:
    """Writes a manifest as CSV, and what was refused or is doubtful as `<stem>.notes.csv` beside it."""
    rows = []
    for record in manifest.records:
        cell = json.dumps(asdict(record.cell)) if record.cell else ""
        boxes = json.dumps([asdict(box) for box in record.boxes]) if record.boxes else ""
        given = (record.id, record.image, record.label, record.original_label, record.sub_label, record.source)
        rows.append([*given, record.group, record.part, cell, boxes, *(getattr(record, name) for name in _FACTS)])
    write_rows(path, (*_COLUMNS, *_FACTS), rows)
    notes = [(note.image, "refused", note.why) for note in manifest.refused]
    notes += [(note.image, "doubt", note.why) for note in manifest.doubts]
    write_rows(path.with_suffix(".notes.csv"), ("image", "verdict", "why"), notes)


def has_facts(path: Path) -> bool:
    """True if a manifest has the columns with what its source knows of single images."""
    with path.open(encoding="utf-8-sig", errors="replace", newline="") as stream:
        return set(_FACTS) <= set(next(csv.reader(stream), []))


def load_manifest(path: Path) -> Manifest:
    """Reads a manifest; images with a relative path lie beside it.

    Raises:
        DataError: it is missing, lacks a column, or a class or box in it does not read.
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
        except (ValueError, TypeError, KeyError, AttributeError, IndexError, RecursionError) as error:
            raise DataError(f"{show_name(str(path))}, line {number} does not hold together: {error}") from error
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
    return Record(
        row["id"],
        # Joined as text: a path of ours must come back letter by letter.
        row["image"] if split_reference(row["image"])[0].is_absolute() else os.path.join(folder, row["image"]),
        label,
        row["original_label"],
        row["source"],
        row["group"] or row["id"],
        row["part"],
        row["sub_label"] or None,
        tuple(_parse_box(box) for box in json.loads(row["boxes"] or "[]")),
        _parse_box(json.loads(row["cell"])) if row["cell"] else None,
        *(row.get(name, "") for name in _FACTS),
    )


def _parse_box(fields: dict[str, object]) -> Box:
    numbers = [float(str(fields[name])) for name in ("x0", "y0", "x1", "y1")]
    kind, label = str(fields["kind"]), fields["label"]
    has_area = all(map(math.isfinite, numbers)) and numbers[0] < numbers[2] and numbers[1] < numbers[3]
    if not has_area or kind not in DETECTED_KINDS:
        raise ValueError(f"box {fields!r}, expected x0 < x1, y0 < y1 and a kind of {', '.join(DETECTED_KINDS)}")
    if label is not None and label not in CELL_CLASSES:
        raise ValueError(f"box label {label!r}, expected one of {', '.join(CELL_CLASSES)}")
    return Box(numbers[0], numbers[1], numbers[2], numbers[3], CellKind(kind), None if label is None else str(label))
