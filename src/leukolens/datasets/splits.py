"""Splits: which image is learned from, chosen on, reported on; each a file with a hash, the same again for a seed.

Random splits are allowed, and marked leaky where groups stand on both sides. What is one picture twice is kept once,
and a picture with two labels not at all. What our maps know of public datasets is always heeded; duplicates in other
data are found by `leukolens.datasets.duplicates` and handed in.
"""

import json
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from leukolens.core.errors import DataError, UsageError
from leukolens.core.files import hash_bytes, show_name, write_text
from leukolens.datasets.groups import list_same_pictures, merge_sets, unite_groups
from leukolens.datasets.manifest import Manifest, Record

PARTS = ("train", "validation", "test")
KINDS = ("provided", "random", "grouped")
_EVEN = 0.01  # of a class: how far its share in a part may be off before the units are dealt again
_TRIES = 50
_TRIED_UNITS = 100_000  # units dealt in all the tries, so that large datasets do not wait
_LARGEST_SPLIT_BYTES = 1 << 28
_FIELDS = ("dataset", "dataset_hash", "kind", "seed", "leaky", "why_leaky")


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
        return self._parts_by_id.get(identity, "")

    @cached_property
    def _parts_by_id(self) -> dict[str, str]:
        return {identity: part for part, ids in self.parts.items() for identity in ids}


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
    duplicates: Iterable[Sequence[str]] = (),
    validation_by: str = "group",
) -> Split:
    """Draws a split.

    Args:
        manifest: The dataset; where some images have a class, those without are left out.
        kind: `provided`, `random` or `grouped`. For `provided`, a missing validation part is drawn from training in
            the proportion of `fractions`.
        fractions: Shares of training, validation and test.
        seed: Of the draw; the order of the records does not matter.
        duplicates: Sets of ids that are one picture: one is kept, or none where labels contradict.
        validation_by: `group`, or `image` to draw the validation part of a provided split as most papers do, which
            puts copies of one field on both sides of it.

    Raises:
        UsageError: unknown kind, or no provided split to take.
    """
    records, left_out = _leave_out(manifest, duplicates)
    group_of = unite_groups(records)
    order = np.random.default_rng(seed)
    if kind == "provided":
        units = group_of if validation_by == "group" else {record.id: record.id for record in records}
        parts = _take_provided(manifest.name, records, units, fractions, order)
    elif kind in KINDS:
        units = group_of if kind == "grouped" else {record.id: record.id for record in records}
        shares = dict(zip(PARTS, fractions, strict=True))
        parts = _deal(records, units, shares, order)
    else:
        raise UsageError(f"No kind of split is called {kind!r}. There are: {', '.join(KINDS)}.")
    return seal_split(manifest, kind, seed, parts, left_out, group_of)


def drop_crossing(split: Split, manifest: Manifest) -> Split:
    """The same split without the training and validation images of groups that its test part has.

    Of Kaggle's provided split these are three fields of TRAIN that were photographed again for TEST.
    """
    records = {record.id: record for record in manifest.records}
    group_of = unite_groups(records[identity] for ids in split.parts.values() for identity in ids)
    tested = {group_of[identity] for identity in split.parts["test"]}
    parts, left_out = {}, dict(split.left_out)
    for part, ids in split.parts.items():
        parts[part] = [identity for identity in ids if part == "test" or group_of[identity] not in tested]
        left_out |= dict.fromkeys(set(ids) - set(parts[part]), "its field was photographed again for the test part")
    return seal_split(manifest, split.kind, split.seed, parts, left_out, group_of)


def make_folds(
    manifest: Manifest,
    kind: str,
    folds: int,
    seed: int = 0,
    duplicates: Iterable[Sequence[str]] = (),
) -> list[Split]:
    """K splits: each fold is the test part once, the next one the validation part.

    Raises:
        UsageError: unknown kind, or fewer than three folds.
    """
    if kind not in ("random", "grouped") or folds < 3:
        raise UsageError(f"Folds need the kind random or grouped and at least 3 of them; received {kind}, {folds}.")
    records, left_out = _leave_out(manifest, duplicates)
    group_of = unite_groups(records)
    units = group_of if kind == "grouped" else {record.id: record.id for record in records}
    names = [f"fold{index}" for index in range(folds)]
    dealt = _deal(records, units, dict.fromkeys(names, 1 / folds), np.random.default_rng(seed))
    splits = []
    for index in range(folds):
        test, validation = names[index], names[(index + 1) % folds]
        train = [identity for name in names if name not in (test, validation) for identity in dealt[name]]
        parts = {"train": train, "validation": dealt[validation], "test": dealt[test]}
        splits.append(seal_split(manifest, f"{kind}, fold {index + 1} of {folds}", seed, parts, left_out, group_of))
    return splits


def _leave_out(manifest: Manifest, duplicates: Iterable[Sequence[str]]) -> tuple[list[Record], dict[str, str]]:
    labelled = [record for record in manifest.records if record.label is not None]
    by_id = {record.id: record for record in labelled or manifest.records}
    left_out = {record.id: "no class" for record in manifest.records if record.id not in by_id}
    sets = merge_sets([*duplicates, *list_same_pictures(manifest.records)])
    for ids in sets:
        present = sorted(identity for identity in ids if identity in by_id)
        if len({by_id[identity].label for identity in present}) > 1:
            left_out |= {identity: "one picture with two labels: " + " = ".join(present) for identity in present}
        else:
            left_out |= {identity: f"the same picture as {present[0]}" for identity in present[1:]}
    kept = sorted((record for record in by_id.values() if record.id not in left_out), key=lambda record: record.id)
    return kept, left_out


def _deal(
    records: Sequence[Record], units: Mapping[str, str], shares: Mapping[str, float], order: np.random.Generator
) -> dict[str, list[str]]:
    """Deals units out so that each part has its share of each class; tries again while one is over 1 % off.

    Few large units, such as Chula's 19 slides, cannot be dealt evenly; then the best of the tries is taken.
    """
    members: dict[str, list[str]] = defaultdict(list)
    classes = sorted({record.label or "" for record in records})
    counts: dict[str, NDArray[np.float64]] = defaultdict(lambda: np.zeros(len(classes)))
    for record in records:
        members[units[record.id]].append(record.id)
        counts[units[record.id]][classes.index(record.label or "")] += 1
    names = sorted(members)
    sizes = np.array([len(members[name]) for name in names])
    best, least = {}, np.inf
    for attempt in range(max(1, min(_TRIES, _TRIED_UNITS // max(len(names), 1)))):
        shuffled = order.permutation(len(names))
        blur = order.uniform(0.5, 1.5, len(names)) if attempt else np.ones(len(names))
        largest_first = shuffled[np.argsort(-(sizes * blur)[shuffled], kind="stable")]
        dealt, worst = _deal_in_order([names[index] for index in largest_first], counts, shares)
        if worst < least:
            best, least = dealt, worst
        if worst <= _EVEN:
            break
    return {part: [identity for name in best.get(part, ()) for identity in members[name]] for part in shares}


def _deal_in_order(
    names: Sequence[str], counts: Mapping[str, NDArray[np.float64]], shares: Mapping[str, float]
) -> tuple[dict[str, list[str]], float]:
    """Gives each unit to the part that lacks most of its classes; also how far the worst class is off its share."""
    totals = np.maximum(np.sum([counts[name] for name in names], axis=0), 1)
    lacking = {part: totals * share for part, share in shares.items() if share > 0}
    dealt: dict[str, list[str]] = {part: [] for part in shares}
    for name in names:
        need = {part: float((left / totals) @ counts[name]) for part, left in lacking.items()}
        part = max(need, key=lambda candidate: need[candidate])
        lacking[part] = lacking[part] - counts[name]
        dealt[part].append(name)
    return dealt, max((float(np.abs(left / totals).max(initial=0)) for left in lacking.values()), default=0.0)


def _take_provided(
    name: str,
    records: Sequence[Record],
    units: Mapping[str, str],
    fractions: tuple[float, float, float],
    order: np.random.Generator,
) -> dict[str, list[str]]:
    parts: dict[str, list[str]] = {part: [record.id for record in records if record.part == part] for part in PARTS}
    if not parts["train"] or not (parts["validation"] or parts["test"]):
        raise UsageError(f"{name} comes without a split. Choose --kind grouped or --kind random.")
    if not parts["validation"]:
        training = [record for record in records if record.part == "train"]
        share = fractions[1] / (fractions[0] + fractions[1])
        dealt = _deal(training, units, {"train": 1 - share, "validation": share}, order)
        parts |= dealt
    return parts


def seal_split(
    manifest: Manifest,
    kind: str,
    seed: int,
    parts: Mapping[str, Sequence[str]],
    left_out: Mapping[str, str],
    group_of: Mapping[str, str],
) -> Split:
    """A split of the given parts, found leaky where a group stands in more than one of them."""
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
    fields: dict[str, object] = {name: getattr(split, name) for name in _FIELDS}
    fields |= {"parts": {part: list(ids) for part, ids in split.parts.items()}, "left_out": dict(split.left_out)}
    # ASCII only: names that are not valid UTF-8 pass as escaped surrogates.
    write_text(path, json.dumps(fields | {"hash": split.hash}, indent=0, ensure_ascii=True) + "\n")


def read_split(path: Path) -> Split:
    """Reads a split and checks its hash.

    Raises:
        DataError: it does not read, or was changed by hand.
    """
    try:
        if path.stat().st_size > _LARGEST_SPLIT_BYTES:
            raise ValueError("over 256 MiB")
        split, expected = _parse_split(json.loads(path.read_text(encoding="utf-8")))
        if split.hash != expected:
            raise ValueError("its hash does not fit: it was changed after it was made")
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise DataError(f"{show_name(str(path))} is not a split that holds together: {error}") from error
    return split


def _parse_split(fields: dict[str, object]) -> tuple[Split, object]:
    parts, left_out = fields["parts"], fields["left_out"]
    if not isinstance(parts, dict) or not isinstance(left_out, dict) or set(parts) - set(PARTS):
        raise ValueError(f"expected the parts {', '.join(PARTS)} and what is left out")
    names = {part: tuple(str(name) for name in ids) for part, ids in parts.items()}
    if len({name for ids in names.values() for name in ids}) < sum(map(len, names.values())):
        raise ValueError("an id stands in it twice")
    split = Split(
        str(fields["dataset"]),
        str(fields["dataset_hash"]),
        str(fields["kind"]),
        int(str(fields["seed"])),
        names,
        {str(name): str(why) for name, why in left_out.items()},
        fields["leaky"] is True,
        str(fields["why_leaky"]),
    )
    return split, fields["hash"]
