"""The split that a detector is trained with: whole fields of several datasets.

A manifest says which fields are fixed to the test or validation part and which must not be used. All others are drawn.
"""

from collections.abc import Sequence

from leukolens.core.errors import DataError
from leukolens.datasets.groups import unite_groups
from leukolens.datasets.manifest import Manifest, Record
from leukolens.datasets.splits import Split, make_split, seal_split

_SHARES = (0.85, 0.15, 0.0)
"""Of training, validation and test, of the fields that are drawn."""


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
    """Training, validation and test fields of some datasets. Groups stay together.

    The test part is the fields that are fixed to it. A dataset with fields that are fixed to validation has just these,
    with the rest of their groups, as its validation part. Of any other dataset 15 % are drawn.

    Args:
        manifests: Datasets of fields with boxes.
        seed: Of the draw.

    Raises:
        DataError: one id stands in two of them.
    """
    joined = join_datasets(manifests)
    group_of = unite_groups(joined.records)
    tested = {group_of[record.id] for record in joined.records if record.fixed_part == "test"}
    fixed = {group_of[record.id] for record in joined.records if record.fixed_part == "validation"}
    parts: dict[str, list[str]] = {"train": [], "validation": [], "test": []}
    left_out: dict[str, str] = {}
    for manifest in manifests:
        free: list[Record] = []
        for record in manifest.records:
            why = _why_left_out(record, group_of[record.id], tested)
            if record.fixed_part == "test":
                parts["test"].append(record.id)
            elif why:
                left_out[record.id] = why
            else:
                free.append(record)
        if any(group_of[record.id] in fixed for record in free):
            for record in free:
                parts["validation" if group_of[record.id] in fixed else "train"].append(record.id)
            continue
        drawn = make_split(Manifest(manifest.name, tuple(free)), "grouped", _SHARES, seed)
        left_out |= drawn.left_out
        for part in ("train", "validation"):
            parts[part] += drawn.parts[part]
    return seal_split(joined, "fields", seed, parts, left_out, group_of)


def _why_left_out(record: Record, group: str, tested: set[str]) -> str:
    if record.not_trained_on:
        return record.not_trained_on
    if group in tested:
        return "its field was photographed again for the test part"
    return "" if record.boxes else "no box is known on it"
