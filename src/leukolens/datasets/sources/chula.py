"""Chulalongkorn WBC_Samples (singgihbekti/WBC_Dataset, MIT): 500 fields from a camera on a microscope, YOLO boxes.

In a file name the slide follows the letter. Fields of one slide repeat cells, so the slide is the group. Class and
slide are confounded (neutrophils are almost only on slides 1B to 3B), so a model can learn the slide: look at results
by slide. A box with another class than the letter of its file may be a second cell or an error. It is kept and listed
as unsure.
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
# `HF-M-8_0021`: a prefix without meaning here, the class, the slide (5B and 5Bb are one), the field.
_NAME = re.compile(r"(?:HF-)?([NEBLM])-(\d+B?)b?_\d+")


def read(root: Path) -> Manifest:
    """Reads fields that have labels. Images without a label file, and the reverse, are listed as refused.

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
            doubts.append(Refusal(stem, "its name does not give the slide: taken as a slide of its own"))
        group = f"slide {found[2]}" if found else stem
        expected = _LETTERS[found[1]] if found else ""
        others = [box.label for box in field.boxes if expected and box.label != expected]
        if others:
            doubts.append(Refusal(stem, f"named for a {expected}, boxes labelled {', '.join(map(str, others))}"))
        records.append(Record(stem, field.image, None, expected, "chula", group, field.part, boxes=field.boxes))
    return Manifest("chula", tuple(records), (*tree.refused, *refused), tuple(doubts))
