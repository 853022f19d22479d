"""The recipe of a detector: its network, its input, and the fields that it is trained on."""

import math
from typing import Annotated

from msgspec import Meta, Struct

from leukolens.core.card import INPUT_MULTIPLE_PX
from leukolens.core.tasks import Task
from leukolens.training.recipe import NotNegative, Positive, Recipe, Share, Whole

_Length = Annotated[float, Meta(ge=8.0, le=512.0)]


class ModelConfig(Struct, frozen=True, forbid_unknown_fields=True):
    """Which network, and where its weights start.

    Attributes:
        architecture: A name of the catalogue.
        weights: `imagenet`, `imagenet-or-random`, `none`, or the folder of an earlier run of the same network.
    """

    architecture: str
    weights: str = "imagenet"


class InputConfig(Struct, frozen=True, forbid_unknown_fields=True):
    """What the network is shown.

    Attributes:
        red_cell_px: Every field is resized until its red cells have this diameter.
        crop_px: Side of the squares that are trained on.
    """

    red_cell_px: _Length
    crop_px: Annotated[int, Meta(ge=64, le=2048, multiple_of=INPUT_MULTIPLE_PX)]


class NegativeWeight(Struct, frozen=True, forbid_unknown_fields=True):
    """How strongly a place without a box of a kind teaches that there is no such cell: 1 fully, 0 not at all.

    Below 1 where a dataset leaves cells of the kind without a box; 0 where it has no boxes of the kind.
    """

    leukocyte: Share = 1.0
    red_cell: Share = 1.0
    platelet: Share = 1.0


class FieldsConfig(Struct, frozen=True, forbid_unknown_fields=True):
    """One dataset of fields.

    Attributes:
        data: The name that it was added by.
        red_cell_px: Usual diameter of its red cells, in its own pixels.
        share: Of the crops of an epoch, relative to the other datasets' shares.
        negative_weight: What its unlabelled places teach.
        margin_px: How far its boxes stand off their cells on every side, in its own pixels.
        validation_fields: Most fields that are validated on after each epoch; 0 for all.
        relabelled_share: Of the crops of an epoch, relative to the other shares: fields whose every cell we relabelled.
            The platelets of its other fields are then ours too. 0 leaves all fields their own boxes.
    """

    data: str
    red_cell_px: _Length
    share: NotNegative
    negative_weight: NegativeWeight = NegativeWeight()
    margin_px: Annotated[float, Meta(ge=0.0, le=512.0)] = 0.0
    validation_fields: Whole = 0
    relabelled_share: NotNegative = 0.0

    @property
    def relabelled(self) -> str:
        """What its relabelled fields are called."""
        return f"{self.data}, relabelled"


class DataConfig(Struct, frozen=True, forbid_unknown_fields=True):
    """The fields that are trained on.

    Attributes:
        fields: The datasets; the first is the one that `--data` names.
        crops_per_epoch: Crops that make an epoch.
        synthetic_fields: Seeded synthetic fields, every cell boxed, added to the training part alone.
        synthetic_share: Of the crops of an epoch, relative to the datasets' shares.
    """

    fields: Annotated[tuple[FieldsConfig, ...], Meta(min_length=1)]
    crops_per_epoch: Positive
    synthetic_fields: Annotated[int, Meta(ge=0, le=100_000)] = 0
    synthetic_share: NotNegative = 0.0

    def __post_init__(self) -> None:
        """Checks what no single value can say."""
        shares = [share for part in self.fields for share in (part.share, part.relabelled_share)]
        if sum(shares) + self.synthetic_share == 0:
            raise ValueError("expected shares that are not all 0, received 0 for each")


class DetectionRecipe(Recipe, frozen=True, kw_only=True, forbid_unknown_fields=True, tag=str(Task.DETECTION)):
    """A whole recipe of a detector.

    Of `augment`, `flip` means mirrored and turned by quarters, `scale` the largest factor either way.
    """

    model: ModelConfig
    input: InputConfig
    data: DataConfig

    def __post_init__(self) -> None:
        """Checks what no single value can say."""
        crops, batch = self.data.crops_per_epoch, self.optimiser.batch_size
        if crops < batch:
            raise ValueError(f"data.crops_per_epoch: expected at least one batch of {batch}, received {crops}")
        for number, part in enumerate(self.rounds):
            if part.trainable != "all" or part.scale != 1:
                raise ValueError(
                    f"rounds.{number}: a detector is trained whole and at one scale; received trainable = "
                    f"{part.trainable!r}, scale = {part.scale:g}. Leave both out"
                )
        augment = self.augment
        if math.ceil(2 * augment.blur_px) >= self.input.crop_px:
            raise ValueError(
                f"augment.blur_px: expected less than half of input.crop_px, {self.input.crop_px}; received "
                f"{augment.blur_px:g}"
            )
        useless = {
            "augment.rotation_degrees": augment.rotation_degrees,
            "augment.shift": augment.shift,
            "optimiser.label_smoothing": self.optimiser.label_smoothing,
        }
        for name, value in useless.items():
            if value:
                raise ValueError(
                    f"{name}: expected 0 for a detector, since boxes turn by quarters only; received {value:g}"
                )
