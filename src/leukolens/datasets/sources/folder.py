"""Any tree of class folders: `.../neutrophil/x.jpg`; an outer TRAIN, VAL or TEST folder gives the provided split."""

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


def read(root: Path) -> Manifest:
    """Reads a tree of class folders; pictures in folders whose name we do not know are listed as refused.

    Raises:
        DataError: the folder or zip cannot be read or holds nothing.
    """
    tree = open_tree(root)
    images = tree.images()
    ids = unique_ids(images)
    records, refused = [], list(tree.refused)
    for path in images:
        found = _name_folder(path)
        if found is None:
            refused.append(Refusal(str(path), "no folder above it has the name of a cell type that we know"))
            continue
        word, name = found
        part = provided_part(path)
        records.append(
            Record(ids[path], tree.files[path], name.label, word, root.stem, ids[path], part, name.sub_label)
        )
    return Manifest(root.stem, tuple(records), tuple(refused))


def _name_folder(path: PurePosixPath) -> tuple[str, CellName] | None:
    """The nearest folder above a picture that names a cell type, and the type."""
    for word in reversed(path.parts[:-1]):
        name = match_class(word)
        if name is not None:
            return word, name
    return None


def provided_part(path: PurePosixPath) -> str:
    """The provided split that a path's folders name, or nothing."""
    return next((_PARTS[part.lower()] for part in path.parts[:-1] if part.lower() in _PARTS), "")
