"""The detector on the fields of a dataset, paired with the known boxes: what `leukolens evaluate` measures."""

from collections.abc import Callable, Mapping, Sequence

from leukolens.core.card import DetectorCard
from leukolens.core.detections import Detections
from leukolens.core.errors import InputRefused
from leukolens.core.results import Box, Refusal
from leukolens.datasets.groups import unite_groups
from leukolens.datasets.manifest import Record
from leukolens.evaluation.detection.matching import LEAST_SCORE, JudgedField
from leukolens.images.decoding import read_image
from leukolens.inference.bundles import Bundle
from leukolens.inference.detector import Detector, open_detector
from leukolens.inference.view import detect_cells

Truth = tuple[tuple[Box, ...], tuple[Box, ...]]
"""The cells of a field that are certain, and those that are doubtful."""


def find_in_records(
    records: Sequence[Record],
    bundle: Bundle[DetectorCard] | Detector,
    report: Callable[[int], None] = lambda done: None,
) -> tuple[dict[str, Detections], tuple[Refusal, ...]]:
    """The detections of each field by its id, down to `LEAST_SCORE`, and the fields that could not be read.

    Boxes are in pixels of the photograph. Only the view inside an eyepiece's disc is searched, as in `classify` and
    `count`.
    """
    detector = open_detector(bundle)
    found: dict[str, Detections] = {}
    refused = []
    for done, record in enumerate(records, start=1):
        try:
            pixels = read_image(record.image).pixels
            found[record.id] = detect_cells(pixels, detector, least_score=LEAST_SCORE).detected
        except InputRefused as error:
            refused.append(Refusal(record.id, str(error)))
        report(done)
    return found, tuple(refused)


def pair_with_truth(
    records: Sequence[Record], found: Mapping[str, Detections], truths: Mapping[str, Truth]
) -> list[JudgedField]:
    """Each field that was read and has known boxes; photographs of one place are in one group."""
    groups = unite_groups(records)
    return [
        JudgedField(record.id, groups[record.id], truths[record.id][0], tuple(found[record.id]), truths[record.id][1])
        for record in records
        if record.id in found and record.id in truths
    ]
