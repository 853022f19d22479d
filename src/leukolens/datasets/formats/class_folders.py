"""Class folders: `.../neutrophil/x.jpg`. A TRAIN, VAL or TEST folder above gives the provided split.

Folders may be numbers where `classes.txt` or `data.yaml` gives their names.
"""

import re
from collections.abc import Container, Mapping, Sequence
from pathlib import Path, PurePosixPath

from leukolens.core.errors import DataError, InputRefused
from leukolens.core.results import Refusal
from leukolens.core.taxonomy import CellName, is_spelled_out, match_class
from leukolens.datasets.formats.class_names import read_class_names
from leukolens.datasets.manifest import Manifest, Record
from leukolens.datasets.tree import Tree, open_tree, unique_ids

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
    names = _name_numbers(tree, images)
    records, refused = [], list(tree.refused)
    photographs = {path.stem for path in images if not any(map(_SEG.fullmatch, path.parts[:-1]))}
    for path in images:
        try:
            if _is_mask(path, photographs):
                raise InputRefused("lies in a folder of masks: expected photographs")
            word, name = _name_folder(path, names)
        except InputRefused as error:
            refused.append(Refusal(str(path), str(error)))
            continue
        part = provided_part(path)
        records.append(
            Record(ids[path], tree.files[path], name.label, word, root.stem, ids[path], part, name.sub_label)
        )
    return Manifest(root.stem, tuple(records), tuple(refused))


def _name_numbers(tree: Tree, images: Sequence[PurePosixPath]) -> dict[str, str]:
    """The class names of folders that are numbers, where the dataset has a file with such names.

    Raises:
        DataError: the file has no name for such a folder.
    """
    numbers = {word for path in images for word in path.parts[:-1] if word.isdecimal()}
    names = read_class_names(tree) if numbers else {}
    found = {number: names.get(str(int(number)), "") for number in numbers} if names else {}
    unnamed = sorted(number for number, name in found.items() if not name)
    if unnamed:
        raise DataError(
            f"The folder {unnamed[0]} has no name: the list of classes names {', '.join(names)} ({', '.join(names.values())}). "
            "If folders are numbered otherwise, write the number before each name: `1 lymphocyte`."
        )
    return found


def _name_folder(path: PurePosixPath, names: Mapping[str, str]) -> tuple[str, CellName]:
    """The folder above an image that gives its class, and the class.

    `BA_12` may be a patient or a slide as well as basophils. So a class that is spelled out counts before an
    abbreviation, and an abbreviation before one with a number. The innermost folder of that class gives the finer type.

    Raises:
        InputRefused: no folder names a cell type, or folders of one rank name several.
    """
    words = [names.get(word, word) for word in path.parts[:-1]]
    named = [(word, name) for word in words if (name := match_class(word)) is not None]
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
    return next(filter(None, map(name_part, path.parts[:-1])), "")


def name_part(word: str) -> str:
    """The part of a split that a word means, or nothing."""
    return _PARTS.get(word.strip().lower(), "")
