"""Groups: images that must stay on one side of a split."""

import os
import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from leukolens.core.errors import UsageError
from leukolens.core.results import Refusal
from leukolens.datasets.manifest import UNMAPPED, Manifest, Record
from leukolens.images.decoding import split_reference


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


def group_by_name(manifest: Manifest, root: Path, pattern: str) -> Manifest:
    """The dataset with groups from the names of its images. Images that the pattern does not fit are listed as unsure.

    Args:
        manifest: The dataset.
        root: The folder or zip that it was read from.
        pattern: A regular expression, searched in the path of an image below `root`. What its first pair of parentheses
            holds is the group, without parentheses what it finds.

    Raises:
        UsageError: it is no regular expression.
    """
    try:
        search = re.compile(pattern).search
    except re.error as error:
        raise UsageError(f"{pattern!r} is no regular expression: {error}.") from error
    records: list[Record] = []
    doubts = list(manifest.doubts)
    for record in manifest.records:
        path, member = split_reference(record.image)
        found = search(member or Path(os.path.relpath(path, root)).as_posix())
        group = found[1 if found.re.groups else 0] if found else ""
        if not group:
            doubts.append(Refusal(record.id, "its name does not give the group: it may cross a split"))
        records.append(replace(record, group=group or UNMAPPED + record.id))
    return replace(manifest, records=tuple(records), doubts=tuple(doubts))


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
