"""A classifier's training: its cells, its network, its batches, and its predictions in the end.

The test part of the split is predicted once; nothing is chosen on it.
"""

import functools
from collections.abc import Sequence
from typing import Any

import torch
from PIL import Image
from torch.utils.data import DataLoader

from leukolens.core.errors import UsageError
from leukolens.core.files import write_atomically
from leukolens.core.runs import FinishedRun, RunFolder
from leukolens.datasets.splits import write_split
from leukolens.models.catalogue import ModelSpec, find_model
from leukolens.models.pretrained import load_weights
from leukolens.models.shape import NetworkShape
from leukolens.training.classification.features import keep_features
from leukolens.training.classification.finish import finish_run
from leukolens.training.classification.gather import TrainingCells, gather_cells
from leukolens.training.classification.module import CellModule, FrozenModule
from leukolens.training.classification.recipe import ClassificationRecipe
from leukolens.training.classification.sites import SiteCells, weigh_draws
from leukolens.training.classification.tensors import CellArray, CellDataset
from leukolens.training.recipe import AugmentConfig
from leukolens.training.sampling import BalancedSampler, pass_batch
from leukolens.training.task import Contents, Reporter, Training, TrainingData

_VALIDATION_BATCH = 128


class ClassifierTraining(Training):
    """A recipe of a classifier with its cells and its network."""

    chosen_by = "validation_balanced_accuracy"
    columns = (
        "epoch",
        "train_loss",
        "train_accuracy",
        "validation_loss",
        "validation_accuracy",
        "validation_balanced_accuracy",
        "learning_rate",
        "seconds",
    )
    module: CellModule

    def __init__(self, recipe: ClassificationRecipe, source: TrainingData, reporter: Reporter) -> None:
        """Gathers the cells of all parts and builds the network.

        Raises:
            DataError: the split does not fit the data, or a part is empty.
            TrainingError: the first weights are missing.
        """
        self._recipe = recipe
        self.architecture = recipe.model.architecture
        spec = find_model(self.architecture)
        _try_network(recipe, spec)
        self._cells = cells = gather_cells(recipe, spec, source.manifests[0], source.split, reporter.progress)
        if "test" not in cells.parts:
            reporter.tell("note: the test part has no image, so this run is not tested.")
        self._shape = describe_shape(recipe, len(cells.classes))
        self.network = spec.build(self._shape)
        self.weights_origin = load_weights(self.network, self.architecture, recipe.model.weights)
        self._train: tuple[CellArray, ...] = cells.wide
        self._sites: tuple[SiteCells, ...] = cells.sites
        self._validation = cells.parts["validation"]
        kind = CellModule
        if is_frozen(recipe):
            keep = functools.partial(
                keep_features, self.network, preparation=cells.preparation, report=reporter.progress
            )
            self._train, self._validation = (keep(cells.parts["train"]),), keep(cells.parts["validation"])
            kind = FrozenModule
        self.module = kind(self.network, spec, recipe, cells.preparation, cells.zoom)
        self.contents = _describe_contents(recipe, cells)

    def load_batches(self) -> tuple[DataLoader[Any], DataLoader[Any]]:
        """Training cells, drawn by the balance of the recipe, and validation cells in order."""
        classes, data = self._cells.classes, self._recipe.data
        train = CellDataset([*self._train, *(site.cells for site in self._sites)], classes)
        draws = data.images_per_epoch or len(train)
        weights = weigh_draws(self._train, data.balance, self._sites)
        sampler = BalancedSampler(weights, len(train), draws, self._recipe.seed, lambda: self.module.current_epoch)
        batch = self._recipe.optimiser.batch_size
        batches: DataLoader[Any] = DataLoader(
            train,
            batch,
            sampler=sampler,
            collate_fn=pass_batch,
            drop_last=draws > batch,
            # A generator of its own: a loader that starts would else draw from the one that dropout uses.
            generator=torch.Generator(),
        )
        validation = CellDataset([self._validation], classes)
        return batches, DataLoader(validation, _VALIDATION_BATCH, collate_fn=pass_batch)

    def write_inputs(self, run: RunFolder) -> None:
        """Writes the splits of other sites, and the background image where there is one."""
        for site in self._cells.sites:
            write_split(run.site_split(site.split.dataset), site.split)
        if self._cells.preparation.background is not None:
            with write_atomically(run.background) as temporary:
                Image.fromarray(self._cells.preparation.background).save(temporary, "PNG")

    def finish(self, run: RunFolder, record: FinishedRun) -> FinishedRun:
        """Calibrates on validation, writes the predictions of every part and the curves."""
        return finish_run(run, self.network, self._cells, self._shape, record)


def _try_network(recipe: ClassificationRecipe, spec: ModelSpec) -> None:
    """Builds the network and runs it once at the size of each round, before the cells are prepared.

    Raises:
        UsageError: it cannot be built so, or cannot take pictures of such a size.
    """
    seen = recipe.preparation
    sides = {(round(seen.height_px * part.scale), round(seen.width_px * part.scale)) for part in recipe.rounds}
    try:
        with torch.random.fork_rng(devices=()), torch.inference_mode():
            network = spec.build(describe_shape(recipe, 2)).eval()
            for side in {(seen.height_px, seen.width_px)} | sides:
                network(torch.zeros(1, 3, *side))
    except (RuntimeError, ValueError, IndexError, MemoryError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise UsageError(
            f"The network {recipe.model.architecture} cannot be built by this recipe, or not take pictures of "
            f"{seen.height_px} x {seen.width_px} px in every round: {reason}. Change model or preparation."
        ) from error


def describe_shape(recipe: ClassificationRecipe, classes: int) -> NetworkShape:
    """What the recipe's network is built for."""
    model, seen = recipe.model, recipe.preparation
    return NetworkShape(classes, model.dropout, seen.height_px, seen.width_px, model.filters, model.kernel_px)


def is_frozen(recipe: ClassificationRecipe) -> bool:
    """Whether only the head is ever trained, on pictures that never change: then features are computed once."""
    only_head = all(part.trainable == "head" and part.scale == 1.0 for part in recipe.rounds)
    added = recipe.data.synthetic_cells or recipe.data.sites
    return only_head and recipe.augment == AugmentConfig() and not added


def _describe_contents(recipe: ClassificationRecipe, cells: TrainingCells) -> Contents:
    return Contents(
        images={part: len(array.records) for part, array in cells.parts.items()},
        synthetic_images=_count(cells.wide[1:]),
        refused=[
            refusal
            for part in (*cells.parts.values(), *(site.cells for site in cells.sites))
            for refusal in part.refused
        ],
        sites={site.split.dataset: len(site.cells.records) for site in cells.sites},
        detector=recipe.data.detector,
    )


def _count(arrays: Sequence[CellArray]) -> int:
    return sum(len(array.records) for array in arrays)
