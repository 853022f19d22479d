"""Chulalongkorn WBC_Samples (singgihbekti/WBC_Dataset, MIT): 500 fields from a camera on a microscope, YOLO boxes.

What follows the letter in a name is the slide, and frames of a slide repeat cells, so the slide is the group. Class
and slide go together (neutrophils almost only from 1B to 3B): a model can learn the slide, so look at each by itself.
Where a box's class is not that of the name's letter it may be a second cell or an error: kept, and listed as a doubt.
"""

import re
from pathlib import Path

from leukolens.core.results import Refusal
from leukolens.core.taxonomy import CellKind
from leukolens.datasets.formats.boxes import Kind
from leukolens.datasets.formats.yolo import read_yolo_fields
from leukolens.datasets.manifest import Manifest, Record
from leukolens.datasets.sources.origin import Origin
from leukolens.datasets.tree import open_tree

ORIGIN = Origin(
    "Chula WBC_Samples: 500 fields from a Raspberry Pi camera, boxes of five leukocyte types",
    "MIT",
    "WBC_Dataset by Singgih Bekti, Chulalongkorn University",
    "https://github.com/singgihbekti/WBC_Dataset",
    "https://github.com/singgihbekti/WBC_Dataset/archive/HEAD.zip",
)
_KINDS: dict[str, Kind] = {
    "0": (CellKind.LEUKOCYTE, "neutrophil"),
    "1": (CellKind.LEUKOCYTE, "eosinophil"),
    "2": (CellKind.LEUKOCYTE, "basophil"),
    "3": (CellKind.LEUKOCYTE, "lymphocyte"),
    "4": (CellKind.LEUKOCYTE, "monocyte"),
}
_LETTERS = {"N": "neutrophil", "E": "eosinophil", "B": "basophil", "L": "lymphocyte", "M": "monocyte"}
# `HF-M-8_0021`: a prefix that says nothing of slide or class, the class, the slide (its final b too), the frame.
_NAME = re.compile(r"(?:HF-)?([NEBLM])-(\d+B?)b?_\d+")


def read(root: Path) -> Manifest:
    """Reads fields that have labels; pictures and label files without each other are listed as refused.

    Raises:
        DataError: the folder or zip holds no `images` folder.
    """
    tree = open_tree(root)
    fields, refused = read_yolo_fields(tree, _KINDS)
    records: list[Record] = []
    doubts: list[Refusal] = []
    for field in fields:
        stem = field.path.stem
        found = _NAME.fullmatch(stem)
        if found is None:
            doubts.append(Refusal(stem, "its name does not tell the slide: taken as a slide of its own"))
        group = f"slide {found[2]}" if found else stem
        expected = _LETTERS[found[1]] if found else ""
        others = [box.label for box in field.boxes if expected and box.label != expected]
        if others:
            doubts.append(Refusal(stem, f"named for a {expected}, boxes labelled {', '.join(map(str, others))}"))
        records.append(Record(stem, field.image, None, expected, "chula", group, field.part, boxes=field.boxes))
    return Manifest("chula", tuple(records), (*tree.refused, *refused), tuple(doubts))
