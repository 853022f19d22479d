"""One file per dataset: each reads the dataset as people download it, folder or zip, into a manifest."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from leukolens.data.manifest import Manifest
from leukolens.data.sources import bccd, chula, folder, kaggle, kaggle_fields, pbc, txl


@dataclass(frozen=True)
class Source:
    """A dataset that LeukoLens knows.

    Attributes:
        read: Folder or zip to manifest.
        about: In one line.
        licence: And whom to name.
        home: Where people get it.
    """

    read: Callable[[Path], Manifest]
    about: str
    licence: str
    home: str


SOURCES: dict[str, Source] = {
    "pbc": Source(
        pbc.read, "17,092 single cells, 8 classes, Barcelona", "CC BY 4.0, Acevedo et al. 2020", "https://data.mendeley.com/datasets/snkd93bnjr/1"
    ),
    "kaggle": Source(
        kaggle.read, "12,444 augmented copies of some 350 fields, 4 classes", "MIT", "https://www.kaggle.com/datasets/paultimothymooney/blood-cells"
    ),
    "kaggle-fields": Source(
        kaggle_fields.read, "the 367 fields behind Kaggle's copies, boxes, types", "MIT", "https://www.kaggle.com/datasets/paultimothymooney/blood-cells"
    ),
    "bccd": Source(
        bccd.read, "364 fields, boxes of leukocytes, red cells, platelets", "MIT", "https://github.com/Shenggan/BCCD_Dataset"
    ),
    "chula": Source(
        chula.read, "500 fields from a Raspberry Pi camera, typed leukocytes", "MIT, Chulalongkorn University", "by its authors; look for Chula WBC_Samples"
    ),
    "txl": Source(
        txl.read, "TXL-PBC fields, boxes; half of them PBC cells", "MIT; its parts keep their own", "https://github.com/lugan113/TXL-PBC_Dataset"
    ),
}
"""Known datasets by name. Any other name is read as a tree of class folders."""


def read_source(name: str, path: Path) -> Manifest:
    """Reads a dataset by its name: a known one by its own rules, any other as class folders.

    Raises:
        DataError: the folder or zip cannot be read, or holds nothing of the kind.
    """
    if name in SOURCES:
        return SOURCES[name].read(path)
    found = folder.read(path)
    return Manifest(name, found.records, found.refused)
