"""Class folders: `.../neutrophil/x.jpg`. A TRAIN, VAL or TEST folder above gives the provided split."""

from pathlib import Path, PurePosixPath

from leukolens.core.results import Refusal
from leukolens.core.taxonomy import CellName, match_class
from leukolens.datasets.manifest import Manifest, Record
from leukolens.datasets.tree import open_tree, unique_ids

_PARTS = {
    "train": "train",
    "training": "train",
    "val": "validation",
    "valid": "validation",
    "validation": "validation",
    "test": "test",
    "testing": "test",
}


def read_class_folders(root: Path) -> Manifest:
    """Reads class folders. Images in folders whose name is no known cell type are listed as refused.

    Raises:
        DataError: the folder or zip cannot be read or holds no file.
    """
    tree = open_tree(root)
    images = tree.images()
    ids = unique_ids(images)
    records, refused = [], list(tree.refused)
    for path in images:
        found = _name_folder(path)
        if found is None:
            refused.append(Refusal(str(path), "no folder above it is named after a known cell type"))
            continue
        word, name = found
        part = provided_part(path)
        records.append(
            Record(ids[path], tree.files[path], name.label, word, root.stem, ids[path], part, name.sub_label)
        )
    return Manifest(root.stem, tuple(records), tuple(refused))


def _name_folder(path: PurePosixPath) -> tuple[str, CellName] | None:
    """The name of the nearest folder above an image that names a cell type, and the type."""
    for word in reversed(path.parts[:-1]):
        name = match_class(word)
        if name is not None:
            return word, name
    return None


def provided_part(path: PurePosixPath) -> str:
    """The part of the provided split that a folder above names, or nothing."""
    return next((_PARTS[part.lower()] for part in path.parts[:-1] if part.lower() in _PARTS), "")
