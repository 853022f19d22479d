"""Trees in YOLO's layout: `<part>/images/x.jpg` (or `images/<part>/x.jpg`) beside `labels`, boxes in shares of the side."""

from collections.abc import Callable
from pathlib import PurePosixPath

from leukolens.core.errors import InputRefused
from leukolens.core.results import Box, Refusal
from leukolens.data.images import read_size
from leukolens.data.sources.folder import provided_part
from leukolens.data.tree import Tree

NameBox = Callable[[str], tuple[str, str | None] | None]
"""Kind and class of a dataset's number, or None where it means nothing to us."""

Field = tuple[PurePosixPath, str, tuple[Box, ...]]


def read_yolo_fields(tree: Tree, name_box: NameBox) -> tuple[list[Field], list[Refusal]]:
    """Pictures with a label file of their name: path, provided part, boxes in pixels; and all that did not fit."""
    labels = {path.with_suffix(""): path for path in tree.files if path.suffix == ".txt" and "labels" in path.parts}
    fields, refused = [], []
    for image in tree.images():
        place = PurePosixPath(*("labels" if part == "images" else part for part in image.with_suffix("").parts))
        if place not in labels:
            refused.append(Refusal(str(image), "has no label file of its name"))
            continue
        try:
            width, height = read_size(tree.files[image])
            boxes, doubts = _parse(image.stem, tree.read_text(labels.pop(place)), (width, height), name_box)
        except InputRefused as error:
            refused.append(Refusal(str(image), str(error)))
            continue
        refused += doubts
        fields.append((image, provided_part(image), boxes))
    refused += [Refusal(str(path), "has no picture of its name") for path in labels.values()]
    return fields, refused


def _parse(stem: str, text: str, size: tuple[int, int], name_box: NameBox) -> tuple[tuple[Box, ...], list[Refusal]]:
    boxes, doubts = [], []
    for line in text.splitlines():
        words = line.split()
        if not words:
            continue
        try:
            x, y, w, h = (float(word) for word in words[1:5])
            kind = name_box(words[0])
            if kind is None or not (0 <= x <= 1 and 0 <= y <= 1 and 0 < w <= 1 and 0 < h <= 1):
                raise ValueError("of no known class or outside the picture")
        except ValueError as error:
            doubts.append(Refusal(stem, f"box {line.strip()!r}: {error}"))
            continue
        left, top = (x - w / 2) * size[0], (y - h / 2) * size[1]
        boxes.append(Box(left, top, left + w * size[0], top + h * size[1], kind[0], kind[1]))
    return tuple(boxes), doubts
