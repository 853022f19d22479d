"""The cells that a classifier is trained, validated and tested on: cropped, prepared and kept in the cache."""

import dataclasses
import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from leukolens.core.errors import DataError
from leukolens.core.pixels import Preparation
from leukolens.core.taxonomy import CELL_CLASSES
from leukolens.datasets.formats.class_folders import read_class_folders
from leukolens.datasets.manifest import Manifest, Record
from leukolens.datasets.splits import Split
from leukolens.datasets.synthetic import write_cells
from leukolens.models.catalogue import ModelSpec
from leukolens.training.cache import keep_path
from leukolens.training.classification.found import RecordCrop, place_crops
from leukolens.training.classification.recipe import ClassificationRecipe
from leukolens.training.classification.sites import SiteCells, gather_site
from leukolens.training.classification.tensors import CellArray, load_cells
from leukolens.training.task import Progress

_MARGIN = 4 / 3
"""A training crop is this much wider than what the network sees, where the picture has it: room to turn and shrink."""


@dataclass(frozen=True)
class TrainingCells:
    """The cells of a training, and their classes.

    Attributes:
        classes: In the order of the taxonomy.
        parts: Cells of each part of the split that has some, prepared as the network sees them.
        wide: Training cells with a margin: those of the dataset, and the drawn ones.
        sites: Training cells of other sites, with the same margin.
        preparation: How the network sees a cell.
        zoom: Share of a wide crop's side that the network sees unscaled.
    """

    classes: tuple[str, ...]
    parts: Mapping[str, CellArray]
    wide: tuple[CellArray, ...]
    sites: tuple[SiteCells, ...]
    preparation: Preparation
    zoom: float


def gather_cells(
    recipe: ClassificationRecipe, spec: ModelSpec, manifest: Manifest, split: Split, progress: Progress
) -> TrainingCells:
    """Decodes and crops what each part of the split needs.

    Raises:
        DataError: the split was made for other data, or its training or validation part is empty.
    """
    records = _pick_records(manifest, split)
    labels = {record.label for record in records["train"]}
    classes = tuple(name for name in CELL_CLASSES if name in labels)
    if len(classes) < 2:
        raise DataError(f"The training part has the classes {classes}; at least two are needed to tell apart.")
    seen = _describe_preparation(recipe, spec)
    platelets = any(record.label == "platelet" for record in manifest.records)
    crops = {
        part: place_crops(
            chosen, recipe.data.detector, seen, platelets, functools.partial(progress, f"cells of {part}")
        )
        for part, chosen in records.items()
    }
    fraction = min(1.0, seen.crop_fraction * _MARGIN)
    zoom = seen.crop_fraction / fraction
    wide = dataclasses.replace(
        seen, height_px=round(seen.height_px / zoom), width_px=round(seen.width_px / zoom), crop_fraction=fraction
    )
    arrays = [load_cells(crops["train"], wide, functools.partial(progress, "training crops"))]
    if recipe.data.synthetic_cells:
        drawn = draw_synthetic(recipe.data.synthetic_cells, recipe.seed, classes)
        synthetic = [RecordCrop(record, None) for record in drawn]
        arrays.append(load_cells(synthetic, wide, functools.partial(progress, "synthetic crops")))
    sites = tuple(gather_site(site, recipe, classes, wide, progress) for site in recipe.data.sites)
    parts = {}
    for part, placed in crops.items():
        kept = [crop for crop in placed if crop.record.label in classes]
        parts[part] = load_cells(kept, seen, functools.partial(progress, part))
    for part in ("train", "validation"):
        if not parts[part].records:
            raise DataError(f"No image of the part {part!r} can be used: none can be read and has a class to train on.")
    # A test part may be empty, as --fractions 80/20/0 asks for: then nothing is tested.
    parts = {part: array for part, array in parts.items() if array.records}
    if recipe.preparation.subtract_background:
        seen = dataclasses.replace(seen, background=_mean_image(parts["train"]))
    return TrainingCells(classes, parts, tuple(arrays), sites, seen, zoom)


def draw_synthetic(count: int, seed: int, classes: Sequence[str]) -> list[Record]:
    """Seeded synthetic cells of the given classes, drawn once and kept under the home folder."""
    folder = keep_path(f"synthetic-{count}-{seed}")
    if not (folder / "README.txt").is_file():
        write_cells(folder, count, seed)
    return [record for record in read_class_folders(folder).records if record.label in classes]


def _describe_preparation(recipe: ClassificationRecipe, spec: ModelSpec) -> Preparation:
    asked = recipe.preparation
    return Preparation(
        height_px=asked.height_px,
        width_px=asked.width_px,
        crop_fraction=asked.crop_fraction,
        cell_context=asked.cell_context,
        mean=spec.mean,
        std=spec.std,
        frame_um=asked.frame_um,
    )


def _mean_image(cells: CellArray) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    """The mean of the prepared images, `(h, w, 3)` uint8."""
    total = np.zeros(cells.images.shape[1:])
    for image in cells.images[: len(cells.records)]:
        total += image
    return np.round(total / len(cells.records)).astype(np.uint8)


def _pick_records(manifest: Manifest, split: Split) -> dict[str, list[Record]]:
    """The records of each part of a split; training and validation must have some."""
    by_id = {record.id: record for record in manifest.records}
    records: dict[str, list[Record]] = {}
    for part, names in split.parts.items():
        missing = [name for name in names if name not in by_id]
        if missing:
            raise DataError(
                f"The split names {len(missing)} images that {manifest.name} lacks, {missing[0]!r} first. Make the split "
                f"anew with `leukolens data split {manifest.name}`."
            )
        records[part] = [by_id[name] for name in names]
    for part in ("train", "validation"):
        if not records.get(part):
            raise DataError(f"The split's part {part!r} is empty. Give a split that has images in it.")
    return records
