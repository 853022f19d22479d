"""YOLO: `labels/x.txt` for `images/x.jpg`. A line is a box: class number, middle x and y, width, height as shares."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath

from leukolens.core.errors import DataError, InputRefused
from leukolens.core.files import show_name
from leukolens.core.results import Box, Refusal
from leukolens.datasets.formats.boxes import BoxReader, Kind
from leukolens.datasets.formats.class_folders import provided_part
from leukolens.datasets.tree import Tree
from leukolens.images.decoding import measure_size, read_bytes


@dataclass(frozen=True)
class LabelledField:
    """An image with its boxes.

    Attributes:
        path: In the dataset.
        image: Reference by which it is read.
        part: Part of the provided split that its folders name, or empty.
        boxes: In pixels.
    """

    path: PurePosixPath
    image: str
    part: str
    boxes: tuple[Box, ...]


def read_yolo_fields(tree: Tree, kinds: Mapping[str, Kind]) -> tuple[list[LabelledField], list[Refusal]]:
    """Images that have a label file of their name, and what could not be used: images, label files, boxes.

    Raises:
        DataError: there is no `images` folder.
    """
    images = [path for path in tree.images() if "images" in path.parts]
    if not images:
        raise DataError(
            f"{show_name(str(tree.root))} holds no folder `images` with images. Give the dataset as it came."
        )
    labels = {path for path in tree.with_suffixes((".txt",)) if "labels" in path.parts}
    fields: list[LabelledField] = []
    refused: list[Refusal] = []
    for path in images:
        beside = PurePosixPath(*("labels" if part == "images" else part for part in path.parts)).with_suffix(".txt")
        if beside not in labels:
            refused.append(Refusal(path.stem, "has no label file of its name"))
            continue
        labels.discard(beside)
        try:
            size = measure_size(read_bytes(tree.files[path]))
            boxes, problems = parse_yolo(tree.read_text(beside), size, kinds)
        except InputRefused as error:
            refused.append(Refusal(path.stem, str(error)))
            continue
        refused += [Refusal(path.stem, problem) for problem in problems]
        fields.append(LabelledField(path, tree.files[path], provided_part(path), tuple(boxes)))
    refused += [Refusal(str(path), "is a label file without an image of its name") for path in sorted(labels)]
    return fields, refused


def parse_yolo(text: str, size: tuple[int, int], kinds: Mapping[str, Kind]) -> tuple[list[Box], list[str]]:
    """Boxes of a YOLO file, in pixels of an image of `size` (width, height), and why others were left out."""
    reader = BoxReader(kinds)
    width, height = size
    for line in text.splitlines():
        words = line.split()
        if not words:
            continue
        try:
            x, y, w, h = (float(word) for word in words[1:5])
        except ValueError:
            reader.problems.append(f"line {line[:60]!r} is not a class and four numbers")
            continue
        reader.add(words[0], [(x - w / 2) * width, (y - h / 2) * height, (x + w / 2) * width, (y + h / 2) * height])
    return reader.boxes, reader.problems
