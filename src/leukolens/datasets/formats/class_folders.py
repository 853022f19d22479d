"""Class folders: `.../neutrophil/x.jpg`. A TRAIN, VAL or TEST folder above gives the provided split."""

import re
from collections.abc import Container
from pathlib import Path, PurePosixPath

from leukolens.core.errors import InputRefused
from leukolens.core.results import Refusal
from leukolens.core.taxonomy import CellName, is_spelled_out, match_class
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
_MASKS = re.compile(r"(.*[^a-z])?(masks?|segmentations?|ground.?truths?|gt)", re.IGNORECASE)
_SEG = re.compile(r"segs?", re.IGNORECASE)
_MASK_NAME = re.compile(r"[_-](masks?|seg|gt|label)$", re.IGNORECASE)


def read_class_folders(root: Path) -> Manifest:
    """Reads class folders. Images in folders whose name is no known cell type are listed as refused.

    Raises:
        DataError: the folder or zip cannot be read or holds no file.
    """
    tree = open_tree(root)
    images = tree.images()
    ids = unique_ids(images)
    records, refused = [], list(tree.refused)
    photographs = {path.stem for path in images if not any(map(_SEG.fullmatch, path.parts[:-1]))}
    for path in images:
        try:
            if _is_mask(path, photographs):
                raise InputRefused("lies in a folder of masks: expected photographs")
            word, name = _name_folder(path)
        except InputRefused as error:
            refused.append(Refusal(str(path), str(error)))
            continue
        part = provided_part(path)
        records.append(
            Record(ids[path], tree.files[path], name.label, word, root.stem, ids[path], part, name.sub_label)
        )
    return Manifest(root.stem, tuple(records), tuple(refused))


def _name_folder(path: PurePosixPath) -> tuple[str, CellName]:
    """The folder above an image that gives its class, and the class.

    `BA_12` may be a patient or a slide as well as basophils. So a class that is spelled out counts before an
    abbreviation, and an abbreviation before one with a number. The innermost folder of that class gives the finer type.

    Raises:
        InputRefused: no folder names a cell type, or folders of one rank name several.
    """
    named = [(word, name) for word in path.parts[:-1] if (name := match_class(word)) is not None]
    if not named:
        raise InputRefused("no folder above it is named after a known cell type")
    rank = min(_rank_word(word) for word, _ in named)
    labels = {name.label: word for word, name in named if _rank_word(word) == rank}
    if len(labels) > 1:
        raise InputRefused(f"lies in folders of several classes: {', '.join(labels.values())}")
    return next((word, name) for word, name in reversed(named) if name.label in labels)


def _rank_word(word: str) -> int:
    """How surely a folder's name means a class: 0 if it is spelled out, 1 if abbreviated, 2 with a number too."""
    return 0 if is_spelled_out(word) else 2 if re.search(r"\d", word) else 1


def _is_mask(path: PurePosixPath, photographs: Container[str]) -> bool:
    """True for an image in a folder of masks. `seg` may also mean segmented neutrophils: then no photograph has its name."""
    for word in path.parts[:-1]:
        if _MASKS.fullmatch(word) or (_SEG.fullmatch(word) and _MASK_NAME.sub("", path.stem) in photographs):
            return True
    return False


def provided_part(path: PurePosixPath) -> str:
    """The part of the provided split that a folder above names, or nothing."""
    return next((_PARTS[part.lower()] for part in path.parts[:-1] if part.lower() in _PARTS), "")
