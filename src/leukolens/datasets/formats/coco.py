"""COCO: one JSON file for many images, with lists `images`, `annotations` and `categories`."""

from collections import defaultdict
from pathlib import PurePosixPath

import msgspec

from leukolens.core.errors import DataError, InputRefused
from leukolens.core.files import show_name
from leukolens.core.results import Refusal
from leukolens.core.taxonomy import match_cell
from leukolens.datasets.formats.boxes import NOTHING_LEFT, BoxReader
from leukolens.datasets.formats.class_folders import provided_part
from leukolens.datasets.formats.reading import Reading, explain_box
from leukolens.datasets.manifest import Manifest, Record
from leukolens.datasets.tree import FileFinder, Tree, unique_ids


class _Image(msgspec.Struct):
    id: int | str
    file_name: str


class _Category(msgspec.Struct):
    id: int | str
    name: str


class _Annotation(msgspec.Struct):
    image_id: int | str
    category_id: int | str
    bbox: list[float] = []


class _CocoFile(msgspec.Struct):
    images: list[_Image]
    annotations: list[_Annotation]
    categories: list[_Category]


def read_coco(tree: Tree) -> Reading | None:
    """The images of all COCO files of a dataset with their boxes. None if it has no such file.

    Raises:
        DataError: such a file cannot be used.
    """
    files = {path: found for path in tree.with_suffixes((".json",)) if (found := _read_file(tree, path)) is not None}
    if not files:
        return None
    places = FileFinder(tree.images())
    fields: dict[PurePosixPath, BoxReader] = {}
    refused = list(tree.refused)
    meanings: dict[str, str] = {}
    for path, found in files.items():
        names = {category.id: category.name for category in found.categories}
        used = {annotation.category_id for annotation in found.annotations}
        meanings |= {names[number]: explain_box(names[number]) for number in names if number in used}
        boxes: dict[int | str, list[_Annotation]] = defaultdict(list)
        for annotation in found.annotations:
            boxes[annotation.image_id].append(annotation)
        for image in found.images:
            try:
                place = places.find(image.file_name, path.parent)
                if place in fields:
                    raise InputRefused("stands in several COCO files, or several times in one: the first is used")
            except InputRefused as error:
                refused.append(Refusal(image.file_name, str(error)))
                continue
            fields[place] = _read_boxes(boxes[image.id], names)
    ids = unique_ids(fields)
    records: list[Record] = []
    for place, reader in fields.items():
        refused += [Refusal(ids[place], problem) for problem in reader.problems]
        if reader.problems and not reader.boxes:
            refused.append(Refusal(ids[place], NOTHING_LEFT))
            continue
        part, boxed = provided_part(place), tuple(reader.boxes)
        records.append(Record(ids[place], tree.files[place], None, "", "", ids[place], part, boxes=boxed))
    refused += [Refusal(str(place), "stands in no COCO file") for place in tree.images() if place not in fields]
    return Reading(Manifest(tree.root.stem, tuple(records), tuple(refused)), "COCO", meanings)


def _read_file(tree: Tree, path: PurePosixPath) -> _CocoFile | None:
    try:
        text = tree.read_text(path)
        if '"annotations"' not in text or '"categories"' not in text:
            return None
        return msgspec.json.decode(text.encode(), type=_CocoFile)
    except (InputRefused, msgspec.MsgspecError, UnicodeError, RecursionError) as error:
        raise DataError(f"{show_name(str(path))} cannot be read as a COCO file: {error}") from error


def _read_boxes(annotations: list[_Annotation], names: dict[int | str, str]) -> BoxReader:
    kinds = {name: kind for name in names.values() if (kind := match_cell(name)) is not None}
    reader = BoxReader(kinds)
    for annotation in annotations:
        name = names.get(annotation.category_id, str(annotation.category_id))
        if len(annotation.bbox) != 4:
            reader.problems.append(f"a box of {name} has {len(annotation.bbox)} numbers, expected x, y, width, height")
            continue
        x, y, width, height = annotation.bbox
        reader.add(name, [x, y, x + width, y + height])
    return reader
