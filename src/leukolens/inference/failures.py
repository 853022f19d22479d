"""Looks at what a model got wrong: measures the pictures, has maps drawn, hands both to the evaluation report.

Any drawer of maps fits (`explain` for runs, `runtime.heatmap` for bundles); it is called for the errors that are shown
and for no more. Called by `leukolens evaluate`.
"""

import dataclasses
import os
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from leukolens.core.errors import InputRefused
from leukolens.core.pixels import Pixels, Preparation, prepare_image
from leukolens.core.predictions import Predictions
from leukolens.datasets.manifest import Record, read_cell
from leukolens.evaluation.classification.failures import Findings
from leukolens.quality.image import (
    FAULTS,
    LEAST_IMAGES,
    STANDARD_PX,
    ImageQuality,
    QualityReference,
    fit_reference,
    measure_image,
    name_faults,
)

_FOLDS = 5


@dataclass(frozen=True)
class Mapper:
    """How the maps of a model are made.

    Attributes:
        preparation: How an image becomes the model's input.
        map_batch: Maps `(n, h, w)` 0..1 of prepared images `(n, h, w, 3)` for class numbers `(n,)`.
        method: What the maps are, in words.
    """

    preparation: Preparation
    map_batch: Callable[[Pixels, NDArray[np.intp]], NDArray[np.float32]]
    method: str


def find_reasons(predictions: Predictions, records: Mapping[str, Record], mapper: Mapper | None) -> Findings:
    """What was unusual about each picture, and where the model looked.

    What is usual is told by pictures that the model got right, never by those of a picture's own group: class by class
    where enough groups tell it, else by all.

    Args:
        predictions: Calls with truths.
        records: Of the dataset they were made on, by id; those that are missing are not measured.
        mapper: Draws maps; None where there is no model at hand.
    """
    window = mapper.preparation if mapper else None
    wanted = [records[call.image] for call in predictions.items if call.image in records]
    qualities = measure_records(wanted, window)
    findings = Findings(FAULTS, _name_faults(predictions, records, qualities))
    if mapper is None:
        return findings
    called = {call.image: call.label for call in predictions.items}

    def heat_of(name: str) -> tuple[Pixels, NDArray[np.float32]] | None:
        if name not in records or not called.get(name):
            return None
        try:
            pixels = prepare_image(read_cell(records[name], mapper.preparation.cell_context).pixels, mapper.preparation)
        except InputRefused:
            return None
        number = np.array([predictions.classes.index(called[name])], np.intp)
        return pixels, mapper.map_batch(pixels[None], number)[0]

    return dataclasses.replace(findings, heat_of=heat_of, method=mapper.method)


def measure_records(records: Iterable[Record], window: Preparation | None) -> dict[str, ImageQuality]:
    """Measures the part of each picture that a model sees, or the whole; by id, unreadable ones left out."""

    def measure(record: Record) -> tuple[str, ImageQuality] | None:
        try:
            pixels = read_cell(record, (window or Preparation).cell_context).pixels
        except InputRefused:
            return None
        if window is not None:
            width = round(STANDARD_PX * window.width_px / window.height_px)
            shown = dataclasses.replace(window, height_px=STANDARD_PX, width_px=width, background=None)
            pixels = prepare_image(pixels, shown)
        return record.id, measure_image(pixels)

    with ThreadPoolExecutor(os.cpu_count(), "measure") as pool:
        return dict(found for found in pool.map(measure, records) if found is not None)


def _name_faults(
    predictions: Predictions, records: Mapping[str, Record], qualities: Mapping[str, ImageQuality]
) -> dict[str, tuple[str, ...]]:
    """Faults by name, each picture held against right ones of the other folds; a fold holds whole groups."""
    groups = sorted({records[name].group for name in qualities})
    fold_of = {group: index % _FOLDS for index, group in enumerate(groups)}
    judged = [
        (call.image, truth, call.label == truth)
        for call, truth in zip(predictions.items, predictions.truths, strict=True)
        if call.image in qualities
    ]
    faults = {}
    for fold in range(_FOLDS):
        inside = {name for name in qualities if fold_of[records[name].group] == fold}
        telling = [(name, truth) for name, truth, right in judged if right and name not in inside]
        references = _fit_references(telling, records, qualities)
        for name, truth, _ in judged:
            reference = references.get(truth, references.get(""))
            if name in inside and reference is not None:
                faults[name] = name_faults(qualities[name], reference)
    return faults


def _fit_references(
    telling: list[tuple[str, str]], records: Mapping[str, Record], qualities: Mapping[str, ImageQuality]
) -> dict[str, QualityReference]:
    """A reference for each class that enough groups tell of, and under the empty name one of all."""
    by_class: dict[str, list[str]] = defaultdict(list)
    for name, truth in telling:
        by_class[truth].append(name)
    enough = {
        label: names
        for label, names in by_class.items()
        if len({records[name].group for name in names}) >= LEAST_IMAGES
    }
    if len(telling) >= LEAST_IMAGES:
        enough[""] = [name for name, _ in telling]
    return {label: fit_reference([qualities[name] for name in names]) for label, names in enough.items()}
