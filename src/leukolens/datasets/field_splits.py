"""The split for a finder of cells: fields of several datasets, none of them near a picture that anything is judged on.

BCCD's test list is the test part. Kaggle's TEST copies were made from 71 of the same fields, so these, and every other
photograph of any of them, are left out of everything. Cells of TXL-PBC whose terms nobody has verified are left out too.
"""

from collections.abc import Sequence

from leukolens.core.errors import DataError
from leukolens.datasets.manifest import Manifest, Record
from leukolens.datasets.maps import list_same_fields, list_validation_fields, name_field, read_map
from leukolens.datasets.splits import Split, make_split, merge_sets, seal_split, unite_groups

_SHARES = (0.85, 0.15, 0.0)
"""Of training, validation and test, of the fields that are not tested on."""


def join_datasets(manifests: Sequence[Manifest]) -> Manifest:
    """All records of some datasets as one.

    Raises:
        DataError: one id stands in two of them.
    """
    records = [record for manifest in manifests for record in manifest.records]
    if len({record.id for record in records}) < len(records):
        names = ", ".join(manifest.name for manifest in manifests)
        raise DataError(f"Some image has one id in several of {names}: each must be another dataset. Name each once.")
    return Manifest(" + ".join(manifest.name for manifest in manifests), tuple(records))


def split_fields(manifests: Sequence[Manifest], seed: int = 0) -> Split:
    """Training and validation fields of each dataset by its groups; the test part is BCCD's list.

    BCCD is chosen by the fields whose every cell our maps box, the other datasets by some that are drawn.

    Args:
        manifests: Datasets whose fields have boxes, not their cells; Chula's groups are slides, BCCD's are source
            fields whose other photographs count as the same.
        seed: Of the draw.

    Raises:
        DataError: one id stands in two of them.
    """
    joined = join_datasets(manifests)
    group_of = unite_groups(joined.records)
    tested = {group_of[record.id] for record in joined.records if _is_tested(record)}
    judged = list_judged_groups()
    complete = {group_of[name] for name in list_validation_fields() if name in group_of}
    parts: dict[str, list[str]] = {"train": [], "validation": [], "test": []}
    left_out: dict[str, str] = {}
    for manifest in manifests:
        free: list[Record] = []
        for record in manifest.records:
            why = _why_left_out(record, group_of[record.id], tested, judged)
            if _is_tested(record):
                parts["test"].append(record.id)
            elif why:
                left_out[record.id] = why
            else:
                free.append(record)
        if any(group_of[record.id] in complete for record in free):
            for record in free:
                parts["validation" if group_of[record.id] in complete else "train"].append(record.id)
            continue
        drawn = make_split(Manifest(manifest.name, tuple(free)), "grouped", _SHARES, seed)
        left_out |= drawn.left_out
        for part in ("train", "validation"):
            parts[part] += drawn.parts[part]
    return seal_split(joined, "fields", seed, parts, left_out, group_of)


def list_judged_groups() -> set[str]:
    """Groups of the fields that Kaggle's TEST copies were made from, by the name that `unite_groups` gives them."""
    united = {name: names[0] for names in merge_sets(list_same_fields()) for name in names}
    copies = [row for row in read_map("kaggle-source-map.csv") if row["file"].startswith(("TEST/", "TEST_SIMPLE/"))]
    fields = {name_field(row["source_blood_image"]) for row in copies if row["source_blood_image"]}
    return {united.get(field, field) for field in fields}


def _is_tested(record: Record) -> bool:
    return record.source == "bccd" and record.part == "test"


def _why_left_out(record: Record, group: str, tested: set[str], judged: set[str]) -> str:
    if group in judged:
        return "Kaggle's TEST is made from this field, or from another photograph of it"
    if group in tested:
        return "its field was photographed again for the test part"
    # Only PBC's cells carry a group that is not their own name; see `sources.txl`.
    if record.source == "txl" and record.group == record.id:
        return "looks like a Raabin crop, whose terms are not verified"
    if not record.boxes:
        return "no box is known on it"
    return ""
