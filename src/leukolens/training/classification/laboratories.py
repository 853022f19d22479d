"""Cells of other laboratories, learned beside those of the dataset that a run is about: which they are, and how often each is drawn.

What is left of their groups stands in the run's and the bundle's `split-NAME.json`, for `leukolens evaluate`.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from leukolens.core.errors import DataError
from leukolens.core.pixels import Preparation
from leukolens.datasets.registry import open_dataset
from leukolens.datasets.splits import Split, drop_crossing, make_split
from leukolens.training.classification.found import place_crops
from leukolens.training.classification.tensors import CellArray, balance_weights, load_cells
from leukolens.training.recipe import LaboratoryConfig, TrainConfig

_FRACTIONS = (0.8, 0.0, 0.2)


@dataclass(frozen=True)
class Laboratory:
    """What is learned from one of them."""

    share: float
    split: Split
    cells: CellArray


def gather_laboratory(
    config: LaboratoryConfig,
    recipe: TrainConfig,
    classes: Sequence[str],
    preparation: Preparation,
    report: Callable[[str, int, int], None],
) -> Laboratory:
    """Cells of those of its groups that are learned from, where they are of the given classes; found as the recipe has it.

    Raises:
        DataError: it was not added, or has no cell to learn from.
    """
    manifest = open_dataset(config.data).cells().labelled()
    split = make_split(manifest, config.split, _FRACTIONS, recipe.seed)
    if config.split == "provided":
        split = drop_crossing(split, manifest)
    chosen = [record for record in manifest.select(split.parts["train"]).records if record.label in classes]
    if not chosen:
        raise DataError(f"{config.data} has no cell of {', '.join(classes)} to learn from. Take it out of the recipe.")
    tell = partial(report, f"cells of {config.data}")
    crops = place_crops(chosen, recipe.data.find, preparation, "platelet" in classes, tell)
    cells = load_cells(crops, preparation, tell)
    return Laboratory(config.share, split, cells)


def leave_share(laboratories: Sequence[LaboratoryConfig | Laboratory]) -> float:
    """What the other laboratories leave of the draws to the run's own dataset.

    Raises:
        DataError: that is nothing, or one of them has no share.
    """
    shares = [laboratory.share for laboratory in laboratories]
    if sum(shares) >= 1 or min(shares, default=1.0) <= 0:
        raise DataError("The laboratories' shares must be above 0 and sum to less than 1. Change them in the recipe.")
    return 1 - sum(shares)


def weigh_draws(home: Sequence[CellArray], balance: str, elsewhere: Sequence[Laboratory]) -> NDArray[np.float64] | None:
    """Chance of each row to be drawn, those of the run's own dataset first; None for all alike, each once an epoch."""
    records = [record for part in home for record in part.records]
    own = balance_weights(records, balance)
    if not elsewhere:
        return own
    weights = [leave_share(elsewhere) * (np.full(len(records), 1 / len(records)) if own is None else own)]
    for laboratory in elsewhere:
        even = balance_weights(laboratory.cells.records, "roots")
        assert even is not None  # it is so for `none` alone
        weights.append(laboratory.share * even)
    return np.concatenate(weights)
