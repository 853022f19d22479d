"""From a recipe, a dataset and a split to a finished run folder.

Reads top to bottom: gather the cells, build the network, let Lightning fit it with checkpoints, then calibrate on
validation and write what evaluation and export need. The test part is predicted once and nothing is chosen on it.
"""

import dataclasses
import functools
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import lightning
import numpy as np
import torch
from lightning.pytorch.callbacks import Callback
from torch.utils.data import DataLoader

from leukolens.core.errors import DataError
from leukolens.core.files import read_rows, write_atomically, write_text
from leukolens.core.pixels import Preparation
from leukolens.core.runs import RunFolder
from leukolens.core.taxonomy import CELL_CLASSES
from leukolens.datasets.formats.class_folders import read_class_folders
from leukolens.datasets.manifest import Manifest, Record
from leukolens.datasets.splits import Split, write_split
from leukolens.datasets.synthetic import write_cells
from leukolens.models.catalogue import ModelSpec, find_model
from leukolens.models.pretrained import load_weights
from leukolens.models.shape import NetworkShape
from leukolens.training.cache import keep_path
from leukolens.training.classification.features import keep_features
from leukolens.training.classification.finish import HISTORY_COLUMNS, finish_run
from leukolens.training.classification.found import RecordCrop, place_crops
from leukolens.training.classification.laboratories import Laboratory, gather_laboratory, leave_share, weigh_draws
from leukolens.training.classification.module import CellModule, FrozenModule
from leukolens.training.classification.tensors import CellArray, CellDataset, load_cells
from leukolens.training.recipe import AugmentConfig, TrainConfig, format_recipe
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

_FRAME_MARGIN = 4 / 3
"""A training frame is this much wider than what the network sees, where the picture has it: room to turn and shrink."""


@dataclass(frozen=True)
class TrainingCells:
    """The cells of a run, and the classes they have.

    Attributes:
        frames: What is learned from, of the dataset itself and drawn.
        laboratories: What is learned of others.
    """

    classes: tuple[str, ...]
    parts: dict[str, CellArray]
    frames: tuple[CellArray, ...]
    laboratories: tuple[Laboratory, ...]
    preparation: Preparation
    zoom: float


def train(config: TrainConfig, manifest: Manifest, split: Split, out: Path, resume: bool, report: Report) -> RunFolder:
    """Trains, or goes on with, one run.

    Args:
        config: The recipe.
        manifest: The dataset, whole; the split says what is used for what.
        split: Its parts; the part `test` may be missing.
        out: The run folder.
        resume: Go on from the last checkpoint in `out`.
        report: Progress of the preparation.

    Raises:
        DataError: the split names images that the dataset lacks, or a part is empty.
        TrainingError: the weights are missing, or there is nothing to resume.
    """
    run = RunFolder(out)
    checkpoint = find_checkpoint(run, resume)
    ready = _make_ready(config, manifest, split, report)
    module, cells, network = ready.module, ready.cells, ready.module.network
    write_text(run.recipe, format_recipe(config))
    write_split(run.split, split)
    for laboratory in cells.laboratories:
        write_split(run.laboratory_split(laboratory.split.dataset), laboratory.split)
    if cells.preparation.background is not None:
        _write_background(run.background, cells.preparation.background)
    _fit(module, config, ready.parts, run, checkpoint)
    history = read_rows(run.history)
    facts = describe_run(config, manifest, split, cells) | {
        "shape": dataclasses.asdict(ready.shape),
        "parameters": sum(weight.numel() for weight in network.parameters()),
        "weights_origin": ready.origin,
        "epochs_done": len(history),
        "training_seconds": round(sum(float(row["seconds"]) for row in history), 1),
        "resumed": resume,
    }
    best_epoch = keep_best(module, network, run)
    finish_run(run, module.network, cells.parts, cells.classes, cells.preparation, facts | {"best_epoch": best_epoch})
    return run


def rehearse(
    config: TrainConfig,
    manifest: Manifest,
    split: Split,
    run: RunFolder,
    callbacks: Sequence[Callback],
    report: Report,
) -> None:
    """Trains and throws the weights away: a trial of a search, watched by callbacks."""
    ready = _make_ready(config, manifest, split, report)
    _fit(ready.module, config, ready.parts, run, None, callbacks)
    shutil.rmtree(run.checkpoints)


@dataclass(frozen=True)
class TrainingParts:
    """What is learned from and what is chosen on: pictures, or features of a frozen network."""

    classes: tuple[str, ...]
    learned: tuple[CellArray, ...]
    chosen_on: CellArray
    laboratories: tuple[Laboratory, ...] = ()


@dataclass(frozen=True)
class _Ready:
    """All that a fit needs."""

    module: CellModule
    cells: TrainingCells
    parts: TrainingParts
    shape: NetworkShape
    origin: str


def _make_ready(config: TrainConfig, manifest: Manifest, split: Split, report: Report) -> _Ready:
    hold_memory()
    lightning.seed_everything(config.seed, verbose=False)
    spec = find_model(config.model.architecture)
    cells = gather_cells(config, spec, manifest, split, report)
    shape = describe_shape(config, len(cells.classes))
    network = spec.build(shape)
    origin = load_weights(network, config.model.architecture, config.model.weights)
    parts = TrainingParts(cells.classes, cells.frames, cells.parts["validation"], cells.laboratories)
    if is_frozen(config):
        keep = functools.partial(keep_features, network, preparation=cells.preparation, report=report)
        parts = TrainingParts(cells.classes, (keep(cells.parts["train"]),), keep(cells.parts["validation"]))
        module: CellModule = FrozenModule(network, spec, config, cells.preparation, cells.zoom)
    else:
        module = CellModule(network, spec, config, cells.preparation, cells.zoom)
    return _Ready(module, cells, parts, shape, origin)


def describe_shape(config: TrainConfig, classes: int) -> NetworkShape:
    """What the recipe's network is built for."""
    model, seen = config.model, config.preparation
    return NetworkShape(classes, model.dropout, seen.height_px, seen.width_px, model.filters, model.kernel_px)


def is_frozen(config: TrainConfig) -> bool:
    """Whether only the head is ever trained, on pictures that never change: then features are computed once."""
    only_head = all(part.trainable == "head" and part.scale == 1.0 for part in config.rounds)
    added = config.data.synthetic_cells or config.data.laboratories
    return only_head and config.augment == AugmentConfig() and not added


def gather_cells(
    config: TrainConfig, spec: ModelSpec, manifest: Manifest, split: Split, report: Report
) -> TrainingCells:
    """Decodes what each part of the split needs.

    Raises:
        DataError: the split was made for other data, or its training or validation part is empty.
    """
    leave_share(config.data.laboratories)  # shares that cannot be are refused before anything is decoded
    records = _pick_records(manifest, split)
    labels = {record.label for record in records["train"]}
    classes = tuple(name for name in CELL_CLASSES if name in labels)
    if len(classes) < 2:
        raise DataError(f"The training part has the classes {classes}; at least two are needed to tell apart.")
    seen = Preparation(
        config.preparation.height_px,
        config.preparation.width_px,
        config.preparation.crop_fraction,
        config.preparation.cell_context,
        spec.mean,
        spec.std,
        frame_um=config.preparation.frame_um,
    )
    crops: dict[str, list[RecordCrop]] = {}
    platelets = any(record.label == "platelet" for record in manifest.records)
    for part, chosen in records.items():
        tell = functools.partial(report, f"cells of {part}")
        crops[part] = place_crops(chosen, config.data.find, seen, platelets, tell)
    fraction = min(1.0, seen.crop_fraction * _FRAME_MARGIN)
    zoom = seen.crop_fraction / fraction
    frame = dataclasses.replace(
        seen, height_px=round(seen.height_px / zoom), width_px=round(seen.width_px / zoom), crop_fraction=fraction
    )
    frames = [load_cells(crops["train"], frame, lambda done, total: report("training frames", done, total))]
    if config.data.synthetic_cells:
        drawn = [
            RecordCrop(record, None) for record in draw_synthetic(config.data.synthetic_cells, config.seed, classes)
        ]
        frames.append(load_cells(drawn, frame, lambda done, total: report("synthetic frames", done, total)))
    laboratories = tuple(gather_laboratory(part, config, classes, frame, report) for part in config.data.laboratories)
    parts = {}
    for part, placed in crops.items():
        kept = [crop for crop in placed if crop.record.label in classes]
        parts[part] = load_cells(kept, seen, lambda done, total, part=part: report(part, done, total))  # type: ignore[misc]
    if config.preparation.subtract_background:
        background = np.zeros((seen.height_px, seen.width_px, 3))
        for image in parts["train"].images[: len(parts["train"].records)]:
            background += image
        mean = np.round(background / len(parts["train"].records)).astype(np.uint8)
        seen = dataclasses.replace(seen, background=mean)
    return TrainingCells(classes, parts, tuple(frames), laboratories, seen, zoom)


def _pick_records(manifest: Manifest, split: Split) -> dict[str, list[Record]]:
    """The records of each part of a split; training and validation must have some."""
    by_id = {record.id: record for record in manifest.records}
    records: dict[str, list[Record]] = {}
    for part, names in split.parts.items():
        missing = [name for name in names if name not in by_id]
        if missing:
            raise DataError(
                f"The split names {len(missing)} images that {manifest.name} lacks, {missing[0]!r} first. Make the split anew with `leukolens data split {manifest.name}`."
            )
        records[part] = [by_id[name] for name in names]
    for part in ("train", "validation"):
        if not records.get(part):
            raise DataError(
                f"The split's part {part!r} is empty: there is nothing to {'learn' if part == 'train' else 'choose'} from."
            )
    return records


def draw_synthetic(count: int, seed: int, classes: tuple[str, ...]) -> list[Record]:
    """Seeded synthetic cells of the given classes, drawn once and kept under the home folder."""
    folder = keep_path(f"synthetic-{count}-{seed}")
    if not (folder / "README.txt").is_file():
        write_cells(folder, count, seed)
    return [record for record in read_class_folders(folder).records if record.label in classes]


def _write_background(path: Path, background: np.ndarray[Any, Any]) -> None:
    from PIL import Image

    with write_atomically(path) as temporary:
        Image.fromarray(background).save(temporary, "PNG")


def _fit(
    module: CellModule,
    config: TrainConfig,
    parts: TrainingParts,
    run: RunFolder,
    checkpoint: Path | None,
    watching: Sequence[Callback] = (),
) -> None:
    training = CellDataset([*parts.learned, *(other.cells for other in parts.laboratories)], parts.classes)
    draws = config.data.images_per_epoch or len(training)
    weights = weigh_draws(parts.learned, config.data.balance, parts.laboratories)
    sampler = BalancedSampler(weights, len(training), draws, config.seed, lambda: module.current_epoch)
    batch = config.optimiser.batch_size
    drop = draws > batch
    # A generator of its own: a loader that starts would else draw from the one that dropout uses.
    own = torch.Generator()
    loader = DataLoader(training, batch, sampler=sampler, collate_fn=pass_batch, drop_last=drop, generator=own)
    validation = DataLoader(CellDataset([parts.chosen_on], parts.classes), 128, collate_fn=pass_batch)
    how = Fit(config, run, HISTORY_COLUMNS, "validation_balanced_accuracy", checkpoint, watching)
    fit_module(module, loader, validation, how)


def describe_run(config: TrainConfig, manifest: Manifest, split: Split, cells: TrainingCells) -> dict[str, Any]:
    """What a reader needs to trust or repeat the run: data and split hashes, seed, versions, commit, device."""
    return {
        "recipe": config.name,
        "architecture": config.model.architecture,
        "seed": config.seed,
        "data": manifest.name,
        "detector": config.data.find,
        "data_hash": manifest.hash,
        "split_hash": split.hash,
        "split": f"{split.kind}, seed {split.seed}",
        "leaky": split.leaky,
        "why_leaky": split.why_leaky,
        "images": {part: len(array.records) for part, array in cells.parts.items()},
        "synthetic_images": sum(len(part.records) for part in cells.frames[1:]),
        "sites": {part.split.dataset: len(part.cells.records) for part in cells.laboratories},
        "refused": [f"{refusal.image}: {refusal.why}" for part in cells.parts.values() for refusal in part.refused],
        "epochs": config.epochs,
    } | describe_machine()
