"""Finds pictures that are identical or nearly identical by their pixels, also mirrored or turned by quarters.

Identical pictures have the same hash of their pixels. For nearly identical ones a perceptual hash (signs of the low
frequencies of a 32-pixel thumbnail) proposes pairs, and a comparison of the thumbnails decides. Copies that were
cropped or turned by other angles, as Kaggle's were, are not found; the groups in a manifest must tell them.

The limits were set on two datasets. In PBC, with 17 identical and 2 nearly identical pairs, the true pairs correlate by
.96 or more and the best false pair by .90. In Kaggle, black corners make different pictures correlate by .97, but these
differ by 12 grey levels and true pairs by less than 8.
"""

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from leukolens.core.errors import InputRefused
from leukolens.core.files import hash_bytes
from leukolens.core.pixels import Pixels
from leukolens.core.results import Refusal
from leukolens.datasets.manifest import Record
from leukolens.images.decoding import read_bytes, read_image

Report = Callable[[int, int], None]
"""Called with the number of images done and of all images."""


def be_silent(done: int, total: int) -> None:
    """A report that says nothing."""


THUMBNAIL_PX = 32
_FREQUENCIES = 8
_LARGEST_HASH_DISTANCE = 12
_LEAST_CORRELATION = 0.93
_LARGEST_DIFFERENCE = 8.0
_LEAST_CONTRAST = 2.0  # of 255; below it a picture is blank, and blank pictures are all alike
_BLOCK_ROWS = 256
_BLOCK_PAIRS = 4096


@dataclass(frozen=True)
class Fingerprints:
    """What is kept of each picture, to compare it with others.

    Attributes:
        records: `n` records, one per picture.
        digests: SHA-256 of the decoded pixels of each.
        thumbnails: `(n, 32, 32, 3)` uint8.
        refused: Pictures that could not be read.
    """

    records: tuple[Record, ...]
    digests: tuple[str, ...]
    thumbnails: Pixels
    refused: tuple[Refusal, ...]


@dataclass(frozen=True)
class NearPair:
    """Two pictures that are nearly identical.

    Attributes:
        first: Index of one in the fingerprints.
        second: Index of the other.
        correlation: Of their thumbnails, -1..1.
        turned: True if one is mirrored or turned by quarters.
    """

    first: int
    second: int
    correlation: float
    turned: bool


def list_pictures(records: Sequence[Record]) -> list[Record]:
    """One record for each picture. Several cells (`field#0`, `field#1`) may lie in one."""
    firsts: dict[tuple[str, str], Record] = {}
    for record in records:
        firsts.setdefault((record.image, record.id.partition("#")[0]), record)
    return list(firsts.values())


def find_identical_files(records: Sequence[Record], report: Report = be_silent) -> list[list[str]]:
    """Sets of ids whose files are the same byte for byte. Nothing is decoded."""
    same: dict[str, list[str]] = defaultdict(list)
    pictures = list_pictures(records)
    for done, record in enumerate(pictures, start=1):
        with suppress(InputRefused):  # training and audit list what cannot be read
            same[hash_bytes(read_bytes(record.image))].append(record.id)
        report(done, len(pictures))
    return [ids for ids in same.values() if len(ids) > 1]


def take_fingerprints(records: Sequence[Record], report: Report) -> Fingerprints:
    """Decodes every picture once."""
    kept, digests, thumbnails, refused = [], [], [], []
    pictures = list_pictures(records)
    for done, record in enumerate(pictures, start=1):
        report(done, len(pictures))
        try:
            pixels = read_image(record.image).pixels
        except InputRefused as error:
            refused.append(Refusal(record.id, str(error)))
            continue
        small = Image.fromarray(pixels).resize((THUMBNAIL_PX, THUMBNAIL_PX), Image.Resampling.BOX)
        kept.append(record)
        digests.append(hash_bytes(str(pixels.shape).encode(), pixels.tobytes()))
        thumbnails.append(np.asarray(small))
    stacked = np.array(thumbnails, np.uint8).reshape(-1, THUMBNAIL_PX, THUMBNAIL_PX, 3)
    return Fingerprints(tuple(kept), tuple(digests), stacked, tuple(refused))


def find_identical(prints: Fingerprints) -> list[list[int]]:
    """Sets of indices whose pixels are the same."""
    return [indices for indices in _group_by(prints.digests) if len(indices) > 1]


def find_near(prints: Fingerprints) -> list[NearPair]:
    """Pairs that are nearly identical, best first. Of identical pictures only the first is compared."""
    firsts = np.array([indices[0] for indices in _group_by(prints.digests)], np.int64)
    rows = firsts[[float(prints.thumbnails[row].std()) >= _LEAST_CONTRAST for row in firsts]]
    thumbnails = prints.thumbnails[rows]
    coarse = _shrink(thumbnails)
    best: dict[tuple[int, int], NearPair] = {}
    for position, proposed in _propose(thumbnails):
        # Means of blocks never differ by more than the pixels do, so this first test loses no pair.
        differences = np.abs(coarse[proposed[:, 0]] - _turn_pictures(coarse[proposed[:, 1]], position))
        pairs = proposed[differences.mean(axis=(1, 2, 3)) <= _LARGEST_DIFFERENCE]
        correlations, differences = _compare(thumbnails, pairs, position)
        accepted = (correlations >= _LEAST_CORRELATION) & (differences <= _LARGEST_DIFFERENCE)
        for (i, j), correlation in zip(pairs[accepted], correlations[accepted], strict=True):
            key = (int(rows[i]), int(rows[j]))
            if key not in best or best[key].correlation < correlation:
                best[key] = NearPair(*key, round(float(correlation), 4), position != 0)
    return sorted(best.values(), key=lambda pair: (-pair.correlation, pair.first, pair.second))


def list_alike(prints: Fingerprints) -> list[tuple[str, str]]:
    """Ids of each two pictures that are identical or nearly identical."""
    pairs = [(indices[0], other) for indices in find_identical(prints) for other in indices[1:]]
    pairs += [(pair.first, pair.second) for pair in find_near(prints)]
    return [(prints.records[first].id, prints.records[second].id) for first, second in pairs]


def _group_by(digests: Sequence[str]) -> list[list[int]]:
    same: dict[str, list[int]] = defaultdict(list)
    for index, digest in enumerate(digests):
        same[digest].append(index)
    return list(same.values())


def _propose(thumbnails: Pixels) -> Iterator[tuple[int, NDArray[np.int64]]]:
    """Pairs `(m, 2)` of similar hashes, with the position (0 to 7) in which they are similar."""
    frequencies = _low_frequencies(thumbnails)
    hashes = [_take_signs(_turn_frequencies(frequencies, position)) for position in range(8)]
    # Two rows of n signs that differ in d places have the product n - 2 d.
    least = hashes[0].shape[1] - 2 * _LARGEST_HASH_DISTANCE
    for position in range(8):
        for start in range(0, len(thumbnails), _BLOCK_ROWS):
            agreement = hashes[0][start : start + _BLOCK_ROWS] @ hashes[position][start:].T
            i, j = np.nonzero(agreement >= least)
            pairs = np.stack([i, j], axis=1)[i < j] + start
            for first in range(0, len(pairs), _BLOCK_PAIRS):
                yield position, pairs[first : first + _BLOCK_PAIRS]


def _low_frequencies(thumbnails: Pixels) -> NDArray[np.float32]:
    """The `(n, 8, 8)` lowest coefficients of the cosine transform of the grey thumbnails."""
    steps = np.arange(THUMBNAIL_PX)
    waves = np.cos(np.pi * (2 * steps + 1) * np.arange(_FREQUENCIES)[:, None] / (2 * THUMBNAIL_PX)).astype(np.float32)
    grey = thumbnails.mean(axis=3, dtype=np.float32)
    return np.asarray(waves @ grey @ waves.T, np.float32)


def _turn_frequencies(frequencies: NDArray[np.float32], position: int) -> NDArray[np.float32]:
    """The coefficients of the turned picture. A mirror image has odd waves of the opposite sign."""
    signs = np.where(np.arange(_FREQUENCIES) % 2, -1, 1).astype(np.float32)
    if position & 4:
        frequencies = frequencies.transpose(0, 2, 1)
    if position & 2:
        frequencies = frequencies * signs[:, None]
    if position & 1:
        frequencies = frequencies * signs
    return frequencies


def _turn_pictures(pictures: NDArray[np.float32], position: int) -> NDArray[np.float32]:
    if position & 4:
        pictures = pictures.transpose(0, 2, 1, 3)
    if position & 2:
        pictures = pictures[:, ::-1]
    if position & 1:
        pictures = pictures[:, :, ::-1]
    return pictures


def _take_signs(frequencies: NDArray[np.float32]) -> NDArray[np.float32]:
    """The hash, `(n, 63)` of -1 and 1: the sign of each coefficient without the mean."""
    return np.where(frequencies.reshape(-1, _FREQUENCIES**2)[:, 1:] > 0, 1, -1).astype(np.float32)


def _compare(
    thumbnails: Pixels, pairs: NDArray[np.int64], position: int
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Correlation and mean difference in grey levels of pairs. Shifts in brightness or tint change neither."""
    first = _centre(thumbnails[pairs[:, 0]].astype(np.float32))
    second = _centre(_turn_pictures(thumbnails[pairs[:, 1]].astype(np.float32), position))
    norms = np.sqrt((first**2).sum(axis=(1, 2, 3)) * (second**2).sum(axis=(1, 2, 3)))
    correlations = (first * second).sum(axis=(1, 2, 3)) / np.maximum(norms, 1e-6)
    return correlations, np.abs(first - second).mean(axis=(1, 2, 3))


def _centre(pictures: NDArray[np.float32]) -> NDArray[np.float32]:
    """The pictures minus the mean of each colour."""
    return np.asarray(pictures - pictures.mean(axis=(1, 2), keepdims=True), np.float32)


def _shrink(thumbnails: Pixels) -> NDArray[np.float32]:
    """Centred thumbnails with a quarter of the side, to compare many pairs quickly."""
    side = THUMBNAIL_PX // 4
    blocks = thumbnails.reshape(-1, side, 4, side, 4, 3)
    return _centre(blocks.mean(axis=(2, 4), dtype=np.float32))
