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
from leukolens.data.manifest import Record, read_cell
from leukolens.evaluation.failures import Findings
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

    What is usual is told by every other group of the pictures that the model got right, class by class where a class
    has enough of them; the errors are then compared with the right ones of the groups between.

    Args:
        predictions: Calls with truths.
        records: Of the dataset they were made on, by id; those that are missing are not measured.
        mapper: Draws maps; None where there is no model at hand.
    """
    window = mapper.preparation if mapper else None
    wanted = [records[call.image] for call in predictions.calls if call.image in records]
    qualities = measure_records(wanted, window)
    truths = dict(zip((call.image for call in predictions.calls), predictions.truths, strict=False))
    right = [
        call.image for call in predictions.calls if call.image in qualities and truths.get(call.image) == call.label
    ]
    telling, compared = _halve(right, records, truths)
    references = _fit_references(telling, qualities, truths)
    faults = {}
    for name, quality in qualities.items():
        reference = references.get(truths.get(name, ""), references.get(""))
        if reference is not None:
            faults[name] = name_faults(quality, reference)
    findings = Findings(FAULTS, faults, frozenset(name for name in compared if name in faults))
    if mapper is None:
        return findings
    called = {call.image: call.label for call in predictions.calls}

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


def _halve(
    right: list[str], records: Mapping[str, Record], truths: Mapping[str, str]
) -> tuple[list[str], list[str]]:
    """Right ones of every other group, class by class, and those of the groups between."""
    halves: tuple[list[str], list[str]] = ([], [])
    turn: dict[tuple[str, str], int] = {}
    met: dict[str, int] = defaultdict(int)
    for name in right:
        label, group = truths[name], records[name].group
        if (label, group) not in turn:
            turn[label, group] = met[label] % 2
            met[label] += 1
        halves[turn[label, group]].append(name)
    return halves


def _fit_references(
    telling: list[str], qualities: Mapping[str, ImageQuality], truths: Mapping[str, str]
) -> dict[str, QualityReference]:
    """A reference per class, and one of all under the empty name; none where pictures are too few."""
    by_class: dict[str, list[ImageQuality]] = defaultdict(list)
    for name in telling:
        by_class[truths[name]].append(qualities[name])
        by_class[""].append(qualities[name])
    return {label: fit_reference(found) for label, found in by_class.items() if len(found) >= LEAST_IMAGES}
