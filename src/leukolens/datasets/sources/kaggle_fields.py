"""Kaggle `paultimothymooney/blood-cells`, folder `dataset-master`: the 367 original fields, boxes, `labels.csv`.

The boxes say leukocyte, red cell or platelet. `labels.csv` gives the classes of the leukocytes of a field, but not
which is which. So leukocytes get a class only if there are as many names as leukocytes and all names are the same. The
fields from which the copies in TEST of `dataset2-master` were made are the part `test`.
"""

import csv
from pathlib import Path, PurePosixPath

from leukolens.core.errors import DataError, InputRefused
from leukolens.core.files import show_name
from leukolens.core.results import Box, Refusal
from leukolens.core.taxonomy import CellKind, match_class
from leukolens.datasets.formats.boxes import label_leukocytes
from leukolens.datasets.formats.voc import read_voc_boxes
from leukolens.datasets.manifest import Manifest, Record
from leukolens.datasets.sources import kaggle
from leukolens.datasets.sources.blood_images import BOX_KINDS, list_kaggle_test_fields, mark_for_detectors, name_field
from leukolens.datasets.sources.origin import Origin
from leukolens.datasets.tree import Tree, open_tree

ORIGIN = Origin(
    "Kaggle blood-cells, originals: 367 fields of 640x480 with boxes, leukocytes with a class if that is certain",
    "MIT (BCCD's)",
    kaggle.ORIGIN.credit,
    kaggle.ORIGIN.home,
    kaggle=kaggle.ORIGIN.kaggle,
)


def read(root: Path) -> Manifest:
    """Reads the fields. Unsure leukocytes, and what only `labels.csv` or only the images have, are listed as refused.

    Raises:
        DataError: there is no `JPEGImages` folder or no `labels.csv` in there.
    """
    tree = open_tree(root)
    words, refused = _read_labels(tree)
    images = [path for path in tree.images() if path.parent.name == "JPEGImages"]
    if not images:
        raise DataError(f"{show_name(str(root))} holds no JPEGImages folder. Give Kaggle's download as it came.")
    tested = list_kaggle_test_fields()
    records: list[Record] = []
    for path in images:
        boxes, problems = read_voc_boxes(tree, path, BOX_KINDS)
        refused += [Refusal(path.stem, problem) for problem in problems]
        word = words.pop(path.stem, None)
        label, why = _name_field_cells(word, boxes)
        if label:
            boxes = label_leukocytes(boxes, label)
        else:
            refused.append(Refusal(path.stem, f"not used for single cells: {why}"))
        part = "test" if path.stem in tested else "train"
        records.append(
            # Only the boxes have a class, so that no field is taken for an image of one cell.
            Record(path.stem, tree.files[path], None, word or "", "kaggle-fields", path.stem, part, boxes=tuple(boxes))
        )
    refused += [Refusal(stem, f"labels.csv names it ({word!r}), but there is no image") for stem, word in words.items()]
    return Manifest("kaggle-fields", mark_for_detectors(records), (*tree.refused, *refused))


def _read_labels(tree: Tree) -> tuple[dict[str, str], list[Refusal]]:
    """The words of `labels.csv` by field, and the rows that cannot be read."""
    path = next((path for path in tree.files if path.name == "labels.csv"), None)
    if path is None:
        raise DataError(f"{show_name(str(tree.root))} holds no labels.csv. Give Kaggle's download as it came.")
    words: dict[str, str] = {}
    refused: list[Refusal] = []
    try:
        rows = list(csv.DictReader(tree.read_text(path).splitlines()))
    except (InputRefused, csv.Error) as error:
        raise DataError(f"{show_name(str(path))} {error}") from error
    for number, row in enumerate(rows, start=2):
        image = (row.get("Image") or "").strip()
        if not image.isdecimal():
            refused.append(Refusal(str(PurePosixPath(path)), f"line {number} has no image number"))
            continue
        words[name_field(image)] = (row.get("Category") or "").strip()
    return words, refused


def _name_field_cells(word: str | None, boxes: list[Box]) -> tuple[str | None, str]:
    """The class of all leukocytes of a field, or why they have none."""
    if word is None:
        return None, "labels.csv does not name it"
    words = [name.strip() for name in word.split(",") if name.strip()]
    leukocytes = sum(box.kind == CellKind.LEUKOCYTE for box in boxes)
    names = {match_class(name) for name in words}
    if not words:
        return None, "labels.csv gives it no class"
    if len(words) != leukocytes:
        return None, f"labels.csv names {len(words)} leukocytes ({word}), {leukocytes} have a box"
    if len(names) > 1:
        return None, f"labels.csv names {word}, without saying which is which"
    name = names.pop()
    return (name.label, "") if name else (None, f"{word!r} is not a known cell type")
