"""The fields that a detector is trained and validated on, each with what it teaches."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from leukolens.core.errors import DataError
from leukolens.core.results import Refusal
from leukolens.core.taxonomy import CellKind
from leukolens.datasets.manifest import Manifest
from leukolens.datasets.sources.bccd_relabelled import list_relabelled_training, list_training_platelets
from leukolens.datasets.splits import Split
from leukolens.training.detection.fields import TrainingField, draw_synthetic_fields, load_pictures
from leukolens.training.detection.labels import label_boxes, label_relabelled, replace_kind, tighten_boxes
from leukolens.training.detection.recipe import DetectionRecipe, FieldsConfig
from leukolens.training.task import Progress


@dataclass(frozen=True)
class GatheredFields:
    """The fields of a training.

    Attributes:
        train: Those that are trained on, the drawn ones last.
        validation: Those that epochs and thresholds are chosen on.
        refused: Fields that could not be read.
    """

    train: tuple[TrainingField, ...]
    validation: tuple[TrainingField, ...]
    refused: tuple[Refusal, ...]


def gather_fields(
    recipe: DetectionRecipe, manifests: Sequence[Manifest], split: Split, progress: Progress
) -> GatheredFields:
    """Loads the fields of training and validation, and draws the synthetic ones.

    Raises:
        DataError: a part is empty.
    """
    train: list[TrainingField] = []
    validation: list[TrainingField] = []
    refused: list[Refusal] = []
    for manifest, config in zip(manifests, recipe.data.fields, strict=True):
        for part, fields in (("train", train), ("validation", validation)):
            found, unread = load_part(manifest, config, split, part, progress)
            fields += found
            refused += unread
    for name, fields in (("training", train), ("validation", validation)):
        if not fields:
            raise DataError(f"No field is left for {name}: give datasets with boxes, of more than one group each.")
    if recipe.data.synthetic_fields:
        count, seed = recipe.data.synthetic_fields, recipe.seed
        train += draw_synthetic_fields(count, seed, lambda done, total: progress("synthetic fields", done, total))
    return GatheredFields(tuple(train), tuple(validation), tuple(refused))


def load_part(
    manifest: Manifest, config: FieldsConfig, split: Split, part: str, progress: Progress
) -> tuple[list[TrainingField], tuple[Refusal, ...]]:
    """The fields of one dataset in one part of the split, and those that cannot be read.

    Args:
        manifest: The dataset.
        config: Its entry in the recipe.
        split: Of all datasets.
        part: `train`, or `validation`, of which the recipe may take only some.
        progress: Called after each field that was decoded.
    """
    records = [record for record in manifest.records if split.part_of(record.id) == part]
    if part == "validation" and config.validation_fields:
        step = max(1, len(records) // config.validation_fields)
        records = records[::step][: config.validation_fields]
    pictures, refused = load_pictures(records, lambda done, total: progress(f"{manifest.name}, {part}", done, total))
    given = config.negative_weight
    weights = (given.leukocyte, given.red_cell, given.platelet)
    relabelled = list_relabelled_training() if config.relabelled_share else {}
    platelets = list_training_platelets() if config.relabelled_share else {}
    fields = []
    for record in records:
        if record.id not in pictures:
            continue
        pixels = pictures[record.id]
        own = label_boxes(record.boxes)
        field = TrainingField(
            id=record.id,
            data=config.data,
            pixels=pixels,
            labels=tighten_boxes(own, config.margin_px, pixels),
            red_cell_px=config.red_cell_px,
            negative_weight=weights,
        )
        if record.id in relabelled:
            labels = label_relabelled(*relabelled[record.id])
            field = replace(
                field, data=config.relabelled, labels=labels, negative_weight=(1.0, 1.0, 1.0), own_labels=own
            )
        elif record.id in platelets:
            labels = replace_kind(field.labels, platelets[record.id], CellKind.PLATELET)
            field = replace(field, labels=labels, negative_weight=(*weights[:2], 1.0))
        fields.append(field)
    return fields, refused
