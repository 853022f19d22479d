"""From a detector's recipe and its datasets of fields to a finished run folder.

Reads top to bottom: split the fields, load them, build the network, let `trainer` fit it, then choose score thresholds
on validation. The test part is named in the split, and never read here.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import lightning
import numpy as np
import torch
from torch.utils.data import DataLoader

from leukolens.core.errors import DataError
from leukolens.core.files import read_rows, write_text
from leukolens.core.results import Refusal
from leukolens.core.runs import RunFolder
from leukolens.core.taxonomy import DETECTED_KINDS
from leukolens.datasets.field_splits import join_datasets, split_fields
from leukolens.datasets.manifest import Manifest
from leukolens.datasets.sources.bccd_relabelled import list_relabelled_training, list_training_platelets
from leukolens.datasets.splits import Split, write_split
from leukolens.models.detector import ARCHITECTURE, CellDetector, load_detector_weights
from leukolens.reporting.charts import draw_curves
from leukolens.training.detection.fields import (
    TrainingField,
    draw_in,
    draw_synthetic_fields,
    label_boxes,
    label_redrawn,
    load_pictures,
    replace_kind,
)
from leukolens.training.detection.finish import judge_detector
from leukolens.training.detection.module import DetectorModule, RowDataset
from leukolens.training.detection.recipe import DETECTOR_TASK, DetectorConfig, FieldsConfig
from leukolens.training.recipe import format_recipe
from leukolens.training.sampling import BalancedSampler, pass_batch
from leukolens.training.trainer import (
    Fit,
    Report,
    describe_machine,
    find_checkpoint,
    fit_module,
    hold_memory,
    keep_best,
)

HISTORY_COLUMNS = (
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
"""Of `history.csv`, one row per epoch."""


@dataclass(frozen=True)
class GatheredFields:
    """The fields of a run."""

    learned: tuple[TrainingField, ...]
    chosen_on: tuple[TrainingField, ...]
    refused: tuple[Refusal, ...]


def train_detector(
    config: DetectorConfig, manifests: Sequence[Manifest], out: Path, resume: bool, report: Report
) -> RunFolder:
    """Trains, or goes on with, one run.

    Args:
        config: The recipe.
        manifests: Its datasets, in its order: fields with boxes.
        out: The run folder.
        resume: Go on from the last checkpoint in `out`.
        report: Progress of the preparation.

    Raises:
        DataError: a part is empty, or datasets share an id.
        TrainingError: the weights are missing, or there is nothing to resume.
    """
    run = RunFolder(out)
    checkpoint = find_checkpoint(run, resume)
    hold_memory()
    lightning.seed_everything(config.seed, verbose=False)
    split = split_fields(manifests)  # the same for every recipe: a second round may not learn from what it is chosen by
    fields = gather_fields(config, manifests, split, report)
    network = CellDetector()
    origin = load_detector_weights(network, config.model.weights)
    module = DetectorModule(network, config, fields.learned, fields.chosen_on)
    write_text(run.recipe, format_recipe(config))
    write_split(run.split, split)
    how = Fit(config, run, HISTORY_COLUMNS, "validation_ap50", checkpoint)
    fit_module(module, _load_batches(module, config, fields.learned), _load_singly(fields.chosen_on), how)
    best_epoch = keep_best(module, network, run)
    facts = _describe(config, join_datasets(manifests), split, fields, run) | {
        "weights_origin": origin,
        "best_epoch": best_epoch,
        "resumed": resume,
    }
    facts |= judge_detector(network, fields.chosen_on, config.input.red_cell_px)
    _draw_history(run)
    write_text(run.environment, json.dumps(facts, indent=1, ensure_ascii=False) + "\n")
    return run


def gather_fields(
    config: DetectorConfig, manifests: Sequence[Manifest], split: Split, report: Report
) -> GatheredFields:
    """Loads the fields of training and validation, and draws the synthetic ones.

    Raises:
        DataError: a part is empty.
    """
    learned: list[TrainingField] = []
    chosen_on: list[TrainingField] = []
    refused: list[Refusal] = []
    for manifest, told in zip(manifests, config.data.fields, strict=True):
        for part, fields in (("train", learned), ("validation", chosen_on)):
            found, unread = load_part(manifest, told, split, part, report)
            fields += found
            refused += unread
    for name, fields in (("training", learned), ("validation", chosen_on)):
        if not fields:
            raise DataError(f"No field is left for {name}: give datasets with boxes, of more than one group each.")
    if config.data.synthetic_fields:
        count, seed = config.data.synthetic_fields, config.seed
        learned += draw_synthetic_fields(count, seed, lambda done, total: report("synthetic fields", done, total))
    return GatheredFields(tuple(learned), tuple(chosen_on), tuple(refused))


def load_part(
    manifest: Manifest, told: FieldsConfig, split: Split, part: str, report: Report
) -> tuple[list[TrainingField], tuple[Refusal, ...]]:
    """The fields of one dataset in one part of the split, and those that cannot be read.

    Args:
        manifest: The dataset.
        told: What the recipe says of it.
        split: The run's.
        part: `train`, or `validation`, of which the recipe may take only so many.
        report: Progress of the decoding.
    """
    records = [record for record in manifest.records if split.part_of(record.id) == part]
    if part == "validation" and told.validation_fields:
        step = max(1, len(records) // told.validation_fields)
        records = records[::step][: told.validation_fields]
    pictures, refused = load_pictures(records, lambda done, total: report(f"{manifest.name}, {part}", done, total))
    nothing = (told.nothing.leukocyte, told.nothing.red_cell, told.nothing.platelet)
    redrawn = list_relabelled_training() if told.redrawn_share else {}
    platelets = list_training_platelets() if told.redrawn_share else {}
    fields = []
    for record in records:
        if record.id not in pictures:
            continue
        pixels = pictures[record.id]
        own = label_boxes(record.boxes)
        labels, name, teaches, before = draw_in(own, told.margin_px, pixels), told.data, nothing, None
        if record.id in redrawn:
            labels, name, teaches, before = label_redrawn(*redrawn[record.id]), told.redrawn, (1.0, 1.0, 1.0), own
        elif record.id in platelets:
            labels, teaches = replace_kind(labels, platelets[record.id], "platelet"), (*nothing[:2], 1.0)
        fields.append(TrainingField(record.id, name, pixels, labels, told.red_cell_px, teaches, before))
    return fields, refused


def _load_batches(module: DetectorModule, config: DetectorConfig, learned: Sequence[TrainingField]) -> DataLoader[Any]:
    shares = {"synthetic": config.data.synthetic_share}
    for part in config.data.fields:
        shares |= {part.data: part.share, part.redrawn: part.redrawn_share}
    names = [field.data for field in learned]
    weights = np.array([shares[name] / names.count(name) for name in names])
    sampler = BalancedSampler(
        weights / weights.sum(), len(learned), config.data.crops_per_epoch, config.seed, lambda: module.current_epoch
    )
    # A generator of its own: a loader that starts would else draw from the global one.
    own = torch.Generator()
    return DataLoader(
        RowDataset(len(learned)),
        config.optimiser.batch_size,
        sampler=sampler,
        collate_fn=pass_batch,
        drop_last=True,
        generator=own,
    )


def _load_singly(fields: Sequence[TrainingField]) -> DataLoader[Any]:
    return DataLoader(RowDataset(len(fields)), 1, collate_fn=pass_batch, generator=torch.Generator())


def _describe(
    config: DetectorConfig, joined: Manifest, split: Split, fields: GatheredFields, run: RunFolder
) -> dict[str, Any]:
    history = read_rows(run.history)
    drawn = sum(field.data == "synthetic" for field in fields.learned)
    return {
        "task": DETECTOR_TASK,
        "recipe": config.name,
        "architecture": ARCHITECTURE,
        "seed": config.seed,
        "data": joined.name,
        "data_hash": joined.hash,
        "split_hash": split.hash,
        "split": f"{split.kind}, seed {split.seed}",
        "leaky": split.leaky,
        "why_leaky": split.why_leaky,
        "images": {"train": len(fields.learned) - drawn, "validation": len(fields.chosen_on)},
        "synthetic_images": drawn,
        "refused": [f"{refusal.image}: {refusal.why}" for refusal in fields.refused],
        "epochs": config.epochs,
        "epochs_done": len(history),
        "training_seconds": round(sum(float(row["seconds"]) for row in history), 1),
        "parameters": sum(weight.numel() for weight in CellDetector().parameters()),
        "red_cell_px": config.input.red_cell_px,
        "crop_px": config.input.crop_px,
    } | describe_machine()


def _draw_history(run: RunFolder) -> None:
    rows = read_rows(run.history)
    series = {name.replace("_", " "): [float(row[name]) for row in rows] for name in HISTORY_COLUMNS[1:-2]}
    write_text(run.curves, draw_curves(series, "Average precision and loss over the epochs", "epoch", "AP50, loss"))
