"""YOLO: `labels/x.txt` for `images/x.jpg`. A line is a box: class number, middle x and y, width, height as shares.

A line with six or more shares after the class is a polygon: pairs of x and y. Its box is the one around it. What the
class numbers mean stands in `data.yaml` or `classes.txt`, where there is one.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from leukolens.core.errors import DataError, InputRefused
from leukolens.core.files import show_name
from leukolens.core.results import Box, Refusal
from leukolens.datasets.formats.boxes import NOTHING_LEFT, BoxReader, Kind
from leukolens.datasets.formats.class_folders import provided_part
from leukolens.datasets.formats.class_names import CLASS_LISTS, match_kinds, read_class_names
from leukolens.datasets.formats.reading import Reading, explain_box
from leukolens.datasets.manifest import Manifest, Record
from leukolens.datasets.tree import Tree, unique_ids
from leukolens.images.decoding import measure_size, read_bytes

_BEYOND = 0.01
"""How far a share may lie outside 0 to 1. Tools that round corners write such."""


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

    Args:
        tree: The dataset.
        kinds: What each class number means, where the dataset has no file with the names of its classes.

    Raises:
        DataError: there is no `images` folder, or the files with the names of the classes cannot be used.
    """
    images = [path for path in tree.images() if "images" in path.parts or path.with_suffix(".txt") in tree.files]
    if not images:
        raise DataError(
            f"{show_name(str(tree.root))} holds no folder `images` with images. Give the dataset as it came."
        )
    names = read_class_names(tree)
    kinds = match_kinds(names) if names else kinds
    labels = {path for path in tree.with_suffixes((".txt",)) if "labels" in path.parts and path.name not in CLASS_LISTS}
    labels |= {path.with_suffix(".txt") for path in images} & set(tree.files)
    fields: list[LabelledField] = []
    refused: list[Refusal] = []
    for path in images:
        apart = PurePosixPath(*("labels" if part == "images" else part for part in path.parts)).with_suffix(".txt")
        beside = apart if apart in labels else path.with_suffix(".txt")
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
        if problems and not boxes:
            refused.append(Refusal(path.stem, NOTHING_LEFT))
        else:
            fields.append(LabelledField(path, tree.files[path], provided_part(path), tuple(boxes)))
    refused += [Refusal(str(path), "is a label file without an image of its name") for path in sorted(labels)]
    return fields, refused


def read_yolo(tree: Tree) -> Reading | None:
    """A dataset of one's own with YOLO boxes. None if it has no label file for any image.

    Raises:
        DataError: it does not say what its class numbers mean.
    """
    texts = {path.with_suffix("") for path in tree.with_suffixes((".txt",))}
    stems = {PurePosixPath(*("labels" if part == "images" else part for part in path.parts)) for path in tree.images()}
    if not {path.with_suffix("") for path in (*stems, *tree.images())} & texts:
        return None
    names = read_class_names(tree)
    if not names:
        raise DataError(
            f"{show_name(str(tree.root))} has YOLO labels, but nothing says what their class numbers mean. Add data.yaml "
            "with `names: [...]`, or classes.txt with one name per line."
        )
    fields, refused = read_yolo_fields(tree, {})
    ids = unique_ids([field.path for field in fields])
    records = tuple(
        Record(ids[field.path], field.image, None, "", "", ids[field.path], field.part, boxes=field.boxes)
        for field in fields
    )
    meanings = {name: explain_box(name) for name in names.values()}
    return Reading(Manifest(tree.root.stem, records, (*tree.refused, *refused)), "YOLO", meanings)


def parse_yolo(text: str, size: tuple[int, int], kinds: Mapping[str, Kind]) -> tuple[list[Box], list[str]]:
    """Boxes of a YOLO file, in pixels of an image of `size` (width, height), and why others were left out."""
    reader = BoxReader(kinds)
    width, height = size
    for line in text.splitlines():
        words = line.split()
        if not words:
            continue
        try:
            x0, y0, x1, y1 = _read_shares(words[1:])
        except ValueError as error:
            reader.problems.append(f"line {line[:60]!r} {error}")
            continue
        reader.add(words[0], [x0 * width, y0 * height, x1 * width, y1 * height])
    return reader.boxes, reader.problems


def _read_shares(words: Sequence[str]) -> tuple[float, float, float, float]:
    """Left, top, right and bottom of a line without its class.

    Raises:
        ValueError: these are not the numbers of a box or a polygon, or no shares of the picture.
    """
    try:
        numbers = [float(word) for word in words]
    except ValueError:
        numbers = []
    if len(numbers) < 4 or (len(numbers) > 5 and len(numbers) % 2):
        raise ValueError("is not a class and four numbers, nor a class and the corners of a polygon")
    if not all(-_BEYOND <= number <= 1 + _BEYOND for number in numbers):
        raise ValueError("holds numbers that are no shares from 0 to 1. Are they pixels or percent?")
    if len(numbers) > 5:
        return min(numbers[::2]), min(numbers[1::2]), max(numbers[::2]), max(numbers[1::2])
    x, y, w, h = numbers[:4]  # the fifth is how sure a detector was
    return x - w / 2, y - h / 2, x + w / 2, y + h / 2
