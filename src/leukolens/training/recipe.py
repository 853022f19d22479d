"""A recipe: everything that a training is made of, read from TOML and saved with the run.

This module holds what the recipes of all tasks share, and the one reader. The rest of a task's recipe stands in its own
folder, as a subclass of `Recipe`. An unknown key is an error; `--set group.key=value` changes one value.
"""

import re
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar, get_args

import msgspec
from msgspec import Meta, Struct

from leukolens.core.errors import UsageError
from leukolens.core.files import show_name
from leukolens.core.tasks import Task

# Each key has an upper end too: `inf` and what no machine can hold are refused before any work.
Whole = Annotated[int, Meta(ge=0, le=10_000_000)]
Positive = Annotated[int, Meta(ge=1, le=10_000_000)]
NotNegative = Annotated[float, Meta(ge=0.0, le=1e6)]
Share = Annotated[float, Meta(ge=0.0, le=1.0)]


class RoundConfig(Struct, frozen=True, forbid_unknown_fields=True):
    """One stretch of epochs.

    Attributes:
        epochs: Number of epochs.
        learning_rate: Highest rate of the round.
        trainable: `head` (all else frozen, batch-norm statistics too), `last_block` (and the head) or `all`.
        schedule: `cosine` (down to nearly nothing at the round's end) or `constant`.
        warmup: Share of the round over which the rate rises from nothing.
        scale: Input side of this round as a share of the preparation's; training small first is cheaper.
    """

    epochs: Annotated[int, Meta(ge=1, le=10_000)]
    learning_rate: Annotated[float, Meta(gt=0.0, le=10.0)]
    trainable: Literal["head", "last_block", "all"] = "all"
    schedule: Literal["cosine", "constant"] = "cosine"
    warmup: Share = 0.05
    scale: Annotated[float, Meta(ge=0.1, le=4.0)] = 1.0


class OptimiserConfig(Struct, frozen=True, forbid_unknown_fields=True):
    """How the weights move.

    Attributes:
        method: `adamw` (Loshchilov and Hutter 2019), `adam` (Kingma and Ba 2015) or `sgd` (Nesterov momentum .9).
        batch_size: Images per step.
        weight_decay: On weights of layers, not on biases or norms: decoupled in AdamW, an L2 penalty in the others.
        label_smoothing: Share of the target spread evenly over the classes.
        average_decay: Of the exponential moving average of weights that is kept as the result; 0 for none.
        early_stopping_patience: Epochs without a better validation loss before stopping; 0 for never.
    """

    method: Literal["adamw", "adam", "sgd"] = "adamw"
    batch_size: Annotated[int, Meta(ge=1, le=65_536)] = 64
    weight_decay: Annotated[float, Meta(ge=0.0, le=10.0)] = 0.01
    label_smoothing: Annotated[float, Meta(ge=0.0, lt=1.0)] = 0.0
    average_decay: Annotated[float, Meta(ge=0.0, lt=1.0)] = 0.0
    early_stopping_patience: Whole = 0


class AugmentConfig(Struct, frozen=True, forbid_unknown_fields=True):
    """What is done to training images, drawn anew each time; 0 switches a part off.

    Attributes:
        flip: Mirror half of the images.
        rotation_degrees: Largest angle either way.
        scale: Largest factor by which a cell grows or shrinks; 1 for none.
        shift: Largest shift, as a share of the side.
        stain: Largest relative change of haematoxylin, eosin and residual (Ruifrok and Johnston 2001).
        hue_degrees: Largest turn of hue either way.
        colour: Largest relative change of saturation, contrast, brightness and each channel's gain.
        blur_px: Largest Gaussian sigma, on a quarter of the images.
        noise: Largest deviation of sensor noise, as a share of full scale, on a quarter of the images.
        jpeg: Share of images recompressed as JPEG of quality 30 to 90.
        share: Share of images whose colours are changed at all.
    """

    flip: bool = False
    rotation_degrees: Annotated[float, Meta(ge=0.0, le=180.0)] = 0.0
    scale: Annotated[float, Meta(ge=1.0, le=10.0)] = 1.0
    shift: Share = 0.0
    stain: Share = 0.0
    hue_degrees: Annotated[float, Meta(ge=0.0, le=180.0)] = 0.0
    colour: Share = 0.0
    blur_px: Annotated[float, Meta(ge=0.0, le=50.0)] = 0.0
    noise: Share = 0.0
    jpeg: Share = 0.0
    share: Share = 1.0


class Recipe(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="task"):
    """What the recipes of all tasks share.

    Attributes:
        name: Of the recipe.
        rounds: Stretches of epochs, one after another.
        optimiser: How the weights move.
        augment: What is done to training images.
        seed: Of every draw.
        budget_seconds: Training ends after the epoch that reaches it; 0 for no limit.
    """

    name: Annotated[str, Meta(min_length=1, max_length=200)]
    rounds: Annotated[tuple[RoundConfig, ...], Meta(min_length=1)]
    optimiser: OptimiserConfig = OptimiserConfig()
    augment: AugmentConfig = AugmentConfig()
    seed: Annotated[int, Meta(ge=0, le=2**31 - 1)] = 0
    budget_seconds: Annotated[int, Meta(ge=0, le=2**31 - 1)] = 0

    @property
    def task(self) -> Task:
        """What the recipe trains a model for."""
        return Task(str(type(self).__struct_config__.tag))

    @property
    def epochs(self) -> int:
        """Epochs of all rounds."""
        return sum(part.epochs for part in self.rounds)


AnyRecipe = TypeVar("AnyRecipe", bound=Recipe)


def read_recipe(path: Path, kind: type[AnyRecipe], overrides: Sequence[str] = ()) -> AnyRecipe:
    """Reads a recipe of one task and applies `group.key=value` overrides (`rounds.0.epochs=3` for a round).

    Args:
        path: The TOML file.
        kind: The task's class of recipes.
        overrides: Each changes one value.

    Raises:
        UsageError: the file does not read, it is of another task, a key is unknown or missing, or a value is of the
            wrong kind or out of range.
    """
    tree = _read_tree(path)
    for override in overrides:
        _apply_override(tree, override)
    try:
        return msgspec.convert(tree, kind)
    except msgspec.ValidationError as error:
        raise UsageError(f"The recipe {show_name(path.name)}: {_explain(str(error), tree, kind)}.") from error


def read_recipe_task(path: Path) -> Task:
    """The task that a recipe names; classification where it names none.

    Raises:
        UsageError: the file does not read, or there is no such task.
    """
    word = _read_tree(path).get("task", Task.CLASSIFICATION)
    try:
        return Task(word)
    except ValueError as error:
        known = ", ".join(map(repr, map(str, Task)))
        raise UsageError(
            f"The recipe {show_name(path.name)}: task: expected one of {known}, received {word!r}."
        ) from error


def format_recipe(recipe: Recipe) -> str:
    """The recipe as TOML, every value written out."""
    import tomli_w

    return tomli_w.dumps(msgspec.to_builtins(recipe))


def _read_tree(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise UsageError(f"There is no recipe {show_name(str(path))}.") from error
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError, RecursionError) as error:
        raise UsageError(f"The recipe {show_name(str(path))} cannot be read as TOML: {error}") from error


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


def _explain(message: str, tree: Any, kind: Any) -> str:
    """What msgspec found wrong, in our words: the key, what was expected there and what was received."""
    words, _, path = message.rstrip("`").partition(" - at `$")
    steps = re.findall(r"[^.\[\]]+", path)
    for step in steps:
        tree = tree[int(step)] if isinstance(tree, list) else tree[step]
        kind = _part_of(kind, step)
    key = ".".join(steps)
    if unknown := re.search("unknown field `(.*)", words):
        known = ", ".join(field.name for field in msgspec.structs.fields(kind))
        return f"unknown key {'.'.join([*steps, unknown[1].rstrip('`')])}; expected one of {known}"
    if missing := re.search("required field `(.*)", words):
        return f"{'.'.join([*steps, missing[1].rstrip('`')])} is missing"
    if words.startswith("Invalid enum value"):
        words = f"expected one of {', '.join(map(repr, get_args(kind)))}"
    elif words.startswith("Invalid value"):
        words = f"expected {kind.__struct_config__.tag!r}"
    elif not words.startswith("Expected"):  # one of our own checks, which says what it received
        return f"{key}: {words}" if key else words
    words = words.partition(", got ")[0].replace("`", "").replace("Expected", "expected")
    return f"{key}: {words}, received {tree!r}"


def _part_of(kind: Any, step: str) -> Any:
    """The type of one part of a recipe's class."""
    if isinstance(kind, type) and issubclass(kind, Struct):
        fields = {field.name: field.type for field in msgspec.structs.fields(kind)}
        found = fields.get(step, kind)
    else:
        found = get_args(kind)[0]
    while hasattr(found, "__metadata__"):
        found = found.__origin__
    return found
