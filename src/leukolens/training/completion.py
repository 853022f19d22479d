"""A second round of labels: cells that a dataset's boxes miss and an earlier, exported detector is sure of.

BCCD leaves half of its red cells without a box. Taught as they stand, these say that no cell is there. Only training
fields are completed; what is chosen and judged on stays as people labelled it.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from leukolens.core.overlaps import measure_overlaps
from leukolens.core.results import Detection
from leukolens.core.taxonomy import DETECTED_KINDS
from leukolens.runtime.detector import Detector, load_detector
from leukolens.runtime.scale import RED_CELL_UM
from leukolens.training.detector_config import CompletionConfig
from leukolens.training.fields import Labels, TrainingField, label_boxes

_SAME_CELL = 0.3
"""A find that overlaps a box of its kind this much is that cell, however badly boxed."""


def complete_labels(
    fields: Sequence[TrainingField], completion: CompletionConfig, report: Callable[[int, int], None]
) -> list[TrainingField]:
    """The fields with what the detector adds to kinds that their datasets label, but incompletely.

    Args:
        fields: Training fields.
        completion: Which detector, and from which scores its finds count; without a bundle nothing is added.
        report: Called with fields done and fields in all.

    Raises:
        BundleError: the detector cannot be opened.
    """
    if not completion.bundle:
        return list(fields)
    detector = Detector(load_detector(Path(completion.bundle)))
    completed = []
    for done, field in enumerate(fields, start=1):
        open_kinds = {kind for kind, nothing in zip(DETECTED_KINDS, field.nothing, strict=True) if 0 < nothing < 1}
        if open_kinds:
            size_um = RED_CELL_UM / field.red_cell_px
            finds = detector.find_cells(np.asarray(field.pixels), size_um, completion.ignore_score).detections
            finds = tuple(find for find in finds if find.box.kind in open_kinds)
            field = replace(field, labels=add_finds(field.labels, finds, completion.label_score))
        completed.append(field)
        report(done, len(fields))
    return completed


def add_finds(labels: Labels, finds: Sequence[Detection], label_score: float) -> Labels:
    """Labels with the finds that overlap no box of their kind: sure from `label_score` on, doubtful below."""
    new = label_boxes([find.box for find in finds])
    if not len(new.kinds):
        return labels
    sure = np.array([find.score >= label_score for find in finds])
    overlaps = measure_overlaps(new.boxes[:, None], labels.boxes[None])
    known = ((overlaps >= _SAME_CELL) & (new.kinds[:, None] == labels.kinds[None])).any(axis=1)
    added = replace(new, sure=sure).pick(~known)
    return Labels(
        np.concatenate([labels.boxes, added.boxes]),
        np.concatenate([labels.kinds, added.kinds]),
        np.concatenate([labels.sure, added.sure]),
    )
