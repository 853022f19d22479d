"""What the cards of classifiers and of detectors share: how the JSON is written, read and distrusted.

A card says what task its model is for, so that neither reader opens the other's bundle; cards from before there
were detectors say nothing and are classifiers'. The fields of each card stand in `core.card` and
`core.detector_card`, which alone call this.
"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol, TypeVar

from leukolens.core.errors import BundleError
from leukolens.core.files import hash_file, show_name, write_text

CARD_NAME = "card.json"
CLASSIFIER = "classifier"
DETECTOR = "detector"
FORMAT = 1
Colour = tuple[float, float, float]
_LARGEST_CARD_BYTES = 1 << 20
_LARGEST_FILE_BYTES = 1 << 30


class _NamesFiles(Protocol):
    @property
    def name(self) -> str: ...

    @property
    def files(self) -> dict[str, str]: ...


_AnyCard = TypeVar("_AnyCard", bound=_NamesFiles)


def write_fields(folder: Path, task: str, fields: dict[str, Any]) -> None:
    """Writes `card.json` into a bundle's folder."""
    whole = {"format": FORMAT, "task": task} | fields
    write_text(folder / CARD_NAME, json.dumps(whole, indent=1, ensure_ascii=False) + "\n")


def read_task(folder: Path) -> str:
    """What a bundle's model is for; `classifier` where the card does not say or cannot be read.

    So a broken bundle stays in the list of classifiers, where opening it says what is wrong.
    """
    try:
        task = _read_json(folder)["task"]
    except (BundleError, KeyError, TypeError):
        return CLASSIFIER
    return DETECTOR if task == DETECTOR else CLASSIFIER


def read_checked(folder: Path, task: str, parse: Callable[[dict[str, Any]], _AnyCard]) -> _AnyCard:
    """Reads a bundle's card with `parse`, and checks the hashes of the files it names.

    Args:
        folder: The bundle.
        task: What its model must be for.
        parse: Makes the card of the JSON's fields; may raise whatever Python raises for wrong values.

    Raises:
        BundleError: there is no card, it is another task's, a field is missing, of the wrong kind or out of range,
            or a file of the bundle is missing or is not the one the card was written for.
    """
    where = show_name(str(folder / CARD_NAME))
    fields = _read_json(folder)
    try:
        if fields["format"] != FORMAT:
            raise ValueError(f"format {fields['format']!r}, expected {FORMAT}")
        found = fields.get("task", CLASSIFIER)
        if found in (CLASSIFIER, DETECTOR) and found != task:
            raise BundleError(f"{where} is the card of a {found}, but a {task} is needed here. Name another bundle.")
        if found != task:
            raise ValueError(f"task {found!r}, expected {task!r}")
        card = parse(fields)
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
        raise BundleError(f"{where} does not hold together: {error!r}. Export the model again.") from error
    _check_files(folder, card)
    return card


def _read_json(folder: Path) -> Any:
    path = folder / CARD_NAME
    try:
        if path.stat().st_size > _LARGEST_CARD_BYTES:
            raise BundleError(f"{show_name(str(path))} is over 1 MiB, so it is not a card.")
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise BundleError(f"{show_name(str(path))} is not a readable card: {error}") from error


def parse_number(fields: dict[str, Any], name: str, low: float, high: float) -> float:
    """One number of a card, refused with a ValueError unless it lies from `low` to `high`."""
    value = fields[name]
    if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
        raise ValueError(f"{name} {value!r}, expected a number from {low} to {high}")
    return float(value)


def parse_colours(fields: dict[str, Any]) -> tuple[Colour, Colour]:
    """The `mean` and `std` of a card, three numbers each, those of `std` above 0."""
    mean, std = _three_numbers(fields, "mean"), _three_numbers(fields, "std")
    if min(std) <= 0:
        raise ValueError(f"std {std}, expected numbers above 0")
    return mean, std


def parse_names(fields: dict[str, Any], name: str, known: tuple[str, ...]) -> tuple[str, ...]:
    """Some of the `known` names, each once, in the order of the card."""
    names = tuple(str(value) for value in fields[name])
    if not names or len(set(names)) != len(names) or not set(names) <= set(known):
        raise ValueError(f"{name} {names}, expected distinct ones of {known}")
    return names


def parse_story(fields: dict[str, Any]) -> dict[str, Any]:
    """The fields that say where a model comes from and what it is for, the same in every card."""
    words = ("name", "architecture", "weights_origin", "licence", "intended_use")
    return {name: str(fields[name]) for name in words} | {
        "files": {str(name): str(value) for name, value in fields["files"].items()},
        "training": dict(fields["training"]),
        "validation": dict(fields["validation"]),
    }


def _three_numbers(fields: dict[str, Any], name: str) -> Colour:
    values = dict(enumerate(fields[name]))
    if len(values) != 3:
        raise ValueError(f"{name} {fields[name]!r}, expected three numbers")
    first, second, third = (parse_number({name: values[index]}, name, -1e3, 1e3) for index in range(3))
    return first, second, third


def _check_files(folder: Path, card: _NamesFiles) -> None:
    for name, expected in card.files.items():
        path = folder / name
        if Path(name).name != name or path.is_symlink():
            raise BundleError(
                f"The card of {card.name} names the file {name!r}, which is not a plain name in its folder."
            )
        if not path.is_file() or path.stat().st_size > _LARGEST_FILE_BYTES:
            raise BundleError(
                f"The bundle {card.name} lacks its file {name}, or it is over 1 GiB. Fetch the bundle again."
            )
        if hash_file(path) != expected:
            raise BundleError(
                f"{name} of the bundle {card.name} is not the file its card was written for. Fetch the bundle again."
            )
