"""Images to calls: decode, find the cell, cut and name it, in small batches on every processor. `ll.classify` stands here.

Memory stays flat however many images there are.
"""

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from itertools import islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from leukolens.core.card import ClassifierCard, DetectorCard
from leukolens.core.errors import InputRefused, UsageError
from leukolens.core.files import show_name
from leukolens.core.pixels import Pixels, crop_cell, prepare_image
from leukolens.core.predictions import Predictions
from leukolens.core.results import Box, Prediction, Refusal
from leukolens.core.tasks import Task
from leukolens.datasets.manifest import Record
from leukolens.images.decoding import IMAGE_SUFFIXES, DecodedImage, read_image
from leukolens.images.folders import list_files
from leukolens.inference.bundles import Bundle, load_bundle
from leukolens.inference.classifier import Classifier
from leukolens.inference.detector import Detector
from leukolens.inference.judge import doubt_call, find_fault, judge_cell, reject_image, rule_out_platelet
from leukolens.inference.look import look_at
from leukolens.inference.subject import Subject
from leukolens.quality.field import judge_field

BATCH_SIZE = 4
_BATCHES_AHEAD = 3

Source = str | Path | Pixels


@dataclass(frozen=True)
class _Picture:
    """A picture still to be read; `cell` says where its cell lies, where that is known."""

    name: str
    read: Callable[[], DecodedImage]
    cell: Box | None = None


@dataclass(frozen=True)
class _Prepared:
    name: str
    pixels: Pixels | None
    fault: str
    subject: Subject
    warnings: tuple[str, ...]


def classify(
    images: Source | Iterable[Source],
    bundle: str | Path | Bundle[ClassifierCard] | None = None,
    detector: str | Path | Bundle[DetectorCard] | None = None,
    whole: bool = False,
) -> Predictions:
    """Finds and names the cell that each image is about.

    Args:
        images: Paths of files or folders, or arrays `(h, w, 3)` uint8 RGB; one or many.
        bundle: Name, folder or opened bundle; the default one where nothing is named.
        detector: The finder of cells, likewise.
        whole: Take each image as it is, without looking for the cell first.

    Returns:
        One prediction per readable image, in order; `refused` names the others.

    Raises:
        BundleError: a bundle does not hold together.
    """
    opened = load_bundle(bundle)
    finder = None if whole else load_bundle(detector, Task.DETECTION)
    sources, refused = gather_sources(images)
    results = list(classify_images(sources, opened, finder))
    items = tuple(result for result in results if isinstance(result, Prediction))
    refused += [result for result in results if isinstance(result, Refusal)]
    return Predictions(opened.card.classes, items, refused=tuple(refused), bundle=opened.card.name)


def gather_sources(given: Source | Iterable[Source]) -> tuple[list[Source], list[Refusal]]:
    """One or many paths, folders and arrays as a list of pictures, and what could not be found."""
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
    sources: Iterable[Source], bundle: Bundle[ClassifierCard], detector: Bundle[DetectorCard] | None
) -> Iterator[Prediction | Refusal]:
    """Calls and refusals in the order of the sources, as they become ready; without a detector, of images as they are."""

    def describe(index: int, source: Source) -> _Picture:
        if isinstance(source, np.ndarray):
            return _Picture(f"array {index}", lambda: DecodedImage(check_array(source)))
        return _Picture(str(source), lambda: read_image(source))

    return _run((describe(index, source) for index, source in enumerate(sources)), bundle, detector)


def predict_records(
    records: Sequence[Record],
    bundle: Bundle[ClassifierCard],
    detector: Bundle[DetectorCard] | None,
    report: Callable[[int], None] = lambda done: None,
) -> tuple[Predictions, tuple[Refusal, ...]]:
    """Calls on records of a dataset with their truths and groups, for evaluation; and what could not be read.

    A record that is about a boxed cell is cut there; in others the cell is found, where there is a detector. It gives the
    scale of both.
    """
    pictures = (_Picture(record.id, partial(read_image, record.image), record.cell) for record in records)
    by_id = {record.id: record for record in records}
    calls, refused = [], []
    for done, result in enumerate(_run(pictures, bundle, detector), start=1):
        if isinstance(result, Refusal):
            refused.append(result)
        else:
            calls.append(result)
        report(done)
    truths = tuple(by_id[call.image].label or "" for call in calls)
    groups = tuple(by_id[call.image].group for call in calls)
    return Predictions(bundle.card.classes, tuple(calls), truths, groups), tuple(refused)


def _run(
    pictures: Iterable[_Picture], bundle: Bundle[ClassifierCard], detector: Bundle[DetectorCard] | None
) -> Iterator[Prediction | Refusal]:
    """One worker per processor takes small batches all the way: decode, find, cut, run on one thread, judge.

    Measured on two processors, this leaves less idle than decoding beside a model that spreads over both.
    """
    processors = os.cpu_count() or 1
    classifier = Classifier(bundle, threads=1)
    finder = Detector(detector, threads=1) if detector is not None else None
    remaining = iter(pictures)

    def call_batch(batch: list[_Picture]) -> list[Prediction | Refusal]:
        return list(_call([_prepare(picture, bundle.card, finder) for picture in batch], classifier))

    with ThreadPoolExecutor(processors, "classify") as pool:
        waiting: deque[Future[list[Prediction | Refusal]]] = deque()
        while True:
            while len(waiting) < _BATCHES_AHEAD * processors and (batch := list(islice(remaining, BATCH_SIZE))):
                waiting.append(pool.submit(call_batch, batch))
            if not waiting:
                return
            yield from waiting.popleft().result()


def _prepare(picture: _Picture, card: ClassifierCard, finder: Detector | None) -> _Prepared | Refusal:
    try:
        decoded = picture.read()
        pixels, subject = decoded.pixels, Subject(picture.cell)
        fault = find_fault(pixels)
        if not fault and finder is not None:
            look = look_at(pixels, finder)
            may_be_platelet = "platelet" in card.classes
            subject = look.find_subject(may_be_platelet) if picture.cell is None else look.show(picture.cell)
            faults = [advice.fault for advice in judge_field(look.seen, look.detected) if advice.stops]
            subject = replace(subject, doubt="; ".join(filter(None, (*faults, subject.doubt))))
    except InputRefused as error:
        return Refusal(picture.name, str(error))
    if not fault and subject.box is not None:
        pixels = crop_cell(pixels, subject.box, card.preparation.cell_context)
        fault = find_fault(pixels)
    shown = None if fault else prepare_image(pixels, card.preparation)
    return _Prepared(picture.name, shown, fault, subject, decoded.warnings)


def _call(prepared: list[_Prepared | Refusal], classifier: Classifier) -> Iterator[Prediction | Refusal]:
    shown = [item.pixels for item in prepared if isinstance(item, _Prepared) and item.pixels is not None]
    rows = iter(classifier.classify_batch(np.stack(shown)).probabilities if shown else ())
    for item in prepared:
        if isinstance(item, Refusal):
            yield item
        elif item.fault:
            yield reject_image(item.name, item.fault, item.warnings)
        else:
            row: NDArray[np.float64] = next(rows)
            subject = item.subject
            if subject.no_platelet:
                row = rule_out_platelet(row, classifier.card.classes)
            call = replace(judge_cell(item.name, row, classifier.card, item.warnings), box=subject.box)
            yield doubt_call(call, subject.doubt) if subject.doubt else call


def find_images(paths: Iterable[str]) -> tuple[list[str], list[Refusal]]:
    """The images that words on a command line mean: files, folders searched down, `@list` files of one path a line.

    Each image is named once. A folder's files count by suffix; a file named outright is tried whatever it is called.
    Folders are walked as `leukolens.images.folders` does it.

    Returns:
        Paths in order, folders' files sorted; and what could not be found or opened.
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
    """The same array where it is a picture.

    Raises:
        InputRefused: it is not `(h, w, 3)` uint8.
    """
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
        raise InputRefused(f"is an array {image.shape} of {image.dtype}; expected (h, w, 3) of uint8, RGB.")
    return image
