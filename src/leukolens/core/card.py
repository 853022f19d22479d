"""The model card: the JSON beside every model that says how to run it and how far to trust it.

A bundle is a folder of `card.json`, the model file it names and, where there is one, the split and the background
image. Cards from strangers are hostile until checked: every field is checked here, the files' hashes too. The model
itself is opened by `leukolens.runtime`.
"""

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from leukolens.core.errors import BundleError
from leukolens.core.files import hash_file, show_name, write_text
from leukolens.core.pixels import Pixels, Preparation
from leukolens.core.taxonomy import CELL_CLASSES

CARD_NAME = "card.json"
FORMAT = 1
_LARGEST_CARD_BYTES = 1 << 20
_LARGEST_SIDE_PX = 4096
_LARGEST_FILE_BYTES = 1 << 30


@dataclass(frozen=True)
class Card:
    """Everything a user of a model must know; written by export, read by every door.

    Attributes:
        name: The bundle's name.
        architecture: Name in the catalogue of models.
        classes: Classes in the order of the model's outputs, a subset of the taxonomy.
        preparation: How an image becomes the model's input.
        temperature: Divides the logits; fitted on validation (Guo et al. 2017).
        accept_threshold: Calibrated probability at or above which a call is accepted.
        feature_layer: Name of the model's second output, the last feature map `(n, c, h, w)`.
        files: SHA-256 by file name, for every file of the bundle but the card.
        weights_origin: Where training started from, in words.
        training: Dataset, split hash, recipe name, seed, images, epochs, device, versions, commit.
        validation: What calibration and threshold were fitted on, and what they gave there.
        licence: Of the weights, with the credits that the data asks for.
        intended_use: In plain words.
    """

    name: str
    architecture: str
    classes: tuple[str, ...]
    preparation: Preparation
    temperature: float
    accept_threshold: float
    feature_layer: str = "features"
    files: dict[str, str] = field(default_factory=dict)
    weights_origin: str = ""
    training: dict[str, Any] = field(default_factory=dict)
    validation: dict[str, Any] = field(default_factory=dict)
    licence: str = ""
    intended_use: str = "Research use. Not a medical device: do not diagnose with it."


def write_card(folder: Path, card: Card) -> None:
    """Writes `card.json` into a bundle's folder; the background image, if any, as `background.png`."""
    fields = asdict(card) | {"format": FORMAT}
    del fields["preparation"]["background"]
    write_text(folder / CARD_NAME, json.dumps(fields, indent=1, ensure_ascii=False) + "\n")


def read_card(folder: Path) -> Card:
    """Reads and checks a bundle's card and the hashes of the files it names.

    Raises:
        BundleError: there is no card, a field is missing, of the wrong kind or out of range, or a file of the
            bundle is missing or is not the one the card was written for.
    """
    path = folder / CARD_NAME
    try:
        if path.stat().st_size > _LARGEST_CARD_BYTES:
            raise BundleError(f"{show_name(str(path))} is over 1 MiB, so it is not a card.")
        fields = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise BundleError(f"{show_name(str(path))} is not a readable card: {error}") from error
    try:
        card = _parse_card(fields)
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
        raise BundleError(
            f"{show_name(str(path))} does not hold together: {error!r}. Export the model again."
        ) from error
    _check_files(folder, card)
    return _with_background(folder, card)


def _parse_card(fields: dict[str, Any]) -> Card:
    if fields["format"] != FORMAT:
        raise ValueError(f"format {fields['format']!r}, expected {FORMAT}")
    classes = tuple(str(name) for name in fields["classes"])
    if not classes or len(set(classes)) != len(classes) or not set(classes) <= set(CELL_CLASSES):
        raise ValueError(f"classes {classes}, expected distinct ones of {CELL_CLASSES}")
    preparation = _parse_preparation(fields["preparation"])
    return Card(
        name=str(fields["name"]),
        architecture=str(fields["architecture"]),
        classes=classes,
        preparation=preparation,
        temperature=_number(fields, "temperature", 1e-3, 1e3),
        accept_threshold=_number(fields, "accept_threshold", 0.0, 1.01),
        feature_layer=str(fields["feature_layer"]),
        files={str(name): str(value) for name, value in fields["files"].items()},
        weights_origin=str(fields["weights_origin"]),
        training=dict(fields["training"]),
        validation=dict(fields["validation"]),
        licence=str(fields["licence"]),
        intended_use=str(fields["intended_use"]),
    )


def _parse_preparation(fields: dict[str, Any]) -> Preparation:
    std = _three_numbers(fields, "std")
    if min(std) <= 0:
        raise ValueError(f"std {std}, expected numbers above 0")
    return Preparation(
        height_px=int(_number(fields, "height_px", 8, _LARGEST_SIDE_PX)),
        width_px=int(_number(fields, "width_px", 8, _LARGEST_SIDE_PX)),
        crop_fraction=_number(fields, "crop_fraction", 0.05, 1.0),
        cell_context=_number(fields, "cell_context", 0.5, 10.0),
        mean=_three_numbers(fields, "mean"),
        std=std,
    )


def _number(fields: dict[str, Any], name: str, low: float, high: float) -> float:
    value = fields[name]
    if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
        raise ValueError(f"{name} {value!r}, expected a number from {low} to {high}")
    return float(value)


def _three_numbers(fields: dict[str, Any], name: str) -> tuple[float, float, float]:
    values = dict(enumerate(fields[name]))
    if len(values) != 3:
        raise ValueError(f"{name} {fields[name]!r}, expected three numbers")
    first, second, third = (_number({name: values[index]}, name, -1e3, 1e3) for index in range(3))
    return first, second, third


def _check_files(folder: Path, card: Card) -> None:
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


def _with_background(folder: Path, card: Card) -> Card:
    if "background.png" not in card.files:
        return card
    expected = (card.preparation.width_px, card.preparation.height_px)
    with Image.open(folder / "background.png", formats=("PNG",)) as image:
        if image.size != expected or image.mode != "RGB":
            raise BundleError(f"background.png of {card.name} is {image.size} {image.mode}, expected {expected} RGB.")
        background: Pixels = np.asarray(image)
    preparation = Preparation(**{**vars(card.preparation), "background": background})
    return Card(**{**vars(card), "preparation": preparation})
