"""Audit of a dataset, of a split of it, or of two datasets: what would make results better than they are.

It lists identical and nearly identical pictures, pictures with two labels, files that cannot be read, and what stands
in several parts of a split: groups, photographs of one field, and copies of one picture.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

from leukolens.core.results import Refusal
from leukolens.datasets.duplicates import Report, be_silent, find_identical, find_near, take_fingerprints
from leukolens.datasets.manifest import PARTS, UNMAPPED, Manifest, Record
from leukolens.datasets.splits import Split


@dataclass(frozen=True)
class Pair:
    """Two images that are identical or nearly identical.

    Attributes:
        first: Id of one.
        second: Id of the other.
        exact: Every pixel is the same.
        correlation: Of their thumbnails; 1 for identical pictures.
        same_group: True if the manifest has them in one group.
        labels: Both labels if they differ, else empty.
        parts: Both parts of the split if they differ, else empty.
    """

    first: str
    second: str
    exact: bool
    correlation: float
    same_group: bool
    labels: tuple[str, ...] = ()
    parts: tuple[str, ...] = ()


@dataclass(frozen=True)
class PartCount:
    """How much of a dataset is in a part of a split.

    Attributes:
        part: Of the split.
        images: Images or cells in it.
        groups: How many known groups they come from.
        unmapped: Images whose group is unknown.
    """

    part: str
    images: int
    groups: int
    unmapped: int


@dataclass(frozen=True)
class Audit:
    """What an audit found.

    Attributes:
        images: How many pictures were compared or refused.
        groups: How many groups they come from.
        identical: Pairs with the same pixels.
        near: Pairs that are nearly identical.
        refused: Pictures that could not be read.
        parts: Images and groups of each part of the split.
        crossing_groups: Groups that stand in several parts, with the parts.
        crossing_fields: Groups that show the same field and stand in different parts, with the parts.
    """

    images: int
    groups: int
    identical: tuple[Pair, ...]
    near: tuple[Pair, ...]
    refused: tuple[Refusal, ...]
    parts: tuple[PartCount, ...] = ()
    crossing_groups: tuple[tuple[str, tuple[str, ...]], ...] = ()
    crossing_fields: tuple[tuple[str, tuple[str, ...]], ...] = ()

    @property
    def contradicting(self) -> tuple[Pair, ...]:
        """Pairs with two labels."""
        return tuple(pair for pair in (*self.identical, *self.near) if pair.labels)

    @property
    def crossing_pairs(self) -> tuple[Pair, ...]:
        """Pairs in different parts of the split."""
        return tuple(pair for pair in (*self.identical, *self.near) if pair.parts)

    @property
    def leaks(self) -> bool:
        """True if something stands in several parts of the split."""
        return bool(self.crossing_groups or self.crossing_fields or self.crossing_pairs)


def audit_dataset(manifest: Manifest, split: Split | None = None, report: Report = be_silent) -> Audit:
    """Audits a dataset. Every picture is decoded.

    Args:
        manifest: The dataset.
        split: The split to audit, of its images or cells. None for the split that the dataset came with, if any.
        report: Called with the number of pictures read and of all pictures.

    Raises:
        DataError: the split names images that the dataset does not have.
    """
    if split is not None and not {identity for ids in split.parts.values() for identity in ids} <= {
        record.id for record in manifest.records
    }:
        manifest = manifest.cells()
    part_of = _place(manifest, split)
    prints = take_fingerprints(manifest.records, report)
    identical: list[Pair] = []
    for indices in find_identical(prints):
        for i, j in combinations(indices, 2):
            identical.append(_judge(prints.records[i], prints.records[j], 1.0, True, part_of))
    near = [
        _judge(prints.records[pair.first], prints.records[pair.second], pair.correlation, False, part_of)
        for pair in find_near(prints)
    ]
    near.sort(key=lambda pair: pair.same_group)  # pairs that the manifest does not know come first
    groups = {record.group for record in manifest.records}
    images = len(prints.records) + len(prints.refused)
    return Audit(
        images, len(groups), tuple(identical), tuple(near), prints.refused, *_find_crossings(manifest.records, part_of)
    )


def pair_datasets(first: Manifest, second: Manifest) -> Manifest:
    """Two datasets as one: the first as training part, the second as test part. Ids begin with the dataset's name."""
    records = []
    for manifest, part in ((first, "train"), (second, "test")):
        for record in manifest.records:
            fields = vars(record) | {"id": f"{manifest.name}:{record.id}", "part": part}
            records.append(Record(**fields))
    return Manifest(f"{first.name} and {second.name}", tuple(records))


def _place(manifest: Manifest, split: Split | None) -> dict[str, str]:
    """The part of each image that is in one."""
    if split is None:
        return {record.id: record.part for record in manifest.records if record.part}
    part_of = {identity: part for part, ids in split.parts.items() for identity in ids}
    manifest.select(part_of)
    return part_of


def _judge(first: Record, second: Record, correlation: float, exact: bool, part_of: dict[str, str]) -> Pair:
    labels = tuple(record.label for record in (first, second) if record.label is not None)
    parts = tuple(part_of[record.id] for record in (first, second) if record.id in part_of)
    return Pair(
        first.id,
        second.id,
        exact,
        correlation,
        first.group == second.group,
        labels if len(set(labels)) > 1 else (),
        parts if len(set(parts)) > 1 else (),
    )


def _find_crossings(
    records: Sequence[Record], part_of: dict[str, str]
) -> tuple[tuple[PartCount, ...], tuple[tuple[str, tuple[str, ...]], ...], tuple[tuple[str, tuple[str, ...]], ...]]:
    parts: dict[str, set[str]] = defaultdict(set)
    placed: dict[str, list[str]] = defaultdict(list)
    for record in records:
        if record.id in part_of:
            parts[record.group].add(part_of[record.id])
            placed[part_of[record.id]].append(record.group)
    counts = []
    for part in sorted(placed, key=PARTS.index):
        groups = placed[part]
        unmapped = sum(group.startswith(UNMAPPED) for group in groups)
        counts.append(PartCount(part, len(groups), len(set(groups)) - unmapped, unmapped))
    crossing = tuple((group, tuple(sorted(found))) for group, found in sorted(parts.items()) if len(found) > 1)
    fields = []
    united: dict[str, set[str]] = defaultdict(set)
    for record in records:
        if record.united_group and record.id in part_of:
            united[record.united_group].add(record.group)
    for groups in map(sorted, united.values()):
        found = set().union(*(parts[group] for group in groups))
        if len(groups) > 1 and len(found) > 1:
            fields.append((" = ".join(groups), tuple(sorted(found))))
    return tuple(counts), crossing, tuple(fields)
