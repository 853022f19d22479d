"""Splits: which image is learned from, chosen on, reported on; each a file with a hash, the same again for a seed.

Random splits are allowed, and marked leaky where groups stand on both sides. What is one picture twice is kept once,
and a picture with two labels not at all.
"""

import json
import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from leukolens.core.errors import DataError, UsageError
from leukolens.core.files import hash_bytes, show_name, write_text
from leukolens.data.manifest import Manifest, Record

PARTS = ("train", "validation", "test")
KINDS = ("provided", "random", "grouped")
_LARGEST_SPLIT_BYTES = 1 << 28


@dataclass(frozen=True)
class Split:
    """Which images are for what.

    Attributes:
        dataset: Name of the dataset.
        dataset_hash: Of the manifest it was made from.
        kind: `provided`, `random` or `grouped`; with the fold where there are folds.
        seed: Of the draw.
        parts: Ids by part, sorted.
        left_out: Ids in no part, and why.
        leaky: A group stands in more than one part.
        why_leaky: In words; empty otherwise.
    """

    dataset: str
    dataset_hash: str
    kind: str
    seed: int
    parts: Mapping[str, tuple[str, ...]]
    left_out: Mapping[str, str] = field(default_factory=dict)
    leaky: bool = False
    why_leaky: str = ""

    @property
    def hash(self) -> str:
        """SHA-256 of the parts: two splits with one hash are one split."""
        return hash_bytes(json.dumps({part: list(ids) for part, ids in sorted(self.parts.items())}).encode())

    def part_of(self, identity: str) -> str:
        """The part that an image is in, or nothing."""
        return next((part for part, ids in self.parts.items() if identity in set(ids)), "")


def parse_fractions(text: str) -> tuple[float, float, float]:
    """`64/16/20` as shares of training, validation and test.

    Raises:
        UsageError: not three numbers that sum to 100, or an empty training part.
    """
    numbers = [float(word) for word in re.findall(r"\d+(?:\.\d+)?", text)]
    if len(numbers) != 3 or abs(sum(numbers) - 100) > 1e-6 or numbers[0] <= 0:
        raise UsageError(f"--fractions takes training/validation/test in percent, such as 64/16/20; received {text!r}.")
    return numbers[0] / 100, numbers[1] / 100, numbers[2] / 100


def make_split(
    manifest: Manifest,
    kind: str,
    fractions: tuple[float, float, float] = (0.64, 0.16, 0.20),
    seed: int = 0,
    duplicates: Sequence[Sequence[str]] = (),
    related: Sequence[Sequence[str]] = (),
) -> Split:
    """Draws a split.

    Args:
        manifest: The dataset; images without a class are left out.
        kind: `provided`, `random` or `grouped`. For `provided`, a missing validation part is drawn, grouped, from
            training in the proportion of `fractions`.
        fractions: Shares of training, validation and test.
        seed: Of the draw; the order of the records does not matter.
        duplicates: Sets of ids that are one picture: one is kept, or none where labels contradict.
        related: Sets of groups that belong together, such as two photographs of one field.

    Raises:
        UsageError: unknown kind, or no provided split to take.
    """
    records, left_out = _leave_out(manifest, duplicates)
    group_of = _unite(records, related)
    order = np.random.default_rng(seed)
    if kind == "provided":
        parts = _take_provided(manifest.name, records, group_of, fractions, order)
    elif kind in KINDS:
        units = group_of if kind == "grouped" else {record.id: record.id for record in records}
        shares = dict(zip(PARTS, fractions, strict=True))
        parts = _deal(records, units, shares, order)
    else:
        raise UsageError(f"No kind of split is called {kind!r}. There are: {', '.join(KINDS)}.")
    return _seal(manifest, kind, seed, parts, left_out, group_of)


def make_folds(
    manifest: Manifest,
    kind: str,
    folds: int,
    seed: int = 0,
    duplicates: Sequence[Sequence[str]] = (),
    related: Sequence[Sequence[str]] = (),
) -> list[Split]:
    """K splits: each fold is the test part once, the next one the validation part.

    Raises:
        UsageError: unknown kind, or fewer than three folds.
    """
    if kind not in ("random", "grouped") or folds < 3:
        raise UsageError(f"Folds need the kind random or grouped and at least 3 of them; received {kind}, {folds}.")
    records, left_out = _leave_out(manifest, duplicates)
    group_of = _unite(records, related)
    units = group_of if kind == "grouped" else {record.id: record.id for record in records}
    names = [f"fold{index}" for index in range(folds)]
    dealt = _deal(records, units, dict.fromkeys(names, 1 / folds), np.random.default_rng(seed))
    splits = []
    for index in range(folds):
        test, validation = names[index], names[(index + 1) % folds]
        train = [identity for name in names if name not in (test, validation) for identity in dealt[name]]
        parts = {"train": train, "validation": dealt[validation], "test": dealt[test]}
        splits.append(_seal(manifest, f"{kind}, fold {index + 1} of {folds}", seed, parts, left_out, group_of))
    return splits


def _leave_out(manifest: Manifest, duplicates: Sequence[Sequence[str]]) -> tuple[list[Record], dict[str, str]]:
    by_id = {record.id: record for record in manifest.labelled().records}
    left_out = {record.id: "no class" for record in manifest.records if record.label is None}
    for ids in duplicates:
        present = sorted(identity for identity in ids if identity in by_id)
        if len({by_id[identity].label for identity in present}) > 1:
            left_out |= {identity: "one picture with two labels: " + " = ".join(present) for identity in present}
        else:
            left_out |= {identity: f"the same picture as {present[0]}" for identity in present[1:]}
    kept = sorted((record for record in by_id.values() if record.id not in left_out), key=lambda record: record.id)
    return kept, left_out


def _unite(records: Sequence[Record], related: Sequence[Sequence[str]]) -> dict[str, str]:
    """The group of each id, groups that belong together under one name."""
    leader: dict[str, str] = {}

    def find(group: str) -> str:
        while leader.get(group, group) != group:
            group = leader[group]
        return group

    for groups in related:
        for group in groups[1:]:
            leader[find(group)] = find(groups[0])
    return {record.id: find(record.group) for record in records}


def _deal(
    records: Sequence[Record], units: Mapping[str, str], shares: Mapping[str, float], order: np.random.Generator
) -> dict[str, list[str]]:
    """Deals units out, largest first within shuffled ties, each to the part that lacks most of its classes."""
    members: dict[str, list[Record]] = defaultdict(list)
    for record in records:
        members[units[record.id]].append(record)
    classes = sorted({record.label or "" for record in records})
    counts = {
        unit: np.array([sum(record.label == label for record in group) for label in classes], float)
        for unit, group in members.items()
    }
    totals = np.sum(list(counts.values()), axis=0)
    wanted = {part: totals * share for part, share in shares.items() if share > 0}
    names = sorted(members)
    shuffled = [names[index] for index in order.permutation(len(names))]
    parts: dict[str, list[str]] = {part: [] for part in shares}
    for unit in sorted(shuffled, key=lambda name: -len(members[name])):
        need = {part: float((left / np.maximum(totals, 1)) @ counts[unit]) for part, left in wanted.items()}
        best = max(need, key=lambda part: need[part])
        wanted[best] = wanted[best] - counts[unit]
        parts[best] += [record.id for record in members[unit]]
    return parts


def _take_provided(
    name: str,
    records: Sequence[Record],
    group_of: Mapping[str, str],
    fractions: tuple[float, float, float],
    order: np.random.Generator,
) -> dict[str, list[str]]:
    parts: dict[str, list[str]] = {part: [record.id for record in records if record.part == part] for part in PARTS}
    if not parts["train"] or not (parts["validation"] or parts["test"]):
        raise UsageError(f"{name} comes without a split. Choose --kind grouped or --kind random.")
    if not parts["validation"]:
        training = [record for record in records if record.part == "train"]
        share = fractions[1] / (fractions[0] + fractions[1])
        dealt = _deal(training, group_of, {"train": 1 - share, "validation": share}, order)
        parts |= dealt
    return parts


def _seal(
    manifest: Manifest,
    kind: str,
    seed: int,
    parts: Mapping[str, Sequence[str]],
    left_out: Mapping[str, str],
    group_of: Mapping[str, str],
) -> Split:
    where: dict[str, set[str]] = defaultdict(set)
    for part, ids in parts.items():
        for identity in ids:
            where[group_of[identity]].add(part)
    torn = sum(len(found) > 1 for found in where.values())
    why = f"{torn} of {len(where)} groups stand in more than one part" if torn else ""
    tidy = {part: tuple(sorted(ids)) for part, ids in parts.items()}
    return Split(manifest.name, manifest.hash, kind, seed, tidy, dict(left_out), bool(torn), why)


def write_split(path: Path, split: Split) -> None:
    """Writes a split as JSON with its hash."""
    fields = vars(split) | {"hash": split.hash, "parts": {part: list(ids) for part, ids in split.parts.items()}}
    write_text(path, json.dumps(fields, indent=0, ensure_ascii=True) + "\n")


def read_split(path: Path) -> Split:
    """Reads a split and checks its hash.

    Raises:
        DataError: it does not read, or was changed by hand.
    """
    try:
        if path.stat().st_size > _LARGEST_SPLIT_BYTES:
            raise ValueError("over 256 MiB")
        fields = json.loads(path.read_text(encoding="utf-8"))
        expected = fields.pop("hash")
        parts = {str(part): tuple(str(name) for name in ids) for part, ids in fields.pop("parts").items()}
        split = Split(parts=parts, **fields)
        if set(parts) - set(PARTS) or len({name for ids in parts.values() for name in ids}) < sum(map(len, parts.values())):
            raise ValueError(f"expected the parts {', '.join(PARTS)} and each id once")
        if split.hash != expected:
            raise ValueError("its hash does not fit: it was changed after it was made")
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise DataError(f"{show_name(str(path))} is not a split that holds together: {error}") from error
    return split
