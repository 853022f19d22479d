"""Groups: images that must stay on one side of a split."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import replace

from leukolens.datasets.manifest import Record


def merge_sets(sets: Iterable[Sequence[str]]) -> list[list[str]]:
    """Sets that share a member become one; members in the order in which they came."""
    leader: dict[str, str] = {}

    def find(name: str) -> str:
        while leader.setdefault(name, name) != name:
            leader[name] = leader[leader[name]]
            name = leader[name]
        return name

    for names in sets:
        for name in names:
            leader[find(name)] = find(names[0])
    merged: dict[str, list[str]] = defaultdict(list)
    for name in list(leader):
        merged[find(name)].append(name)
    return list(merged.values())


def unite_groups(records: Iterable[Record]) -> dict[str, str]:
    """The group of each id, or its united group where it has one."""
    return {record.id: record.united_group or record.group for record in records}


def join_groups(records: Sequence[Record], alike: Iterable[tuple[str, str]]) -> tuple[Record, ...]:
    """The records, with one united group for all groups that share pictures that look alike.

    Args:
        records: All records.
        alike: Ids of each two records whose pictures look alike.
    """
    group_of = unite_groups(records)
    crossing = [(group_of[first], group_of[second]) for first, second in alike if group_of[first] != group_of[second]]
    joined = {name: names[0] for names in merge_sets(crossing) for name in names}
    return tuple(
        replace(record, united_group=joined[group_of[record.id]]) if group_of[record.id] in joined else record
        for record in records
    )


def list_same_pictures(records: Iterable[Record]) -> list[list[str]]:
    """Sets of ids of which the manifest says that they are one picture."""
    same: dict[str, list[str]] = defaultdict(list)
    for record in records:
        if record.same_picture:
            same[record.same_picture].append(record.id)
    return [ids for ids in same.values() if len(ids) > 1]
