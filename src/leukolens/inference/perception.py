"""From a photograph to judged cells: the one path that `classify`, `count`, training, evaluation and `explore` take.

The stages are view and detection (`view`), choice (`subject`), crop box and crop (`crops`), the classifier's run, then
status and reason (`status`). Each path here has two halves: `see_...` ends with prepared crops, `judge_...` begins with
probabilities. Whoever has crops of many fields can so classify them in one batch.
"""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from leukolens.core.acceptance import make_prediction
from leukolens.core.card import ClassifierCard
from leukolens.core.pixels import Pixels, Preparation, prepare_image
from leukolens.core.results import Advice, Box, Detection, FieldCell, Prediction
from leukolens.core.taxonomy import CellKind
from leukolens.inference.classifier import Classifier
from leukolens.inference.crops import cut_crop, find_fault, place_crop
from leukolens.inference.detector import Detector
from leukolens.inference.status import (
    judge_leukocytes,
    judge_others,
    reject_image,
    rule_out_platelet,
    send_to_review,
    suspect_smudge,
)
from leukolens.inference.subject import Subject, choose_subject, take_leukocyte
from leukolens.inference.view import DetectedView, detect_cells
from leukolens.quality.field import judge_field


@dataclass(frozen=True)
class SeenField:
    """A field before its leukocytes are classified.

    Attributes:
        photograph: `(h, w, 3)` uint8 RGB.
        found: Its view and the cells in it.
        advice: What is wrong with it, worst first.
        crop_boxes: One per leukocyte, in the order of `leukocytes`, in pixels of the photograph.
        crops: `(n, height_px, width_px, 3)` uint8, prepared for the classifier.
    """

    photograph: Pixels
    found: DetectedView
    advice: tuple[Advice, ...]
    crop_boxes: tuple[Box, ...]
    crops: Pixels

    @property
    def leukocytes(self) -> tuple[Detection, ...]:
        """In pixels of the view."""
        return _list_leukocytes(self.found)


@dataclass(frozen=True)
class Perception:
    """A field with its judged cells.

    Attributes:
        cells: Leukocytes first, then the other kinds; boxes in pixels of the photograph.
        found: The view, all detections and the scale.
        advice: What is wrong with the field, worst first.
    """

    cells: tuple[FieldCell, ...]
    found: DetectedView
    advice: tuple[Advice, ...]


def perceive(
    photograph: Pixels, detector: Detector, classifier: Classifier, pixel_size_um: float | None = None
) -> Perception:
    """All cells of a field, each with its status.

    Args:
        photograph: `(h, w, 3)` uint8 RGB.
        detector: An opened detector.
        classifier: An opened classifier.
        pixel_size_um: Micrometres per pixel; None to measure the scale on the red cells.

    Raises:
        UsageError: the pixel size is out of range.
        BundleError: a model gives numbers that are not finite.
    """
    seen = see_field(photograph, detector, classifier.card.preparation, pixel_size_um)
    probabilities = classifier.classify_batch(seen.crops).probabilities
    return judge_cells(seen, probabilities, classifier.card, detector.card.smudge_threshold)


def see_field(
    photograph: Pixels, detector: Detector, preparation: Preparation, pixel_size_um: float | None = None
) -> SeenField:
    """The cells of a field and the crops of its leukocytes.

    The arguments are those of `perceive`, with the classifier's preparation in place of the classifier.
    """
    found = detect_cells(photograph, detector, pixel_size_um)
    leukocytes = _list_leukocytes(found)
    scale = found.in_view.pixel_size_um
    crop_boxes = tuple(place_crop(found.place(item.box), scale, preparation) for item in leukocytes)
    crops = np.empty((len(leukocytes), preparation.height_px, preparation.width_px, 3), np.uint8)
    for number, crop_box in enumerate(crop_boxes):
        crops[number] = prepare_image(cut_crop(photograph, crop_box), preparation)
    advice = judge_field(found.cut(photograph), found.in_view)
    return SeenField(photograph, found, advice, crop_boxes, crops)


def judge_cells(
    seen: SeenField, probabilities: NDArray[np.float64], card: ClassifierCard, smudge_threshold: float | None
) -> Perception:
    """The judged cells of a field, from the probabilities `(n, k)` of its leukocytes.

    Args:
        seen: The field.
        probabilities: Calibrated, rows in the order of `seen.crops`.
        card: The classifier's.
        smudge_threshold: Of the detector's card.
    """
    found, view = seen.found, seen.found.cut(seen.photograph)
    scale = found.in_view.pixel_size_um
    leukocytes = judge_leukocytes(view, seen.leukocytes, probabilities, card, scale, smudge_threshold)
    classified = [replace(cell, crop_box=box) for cell, box in zip(leukocytes, seen.crop_boxes, strict=True)]
    cells = (*classified, *judge_others(view, list(found.in_view)))
    return Perception(tuple(replace(cell, box=found.place(cell.box)) for cell in cells), found, seen.advice)


@dataclass(frozen=True)
class LocatedCell:
    """The cell that a picture is about, and where its crop lies.

    Attributes:
        subject: The cell.
        crop_box: In pixels of the photograph; None where the photograph is taken whole.
        found: What the detector found; None where there is no detector.
    """

    subject: Subject
    crop_box: Box | None
    found: DetectedView | None


@dataclass(frozen=True)
class SeenCell:
    """A picture of one cell before it is classified.

    Attributes:
        subject: The cell that the picture is about.
        crop_box: In pixels of the photograph; None where the photograph is taken whole.
        crop: `(height_px, width_px, 3)` uint8, prepared for the classifier; None where a fault was found.
        fault: Why the picture or the crop cannot show a cell; empty where it can.
    """

    subject: Subject
    crop_box: Box | None
    crop: Pixels | None
    fault: str = ""


def see_cell(
    photograph: Pixels,
    detector: Detector | None,
    preparation: Preparation,
    cell: Box | None = None,
    platelets: bool = True,
) -> SeenCell:
    """The cell that a picture is about, and its crop.

    Args:
        photograph: `(h, w, 3)` uint8 RGB.
        detector: An opened detector. Without one, the picture is taken whole, or a known cell is cut without a scale.
        preparation: The classifier's.
        cell: Where the cell lies, if that is known; the detector then gives only the scale.
        platelets: Whether the picture may be about a platelet.
    """
    if fault := find_fault(photograph):
        return SeenCell(Subject(None), None, None, fault)
    located = locate_cell(photograph, detector, preparation, cell, platelets)
    subject = located.subject
    if located.found is not None and detector is not None:
        advice = judge_field(located.found.cut(photograph), located.found.in_view)
        stops = [item.fault for item in advice if item.stops]
        burst = suspect_smudge(subject.smudge, detector.card.smudge_threshold)
        subject = replace(subject, reason="; ".join(filter(None, (*stops, subject.reason, burst))))
    crop = cut_crop(photograph, located.crop_box)
    fault = "" if located.crop_box is None else find_fault(crop)
    return SeenCell(subject, located.crop_box, None if fault else prepare_image(crop, preparation), fault)


def locate_cell(
    photograph: Pixels,
    detector: Detector | None,
    preparation: Preparation,
    cell: Box | None = None,
    platelets: bool = True,
) -> LocatedCell:
    """Where the cell that a picture is about lies, and its crop box, with the arguments of `see_cell`."""
    if detector is None:
        return LocatedCell(Subject(cell), None if cell is None else place_crop(cell, None, preparation), None)
    found = detect_cells(photograph, detector)
    pixel_size_um = found.in_view.pixel_size_um
    if cell is None:
        subject = choose_subject(found, preparation.frame_um, platelets)
    else:
        subject = take_leukocyte(cell, pixel_size_um)
    if subject.box is not None:
        crop_box = place_crop(subject.box, pixel_size_um, preparation)
    else:  # The picture is taken whole, its padding left out.
        crop_box = None
        if found.inside_padding is not None:
            left, top, right, bottom = found.inside_padding
            crop_box = Box(left, top, right, bottom, CellKind.LEUKOCYTE)
    return LocatedCell(subject, crop_box, found)


def judge_cell(
    name: str,
    seen: SeenCell,
    probabilities: NDArray[np.float64] | None,
    card: ClassifierCard,
    warnings: tuple[str, ...] = (),
) -> Prediction:
    """The prediction on a picture of one cell: accepted, for review, or rejected where a fault was found.

    Args:
        name: Of the picture.
        seen: The picture.
        probabilities: `(k,)` float64, calibrated; None where there is no crop.
        card: The classifier's.
        warnings: What was odd about the picture.
    """
    if probabilities is None:
        prediction = reject_image(name, seen.fault, warnings)
    else:
        subject = seen.subject
        row = rule_out_platelet(probabilities, card.classes) if subject.no_platelet else probabilities
        prediction = make_prediction(name, row, card.classes, card.accept_threshold, warnings)
        prediction = send_to_review(prediction, subject.reason) if subject.reason else prediction
    return replace(prediction, box=seen.subject.box, crop_box=seen.crop_box)


def _list_leukocytes(found: DetectedView) -> tuple[Detection, ...]:
    return tuple(item for item in found.in_view if item.box.kind == CellKind.LEUKOCYTE)
