"""Images to calls: decode, prepare as the card says, run in small batches on every processor, judge. `ll.classify` stands here.

Memory stays flat however many images there are. Finding cells in whole fields will stand before `_prepare`; today
an image is one cell, or a record that names a box.
"""

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from leukolens.analysis.judge import find_fault, judge_cell, reject_image
from leukolens.core.errors import InputRefused, UsageError
from leukolens.core.files import show_name
from leukolens.core.pixels import Pixels, prepare_image
from leukolens.core.predictions import Predictions
from leukolens.core.results import CellCall, Refusal
from leukolens.data.images import IMAGE_SUFFIXES, DecodedImage, read_image
from leukolens.data.manifest import Record, read_cell
from leukolens.runtime.classifier import Bundle, Classifier, load_bundle

BATCH_SIZE = 4
_BATCHES_AHEAD = 3

Source = str | Path | Pixels
Item = TypeVar("Item")


@dataclass(frozen=True)
class _Prepared:
    name: str
    pixels: Pixels | None
    fault: str
    warnings: tuple[str, ...]


@dataclass(frozen=True)
class Calls:
    """What became of a list of images.

    Attributes:
        calls: One per readable image, in order.
        refused: Images that could not be read, and why.
        bundle: Name of the bundle that was asked.
        classes: Its classes.
    """

    calls: tuple[CellCall, ...]
    refused: tuple[Refusal, ...]
    bundle: str
    classes: tuple[str, ...]

    def to_pandas(self) -> Any:
        """The calls as a table, in the columns of the predictions file.

        Raises:
            UsageError: pandas is not installed.
        """
        try:
            import pandas  # type: ignore[import-untyped]
        except ImportError as error:
            raise UsageError("to_pandas() needs pandas: pip install pandas.") from error
        predictions = Predictions(self.classes, self.calls)
        return pandas.DataFrame(predictions.rows(), columns=predictions.header())


def classify(images: Source | Iterable[Source], bundle: str | Path | Bundle | None = None) -> Calls:
    """Names the cell in each image.

    Args:
        images: Paths of files or folders, or arrays `(h, w, 3)` uint8 RGB; one or many.
        bundle: Name, folder or opened bundle; the default one where nothing is named.

    Raises:
        BundleError: the bundle does not hold together.
    """
    opened = bundle if isinstance(bundle, Bundle) else load_bundle(bundle)
    sources, refused = gather_sources(images)
    results = list(classify_images(sources, opened))
    calls = tuple(result for result in results if isinstance(result, CellCall))
    refused += [result for result in results if isinstance(result, Refusal)]
    return Calls(calls, tuple(refused), opened.card.name, opened.card.classes)


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


def classify_images(sources: Iterable[Source], bundle: Bundle) -> Iterator[CellCall | Refusal]:
    """Calls and refusals in the order of the sources, as they become ready."""

    def load(item: tuple[int, Source]) -> tuple[str, DecodedImage]:
        index, source = item
        if isinstance(source, np.ndarray):
            return f"array {index}", DecodedImage(check_array(source))
        return str(source), read_image(source)

    def name(item: tuple[int, Source]) -> str:
        return f"array {item[0]}" if isinstance(item[1], np.ndarray) else str(item[1])

    return _run(enumerate(sources), load, name, bundle)


def predict_records(
    records: Sequence[Record], bundle: Bundle, report: Callable[[int], None] = lambda done: None
) -> tuple[Predictions, tuple[Refusal, ...]]:
    """Calls on records of a dataset with their truths and groups, for evaluation; and what could not be read."""
    context = bundle.card.preparation.cell_context

    def load(record: Record) -> tuple[str, DecodedImage]:
        return record.id, read_cell(record, context)

    by_id = {record.id: record for record in records}
    calls, refused = [], []
    for done, result in enumerate(_run(records, load, lambda record: record.id, bundle), start=1):
        if isinstance(result, Refusal):
            refused.append(result)
        else:
            calls.append(result)
        report(done)
    truths = tuple(by_id[call.image].label or "" for call in calls)
    groups = tuple(by_id[call.image].group for call in calls)
    return Predictions(bundle.card.classes, tuple(calls), truths, groups), tuple(refused)


def _run(
    items: Iterable[Item], load: Callable[[Item], tuple[str, DecodedImage]], name: Callable[[Item], str], bundle: Bundle
) -> Iterator[CellCall | Refusal]:
    """One worker per processor takes small batches all the way: decode, prepare, run on one thread, judge.

    Measured on two processors, this leaves less idle than decoding beside a model that spreads over both.
    """
    processors = os.cpu_count() or 1
    classifier = Classifier(bundle, threads=1)
    remaining = iter(items)
    preparation = bundle.card.preparation

    def prepare(item: Item) -> _Prepared | Refusal:
        try:
            identity, decoded = load(item)
            fault = find_fault(decoded.pixels)
            pixels = None if fault else prepare_image(decoded.pixels, preparation)
            return _Prepared(identity, pixels, fault, decoded.warnings)
        except InputRefused as error:
            return Refusal(name(item), str(error))

    def call_batch(batch: list[Item]) -> list[CellCall | Refusal]:
        return list(_call([prepare(item) for item in batch], classifier))

    with ThreadPoolExecutor(processors, "classify") as pool:
        waiting: deque[Future[list[CellCall | Refusal]]] = deque()
        while True:
            while len(waiting) < _BATCHES_AHEAD * processors and (batch := list(islice(remaining, BATCH_SIZE))):
                waiting.append(pool.submit(call_batch, batch))
            if not waiting:
                return
            yield from waiting.popleft().result()


def _call(prepared: list[_Prepared | Refusal], classifier: Classifier) -> Iterator[CellCall | Refusal]:
    shown = [item.pixels for item in prepared if isinstance(item, _Prepared) and item.pixels is not None]
    rows = iter(classifier.classify_batch(np.stack(shown)).probabilities if shown else ())
    for item in prepared:
        if isinstance(item, Refusal):
            yield item
        elif item.fault:
            yield reject_image(item.name, item.fault, item.warnings)
        else:
            yield judge_cell(item.name, next(rows), classifier.card, item.warnings)


def find_images(paths: Iterable[str]) -> tuple[list[str], list[Refusal]]:
    """The images that words on a command line mean: files, folders searched down, `@list` files of one path a line.

    Each image is named once. A folder's files count by suffix; a file named outright is tried whatever it is called.
    Links to folders are followed, loops are not followed twice.

    Returns:
        Paths in order, folders' files sorted; and what could not be found or opened.
    """
    found: dict[str, None] = {}
    refused: list[Refusal] = []
    seen: set[tuple[int, int]] = set()

    def fail(error: OSError) -> None:
        refused.append(Refusal(str(error.filename), f"cannot be opened: {error.strerror}"))

    for word in paths:
        if word.startswith("@") and not Path(word).exists():
            listed, missing = find_images(_read_list(Path(word[1:])))
            found |= dict.fromkeys(listed)
            refused += missing
        elif Path(word).is_dir():
            for folder, folders, names in os.walk(word, onerror=fail, followlinks=True):
                status = os.stat(folder)
                if (status.st_dev, status.st_ino) in seen:
                    folders.clear()
                    continue
                seen.add((status.st_dev, status.st_ino))
                folders.sort()
                pictures = (name for name in sorted(names) if Path(name).suffix.lower() in IMAGE_SUFFIXES)
                found |= dict.fromkeys(os.path.join(folder, name) for name in pictures)
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
