"""Any tree of class folders: `.../neutrophil/x.jpg`; an outer TRAIN, VAL or TEST folder gives the provided split."""

from pathlib import Path, PurePosixPath

from leukolens.core.results import Refusal
from leukolens.core.taxonomy import match_class
from leukolens.data.manifest import Manifest, Record
from leukolens.data.tree import open_tree, unique_ids

_PARTS = {"train": "train", "training": "train", "val": "validation", "valid": "validation", "validation": "validation", "test": "test", "testing": "test"}


def read(root: Path) -> Manifest:
    """Reads a tree of class folders; pictures in folders whose name we do not know are listed as refused.

    Raises:
        DataError: the folder or zip cannot be read or holds nothing.
    """
    tree = open_tree(root)
    images = tree.images()
    ids = unique_ids(images)
    records, refused = [], []
    for path in images:
        name = next((match_class(part) for part in reversed(path.parts[:-1]) if match_class(part)), None)
        if name is None:
            folder = path.parts[-2] if len(path.parts) > 1 else root.name
            refused.append(Refusal(str(path), f"no folder above it names a cell type we know ({folder!r})"))
            continue
        identity = ids[path]
        word = next(part for part in reversed(path.parts[:-1]) if match_class(part))
        records.append(
            Record(identity, tree.files[path], name.label, word, root.stem, identity, provided_part(path), name.sub_label)
        )
    return Manifest(root.stem, tuple(records), tuple(refused))


def provided_part(path: PurePosixPath) -> str:
    """The provided split that a path's folders name, or nothing."""
    return next((_PARTS[part.lower()] for part in path.parts[:-1] if part.lower() in _PARTS), "")
