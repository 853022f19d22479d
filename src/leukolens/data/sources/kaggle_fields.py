"""Kaggle `paultimothymooney/blood-cells`, folder `dataset-master`: the 640x480 originals, boxes, and types by field.

`labels.csv` names the leukocytes of a field without saying which is which, so a box takes a name only where all
names of its field are the same and there is one for each leukocyte box.
"""

import csv
from dataclasses import replace
from pathlib import Path

from leukolens.core.errors import DataError
from leukolens.core.results import Refusal
from leukolens.core.taxonomy import match_class
from leukolens.data.manifest import Manifest, Record
from leukolens.data.sources.bccd import read_voc_fields
from leukolens.data.tree import open_tree


def read(root: Path) -> Manifest:
    """Reads the original fields; what has no clear name is listed as refused.

    Raises:
        DataError: the folder or zip cannot be read, or has no `dataset-master` with `labels.csv`.
    """
    tree = open_tree(root)
    lists = [path for path in tree.files if path.name == "labels.csv"]
    fields = read_voc_fields(tree)
    if not lists or not fields:
        raise DataError(f"{root} holds no dataset-master with labels.csv and JPEGImages. Give Kaggle's blood-cells as it came.")
    named: dict[str, list[str]] = {}
    for row in csv.DictReader(tree.read_text(lists[0]).splitlines()):
        words = [word.strip() for word in (row.get("Category") or "").split(",") if word.strip()]
        if (row.get("Image") or "").strip().isdigit():
            named[f"BloodImage_{int(row['Image']):05d}"] = words
    refused = [Refusal(stem, "named in labels.csv, but there is no such picture") for stem in sorted(set(named) - set(fields))]
    records = []
    for stem, (image, boxes, doubts) in fields.items():
        refused += doubts
        words = named.get(stem, [])
        leukocytes = sum(box.kind == "leukocyte" for box in boxes)
        name = match_class(words[0]) if len(set(words)) == 1 else None
        if name is None or len(words) != leukocytes:
            why = f"names {', '.join(words) or 'nothing'} for {leukocytes} leukocyte boxes: which is which is not said"
            refused.append(Refusal(stem, why))
            label = None
        else:
            label = name.label
        named_boxes = tuple(replace(box, label=label) if box.kind == "leukocyte" else box for box in boxes)
        records.append(Record(stem, tree.files[image], None, ", ".join(words), "kaggle-fields", stem, "", None, named_boxes))
    return Manifest("kaggle-fields", tuple(records), tuple(refused))
