"""Kaggle `paultimothymooney/blood-cells`, folder `dataset2-master`: 12,444 augmented copies of some 350 fields.

The number in a file's name is not its source; our map, made by matching pictures, is. TRAIN and TEST share no field.
"""

from dataclasses import replace
from pathlib import Path, PurePosixPath

from leukolens.core.errors import DataError
from leukolens.core.results import Refusal
from leukolens.data.manifest import Manifest
from leukolens.data.maps import read_map
from leukolens.data.sources import folder
from leukolens.data.images import split_reference


def read(root: Path) -> Manifest:
    """Reads TRAIN and TEST with the source field of each copy as its group; TEST_SIMPLE is TEST's fields once more.

    Raises:
        DataError: no `dataset2-master` with TRAIN and TEST is in there.
    """
    manifest = folder.read(root)
    fields = {row["file"].removesuffix(".jpeg"): row["source_blood_image"] for row in read_map("kaggle-source-map.csv")}
    records, refused = [], list(manifest.refused)
    for record in manifest.records:
        path, member = split_reference(record.image)
        parts = PurePosixPath(member or path.as_posix()).with_suffix("").parts[-3:]
        identity = "/".join(parts)
        if parts[0] not in ("TRAIN", "TEST"):
            refused.append(Refusal(identity, "not of TRAIN or TEST: a picture of the same fields once more"))
            continue
        number = fields.get(identity, "")
        group = f"BloodImage_{int(number):05d}" if number else f"unmapped/{identity}"
        records.append(replace(record, id=identity, source="kaggle", group=group, part=parts[0].lower()))
    if not records:
        raise DataError(f"{root} holds no TRAIN and TEST folders of Kaggle's blood-cells. Give the download as it came.")
    return Manifest("kaggle", tuple(records), tuple(refused))
