"""Measures the pictures that a model got wrong and draws its heat maps on them, for the evaluation report.

The maps come from `inference.heatmap` for bundles and from `training` for runs. They are drawn only for the errors
that the report shows.
"""

import dataclasses
import os
from collections import defaultdict
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from leukolens.core.errors import InputRefused
from leukolens.core.pixels import Pixels, Preparation, prepare_image
from leukolens.core.predictions import Predictions
from leukolens.core.results import Box
from leukolens.datasets.manifest import Record
from leukolens.evaluation.classification.failures import Findings
from leukolens.inference.crops import place_own_crop, read_crop
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
    """How the heat maps of a model are made.

    Attributes:
        preparation: How an image becomes the model's input.
        map_batch: Maps `(n, h, w)` 0..1 of prepared images `(n, h, w, 3)` for class numbers `(n,)`.
        method: What the maps show, in words.
    """

    preparation: Preparation
    map_batch: Callable[[Pixels, NDArray[np.intp]], NDArray[np.float32]]
    method: str


def find_reasons(predictions: Predictions, records: Mapping[str, Record], mapper: Mapper | None) -> Findings:
    """What was unusual about each picture, and heat maps of the model on it.

    Usual is what pictures look like that the model got right: of the same class where enough groups have some, else of
    all classes. A picture is never compared with its own group. The crop that the model was shown is measured.

    Args:
        predictions: With ground truth.
        records: Of the dataset they were made on, by id; those that are missing are not measured.
        mapper: Draws heat maps; None where there is no model at hand.
    """
    preparation = mapper.preparation if mapper else None
    crop_boxes = {
        item.image: item.crop_box or place_own_crop(records[item.image], preparation)
        for item in predictions.items
        if item.image in records
    }
    qualities = measure_crops({name: (records[name].image, box) for name, box in crop_boxes.items()}, preparation)
    findings = Findings(FAULTS, _name_faults(predictions, records, qualities))
    if mapper is None:
        return findings
    labels = {item.image: item.label for item in predictions.items}

    def heat_of(name: str) -> tuple[Pixels, NDArray[np.float32]] | None:
        if name not in crop_boxes or not labels[name]:
            return None
        try:
            pixels = prepare_image(read_crop(records[name].image, crop_boxes[name]).pixels, mapper.preparation)
        except InputRefused:
            return None
        number = np.array([predictions.classes.index(labels[name])], np.intp)
        return pixels, mapper.map_batch(pixels[None], number)[0]

    return dataclasses.replace(findings, heat_of=heat_of, method=mapper.method)


def measure_crops(
    crops: Mapping[str, tuple[str, Box | None]], preparation: Preparation | None
) -> dict[str, ImageQuality]:
    """The quality of crops, by id; unreadable ones are left out.

    Args:
        crops: The image and the crop box of each, by id.
        preparation: Measure only the part that a model sees; None to measure the whole crop.
    """

    def measure(name: str) -> tuple[str, ImageQuality] | None:
        try:
            pixels = read_crop(*crops[name]).pixels
        except InputRefused:
            return None
        if preparation is not None:
            width = round(STANDARD_PX * preparation.width_px / preparation.height_px)
            shown = dataclasses.replace(preparation, height_px=STANDARD_PX, width_px=width, background=None)
            pixels = prepare_image(pixels, shown)
        return name, measure_image(pixels)

    with ThreadPoolExecutor(os.cpu_count(), "measure") as pool:
        return dict(found for found in pool.map(measure, crops) if found is not None)


def _name_faults(
    predictions: Predictions, records: Mapping[str, Record], qualities: Mapping[str, ImageQuality]
) -> dict[str, tuple[str, ...]]:
    """Faults by name. Each picture is compared with right ones of the other folds; a group lies in one fold."""
    groups = sorted({records[name].group for name in qualities})
    fold_of = {group: index % _FOLDS for index, group in enumerate(groups)}
    judged = [
        (item.image, truth, item.label == truth)
        for item, truth in zip(predictions.items, predictions.truths, strict=True)
        if item.image in qualities
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
    """A reference for each class of which there are enough groups, and one of all classes under the empty name."""
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
