"""One pass over a dataset: a short row per image, sums per class, and a few examples.

Images are decoded in threads and not kept, so only the rows grow with the dataset.
"""

import os
from collections import defaultdict, deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import islice

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

from leukolens.core.errors import DataError, InputRefused
from leukolens.core.pixels import Pixels
from leukolens.core.results import Refusal
from leukolens.core.taxonomy import CELL_CLASSES, CellKind
from leukolens.datasets.manifest import Record
from leukolens.inference.crops import place_own_crop, read_crop
from leukolens.quality.image import find_edges
from leukolens.quality.stain import REDUCED_PX, Stained, find_stained

CHANNELS = ("grey", "red", "green", "blue")
UNLABELLED = "unlabelled"
"""The class of images without one."""

EXAMPLES_PER_CLASS = 8
SMALLEST_SHARE = 0.002
"""Smaller pieces, as a share of the image, are specks. Platelets in PBC (360 px) start at about twice that."""

_EXAMPLE_PX = 224
_BLACK_BELOW = 8  # a black border reaches about this value after JPEG
_BORDER_FROM = 0.002  # share of the image; less is a speck at the edge
_BLUR_PX = 2  # JPEG's soft edge of a border
_BRIGHT_FROM = 250
_FOCUS_PX = 512  # the middle of a large photograph is enough to measure focus
_BATCH, _BATCHES_AHEAD = 16, 3

Counts = NDArray[np.int64]


@dataclass(frozen=True)
class Measured:
    """Measurements of one image. Means, contrast, dark and bright exclude a black border.

    Attributes:
        id: Of the record.
        label: Its class, or `unlabelled`.
        group: Its group, such as its field of view or slide.
        width: In pixels; of the crop where the record is a boxed cell.
        height: Likewise.
        means: Mean grey, red, green, blue, 0..255.
        contrast: Standard deviation of grey.
        focus: Variance of the Laplacian of grey over the middle 512 px; low is blurred.
        dark: Share of pixels below 8.
        bright: Share of pixels from 250 up.
        border: Share of the image that is black border, as in an image that was turned.
        stained: Share of the image that is bluish.
        strength: How bluish those pixels are, see `quality.stain`.
        pieces: Areas of the bluish pieces as shares of the image, largest first, without specks.
        cut: Whether the largest piece touches the edge of the image.
        boxed: Leukocytes that people marked with boxes in this image; None without boxes.
    """

    id: str
    label: str
    group: str
    width: int
    height: int
    means: tuple[float, ...]
    contrast: float
    focus: float
    dark: float
    bright: float
    border: float
    stained: float
    strength: float
    pieces: tuple[float, ...]
    cut: bool
    boxed: int | None = None


@dataclass
class Tally:
    """Sums over the images of one class.

    Attributes:
        images: Number of images.
        histogram: `(4, 256)`, pixels of each value in grey, red, green, blue; without border.
        border: `(4, 256)`, the same of the border.
        reduced: `(2, 256)`, grey values of the reduced images: bluish pixels, others; without border.
        total: `(h, w, 3)` sum of the reduced images.
    """

    images: int
    histogram: Counts
    border: Counts
    reduced: Counts
    total: Counts


@dataclass(frozen=True)
class Example:
    """One image to show, reduced to at most 224 px."""

    id: str
    pixels: Pixels


@dataclass(frozen=True)
class Scan:
    """All measurements of a dataset.

    Attributes:
        rows: One per readable image, in the dataset's order.
        tallies: By class, in the order of the taxonomy, unlabelled last.
        examples: By class, drawn at random.
        refused: Images that could not be read.
        size: Width and height of the reduced images.
    """

    rows: tuple[Measured, ...]
    tallies: dict[str, Tally]
    examples: dict[str, tuple[Example, ...]]
    refused: tuple[Refusal, ...]
    size: tuple[int, int] = field(default=(REDUCED_PX, REDUCED_PX))


@dataclass(frozen=True)
class _Look:
    row: Measured
    histogram: Counts
    border: Counts
    reduced: Counts
    small: Pixels
    example: Pixels | None


def class_of(record: Record) -> str:
    """The class of a record, or `unlabelled`."""
    return record.label or UNLABELLED


def read_pixels(record: Record) -> Pixels:
    """The image of a record, cut around its cell where it is about one.

    Raises:
        InputRefused: it cannot be read.
    """
    return read_crop(record.image, place_own_crop(record)).pixels


def scan(records: Sequence[Record], report: Callable[[int], None] = lambda done: None, seed: int = 0) -> Scan:
    """Reads every image once.

    Args:
        records: Of one dataset; fields of view as their cells.
        report: Called with how many more images are done.
        seed: For the choice of examples.

    Raises:
        DataError: there are no images, or none can be read.
    """
    size = _reduced_size(records)
    drawn = _draw_examples(records, seed)
    tallies: dict[str, Tally] = {}
    shown: dict[str, list[Example]] = defaultdict(list)
    rows: list[Measured] = []
    refused: list[Refusal] = []
    for batch in _stream(records, lambda record: _look(record, size, record.id in drawn)):
        for look in batch:
            if isinstance(look, Refusal):
                refused.append(look)
                continue
            rows.append(look.row)
            if look.row.label not in tallies:
                tallies[look.row.label] = _new_tally(size)
            _add(tallies[look.row.label], look)
            if look.example is not None:
                shown[look.row.label].append(Example(look.row.id, look.example))
        report(len(batch))
    order = [name for name in (*CELL_CLASSES, UNLABELLED) if name in tallies]
    examples = {name: tuple(shown[name]) for name in order}
    return Scan(tuple(rows), {name: tallies[name] for name in order}, examples, tuple(refused), size)


def _new_tally(size: tuple[int, int]) -> Tally:
    wide = np.zeros((4, 256), np.int64)
    return Tally(0, wide, wide.copy(), np.zeros((2, 256), np.int64), np.zeros((size[1], size[0], 3), np.int64))


def _add(tally: Tally, look: _Look) -> None:
    tally.images += 1
    tally.histogram += look.histogram
    tally.border += look.border
    tally.reduced += look.reduced
    tally.total += look.small


def _reduced_size(records: Sequence[Record]) -> tuple[int, int]:
    """The size to which all images are reduced, so that they can be averaged: the shape of the first readable image."""
    for record in records:
        try:
            height, width = read_pixels(record).shape[:2]
        except InputRefused:
            continue
        scale = REDUCED_PX / max(height, width)
        return max(8, round(width * scale)), max(8, round(height * scale))
    raise DataError(
        f"None of the {len(records)} images can be read. Put them back where they were, or add the dataset again: "
        "leukolens data add NAME PATH --force."
    )


def _draw_examples(records: Sequence[Record], seed: int) -> set[str]:
    by_class: dict[str, list[str]] = defaultdict(list)
    for record in records:
        by_class[class_of(record)].append(record.id)
    generator = np.random.default_rng(seed)
    drawn: set[str] = set()
    for ids in by_class.values():
        drawn.update(generator.choice(np.array(ids, object), min(EXAMPLES_PER_CLASS, len(ids)), replace=False))
    return drawn


def _stream(records: Sequence[Record], look: Callable[[Record], _Look]) -> Iterator[list[_Look | Refusal]]:
    """Batches in the order of the records; only a few are decoded at a time."""

    def look_at_all(batch: Sequence[Record]) -> list[_Look | Refusal]:
        looks: list[_Look | Refusal] = []
        for record in batch:
            try:
                looks.append(look(record))
            except InputRefused as error:
                looks.append(Refusal(record.id, str(error)))
        return looks

    processors = os.cpu_count() or 1
    remaining = (records[start : start + _BATCH] for start in range(0, len(records), _BATCH))
    with ThreadPoolExecutor(processors, "explore") as pool:
        waiting: deque[Future[list[_Look | Refusal]]] = deque()
        while True:
            for batch in islice(remaining, _BATCHES_AHEAD * processors - len(waiting)):
                waiting.append(pool.submit(look_at_all, batch))
            if not waiting:
                return
            yield waiting.popleft().result()


def _look(record: Record, size: tuple[int, int], wanted: bool) -> _Look:
    pixels = read_pixels(record)
    picture = Image.fromarray(pixels)
    luma = picture.convert("L")
    grey = np.asarray(luma)
    whole = np.array([luma.histogram(), *np.reshape(picture.histogram(), (3, 256))], np.int64)
    edge = _find_border(grey, int(whole[0, :_BLACK_BELOW].sum()))
    border = np.zeros_like(whole)
    if edge is not None:
        planes = (grey[edge], *pixels[edge].T)
        border = np.array([np.bincount(plane, minlength=256) for plane in planes], np.int64)
    histogram = whole - border
    reduced = picture.resize(size, Image.Resampling.BOX, reducing_gap=2.0)
    small = np.asarray(reduced)
    stained = find_stained(small)
    small_grey = np.asarray(reduced.convert("L"))
    others = stained.ground & ~stained.mask
    counts = [np.bincount(small_grey[part], minlength=256) for part in (stained.mask, others)]
    pieces, cut = _list_pieces(stained)
    pixels_left = max(1, int(histogram[0].sum()))
    means = histogram @ np.arange(256) / pixels_left
    row = Measured(
        record.id,
        class_of(record),
        record.group,
        pixels.shape[1],
        pixels.shape[0],
        tuple(float(mean) for mean in means),
        float(np.sqrt(histogram[0] @ (np.arange(256) - means[0]) ** 2 / pixels_left)),
        _measure_focus(grey, edge),
        float(histogram[0, :_BLACK_BELOW].sum() / pixels_left),
        float(histogram[0, _BRIGHT_FROM:].sum() / pixels_left),
        float(border[0].sum() / grey.size),
        stained.amount,
        stained.strength,
        pieces,
        cut,
        sum(box.kind == CellKind.LEUKOCYTE for box in record.boxes) if record.boxes else None,
    )
    return _Look(row, histogram, border, np.array(counts, np.int64), small, _keep(picture) if wanted else None)


def _list_pieces(stained: Stained) -> tuple[tuple[float, ...], bool]:
    shares = stained.areas / stained.mask.size
    pieces = tuple(float(share) for share in np.sort(shares)[::-1] if share >= SMALLEST_SHARE)
    if not pieces:
        return (), False
    labels = stained.labels
    edge = np.concatenate([labels[0], labels[-1], labels[:, 0], labels[:, -1]])
    return pieces, bool((edge == stained.areas.argmax() + 1).any())


def _keep(picture: Image.Image) -> Pixels:
    copy = picture.copy()
    copy.thumbnail((_EXAMPLE_PX, _EXAMPLE_PX))
    return np.asarray(copy)


def _find_border(grey: Pixels, black: int) -> NDArray[np.bool_] | None:
    """Black pixels connected to the edge of the image, widened by JPEG's blur; None without a border."""
    if black < _BORDER_FROM * grey.size:
        return None
    numbered, _ = ndimage.label(grey < _BLACK_BELOW)
    at_edge = np.unique(np.concatenate([numbered[0], numbered[-1], numbered[:, 0], numbered[:, -1]]))
    border = np.zeros(numbered.max() + 1, bool)
    border[at_edge] = True
    border[0] = False
    mask = border[numbered]
    if mask.sum() < _BORDER_FROM * grey.size:
        return None
    widened: NDArray[np.bool_] = ndimage.binary_dilation(mask, iterations=_BLUR_PX)
    return widened


def _measure_focus(grey: Pixels, edge: NDArray[np.bool_] | None) -> float:
    top, left = (max(0, (side - _FOCUS_PX) // 2) for side in grey.shape)
    window = (slice(top, top + _FOCUS_PX), slice(left, left + _FOCUS_PX))
    part = grey[window].astype(np.int16)
    if min(part.shape) < 3:
        return 0.0
    laplacian = find_edges(part)
    if edge is not None:
        # The edge of a border is sharp even in a blurred image.
        inside = ~ndimage.binary_dilation(edge[window])[1:-1, 1:-1]
        laplacian = laplacian[inside]
    return float(laplacian.astype(np.float32).var()) if laplacian.size else 0.0
