"""A detector's recipe: which datasets of fields teach it what, how it sees them, and how it is trained.

A recipe that says `task = "detector"` is one; rounds, optimiser and augmentation are those of any recipe, in `config`.
"""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from leukolens.core.errors import UsageError
from leukolens.training.recipe import AugmentConfig, OptimiserConfig, RoundConfig, build_recipe, read_tree

DETECTOR_TASK = "detector"


@dataclass(frozen=True)
class DetectorModelConfig:
    """Where the weights start: `imagenet`, `imagenet-or-random`, `none`, or the folder of an earlier detector's run."""

    weights: str = "imagenet"


@dataclass(frozen=True)
class InputConfig:
    """What the network sees.

    Attributes:
        red_cell_px: Every field is resized until its red cells have this diameter.
        crop_px: Side of the squares that are trained on; a multiple of 32.
    """

    red_cell_px: float
    crop_px: int


@dataclass(frozen=True)
class NothingConfig:
    """How far a place without a box of a kind may teach that no such cell is there: 1 fully, 0 not at all.

    Below 1 where a dataset leaves cells of the kind without a box; 0 where it has no boxes of the kind.
    """

    leukocyte: float = 1.0
    red_cell: float = 1.0
    platelet: float = 1.0


@dataclass(frozen=True)
class FieldsConfig:
    """One dataset of fields.

    Attributes:
        data: The name it was added by.
        red_cell_px: Usual diameter of its red cells, in its own pixels.
        share: Of the crops of an epoch, relative to the other datasets' shares.
        nothing: What its unboxed places teach.
        margin_px: How far its boxes stand off their cells on every side, in its own pixels.
        validation_fields: Most fields that are validated on after each epoch; 0 for all.
        redrawn_share: Of the crops of an epoch, relative to the other shares: those of its fields whose every cell our maps
            box anew; the platelets of others are the maps' too. 0 to leave all fields their own boxes.
    """

    data: str
    red_cell_px: float
    share: float
    nothing: NothingConfig = field(default_factory=NothingConfig)
    margin_px: float = 0.0
    validation_fields: int = 0
    redrawn_share: float = 0.0

    @property
    def redrawn(self) -> str:
        """What those of its fields that are boxed anew are called."""
        return f"{self.data}, boxed anew"


@dataclass(frozen=True)
class DetectorDataConfig:
    """What is learned from.

    Attributes:
        fields: The datasets; the first is the one that `--data` names.
        crops_per_epoch: Crops that make an epoch.
        synthetic_fields: Seeded synthetic fields, every cell boxed, added to the training part alone.
        synthetic_share: Of the crops of an epoch, relative to the datasets' shares.
    """

    fields: tuple[FieldsConfig, ...]
    crops_per_epoch: int
    synthetic_fields: int = 0
    synthetic_share: float = 0.0


@dataclass(frozen=True)
class DetectorConfig:
    """A whole recipe of a detector.

    Of `augment`, `flip` means mirrored and turned by quarters, `scale` the largest factor either way.

    Attributes:
        task: `detector`.
        budget_seconds: Training ends after the epoch that reaches it; 0 for no limit.
    """

    task: str
    name: str
    input: InputConfig
    data: DetectorDataConfig
    rounds: tuple[RoundConfig, ...]
    model: DetectorModelConfig = field(default_factory=DetectorModelConfig)
    optimiser: OptimiserConfig = field(default_factory=OptimiserConfig)
    augment: AugmentConfig = field(default_factory=AugmentConfig)
    seed: int = 0
    budget_seconds: int = 0

    @property
    def epochs(self) -> int:
        """Epochs of all rounds."""
        return sum(part.epochs for part in self.rounds)


def is_detector_recipe(path: Path) -> bool:
    """Whether a recipe is a detector's."""
    return read_tree(path).get("task") == DETECTOR_TASK


def read_detector_recipe(path: Path, overrides: Sequence[str] = ()) -> DetectorConfig:
    """Reads a detector's recipe and applies `group.key=value` overrides.

    Raises:
        UsageError: the file does not read, a key is unknown or missing, or a value is of the wrong kind, out of range,
            or means nothing for a detector.
    """
    config = build_recipe(DetectorConfig, read_tree(path, overrides))
    for wrong, message in _list_faults(config):
        if wrong:
            raise UsageError(f"The recipe {path}: {message}.")
    return config


def _list_faults(config: DetectorConfig) -> list[tuple[bool, str]]:
    weights = [value for part in config.data.fields for value in dataclasses.astuple(part.nothing)]
    shares = [share for part in config.data.fields for share in (part.share, part.redrawn_share)]
    shares.append(config.data.synthetic_share)
    margins = [part.margin_px for part in config.data.fields]
    crop = config.input.crop_px
    return [
        (config.task != DETECTOR_TASK, f"task must be {DETECTOR_TASK!r}, received {config.task!r}"),
        (not config.data.fields, "it names no [[data.fields]] to learn from"),
        (crop < 64 or crop % 32 != 0, f"input.crop_px must be a multiple of 32 from 64, received {crop}"),
        (not all(0 <= value <= 1 for value in weights), f"nothing takes weights from 0 to 1, received {weights}"),
        (min(margins) < 0, f"margin_px must be 0 or more, received {margins}"),
        (min(shares) < 0 or sum(shares) == 0, f"shares must be 0 or more and not all 0, received {shares}"),
        (
            min(config.input.red_cell_px, *(part.red_cell_px for part in config.data.fields)) <= 0,
            "red_cell_px must be above 0",
        ),
        (config.data.crops_per_epoch < config.optimiser.batch_size, "crops_per_epoch is less than one batch"),
        (
            any(part.trainable != "all" or part.scale != 1 for part in config.rounds),
            "a detector is trained whole and at one scale: leave trainable and scale out of its rounds",
        ),
        (
            config.augment.rotation_degrees != 0 or config.augment.shift != 0 or config.optimiser.label_smoothing != 0,
            "rotation_degrees, shift and label_smoothing mean nothing for a detector: boxes turn by quarters only",
        ),
    ]
