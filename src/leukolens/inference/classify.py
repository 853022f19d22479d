"""Predictions on pictures of one cell each, in small batches on every processor. `ll.classify` stands here.

Memory stays flat however many images there are.
"""

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path

import numpy as np

from leukolens.core.card import ClassifierCard, DetectorCard
from leukolens.core.errors import InputRefused, NothingRead
from leukolens.core.predictions import Predictions
from leukolens.core.results import Box, Prediction, Refusal
from leukolens.datasets.manifest import Record
from leukolens.images.decoding import DecodedImage, read_image
from leukolens.inference.bundles import Bundle
from leukolens.inference.classifier import Classifier, open_classifier
from leukolens.inference.detector import Detector, open_detector
from leukolens.inference.perception import SeenCell, judge_cell, see_cell
from leukolens.inference.sources import Source, gather_sources, name_source, read_picture, say_nothing_read

BATCH_SIZE = 4
_BATCHES_AHEAD = 3


@dataclass(frozen=True)
class _Picture:
    """A picture that is still to be read; `cell` says where its cell lies, where that is known."""

    name: str
    read: Callable[[], DecodedImage]
    cell: Box | None = None


@dataclass(frozen=True)
class _Seen:
    """A picture whose crop is ready for the classifier."""

    name: str
    cell: SeenCell
    warnings: tuple[str, ...]


def classify(
    images: Source | Iterable[Source],
    classifier: str | Path | Bundle[ClassifierCard] | Classifier | None = None,
    detector: str | Path | Bundle[DetectorCard] | Detector | None = None,
    whole: bool = False,
) -> Predictions:
    """Finds the cell that each photograph is about, and classifies it, as the command `leukolens classify` does.

    For images that are crops of one cell already, `load(...).predict(crops)` gives exactly what the model says of them.

    Args:
        images: One or many: paths of files or folders (searched down), arrays `(h, w, 3)` uint8 RGB, or one array
            `(n, h, w, 3)`.
        classifier: Name, folder, bundle or opened model; None for the default one.
        detector: Likewise.
        whole: Classify each image as it is, without a detector.

    Returns:
        One prediction per readable image, in order; `refused` names the others.

    Raises:
        NothingRead: none of the images could be read. A `UsageError`.
        UsageError: an argument is of a wrong kind.
        BundleError: there is no such bundle, it is for another task, or its card and files do not agree.
    """
    model = open_classifier(classifier, threads=1)
    opened = None if whole else open_detector(detector, threads=1)
    sources, refused = gather_sources(images)
    results = list(classify_images(sources, model, opened))
    items = tuple(result for result in results if isinstance(result, Prediction))
    refused += [result for result in results if isinstance(result, Refusal)]
    if refused and not items:
        raise NothingRead(say_nothing_read(refused))
    return Predictions(model.card.classes, items, refused=tuple(refused), bundle=model.card.name)


def classify_images(
    sources: Iterable[Source],
    bundle: Bundle[ClassifierCard] | Classifier,
    detector: Bundle[DetectorCard] | Detector | None,
) -> Iterator[Prediction | Refusal]:
    """Predictions and refusals in the order of the sources, as they become ready.

    Without a detector the images are classified as they are. One that is not open yet is opened on one thread.
    """
    pictures = (_Picture(name_source(number, item), partial(read_picture, item)) for number, item in enumerate(sources))
    return _run(pictures, bundle, detector)


def predict_records(
    records: Sequence[Record],
    bundle: Bundle[ClassifierCard] | Classifier,
    detector: Bundle[DetectorCard] | Detector | None,
    report: Callable[[int], None] = lambda done: None,
) -> tuple[Predictions, tuple[Refusal, ...]]:
    """Predictions on records of a dataset with ground truth and groups, and the records that could not be read.

    The crop of a record that has a cell lies around that cell. In other records the cell is detected, where a detector
    is given. The detector gives the scale of both.
    """
    classifier = open_classifier(bundle, threads=1)
    pictures = (_Picture(record.id, partial(read_image, record.image), record.cell) for record in records)
    by_id = {record.id: record for record in records}
    predictions, refused = [], []
    for done, result in enumerate(_run(pictures, classifier, detector), start=1):
        if isinstance(result, Refusal):
            refused.append(result)
        else:
            predictions.append(result)
        report(done)
    truths = tuple(by_id[item.image].label or "" for item in predictions)
    groups = tuple(by_id[item.image].group for item in predictions)
    return Predictions(classifier.card.classes, tuple(predictions), truths, groups), tuple(refused)


def _run(
    pictures: Iterable[_Picture],
    bundle: Bundle[ClassifierCard] | Classifier,
    detector: Bundle[DetectorCard] | Detector | None,
) -> Iterator[Prediction | Refusal]:
    """One worker per processor takes small batches all the way from decoding to predictions, each model on one thread.

    Measured on two processors, this leaves less idle time than decoding beside a model that uses both.
    """
    processors = os.cpu_count() or 1
    classifier = open_classifier(bundle, threads=1)
    opened = None if detector is None else open_detector(detector, threads=1)
    remaining = iter(pictures)

    def classify_batch(batch: list[_Picture]) -> list[Prediction | Refusal]:
        return _judge([_see(picture, classifier, opened) for picture in batch], classifier)

    with ThreadPoolExecutor(processors, "classify") as pool:
        waiting: deque[Future[list[Prediction | Refusal]]] = deque()
        while True:
            while len(waiting) < _BATCHES_AHEAD * processors and (batch := list(islice(remaining, BATCH_SIZE))):
                waiting.append(pool.submit(classify_batch, batch))
            if not waiting:
                return
            yield from waiting.popleft().result()


def _see(picture: _Picture, classifier: Classifier, detector: Detector | None) -> _Seen | Refusal:
    try:
        decoded = picture.read()
        preparation, platelets = classifier.card.preparation, classifier.names_platelets
        seen = see_cell(decoded.pixels, detector, preparation, picture.cell, platelets)
    except InputRefused as error:
        return Refusal(picture.name, str(error))
    return _Seen(picture.name, seen, decoded.warnings)


def _judge(batch: list[_Seen | Refusal], classifier: Classifier) -> list[Prediction | Refusal]:
    """Predictions of a batch, whose crops are classified together."""
    crops = [item.cell.crop for item in batch if isinstance(item, _Seen) and item.cell.crop is not None]
    rows = iter(classifier.classify_batch(np.stack(crops)).probabilities if crops else ())
    results: list[Prediction | Refusal] = []
    for item in batch:
        if isinstance(item, Refusal):
            results.append(item)
        else:
            row = None if item.cell.crop is None else next(rows)
            results.append(judge_cell(item.name, item.cell, row, classifier.card, item.warnings))
    return results
