"""TXL-PBC (lugan113/TXL-PBC_Dataset): YOLO boxes of leukocytes, red cells and platelets around single cells.

500 of its images are PBC cells under new names (UUIDs of the old names, in `txl-pbc-cells.csv`). Their group is the PBC
id, so that they stay on one side of a split with the PBC cell. 500 look like crops of Raabin, whose terms could not be
verified: they may be used for measuring, not for training. The others are copies of BCCD: leave them out.
"""

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from leukolens.core.taxonomy import CellKind
from leukolens.datasets.formats.boxes import Kind
from leukolens.datasets.formats.yolo import read_yolo_fields
from leukolens.datasets.manifest import Manifest, Record
from leukolens.datasets.sources.origin import Origin
from leukolens.datasets.sources.pbc import group_near_duplicates
from leukolens.datasets.sources.tables import read_table
from leukolens.datasets.tree import open_tree

ORIGIN = Origin(
    "TXL-PBC: PBC, Raabin-like and BCCD pictures with boxes of leukocytes, red cells and platelets",
    "MIT for its boxes; its pictures keep their own terms",
    "TXL-PBC by lugan; pictures of Acevedo et al. (PBC) and others",
    "https://github.com/lugan113/TXL-PBC_Dataset",
    "https://github.com/lugan113/TXL-PBC_Dataset/archive/HEAD.zip",
)
_KINDS: dict[str, Kind] = {
    "0": (CellKind.LEUKOCYTE, None),
    "1": (CellKind.RED_CELL, None),
    "2": (CellKind.PLATELET, "platelet"),
}


def read(root: Path) -> Manifest:
    """Reads fields that have labels. Those that are PBC cells get the groups of PBC.

    Raises:
        DataError: the folder or zip holds no `images` folder.
    """
    tree = open_tree(root)
    fields, refused = read_yolo_fields(tree, _KINDS)
    pbc_of = {row["txl"]: row["pbc"] for row in read_table("txl-pbc-cells.csv")}
    twins = group_near_duplicates()
    records: list[Record] = []
    for field in fields:
        stem = field.path.stem
        cell = pbc_of.get(stem, stem)
        records.append(Record(stem, field.image, None, "", "txl", twins.get(cell, cell), field.part, boxes=field.boxes))
    return Manifest("txl", mark(records), (*tree.refused, *refused))


def mark(records: Iterable[Record]) -> tuple[Record, ...]:
    """The records. Those that are not PBC cells must not be trained on; only PBC cells have a group of another name."""
    why = "looks like a Raabin crop, whose terms are not verified"
    return tuple(replace(record, not_trained_on=why if record.group == record.id else "") for record in records)
