"""A table of images: CSV with a column for the image and one for its class, or for the class and corners of a box.

Columns for the group (patient, slide) and the part of a split are read too, if there are any.
"""

import csv
import re
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath

from leukolens.core.errors import DataError, InputRefused
from leukolens.core.files import parse_rows, show_name
from leukolens.core.results import Refusal
from leukolens.core.taxonomy import match_cell, match_class
from leukolens.datasets.formats.boxes import NOTHING_LEFT, BoxReader
from leukolens.datasets.formats.class_folders import name_part, provided_part
from leukolens.datasets.formats.class_names import read_class_names
from leukolens.datasets.formats.reading import Reading, explain_box, explain_class
from leukolens.datasets.manifest import Manifest, Record
from leukolens.datasets.tree import FileFinder, Tree, unique_ids

_IMAGE = "image filename file file_name path image_path filepath img image_name image_file image_id name id"
_LABEL = "label class category cell_type celltype class_name type truth cell"
_GROUP = "group patient patient_id slide slide_id smear smear_id subject subject_id case case_id donor"
_PART = "part split set subset"
_CORNERS = (("xmin", "ymin", "xmax", "ymax"), ("x0", "y0", "x1", "y1"), ("x1", "y1", "x2", "y2"))


@dataclass(frozen=True)
class _Columns:
    """Which column of a table holds what; empty or `()` where none does."""

    image: str
    label: str
    group: str
    part: str
    corners: tuple[str, ...]


@dataclass(frozen=True)
class _Row:
    """One row of a table, for an image that is there."""

    word: str
    group: str
    part: str
    corners: tuple[str, ...]


def read_tables(tree: Tree) -> Reading | None:
    """The images that the tables of a dataset name. None if it has no table with the columns that are needed.

    Raises:
        DataError: no image that the tables name is there.
    """
    places = FileFinder(tree.images())
    rows: dict[PurePosixPath, list[_Row]] = defaultdict(list)
    refused = list(tree.refused)
    tables: list[str] = []
    has_boxes = False
    for path in tree.with_suffixes((".csv", ".tsv")):
        try:
            table = list(parse_rows(tree.read_text(path)))
        except (InputRefused, ValueError, csv.Error) as error:
            refused.append(Refusal(str(path), f"cannot be read as a table: {error}"))
            continue
        columns = _find_columns(table[0]) if table else None
        if columns is None:
            continue
        tables.append(str(path))
        has_boxes |= bool(columns.corners)
        for row in table:
            try:
                place = places.find(row[columns.image], path.parent)
            except InputRefused as error:
                refused.append(Refusal(row[columns.image], f"{path.name} names it: {error}"))
                continue
            corners = tuple(row[name] for name in columns.corners)
            part = name_part(row.get(columns.part, "")) or provided_part(place) or name_part(path.stem)
            rows[place].append(_Row(row[columns.label].strip(), row.get(columns.group, "").strip(), part, corners))
    if not tables:
        return None
    if not rows:
        raise DataError(f"No image that {show_name(tables[0])} names is in {show_name(str(tree.root))}.")
    names = read_class_names(tree)
    ids = unique_ids(rows)
    records: list[Record] = []
    for place, given in rows.items():
        try:
            record, notes = (_read_boxes if has_boxes else _read_class)(tree.files[place], ids[place], given, names)
            records.append(record)
            refused += [Refusal(ids[place], note) for note in notes]
        except InputRefused as error:
            refused.append(Refusal(ids[place], str(error)))
    refused += [Refusal(str(place), "stands in no table") for place in tree.images() if place not in rows]
    words = sorted({names.get(row.word, row.word) for given in rows.values() for row in given})
    meanings = {word: (explain_box if has_boxes else explain_class)(word) for word in words}
    layout = f"a table of {'boxes' if has_boxes else 'images'} ({', '.join(tables)})"
    return Reading(Manifest(tree.root.stem, tuple(records), tuple(refused)), layout, meanings)


def _find_columns(row: Mapping[str, str]) -> _Columns | None:
    """The columns by what they hold. None if there is none for the image or none for the class."""
    by_word = {re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_"): name for name in row}

    def pick(words: str) -> str:
        return next((by_word[word] for word in words.split() if word in by_word), "")

    image, label = pick(_IMAGE), pick(_LABEL)
    if not image or not label or image == label:
        return None
    corners = next((corners for corners in _CORNERS if set(corners) <= set(by_word)), ())
    return _Columns(image, label, pick(_GROUP), pick(_PART), tuple(by_word[name] for name in corners))


def _read_class(image: str, identity: str, rows: list[_Row], names: Mapping[str, str]) -> tuple[Record, list[str]]:
    words = list(dict.fromkeys(names.get(row.word, row.word) for row in rows))
    found = [match_class(word) for word in words]
    unknown = [repr(word) for word, name in zip(words, found, strict=True) if name is None]
    if unknown:
        raise InputRefused(f"no known cell type is called {', '.join(unknown)}")
    labels = {name.label: name for name in found if name is not None}
    if len(labels) > 1:
        raise InputRefused(f"has several classes: {', '.join(words)}")
    name = next(iter(labels.values()))
    notes = [f"stands in {len(rows)} rows of one class: used once"] if len(rows) > 1 else []
    row = rows[0]
    return Record(identity, image, name.label, words[0], "", row.group or identity, row.part, name.sub_label), notes


def _read_boxes(image: str, identity: str, rows: list[_Row], names: Mapping[str, str]) -> tuple[Record, list[str]]:
    words = [names.get(row.word, row.word) for row in rows]
    reader = BoxReader({word: kind for word in words if (kind := match_cell(word)) is not None})
    for word, row in zip(words, rows, strict=True):
        reader.add(word, row.corners)
    if not reader.boxes:
        raise InputRefused("; ".join([*reader.problems, NOTHING_LEFT]))
    row = rows[0]
    boxes = tuple(reader.boxes)
    return Record(identity, image, None, "", "", row.group or identity, row.part, boxes=boxes), reader.problems
