"""BCCD (Shenggan/BCCD_Dataset, MIT): 364 fields with Pascal VOC boxes; no leukocyte types.

The public boxes of the test list lack some cells (fields 171, 178 and 327; in 135 a leukocyte is called platelets), and
many red cells have no box: see `bccd_relabelled`. Kaggle's blood-cells has the same fields under the same BloodImage
numbers, with another split.
"""

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from leukolens.core.errors import DataError, InputRefused
from leukolens.core.files import show_name
from leukolens.core.results import Refusal
from leukolens.datasets.formats.voc import read_voc_boxes
from leukolens.datasets.manifest import Manifest, Record
from leukolens.datasets.sources.blood_images import BOX_KINDS, mark_for_detectors
from leukolens.datasets.sources.origin import Origin
from leukolens.datasets.tree import Tree, open_tree

ORIGIN = Origin(
    "BCCD: 364 fields of 640x480, boxes of leukocytes, red cells and platelets",
    "MIT",
    "BCCD Dataset by Shenggan, original data by cosmicad and akshaylamba",
    "https://github.com/Shenggan/BCCD_Dataset",
    "https://github.com/Shenggan/BCCD_Dataset/archive/HEAD.zip",
)
_LISTS = {"train": "train", "val": "validation", "test": "test"}


def read(root: Path) -> Manifest:
    """Reads fields and boxes, and the lists in ImageSets as the provided split. Unusable boxes are listed as refused.

    Raises:
        DataError: there is no `JPEGImages` folder in there.
    """
    tree = open_tree(root)
    images = [path for path in tree.images() if path.parent.name == "JPEGImages"]
    if not images:
        raise DataError(f"{show_name(str(root))} holds no JPEGImages folder. Give BCCD as it came.")
    part_of, refused = _read_lists(tree)
    records: list[Record] = []
    for path in images:
        boxes, problems = read_voc_boxes(tree, path, BOX_KINDS)
        refused += [Refusal(path.stem, problem) for problem in problems]
        part = part_of.pop(path.stem, "")
        records.append(Record(path.stem, tree.files[path], None, "", "bccd", path.stem, part, boxes=tuple(boxes)))
    refused += [Refusal(stem, f"the {part} list names it, but there is no image") for stem, part in part_of.items()]
    return Manifest("bccd", mark(records), (*tree.refused, *refused))


def mark(records: Iterable[Record]) -> tuple[Record, ...]:
    """The records, marked as `mark_for_detectors` does. The public test list is the test part of a split of fields."""
    return tuple(
        replace(record, fixed_part="test") if record.part == "test" else record
        for record in mark_for_detectors(records)
    )


def _read_lists(tree: Tree) -> tuple[dict[str, str], list[Refusal]]:
    part_of: dict[str, str] = {}
    refused: list[Refusal] = []
    for path in tree.with_suffixes((".txt",)):
        if path.parent.name != "Main" or path.stem not in _LISTS:
            continue
        try:
            part_of |= {line.strip(): _LISTS[path.stem] for line in tree.read_text(path).splitlines() if line.strip()}
        except InputRefused as error:
            refused.append(Refusal(str(path), str(error)))
    return part_of, refused
