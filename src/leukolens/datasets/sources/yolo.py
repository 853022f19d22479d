"""What datasets in YOLO's layout share: `images` beside `labels`, one text file a picture. Chula and TXL read by it."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath

from leukolens.core.errors import DataError, InputRefused
from leukolens.core.files import show_name
from leukolens.core.results import Box, Refusal
from leukolens.datasets.boxes import Kind, parse_yolo
from leukolens.datasets.sources.folder import provided_part
from leukolens.datasets.tree import Tree
from leukolens.images.decoding import measure_image, read_bytes


@dataclass(frozen=True)
class LabelledField:
    """A picture with its boxes, and the provided split that its folders name."""

    path: PurePosixPath
    image: str
    part: str
    boxes: tuple[Box, ...]


def read_fields(tree: Tree, kinds: Mapping[str, Kind]) -> tuple[list[LabelledField], list[Refusal]]:
    """Pictures that have a label file of their name, and what could not be used: pictures, label files, boxes.

    Raises:
        DataError: there is no `images` folder.
    """
    images = [path for path in tree.images() if "images" in path.parts]
    if not images:
        raise DataError(f"{show_name(str(tree.root))} holds no folder `images` with pictures. Give it as it came.")
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
            size = measure_image(read_bytes(tree.files[path]))
            boxes, problems = parse_yolo(tree.read_text(beside), size, kinds)
        except InputRefused as error:
            refused.append(Refusal(path.stem, str(error)))
            continue
        refused += [Refusal(path.stem, problem) for problem in problems]
        fields.append(LabelledField(path, tree.files[path], provided_part(path), tuple(boxes)))
    refused += [Refusal(str(path), "is a label file without a picture of its name") for path in sorted(labels)]
    return fields, refused
