"""Pascal VOC: one XML file for each image, `Annotations/x.xml` for `JPEGImages/x.jpg`."""

import re
from collections import defaultdict
from collections.abc import Mapping
from pathlib import PurePosixPath
from xml.etree import ElementTree

from leukolens.core.errors import InputRefused
from leukolens.core.results import Box, Refusal
from leukolens.core.taxonomy import match_cell
from leukolens.datasets.formats.boxes import NOTHING_LEFT, BoxReader, Kind
from leukolens.datasets.formats.class_folders import provided_part
from leukolens.datasets.formats.reading import Reading, explain_box
from leukolens.datasets.manifest import Manifest, Record
from leukolens.datasets.tree import Tree, unique_ids

_COMMENT = re.compile("<!--.*?-->", re.DOTALL)


def read_voc_boxes(tree: Tree, image: PurePosixPath, kinds: Mapping[str, Kind]) -> tuple[list[Box], list[str]]:
    """Boxes of an image in `JPEGImages` in pixels, and what could not be used.

    Args:
        tree: The dataset.
        image: Path of the image in it.
        kinds: What each class name means.
    """
    annotation = image.parent.parent / "Annotations" / f"{image.stem}.xml"
    if annotation not in tree.files:
        return [], ["has no annotation: no boxes are known"]
    try:
        return parse_voc(tree.read_text(annotation), kinds)
    except InputRefused as error:
        return [], [f"its annotation {error}"]


def read_voc(tree: Tree) -> Reading | None:
    """A dataset of one's own with Pascal VOC boxes. None if it has no such file."""
    images: dict[str, list[PurePosixPath]] = defaultdict(list)
    for path in tree.images():
        images[path.stem].append(path)
    refused = list(tree.refused)
    read: dict[PurePosixPath, BoxReader] = {}
    meanings: dict[str, str] = {}
    for path in tree.with_suffixes((".xml",)):
        try:
            objects = _parse_objects(tree.read_text(path))
        except InputRefused as error:
            refused.append(Refusal(str(path), str(error)))
            continue
        if len(images[path.stem]) != 1:
            refused.append(Refusal(str(path), f"is the annotation of {len(images[path.stem])} images of its name"))
            continue
        words = [name for name, _ in objects]
        meanings |= {word: explain_box(word) for word in words}
        reader = BoxReader({word: kind for word in words if (kind := match_cell(word)) is not None})
        for name, corners in objects:
            reader.add(name, corners)
        read[images[path.stem][0]] = reader
    if not read:
        return None
    ids = unique_ids(read)
    records = []
    for path, reader in read.items():
        refused += [Refusal(ids[path], problem) for problem in reader.problems]
        if reader.problems and not reader.boxes:
            refused.append(Refusal(ids[path], NOTHING_LEFT))
            continue
        part, boxes = provided_part(path), tuple(reader.boxes)
        records.append(Record(ids[path], tree.files[path], None, "", "", ids[path], part, boxes=boxes))
    refused += [Refusal(str(path), "has no annotation of its name") for path in tree.images() if path not in read]
    return Reading(Manifest(tree.root.stem, tuple(records), tuple(refused)), "Pascal VOC", meanings)


def parse_voc(text: str, kinds: Mapping[str, Kind]) -> tuple[list[Box], list[str]]:
    """Boxes of a Pascal VOC file in pixels, and why others were left out.

    Raises:
        InputRefused: it is not a VOC annotation, or declares entities (which could unpack without end).
    """
    reader = BoxReader(kinds)
    for name, corners in _parse_objects(text):
        reader.add(name, corners)
    return reader.boxes, reader.problems


def _parse_objects(text: str) -> list[tuple[str, list[str]]]:
    """The name and the four corners of each object of a Pascal VOC file.

    Raises:
        InputRefused: as `parse_voc`.
    """
    text = _COMMENT.sub("", text)  # what is parsed has no comments either, so none can hide a declaration
    if "<!" in text:
        raise InputRefused("declares a document type or entities, which annotations never need.")
    try:
        root = ElementTree.fromstring(text)
    except (ElementTree.ParseError, ValueError, RecursionError) as error:
        raise InputRefused(f"is not XML: {error}") from error
    if root.tag != "annotation":
        raise InputRefused(f"is not a Pascal VOC annotation: expected <annotation>, received <{root.tag}>.")
    sides = ("xmin", "ymin", "xmax", "ymax")
    return [
        (found.findtext("name") or "", [found.findtext(f"bndbox/{side}") or "" for side in sides])
        for found in root.iter("object")
    ]
