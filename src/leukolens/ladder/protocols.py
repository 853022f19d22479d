"""The splits on which the rungs are trained: as the texts did it, and with no group on both sides.

A protocol gives one split, or one for each fold. Its seed never changes, so all rungs are tested on the same images.
"""

from collections.abc import Callable
from dataclasses import dataclass

from leukolens.datasets.manifest import Manifest
from leukolens.datasets.splits import Split, drop_crossing, make_folds, make_split

_SEED = 0


@dataclass(frozen=True)
class Protocol:
    """One way to divide a dataset.

    Attributes:
        dataset: Its name, as the user added it.
        what: In words, for the table.
        make: Draws its splits, one for each run.
    """

    dataset: str
    what: str
    make: Callable[[Manifest], list[Split]]


def _provided(manifest: Manifest, validation: float) -> list[Split]:
    shares = (1 - validation, validation, 0.0)
    return [make_split(manifest, "provided", shares, _SEED, validation_by="image")]


def _fields(manifest: Manifest) -> list[Split]:
    return [drop_crossing(make_split(manifest, "provided", (0.8, 0.2, 0.0), _SEED), manifest)]


def _divide(kind: str, train: float, validation: float) -> Callable[[Manifest], list[Split]]:
    return lambda manifest: [make_split(manifest, kind, (train, validation, 1 - train - validation), _SEED)]


PROTOCOLS: dict[str, Protocol] = {
    "pbc": Protocol(
        "pbc", "PBC 64/16/20; identical images once, near-identical images together", _divide("grouped", 0.64, 0.16)
    ),
    "provided-20": Protocol(
        "kaggle", "TRAIN and TEST as provided, 20 % of TRAIN's images for validation", lambda data: _provided(data, 0.2)
    ),
    "provided-10": Protocol(
        "kaggle", "TRAIN and TEST as provided, 10 % of TRAIN's images for validation", lambda data: _provided(data, 0.1)
    ),
    "fields": Protocol(
        "kaggle",
        "TRAIN and TEST as provided, a fifth of TRAIN's source fields for validation; fields of TRAIN that show the "
        "same place as a field of TEST are left out",
        _fields,
    ),
    "merged": Protocol("kaggle", "TRAIN and TEST merged, 80/10/10 by image", _divide("random", 0.8, 0.1)),
    "merged-fields": Protocol(
        "kaggle", "TRAIN and TEST merged, 80/10/10 by source field", _divide("grouped", 0.8, 0.1)
    ),
    "merged-70": Protocol("kaggle", "TRAIN and TEST merged, 70/15/15 by image", _divide("random", 0.7, 0.15)),
    "merged-70-fields": Protocol(
        "kaggle", "TRAIN and TEST merged, 70/15/15 by source field", _divide("grouped", 0.7, 0.15)
    ),
    "folds": Protocol(
        "kaggle", "TRAIN and TEST merged, 5 folds of source fields", lambda data: make_folds(data, "grouped", 5, _SEED)
    ),
}


def split_freely(manifest: Manifest) -> list[Split]:
    """A split of any other dataset, to try the ladder on: as provided where it has parts, else grouped 64/16/20."""
    provided = any(record.part for record in manifest.records)
    return [make_split(manifest, "provided" if provided else "grouped", (0.64, 0.16, 0.20), _SEED)]
