"""BCCD (Shenggan, MIT): 364 fields with Pascal VOC boxes of leukocytes, red cells and platelets, and ImageSets.

Leukocyte types are not in it; Kaggle's `labels.csv` has them (`kaggle_fields`).
"""

import xml.etree.ElementTree as ElementTree
from pathlib import Path, PurePosixPath

from leukolens.core.errors import DataError, InputRefused
from leukolens.core.results import Box, Refusal
from leukolens.data.manifest import Manifest, Record
from leukolens.data.tree import Tree, open_tree

_KINDS = {"WBC": "leukocyte", "RBC": "red_cell", "Platelets": "platelet"}
_PARTS = {"train": "train", "val": "validation", "test": "test"}
_LEAST_SIDE_PX = 2


def read(root: Path) -> Manifest:
    """Reads fields, boxes and the provided split.

    Raises:
        DataError: the folder or zip cannot be read, or has no pictures with annotations.
    """
    tree = open_tree(root)
    fields = read_voc_fields(tree)
    part_of = {}
    for path in tree.files:
        if path.parent.name == "Main" and path.stem in _PARTS:
            part_of |= dict.fromkeys(tree.read_text(path).split(), _PARTS[path.stem])
    records, refused = [], []
    for stem, (image, boxes, doubts) in fields.items():
        refused += doubts
        records.append(Record(stem, tree.files[image], None, "", "bccd", stem, part_of.get(stem, ""), None, boxes))
    if not records:
        raise DataError(f"{root} holds no pictures with Pascal VOC annotations. Give BCCD_Dataset as it came.")
    return Manifest("bccd", tuple(records), tuple(refused))


def read_voc_fields(tree: Tree) -> dict[str, tuple[PurePosixPath, tuple[Box, ...], list[Refusal]]]:
    """By stem: the picture, its boxes, and boxes that had to be left out; pictures without annotation have no boxes."""
    annotations = {path.stem: path for path in tree.files if path.suffix == ".xml"}
    fields = {}
    for image in tree.images():
        if image.parent.name != "JPEGImages":
            continue
        boxes: tuple[Box, ...] = ()
        doubts = []
        if image.stem in annotations:
            try:
                boxes, doubts = parse_voc(image.stem, tree.read_text(annotations[image.stem]))
            except (InputRefused, DataError) as error:
                doubts = [Refusal(str(annotations[image.stem]), str(error))]
        else:
            doubts = [Refusal(str(image), "has no annotation: no boxes")]
        fields[image.stem] = (image, boxes, doubts)
    return fields


def parse_voc(stem: str, text: str) -> tuple[tuple[Box, ...], list[Refusal]]:
    """The boxes of one annotation, and those that are too thin or of a kind that we do not know.

    Raises:
        DataError: the text is no VOC annotation, or declares entities.
    """
    if "<!DOCTYPE" in text or "<!ENTITY" in text:
        raise DataError("declares entities, which no annotation needs: not read.")
    try:
        objects = list(ElementTree.fromstring(text).iter("object"))
        found = []
        for item in objects:
            corners = [float(item.findtext(f"bndbox/{name}") or "nan") for name in ("xmin", "ymin", "xmax", "ymax")]
            found.append((item.findtext("name") or "", corners))
    except (ElementTree.ParseError, ValueError) as error:
        raise DataError(f"is not a Pascal VOC annotation: {error}") from error
    boxes, doubts = [], []
    for name, (x0, y0, x1, y1) in found:
        if name not in _KINDS or not (x1 - x0 >= _LEAST_SIDE_PX and y1 - y0 >= _LEAST_SIDE_PX):
            doubts.append(Refusal(stem, f"box {name} {x0:g} {y0:g} {x1:g} {y1:g} is of no known kind or under {_LEAST_SIDE_PX} px"))
            continue
        boxes.append(Box(x0, y0, x1, y1, _KINDS[name]))
    return tuple(boxes), doubts
