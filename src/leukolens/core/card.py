"""The card of a bundle: how to run its model, and how far to trust it.

A bundle is a folder with `card.json` and the files that the card names: the model, the split, and for some models a
background image. There is one grammar for all tasks; the field `task` says which model the card describes.
A card may come from a stranger, so every field is checked when it is read, and so are the hashes of the files.
"""

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal

import msgspec
import numpy as np
from msgspec import Meta, Struct
from PIL import Image

from leukolens.core.confusion import Confusion, ConfusionTable
from leukolens.core.errors import BundleError
from leukolens.core.files import hash_file, show_name, write_text
from leukolens.core.pixels import Colour, Pixels, Preparation, Spread
from leukolens.core.tasks import Task
from leukolens.core.taxonomy import CELL_CLASSES, CellKind

CARD_NAME = "card.json"
FORMAT = 2
"""The version of the grammar. A card of another version is refused."""

INPUT_MULTIPLE_PX = 32
"""Height and width of a detector's input are multiples of this: its deepest map is that much smaller."""

_LARGEST_CARD_BYTES = 1 << 20
_LARGEST_FILE_BYTES = 1 << 30
_BACKGROUND_NAME = "background.png"

Name = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=255,
        pattern="^[^\\x00-\\x1f\\x7f-\\x9f\\u200e\\u200f\\u2028-\\u202e\\u2066-\\u2069\\ud800-\\udfff]*$",
    ),
]
"""One printable line: no control character, and none that turns the direction of the text."""

Share = Annotated[float, Meta(ge=0.0, le=1.0)]
Count = Annotated[int, Meta(ge=0)]


class TrainingFacts(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """What a reader needs to trust or to repeat a training.

    Attributes:
        data: Names of the datasets.
        detector: Name of the detector that found the cells in the photographs; empty where none was used.
        data_hash: Of the datasets' manifest.
        split_hash: Of the split.
        split: Its kind and seed, in words.
        leaky: Whether a group stands on both sides of the split.
        why_leaky: Which, in words.
        recipe: Name of the recipe.
        seed: Of every random draw.
        images: Photographs of each part of the split.
        sites: Cells of other sites that the model was trained on too, by dataset.
        synthetic_images: Drawn images among those that it was trained on.
        epochs: That the recipe asks for.
        best_epoch: The epoch whose weights were kept, counted from 0; None where an old run did not say.
        training_seconds: Time spent on epochs.
        device: Processor or accelerator.
        versions: Of LeukoLens and the libraries.
        commit: Of the source code.
    """

    data: str
    detector: str = ""
    data_hash: str
    split_hash: str
    split: str
    leaky: bool
    why_leaky: str = ""
    recipe: str
    seed: int
    images: dict[str, Count]
    sites: dict[str, Count] = {}
    synthetic_images: Count = 0
    epochs: Count
    best_epoch: Count | None = None
    training_seconds: float
    device: str
    versions: dict[str, str]
    commit: str


class ClassifierValidation(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """What temperature and threshold of a classifier give on the validation cells that they were fitted on.

    Attributes:
        n: Cells.
        accuracy: Share of cells that got their class.
        balanced_accuracy: Mean of these shares over the classes.
        coverage: Share of cells that are accepted.
        accepted_accuracy: Share of accepted cells that got their class; None where none was accepted.
        precision: Of the model's numbers, in words, where it is not float32.
        confusion: Validation cells by true and predicted class; None in a card that does not say.
    """

    n: Count
    accuracy: Share
    balanced_accuracy: Share
    coverage: Share
    accepted_accuracy: Share | None = None
    precision: str = ""
    confusion: ConfusionTable | None = None


class KindRates(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How well cells of one kind are detected at the threshold of the card.

    Attributes:
        precision: Share of the detections that are such cells.
        recall: Share of the cells that are detected.
        f1: Harmonic mean of both.
        fields: Fields that this was measured on.
        cells: Cells of the kind in them.
        data: Datasets of these fields.
    """

    precision: Share
    recall: Share
    f1: Share
    fields: Count
    cells: Count
    data: str


class SmudgeRates(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How well the smudge head tells smudge cells, drawn into validation fields, from whole leukocytes.

    Attributes:
        whole_leukocytes: Leukocytes of the fields that were detected whole.
        leukocytes_called_smudges: Of these, the ones that are wrongly called smudge cells.
        drawn_smudges: Smudge cells that were drawn.
        drawn_smudges_found_as_whole_leukocytes: Of these, the ones that the detector took for whole leukocytes.
        drawn_smudges_called_smudges: Of these, the ones that the smudge head then recognised.
    """

    whole_leukocytes: Count
    leukocytes_called_smudges: Count
    drawn_smudges: Count
    drawn_smudges_found_as_whole_leukocytes: Count
    drawn_smudges_called_smudges: Count


class DetectorValidation(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """What a detector gives on the validation fields that its thresholds were chosen on.

    Attributes:
        fields: Fields.
        average_precision_50: By kind, at an overlap of one half.
        at_thresholds: By kind.
        smudges: Of the smudge head; None where the model has none.
    """

    fields: Count
    average_precision_50: dict[CellKind, Share]
    at_thresholds: dict[CellKind, KindRates]
    smudges: SmudgeRates | None = None


class _CommonFields(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="task"):
    """The fields that every card has.

    Attributes:
        format: Version of the grammar.
        name: The bundle's name.
        architecture: Name in the catalogue of models.
        files: SHA-256 by file name, for every file of the bundle but the card.
        weights_origin: Where training started from, in words.
        licence: Of the weights, with the credits that the data asks for.
        intended_use: In plain words.
        training: How the model was trained; None where that is unknown.
    """

    format: Literal[2] = 2
    name: Name
    architecture: Name
    files: dict[str, str] = {}
    weights_origin: str = ""
    licence: str = ""
    intended_use: str = "Research use. Not a medical device: do not diagnose with it."
    training: TrainingFacts | None = None

    @property
    def task(self) -> Task:
        """What the model is for."""
        return Task(str(type(self).__struct_config__.tag))


class ClassifierCard(
    _CommonFields, frozen=True, kw_only=True, forbid_unknown_fields=True, tag=str(Task.CLASSIFICATION)
):
    """The card of a classifier.

    Attributes:
        classes: Classes in the order of the model's outputs, a subset of the taxonomy.
        preparation: How an image becomes the model's input. Its background image is a file of the bundle.
        temperature: Divides the logits; fitted on validation (Guo et al. 2017).
        accept_threshold: Calibrated probability at or above which a prediction is accepted.
        feature_layer: Name of the model's second output, the last feature map `(n, c, h, w)`.
        validation: What temperature and threshold give on validation; None where that is unknown.
    """

    classes: tuple[str, ...]
    preparation: Preparation
    temperature: Annotated[float, Meta(ge=1e-3, le=1e3)]
    accept_threshold: Annotated[float, Meta(ge=0.0, le=1.01)]
    feature_layer: str = "features"
    validation: ClassifierValidation | None = None

    def __post_init__(self) -> None:
        """Checks what no single field can say."""
        _require_distinct("classes", self.classes, CELL_CLASSES)
        table = self.validation.confusion if self.validation else None
        if table is not None and table.labels != self.classes:
            raise ValueError(f"confusion of {table.labels}, expected that of {self.classes}")

    @property
    def confusion(self) -> Confusion | None:
        """Validation cells by true and predicted class; None in a card that does not say."""
        table = self.validation.confusion if self.validation else None
        return table.to_confusion() if table else None


Stride = Literal[1, 2, 4, 8, 16, 32]
"""Input pixels per place of a detector's output grid."""


class DetectorCard(_CommonFields, frozen=True, kw_only=True, forbid_unknown_fields=True, tag=str(Task.DETECTION)):
    """The card of a detector.

    Attributes:
        kinds: Kinds in the order of the model's channels, a subset of the taxonomy's kinds.
        stride: Input pixels from one cell of the model's output grid to the next.
        red_cell_px: Diameter that red cells should have in the model's input.
        mean: Per channel, subtracted after scaling to 0..1.
        std: Per channel, divided by after that.
        score_thresholds: Score at or above which a detection of each kind counts; fitted on validation.
        nms_iou: Overlap from which the less sure of two detections of one kind is the same cell.
        box_scales: By kind, the factor on width and height of a detection's box; fitted on validation where the
            datasets box the kind too wide. A kind that is not named keeps its boxes.
        cut_gains: By kind, the logits that are added to the score of a cell cut by the border; fitted on validation.
            Less of such a cell shows, so it scores less. A kind that is not named keeps its scores.
        smudge_threshold: Output of the smudge head, 0..1, from which a detected leukocyte is called a smudge cell; None
            where the model has no smudge head.
        validation: What the thresholds give on validation; None where that is unknown.
    """

    kinds: tuple[CellKind, ...]
    stride: Stride
    red_cell_px: Annotated[float, Meta(ge=8.0, le=512.0)]
    mean: Colour
    std: Spread
    score_thresholds: dict[CellKind, Share]
    nms_iou: Annotated[float, Meta(ge=0.05, le=0.95)]
    box_scales: dict[CellKind, Annotated[float, Meta(ge=0.5, le=2.0)]] = {}
    cut_gains: dict[CellKind, Annotated[float, Meta(ge=0.0, le=10.0)]] = {}
    smudge_threshold: Share | None = None
    validation: DetectorValidation | None = None

    def __post_init__(self) -> None:
        """Checks what no single field can say."""
        _require_distinct("kinds", self.kinds, tuple(CellKind))
        if set(self.score_thresholds) != set(self.kinds):
            raise ValueError(
                f"score_thresholds for {_spell(self.score_thresholds)}, expected one for each of {_spell(self.kinds)}"
            )
        for name, values in (("box_scales", self.box_scales), ("cut_gains", self.cut_gains)):
            if not set(values) <= set(self.kinds):
                raise ValueError(f"{name} for {_spell(values)}, expected some of {_spell(self.kinds)}")


Card = ClassifierCard | DetectorCard


_PREPARATION_FIELDS = {field.name for field in dataclasses.fields(Preparation)} - {"background"}


class _Heading(Struct):
    """What is looked at before the rest is read."""

    format: int
    preparation: dict[str, msgspec.Raw] | None = None

    def check(self) -> None:
        """Refuses another version, and a preparation that leaves one of its fields to a default.

        Raises:
            ValueError: in words.
        """
        if self.format != FORMAT:
            raise ValueError(f"format {self.format}; this version of LeukoLens reads format {FORMAT}")
        if self.preparation is not None and set(self.preparation) != _PREPARATION_FIELDS:
            raise ValueError(f"preparation has {sorted(self.preparation)}, expected {sorted(_PREPARATION_FIELDS)}")


def write_card(folder: Path, card: Card) -> None:
    """Writes `card.json` into a bundle's folder. A background image stands beside it and is not written here."""
    fields = msgspec.to_builtins(_without_background(card))
    if isinstance(card, ClassifierCard):
        del fields["preparation"]["background"]
    text = msgspec.json.format(msgspec.json.encode(fields), indent=1)
    write_text(folder / CARD_NAME, text.decode("utf-8") + "\n")


def read_card(folder: Path) -> Card:
    """Reads and checks a bundle's card and the hashes of the files it names.

    Raises:
        BundleError: there is no card, it is of another version, a field is unknown, missing, of the wrong kind or out
            of range, or a file of the bundle is missing or is not the one that the card was written for.
    """
    card: Card = _decode(folder)
    _check_files(folder, card)
    if isinstance(card, ClassifierCard) and _BACKGROUND_NAME in card.files:
        return _with_background(folder, card)
    return card


def read_task(folder: Path) -> Task | None:
    """What a bundle's model is for; None where its card cannot be read."""
    try:
        return _decode(folder).task
    except BundleError:
        return None


def _decode(folder: Path) -> Card:
    path = folder / CARD_NAME
    where = show_name(str(path))
    try:
        if path.stat().st_size > _LARGEST_CARD_BYTES:
            raise BundleError(f"{where} is over 1 MiB, so it is not a card.")
        raw = path.read_bytes()
        msgspec.json.decode(raw, type=_Heading).check()
        card: Card = msgspec.json.decode(raw, type=ClassifierCard | DetectorCard)
    except (OSError, ValueError, RecursionError) as error:
        raise BundleError(
            f"{where} is not a valid card: {error}. Export the model again with `leukolens export`."
        ) from error
    return card


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


def _without_background(card: Card) -> Card:
    if not isinstance(card, ClassifierCard):
        return card
    return msgspec.structs.replace(card, preparation=_replace_background(card.preparation, None))


def _with_background(folder: Path, card: ClassifierCard) -> ClassifierCard:
    expected = (card.preparation.width_px, card.preparation.height_px)
    with Image.open(folder / _BACKGROUND_NAME, formats=("PNG",)) as image:
        if image.size != expected or image.mode != "RGB":
            raise BundleError(f"background.png of {card.name} is {image.size} {image.mode}, expected {expected} RGB.")
        background: Pixels = np.asarray(image)
    return msgspec.structs.replace(card, preparation=_replace_background(card.preparation, background))


def _replace_background(preparation: Preparation, background: Pixels | None) -> Preparation:
    return Preparation(**{**vars(preparation), "background": background})


def _require_distinct(name: str, values: Sequence[str], known: Sequence[str]) -> None:
    if not values or len(set(values)) != len(values) or not set(values) <= set(known):
        raise ValueError(f"{name} {_spell(values)}, expected distinct ones of {_spell(known)}")


def _spell(names: Sequence[str] | dict[CellKind, float]) -> str:
    return ", ".join(str(name) for name in names) or "none"
