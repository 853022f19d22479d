"""Cells of other sites that a classifier is trained on too: which they are, and how often each is drawn.

The groups that are left out stand in the `split-NAME.json` of run and bundle, for `leukolens evaluate`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from leukolens.core.errors import DataError
from leukolens.core.pixels import Preparation
from leukolens.datasets.registry import open_dataset
from leukolens.datasets.splits import Split, drop_crossing, make_split
from leukolens.training.classification.found import place_crops
from leukolens.training.classification.recipe import ClassificationRecipe, SiteConfig
from leukolens.training.classification.tensors import CellArray, balance_weights, load_cells
from leukolens.training.task import Progress

_FRACTIONS = (0.8, 0.0, 0.2)


@dataclass(frozen=True)
class SiteCells:
    """The training cells of one other site.

    Attributes:
        share: Of the draws of an epoch.
        split: The site's own split.
        cells: Those of its training part.
    """

    share: float
    split: Split
    cells: CellArray


def gather_site(
    site: SiteConfig,
    recipe: ClassificationRecipe,
    classes: Sequence[str],
    preparation: Preparation,
    progress: Progress,
) -> SiteCells:
    """The cells of a site's training groups that are of the given classes, cropped as the recipe asks.

    Raises:
        DataError: the dataset was not added, or has no such cell.
    """
    manifest = open_dataset(site.data).cells().labelled()
    split = make_split(manifest, site.split, _FRACTIONS, recipe.seed)
    if site.split == "provided":
        split = drop_crossing(split, manifest)
    chosen = [record for record in manifest.select(split.parts["train"]).records if record.label in classes]
    if not chosen:
        raise DataError(f"{site.data} has no cell of {', '.join(classes)} to train on. Take it out of the recipe.")
    told = partial(progress, f"cells of {site.data}")
    crops = place_crops(chosen, recipe.data.detector, preparation, "platelet" in classes, told)
    return SiteCells(site.share, split, load_cells(crops, preparation, told))


def weigh_draws(home: Sequence[CellArray], balance: str, sites: Sequence[SiteCells]) -> NDArray[np.float64] | None:
    """Probability of each row to be drawn, `(n,)`, the rows of the run's own dataset first.

    None means that all rows are drawn alike, each once per epoch.
    """
    records = [record for part in home for record in part.records]
    own = balance_weights(records, balance)
    if not sites:
        return own
    left = 1 - sum(site.share for site in sites)
    weights = [left * (np.full(len(records), 1 / len(records)) if own is None else own)]
    for site in sites:
        even = balance_weights(site.cells.records, "roots")
        assert even is not None  # only `none` gives None
        weights.append(site.share * even)
    return np.concatenate(weights)
