"""TXL-PBC: fields with YOLO boxes of leukocytes, red cells and platelets; half of them are PBC cells under new names.

A file's name is `uuid5(NAMESPACE_URL, "<PBC stem>.jpg")`, so that where PBC was added its cells are known by name and
take PBC's groups. The 575x575 half looks like another laboratory's crops of unclear terms: measure on it, do not train.
"""

import uuid
from pathlib import Path

from leukolens.core.errors import DataError
from leukolens.data.manifest import Manifest, Record, load_manifest, manifest_path
from leukolens.data.sources.yolo import read_yolo_fields
from leukolens.data.tree import open_tree

_KINDS = {"0": "leukocyte", "1": "red_cell", "2": "platelet"}


def read(root: Path) -> Manifest:
    """Reads fields and boxes.

    Raises:
        DataError: the folder or zip cannot be read, or holds no field with boxes.
    """
    tree = open_tree(root)
    fields, refused = read_yolo_fields(tree, lambda number: (_KINDS[number], None) if number in _KINDS else None)
    twins = find_pbc_twins()
    records = [
        Record(image.stem, tree.files[image], None, "", "txl", twins.get(image.stem, image.stem), part, None, boxes)
        for image, part, boxes in fields
    ]
    if not records:
        raise DataError(f"{root} holds no fields with YOLO labels. Give TXL_PBC as it came.")
    return Manifest("txl", tuple(records), tuple(refused))


def find_pbc_twins() -> dict[str, str]:
    """The PBC group by the name that TXL-PBC gave the cell; empty where PBC has not been added."""
    path = manifest_path("pbc")
    if not path.is_file():
        return {}
    records = load_manifest(path).records
    return {str(uuid.uuid5(uuid.NAMESPACE_URL, f"{record.id}.jpg")): record.group for record in records}
