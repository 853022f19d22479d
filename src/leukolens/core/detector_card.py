"""The card of a detector: the JSON beside its model that says how to run it, from what score cells count, and more.

A detector's bundle is a folder of `card.json` and the model file it names. Cards from strangers are hostile until
checked, as `core.card`'s are. Export writes cards; the model itself is opened by `leukolens.inference.detector`.
"""

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from leukolens.core.card_fields import (
    DETECTOR,
    parse_colours,
    parse_names,
    parse_number,
    parse_story,
    read_checked,
    write_fields,
)
from leukolens.core.taxonomy import DETECTED_KINDS

INPUT_MULTIPLE_PX = 32
"""Height and width of a detector's input are multiples of this: its deepest map is that much smaller."""

_STRIDES = (1, 2, 4, 8, 16, 32)


@dataclass(frozen=True)
class DetectorCard:
    """Everything a user of a detector must know; written by export, read by every door.

    Attributes:
        name: The bundle's name.
        architecture: Name in the catalogue of models.
        kinds: Kinds in the order of the model's channels, a subset of the taxonomy's detected kinds.
        stride: Input pixels from one cell of the model's output grid to the next.
        red_cell_px: Diameter that red cells should have in the model's input.
        mean: Per channel, subtracted after scaling to 0..1.
        std: Per channel, divided by after that.
        score_thresholds: Score at or above which a find of each kind is counted, fitted on validation.
        nms_iou: Overlap from which the less sure of two finds of one kind is the same cell.
        box_scales: By kind, what a find's width and height are multiplied by, fitted on validation where its datasets box
            the kind too wide; a kind that is not named keeps its boxes.
        cut_gains: By kind, the logits that are added to the score of a cell that the field's border cuts, fitted on
            validation: less of it shows, so it scores less; a kind that is not named keeps its scores.
        smudge_threshold: Likeness to a burst leukocyte's remnant, 0..1, from which a leukocyte that was found is called a smudge
            cell; None where the model does not tell.
        files: SHA-256 by file name, for every file of the bundle but the card.
        weights_origin: Where training started from, in words.
        training: Datasets, split hash, recipe name, seed, fields, epochs, device, versions, commit.
        validation: What the thresholds were fitted on, and what they gave there.
        licence: Of the weights, with the credits that the data asks for.
        intended_use: In plain words.
    """

    name: str
    architecture: str
    kinds: tuple[str, ...]
    stride: int
    red_cell_px: float
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    score_thresholds: dict[str, float]
    nms_iou: float
    box_scales: dict[str, float] = field(default_factory=dict)
    cut_gains: dict[str, float] = field(default_factory=dict)
    smudge_threshold: float | None = None
    files: dict[str, str] = field(default_factory=dict)
    weights_origin: str = ""
    training: dict[str, Any] = field(default_factory=dict)
    validation: dict[str, Any] = field(default_factory=dict)
    licence: str = ""
    intended_use: str = "Research use. Not a medical device: do not diagnose with it."


def write_detector_card(folder: Path, card: DetectorCard) -> None:
    """Writes `card.json` into a bundle's folder."""
    write_fields(folder, DETECTOR, asdict(card))


def read_detector_card(folder: Path) -> DetectorCard:
    """Reads and checks a detector's card and the hashes of the files it names.

    Raises:
        BundleError: there is no card, it is a classifier's, a field is missing, of the wrong kind or out of range,
            or a file of the bundle is missing or is not the one the card was written for.
    """
    return read_checked(folder, DETECTOR, _parse_card)


def _parse_card(fields: dict[str, Any]) -> DetectorCard:
    kinds = parse_names(fields, "kinds", DETECTED_KINDS)
    stride = fields["stride"]
    if isinstance(stride, bool) or stride not in _STRIDES:
        raise ValueError(f"stride {stride!r}, expected one of {_STRIDES}")
    thresholds = dict(fields["score_thresholds"])
    if set(thresholds) != set(kinds):
        raise ValueError(f"score_thresholds for {sorted(map(str, thresholds))}, expected one for each of {kinds}")
    by_kind = {name: dict(fields.get(name, {})) for name in ("box_scales", "cut_gains")}
    for name, values in by_kind.items():
        if not set(values) <= set(kinds):
            raise ValueError(f"{name} for {sorted(map(str, values))}, expected some of {kinds}")
    mean, std = parse_colours(fields)
    return DetectorCard(
        kinds=kinds,
        stride=int(stride),
        red_cell_px=parse_number(fields, "red_cell_px", 8.0, 512.0),
        mean=mean,
        std=std,
        score_thresholds={kind: parse_number(thresholds, kind, 0.0, 1.0) for kind in kinds},
        nms_iou=parse_number(fields, "nms_iou", 0.05, 0.95),
        box_scales={kind: parse_number(by_kind["box_scales"], kind, 0.5, 2.0) for kind in by_kind["box_scales"]},
        cut_gains={kind: parse_number(by_kind["cut_gains"], kind, 0.0, 10.0) for kind in by_kind["cut_gains"]},
        smudge_threshold=None
        if fields.get("smudge_threshold") is None
        else parse_number(fields, "smudge_threshold", 0.0, 1.0),
        **parse_story(fields),
    )
