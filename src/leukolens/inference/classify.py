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
from leukolens.core.errors import InputRefused, UsageError
from leukolens.core.files import show_name
from leukolens.core.pixels import Pixels
from leukolens.core.predictions import Predictions
from leukolens.core.results import Box, Prediction, Refusal
from leukolens.datasets.manifest import Record
from leukolens.images.decoding import IMAGE_SUFFIXES, DecodedImage, read_image
from leukolens.images.folders import list_files
from leukolens.inference.bundles import Bundle
from leukolens.inference.classifier import Classifier, open_classifier
from leukolens.inference.detector import Detector, open_detector
from leukolens.inference.perception import SeenCell, judge_cell, see_cell

BATCH_SIZE = 4
_BATCHES_AHEAD = 3

Source = str | Path | Pixels


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
    bundle: str | Path | Bundle[ClassifierCard] | Classifier | None = None,
    detector: str | Path | Bundle[DetectorCard] | Detector | None = None,
    whole: bool = False,
) -> Predictions:
    """Detects and classifies the cell that each image is about.

    Args:
        images: Paths of files or folders, or arrays `(h, w, 3)` uint8 RGB; one or many.
        bundle: The classifier: name, folder, bundle or opened; the default one where nothing is named.
        detector: The detector, likewise.
        whole: Classify each image as it is, without detecting the cell first.

    Returns:
        One prediction per readable image, in order; `refused` names the others.

    Raises:
        BundleError: the files of a bundle do not agree with its card.
        UsageError: a detector was given as the classifier, or the other way round.
    """
    classifier = open_classifier(bundle, threads=1)
    opened = None if whole else open_detector(detector, threads=1)
    sources, refused = gather_sources(images)
    results = list(classify_images(sources, classifier, opened))
    items = tuple(result for result in results if isinstance(result, Prediction))
    refused += [result for result in results if isinstance(result, Refusal)]
    return Predictions(classifier.card.classes, items, refused=tuple(refused), bundle=classifier.card.name)


def gather_sources(given: Source | Iterable[Source]) -> tuple[list[Source], list[Refusal]]:
    """One or many paths, folders and arrays as a list of pictures, and the paths that could not be found."""
    sources: list[Source] = []
    refused: list[Refusal] = []
    for item in [given] if isinstance(given, str | Path | np.ndarray) else given:
        if isinstance(item, np.ndarray):
            sources.append(item)
        else:
            found, missing = find_images([str(item)])
            sources += found
            refused += missing
    return sources, refused


def classify_images(
    sources: Iterable[Source],
    bundle: Bundle[ClassifierCard] | Classifier,
    detector: Bundle[DetectorCard] | Detector | None,
) -> Iterator[Prediction | Refusal]:
    """Predictions and refusals in the order of the sources, as they become ready.

    Without a detector the images are classified as they are. One that is not open yet is opened on one thread.
    """

    def describe(index: int, source: Source) -> _Picture:
        if isinstance(source, np.ndarray):
            return _Picture(f"array {index}", lambda: DecodedImage(check_array(source)))
        return _Picture(str(source), lambda: read_image(source))

    return _run((describe(index, source) for index, source in enumerate(sources)), bundle, detector)


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


def find_images(paths: Iterable[str]) -> tuple[list[str], list[Refusal]]:
    """The images that the paths of a command line mean: files, folders, and `@list` files with one path per line.

    Folders are searched down. Each image is listed once. Of a folder, files with the suffix of an image are taken; a file that is named itself is
    taken whatever its suffix.

    Returns:
        Paths in order, a folder's files sorted; and the paths that could not be found or opened.
    """
    found: dict[str, None] = {}
    refused: list[Refusal] = []
    for word in paths:
        if word.startswith("@") and not Path(word).exists():
            listed, missing = find_images(_read_list(Path(word[1:])))
            found |= dict.fromkeys(listed)
            refused += missing
        elif Path(word).is_dir():
            files, unlisted = list_files(word)
            found |= dict.fromkeys(file for file in files if Path(file).suffix.lower() in IMAGE_SUFFIXES)
            refused += unlisted
        else:
            found[word] = None
    return list(found), refused


def _read_list(path: Path) -> list[str]:
    try:
        text = path.read_text(encoding="utf-8", errors="surrogateescape")
    except OSError as error:
        raise UsageError(f"The list {show_name(str(path))} cannot be read: {error.strerror}.") from error
    return [line for line in text.splitlines() if line.strip() and not line.startswith("@")]


def check_array(image: Pixels) -> Pixels:
    """The same array.

    Raises:
        InputRefused: it is not `(h, w, 3)` uint8.
    """
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
        raise InputRefused(f"is an array {image.shape} of {image.dtype}; expected (h, w, 3) of uint8, RGB.")
    return image
