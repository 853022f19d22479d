"""Chula WBC_Samples (Chulalongkorn University, MIT): 500 fields from a Raspberry Pi camera, leukocytes boxed and typed.

The slide is what follows the letter of a file's name (`E-8`, `L-8` and `HF-M-8` are one slide, 5B and 5Bb too), and
class and slide are confounded: a model can learn the slide. The slide is the group.
"""

import re
from pathlib import Path

from leukolens.core.errors import DataError
from leukolens.core.results import Refusal
from leukolens.data.manifest import Manifest, Record
from leukolens.data.sources.yolo import read_yolo_fields
from leukolens.data.tree import open_tree

_CLASSES = ("neutrophil", "eosinophil", "basophil", "lymphocyte", "monocyte")
_LETTERS = dict(zip("NEBLM", _CLASSES, strict=True))


def read(root: Path) -> Manifest:
    """Reads fields and boxes; a box keeps its own class where the file's letter says another, and is listed.

    Raises:
        DataError: the folder or zip cannot be read, or holds no field with boxes.
    """
    tree = open_tree(root)
    fields, refused = read_yolo_fields(tree, _name_box)
    records, doubts = [], []
    for image, part, boxes in fields:
        match = re.fullmatch(r"(?:HF-)?([NEBLM])-([0-9A-Za-z]+?)b?_\d+", image.stem)
        letter, slide = (match.group(1), match.group(2)) if match else ("", image.stem)
        for box in boxes:
            if letter and box.label != _LETTERS[letter]:
                doubts.append(Refusal(image.stem, f"kept, but a box says {box.label} where the name says {_LETTERS[letter]}: look"))
        records.append(Record(image.stem, tree.files[image], None, letter, "chula", f"slide {slide}", part, None, boxes))
    if not records:
        raise DataError(f"{root} holds no fields with YOLO labels. Give WBC_Samples as it came.")
    return Manifest("chula", tuple(records), (*refused, *doubts))


def _name_box(number: str) -> tuple[str, str | None] | None:
    return ("leukocyte", _CLASSES[int(number)]) if number in "01234" and len(number) == 1 else None
