"""A detector's training: its fields, its network, its batches, and what is chosen on validation in the end.

The test part of the split is never read here.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from msgspec import structs
from torch.utils.data import DataLoader

from leukolens.core.files import read_rows, write_text
from leukolens.core.runs import FinishedRun, RunFolder
from leukolens.core.tasks import Task
from leukolens.core.taxonomy import DETECTED_KINDS
from leukolens.models.catalogue import find_model
from leukolens.models.pretrained import load_weights
from leukolens.models.shape import NetworkShape
from leukolens.reporting.charts import draw_curves
from leukolens.training.detection.fields import SYNTHETIC
from leukolens.training.detection.finish import choose_settings
from leukolens.training.detection.gather import gather_fields
from leukolens.training.detection.module import DetectorModule, RowDataset
from leukolens.training.detection.recipe import DetectionRecipe
from leukolens.training.detection.record import DetectionRun
from leukolens.training.sampling import BalancedSampler, pass_batch
from leukolens.training.task import Contents, Reporter, Training, TrainingData


class DetectorTraining(Training):
    """A recipe of a detector with its fields and its network."""

    chosen_by = "validation_ap50"
    columns = (
        "epoch",
        "train_loss",
        "train_centre_loss",
        "train_side_loss",
        "validation_loss",
        "validation_centre_loss",
        "validation_side_loss",
        *(f"validation_ap50_{kind}" for kind in DETECTED_KINDS),
        "validation_ap50",
        "learning_rate",
        "seconds",
    )

    def __init__(self, recipe: DetectionRecipe, source: TrainingData, reporter: Reporter) -> None:
        """Loads the fields of both parts and builds the network.

        Raises:
            DataError: a part is empty.
            TrainingError: the first weights are missing.
        """
        fields = gather_fields(recipe, source.manifests, source.split, reporter.progress)
        self._recipe, self._fields = recipe, fields
        self.architecture = recipe.model.architecture
        self._spec = spec = find_model(self.architecture, Task.DETECTION)
        side = recipe.input.crop_px
        self.network = spec.build(NetworkShape(len(DETECTED_KINDS), 0.0, side, side))
        self.weights_origin = load_weights(self.network, self.architecture, recipe.model.weights)
        self.module = DetectorModule(self.network, spec, recipe, fields.train, fields.validation)
        drawn = sum(field.data == SYNTHETIC for field in fields.train)
        images = {"train": len(fields.train) - drawn, "validation": len(fields.validation)}
        self.contents = Contents(images, drawn, fields.refused)

    def load_batches(self) -> tuple[DataLoader[Any], DataLoader[Any]]:
        """Rows of training fields, drawn by the shares of the recipe, and validation fields one by one."""
        data, train = self._recipe.data, self._fields.train
        shares = {SYNTHETIC: data.synthetic_share}
        for part in data.fields:
            shares |= {part.data: part.share, part.relabelled: part.relabelled_share}
        names = [field.data for field in train]
        weights = np.array([shares[name] / names.count(name) for name in names])
        sampler = BalancedSampler(
            weights / weights.sum(),
            len(train),
            data.crops_per_epoch,
            self._recipe.seed,
            lambda: self.module.current_epoch,
        )
        # Generators of their own: a loader that starts would else draw from the global one.
        batches: DataLoader[Any] = DataLoader(
            RowDataset(len(train)),
            self._recipe.optimiser.batch_size,
            sampler=sampler,
            collate_fn=pass_batch,
            drop_last=True,
            generator=torch.Generator(),
        )
        fields = RowDataset(len(self._fields.validation))
        return batches, DataLoader(fields, 1, collate_fn=pass_batch, generator=torch.Generator())

    def write_inputs(self, run: RunFolder) -> None:
        """Writes nothing: recipe and split are all of it."""

    def finish(self, run: RunFolder, record: FinishedRun) -> FinishedRun:
        """Chooses thresholds, widths of boxes and gains at the border on validation fields; draws the curves."""
        seen = self._recipe.input
        settings = choose_settings(self.network, self._spec, self._fields.validation, seen.red_cell_px)
        _draw_history(run, self.columns)
        return DetectionRun(
            **structs.asdict(record),
            red_cell_px=seen.red_cell_px,
            crop_px=seen.crop_px,
            mean=self._spec.mean,
            std=self._spec.std,
            score_thresholds=settings.score_thresholds,
            nms_iou=settings.nms_iou,
            box_scales=settings.box_scales,
            cut_gains=settings.cut_gains,
            validation=settings.validation,
        )


def _draw_history(run: RunFolder, columns: Sequence[str]) -> None:
    rows = read_rows(run.history)
    series = {name.replace("_", " "): [float(row[name]) for row in rows] for name in columns[1:-2]}
    write_text(run.curves, draw_curves(series, "Average precision and loss over the epochs", "epoch", "AP50, loss"))
