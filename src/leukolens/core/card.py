"""The card of a classifier: the JSON beside its model that says how to run it and how far to trust it.

A bundle is a folder of `card.json`, the model file it names and, where there is one, the split and the background
image. Cards from strangers are hostile until checked: every field is checked here, the files' hashes too. The model
itself is opened by `leukolens.inference`; a detector's card stands in `core.detector_card`.
"""

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from leukolens.core.card_fields import (
    CLASSIFIER,
    parse_colours,
    parse_names,
    parse_number,
    parse_story,
    read_checked,
    write_fields,
)
from leukolens.core.confusion import Confusion, parse_confusion
from leukolens.core.errors import BundleError
from leukolens.core.pixels import Pixels, Preparation
from leukolens.core.taxonomy import CELL_CLASSES

_LARGEST_SIDE_PX = 4096


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
        validation: What calibration and threshold were fitted on, and what they gave there; `confusion` is its table.
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

    @property
    def confusion(self) -> Confusion | None:
        """What the model made of validation cells; None in a card that does not say."""
        return parse_confusion(self.validation["confusion"]) if "confusion" in self.validation else None


def write_card(folder: Path, card: Card) -> None:
    """Writes `card.json` into a bundle's folder; the background image, if any, as `background.png`."""
    fields = asdict(card)
    del fields["preparation"]["background"]
    write_fields(folder, CLASSIFIER, fields)


def read_card(folder: Path) -> Card:
    """Reads and checks a bundle's card and the hashes of the files it names.

    Raises:
        BundleError: there is no card, it is a detector's, a field is missing, of the wrong kind or out of range, or
            a file of the bundle is missing or is not the one the card was written for.
    """
    return _with_background(folder, read_checked(folder, CLASSIFIER, _parse_card))


def _parse_card(fields: dict[str, Any]) -> Card:
    card = Card(
        classes=parse_names(fields, "classes", CELL_CLASSES),
        preparation=_parse_preparation(fields["preparation"]),
        temperature=parse_number(fields, "temperature", 1e-3, 1e3),
        accept_threshold=parse_number(fields, "accept_threshold", 0.0, 1.01),
        feature_layer=str(fields["feature_layer"]),
        **parse_story(fields),
    )
    confusion = card.confusion
    if confusion is not None and confusion.labels != card.classes:
        raise ValueError(f"confusion of {confusion.labels}, expected that of {card.classes}")
    return card


def _parse_preparation(fields: dict[str, Any]) -> Preparation:
    mean, std = parse_colours(fields)
    return Preparation(
        height_px=int(parse_number(fields, "height_px", 8, _LARGEST_SIDE_PX)),
        width_px=int(parse_number(fields, "width_px", 8, _LARGEST_SIDE_PX)),
        crop_fraction=parse_number(fields, "crop_fraction", 0.05, 1.0),
        cell_context=parse_number(fields, "cell_context", 0.5, 10.0),
        frame_um=parse_number(fields, "frame_um", 5.0, 200.0),
        mean=mean,
        std=std,
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
