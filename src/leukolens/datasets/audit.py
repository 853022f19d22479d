"""Finds what makes a result too good to be true, in a dataset, in a split of it, or between two datasets.

One picture twice, or nearly, or under two labels; groups, or two photographs of one field, on both sides of a split;
files that cannot be read. `leukolens.datasets.duplicates` looks at the pixels; this module judges what it finds.
`leukolens data audit` prints it.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

from leukolens.core.results import Refusal
from leukolens.datasets.duplicates import Report, find_identical, find_near, take_fingerprints
from leukolens.datasets.manifest import UNMAPPED, Manifest, Record
from leukolens.datasets.splits import PARTS, Split


@dataclass(frozen=True)
class Pair:
    """Two images that are one picture, or nearly.

    Attributes:
        first: Id of one.
        second: Id of the other.
        exact: Every pixel is the same.
        correlation: Of their thumbnails; 1 for identical pictures.
        same_group: The manifest knows that they belong together.
        labels: Both labels where they contradict each other, else empty.
        parts: Both parts of the split where they differ, else empty.
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
    """How much of a dataset stands in a part of a split.

    Attributes:
        part: Of the split.
        images: Images or cells in it.
        groups: Known groups that they come from.
        unmapped: Images whose group should be known but is not.
    """

    part: str
    images: int
    groups: int
    unmapped: int


@dataclass(frozen=True)
class Audit:
    """What was found.

    Attributes:
        images: Pictures looked at.
        groups: Groups they come from.
        identical: Pairs of which every pixel is the same.
        near: Pairs that are nearly one.
        refused: Pictures that could not be read.
        parts: Images and groups of each part of the split.
        torn_groups: Groups in several parts, with those parts.
        torn_fields: Two photographs of one field, as our maps know them, in different parts; with those parts.
    """

    images: int
    groups: int
    identical: tuple[Pair, ...]
    near: tuple[Pair, ...]
    refused: tuple[Refusal, ...]
    parts: tuple[PartCount, ...] = ()
    torn_groups: tuple[tuple[str, tuple[str, ...]], ...] = ()
    torn_fields: tuple[tuple[str, tuple[str, ...]], ...] = ()

    @property
    def contradicting(self) -> tuple[Pair, ...]:
        """Pairs that are one picture, or nearly, under two labels."""
        return tuple(pair for pair in (*self.identical, *self.near) if pair.labels)

    @property
    def torn_pairs(self) -> tuple[Pair, ...]:
        """Pairs that are one picture, or nearly, in different parts of the split."""
        return tuple(pair for pair in (*self.identical, *self.near) if pair.parts)

    @property
    def leaks(self) -> bool:
        """Something stands on both sides of the split."""
        return bool(self.torn_groups or self.torn_fields or self.torn_pairs)


def audit_dataset(manifest: Manifest, split: Split | None, report: Report) -> Audit:
    """Looks at every picture of a dataset.

    Args:
        manifest: The dataset.
        split: The split to judge; None for the one that the dataset came with, if any.
        report: Called with pictures done and pictures in all.

    Raises:
        DataError: the split names images that the dataset does not have.
    """
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
    near.sort(key=lambda pair: pair.same_group)  # what the manifest does not know of comes first
    groups = {record.group for record in manifest.records}
    images = len(prints.records) + len(prints.refused)
    return Audit(images, len(groups), tuple(identical), tuple(near), prints.refused, *_tear(manifest.records, part_of))


def join_datasets(first: Manifest, second: Manifest) -> Manifest:
    """Two datasets as one, the sides of a split between them, ids led by the dataset's name."""
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


def _tear(
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
    torn = tuple((group, tuple(sorted(found))) for group, found in sorted(parts.items()) if len(found) > 1)
    fields = []
    united: dict[str, set[str]] = defaultdict(set)
    for record in records:
        if record.united_group and record.id in part_of:
            united[record.united_group].add(record.group)
    for groups in map(sorted, united.values()):
        found = set().union(*(parts[group] for group in groups))
        if len(groups) > 1 and len(found) > 1:
            fields.append((" = ".join(groups), tuple(sorted(found))))
    return tuple(counts), torn, tuple(fields)
