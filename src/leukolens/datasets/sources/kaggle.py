"""Kaggle `paultimothymooney/blood-cells`, folder `dataset2-master`: 12,444 augmented copies of some 350 fields.

The number in a file name is not its source field. `kaggle-source-map.csv`, made by matching pictures, gives the source
field. TRAIN and TEST share none, but some fields of TRAIN were photographed again for TEST
(`kaggle-same-field-pairs.csv`). `kaggle-test-by-eye.csv` holds the class of each field of
TEST from one look by eye, without labels or predictions, and which labels an earlier look had doubted.
"""

from dataclasses import replace
from pathlib import Path, PurePosixPath

from leukolens.core.errors import DataError
from leukolens.core.files import show_name
from leukolens.core.results import Refusal
from leukolens.datasets.formats.class_folders import read_class_folders
from leukolens.datasets.manifest import UNMAPPED, Manifest, Record
from leukolens.datasets.sources.blood_images import name_field, unite_photographs
from leukolens.datasets.sources.origin import Origin
from leukolens.datasets.sources.tables import read_table
from leukolens.images.decoding import split_reference

ORIGIN = Origin(
    "Kaggle blood-cells, augmented: 12,444 copies of some 350 fields of BCCD, 4 classes",
    "MIT (BCCD's)",
    "BCCD by Shenggan and cosmicad; augmented by Paul Mooney on Kaggle",
    "https://www.kaggle.com/datasets/paultimothymooney/blood-cells",
    kaggle="paultimothymooney/blood-cells",
)


def read(root: Path) -> Manifest:
    """Reads TRAIN and TEST. The group of a copy is its source field. TEST_SIMPLE shows TEST's fields again: refused.

    Raises:
        DataError: no `dataset2-master` with TRAIN and TEST is in there.
    """
    manifest = read_class_folders(root)
    fields = {row["file"].removesuffix(".jpeg"): row for row in read_table("kaggle-source-map.csv")}
    records: list[Record] = []
    doubts: list[Refusal] = []
    refused = [refusal for refusal in manifest.refused if "JPEGImages" not in refusal.image]
    originals = len(manifest.refused) - len(refused)
    if originals:
        refused.append(Refusal("dataset-master", f"{originals} original fields: add them as kaggle-fields"))
    for record in manifest.records:
        path, member = split_reference(record.image)
        parts = PurePosixPath(member or path.as_posix()).with_suffix("").parts[-3:]
        identity = "/".join(parts)
        if parts[0] not in ("TRAIN", "TEST"):
            refused.append(Refusal(identity, "not in TRAIN or TEST: it shows the same fields again"))
            continue
        row = fields.get(identity, {})
        number = row.get("source_blood_image", "")
        group = name_field(number) if number else UNMAPPED + identity
        if not number:
            doubts.append(Refusal(identity, "its source field is unknown: it may cross a split"))
        elif row.get("confident") != "True":
            doubts.append(Refusal(identity, f"its source field is unsure: {group}, or {_name_other(row)}"))
        records.append(replace(record, id=identity, source="kaggle", group=group, part=parts[0].lower()))
    if not records:
        where = show_name(str(root))
        raise DataError(
            f"{where} holds no TRAIN and TEST folders of Kaggle's blood-cells. Give the download as it came."
        )
    return Manifest("kaggle", unite_photographs(records), tuple(refused), tuple(doubts))


def _name_other(row: dict[str, str]) -> str:
    return name_field(row["runner_up"]) if row["runner_up"].isdigit() else "another"
