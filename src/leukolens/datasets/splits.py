"""Splits: which images are for training, for validation and for test. Each is a file with a hash.

The same data, kind, fractions and seed give the same split again. Of several records that show one picture a split
keeps one, and none if their labels differ. A random split is allowed, and is marked leaky where a group stands in
several parts.
"""

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Literal

import msgspec
import numpy as np

from leukolens.core.errors import DataError, UsageError
from leukolens.core.files import hash_bytes, show_name, write_text
from leukolens.datasets.dealing import deal_units
from leukolens.datasets.duplicates import Report, be_silent, find_identical_files, list_alike, take_fingerprints
from leukolens.datasets.groups import join_groups, list_same_pictures, merge_sets, unite_groups
from leukolens.datasets.manifest import PARTS, Manifest, Record

KINDS = ("provided", "random", "grouped")
_LARGEST_SPLIT_BYTES = 1 << 28


@dataclass(frozen=True)
class Split:
    """Which images are for what.

    Attributes:
        dataset: Name of the dataset.
        dataset_hash: Of the manifest from which it was made.
        kind: `provided`, `random` or `grouped`, with the fold if there are folds; `fields` for a detector's.
        seed: Of the draw.
        parts: Ids by part, sorted.
        left_out: Ids in no part, and why.
        leaky: True if a group stands in several parts.
        why_leaky: How many groups do. Empty if none.
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
        """SHA-256 of the parts. Two splits with the same hash are the same split."""
        return hash_bytes(json.dumps({part: list(ids) for part, ids in sorted(self.parts.items())}).encode())

    def part_of(self, identity: str) -> str:
        """The part in which an image is, or empty."""
        return self._parts_by_id.get(identity, "")

    @cached_property
    def _parts_by_id(self) -> dict[str, str]:
        return {identity: part for part, ids in self.parts.items() for identity in ids}


def make_split(
    manifest: Manifest,
    kind: str,
    fractions: tuple[float, float, float] = (0.64, 0.16, 0.20),
    seed: int = 0,
    duplicates: Iterable[Sequence[str]] = (),
    validation_by: str = "group",
) -> Split:
    """Makes a split.

    Args:
        manifest: The dataset. Images without a class are left out, unless no image has one.
        kind: `provided` as the dataset came, `random` image by image, or `grouped` with groups kept together. A
            provided split without a validation part gets one from its training part, in the proportion of `fractions`.
        fractions: Shares of training, validation and test.
        seed: Of the draw. The order of the records does not matter.
        duplicates: Sets of ids that are one picture, besides those that the manifest knows.
        validation_by: `group`, or `image`: draw the validation part of a provided split image by image, as most papers
            do. Copies of one field then stand in training and validation.

    Raises:
        UsageError: unknown kind, or the dataset came without a split.
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
        parts = deal_units(records, units, shares, order)
    else:
        raise UsageError(f"No kind of split is called {kind!r}. There are: {', '.join(KINDS)}.")
    return seal_split(manifest, kind, seed, parts, left_out, group_of)


def make_folds(
    manifest: Manifest,
    kind: str,
    folds: int,
    seed: int = 0,
    duplicates: Iterable[Sequence[str]] = (),
) -> list[Split]:
    """Makes one split for each fold. A fold is the test part of one split and the validation part of another.

    Args:
        manifest: As for `make_split`.
        kind: `random` or `grouped`.
        folds: How many, at least 3.
        seed: Of the draw.
        duplicates: As for `make_split`.

    Raises:
        UsageError: another kind, or fewer than three folds.
    """
    if kind not in ("random", "grouped") or folds < 3:
        raise UsageError(f"Folds need the kind random or grouped and at least 3 of them; received {kind}, {folds}.")
    records, left_out = _leave_out(manifest, duplicates)
    group_of = unite_groups(records)
    units = group_of if kind == "grouped" else {record.id: record.id for record in records}
    names = [f"fold{index}" for index in range(folds)]
    dealt = deal_units(records, units, dict.fromkeys(names, 1 / folds), np.random.default_rng(seed))
    splits = []
    for index in range(folds):
        test, validation = names[index], names[(index + 1) % folds]
        train = [identity for name in names if name not in (test, validation) for identity in dealt[name]]
        parts = {"train": train, "validation": dealt[validation], "test": dealt[test]}
        splits.append(seal_split(manifest, f"{kind}, fold {index + 1} of {folds}", seed, parts, left_out, group_of))
    return splits


def split_dataset(
    manifest: Manifest,
    kind: str = "grouped",
    fractions: tuple[float, float, float] = (0.64, 0.16, 0.20),
    folds: int | None = None,
    seed: int = 0,
    report: Report = be_silent,
) -> list[Split]:
    """Splits a dataset as `leukolens data split` does: by its cells, with files that are identical kept once.

    Every picture is decoded. Groups with pictures that are nearly identical are taken as one group.

    Args:
        manifest: The dataset.
        kind: As for `make_split`.
        fractions: Shares of training, validation and test. Not used for folds.
        folds: How many folds; None for one split.
        seed: Of the draw.
        report: Called with the number of images decoded and of all images.

    Raises:
        UsageError: as `make_split` and `make_folds`.
    """
    cells = manifest.cells()
    same = find_identical_files(cells.records)
    cells = replace(cells, records=join_groups(cells.records, list_alike(take_fingerprints(cells.records, report))))
    return make_folds(cells, kind, folds, seed, same) if folds else [make_split(cells, kind, fractions, seed, same)]


def drop_crossing(split: Split, manifest: Manifest) -> Split:
    """The same split without training and validation images whose group the test part has."""
    records = {record.id: record for record in manifest.records}
    group_of = unite_groups(records[identity] for ids in split.parts.values() for identity in ids)
    tested = {group_of[identity] for identity in split.parts["test"]}
    parts, left_out = {}, dict(split.left_out)
    for part, ids in split.parts.items():
        parts[part] = [identity for identity in ids if part == "test" or group_of[identity] not in tested]
        left_out |= dict.fromkeys(set(ids) - set(parts[part]), "its field was photographed again for the test part")
    return seal_split(manifest, split.kind, split.seed, parts, left_out, group_of)


def seal_split(
    manifest: Manifest,
    kind: str,
    seed: int,
    parts: Mapping[str, Sequence[str]],
    left_out: Mapping[str, str],
    group_of: Mapping[str, str],
) -> Split:
    """A split of the given parts. It is leaky if a group stands in several of them."""
    where: dict[str, set[str]] = defaultdict(set)
    for part, ids in parts.items():
        for identity in ids:
            where[group_of[identity]].add(part)
    crossing = sum(len(found) > 1 for found in where.values())
    why = f"{crossing} of {len(where)} groups stand in more than one part" if crossing else ""
    tidy = {part: tuple(sorted(ids)) for part, ids in parts.items()}
    return Split(manifest.name, manifest.hash, kind, seed, tidy, dict(left_out), bool(crossing), why)


def _leave_out(manifest: Manifest, duplicates: Iterable[Sequence[str]]) -> tuple[list[Record], dict[str, str]]:
    labelled = [record for record in manifest.records if record.label is not None]
    by_id = {record.id: record for record in labelled or manifest.records}
    left_out = {record.id: "no class" for record in manifest.records if record.id not in by_id}
    for ids in merge_sets([*duplicates, *list_same_pictures(manifest.records)]):
        present = sorted(identity for identity in ids if identity in by_id)
        if len({by_id[identity].label for identity in present}) > 1:
            left_out |= {identity: "one picture with two labels: " + " = ".join(present) for identity in present}
        else:
            left_out |= {identity: f"the same picture as {present[0]}" for identity in present[1:]}
    kept = sorted((record for record in by_id.values() if record.id not in left_out), key=lambda record: record.id)
    return kept, left_out


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
        parts |= deal_units(training, units, {"train": 1 - share, "validation": share}, order)
    return parts


class _SplitFile(msgspec.Struct, forbid_unknown_fields=True):
    """What stands in the file of a split."""

    dataset: str
    dataset_hash: str
    kind: str
    seed: int
    leaky: bool
    why_leaky: str
    parts: dict[Literal["train", "validation", "test"], tuple[str, ...]]
    left_out: dict[str, str]
    hash: str


def write_split(path: Path, split: Split) -> None:
    """Writes a split as JSON, with its hash."""
    fields = {name: getattr(split, name) for name in _SplitFile.__struct_fields__}
    fields |= {"parts": dict(split.parts), "left_out": dict(split.left_out)}
    # ASCII only: names that are not valid UTF-8 pass as escaped surrogates.
    write_text(path, json.dumps(fields, indent=0, ensure_ascii=True) + "\n")


def read_split(path: Path) -> Split:
    """Reads a split and checks its hash.

    Raises:
        DataError: it is missing, is not a split, or was changed after it was written.
    """
    try:
        if path.stat().st_size > _LARGEST_SPLIT_BYTES:
            raise ValueError("over 256 MiB")
        # Python's own parser: msgspec's refuses the surrogates of names that are not valid UTF-8.
        found = msgspec.convert(json.loads(path.read_text(encoding="utf-8")), _SplitFile)
        if len({name for ids in found.parts.values() for name in ids}) < sum(map(len, found.parts.values())):
            raise ValueError("an id stands in it twice")
        split = Split(
            found.dataset,
            found.dataset_hash,
            found.kind,
            found.seed,
            {str(part): ids for part, ids in found.parts.items()},
            found.left_out,
            found.leaky,
            found.why_leaky,
        )
        if split.hash != found.hash:
            raise ValueError("its hash does not fit: it was changed after it was made")
    except (OSError, ValueError, RecursionError) as error:
        raise DataError(f"{show_name(str(path))} cannot be read as a split: {error}") from error
    return split
