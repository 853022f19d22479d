"""Fields for training a detector: decoded once into one file on disk, each with what it teaches.

Pictures stay as they are in the file; `training.detection.crops` cuts from them.
"""

import json
import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from leukolens.core.errors import InputRefused
from leukolens.core.files import hash_bytes, write_atomically, write_text
from leukolens.core.pixels import Pixels
from leukolens.core.results import Box, Refusal
from leukolens.datasets.manifest import Record
from leukolens.datasets.synthetic import draw_field
from leukolens.images.decoding import read_image
from leukolens.inference.scale import RED_CELL_UM
from leukolens.training.cache import keep_path, read_or_make
from leukolens.training.detection.labels import Labels, label_boxes

SYNTHETIC = "synthetic"
"""The name of the dataset of drawn fields."""

SYNTHETIC_RED_CELL_PX = 64.0
"""Of synthetic fields: a little above the network's, so that an enlarged crop is still sharp."""

_FOR_SEEDS = 2**32


@dataclass(frozen=True)
class TrainingField:
    """A field with what it teaches.

    Attributes:
        id: Its record's.
        data: Name of its dataset; `synthetic` for drawn ones.
        pixels: `(h, w, 3)` uint8, usually a read-only view of a file.
        labels: In its own pixels.
        red_cell_px: Usual diameter of its red cells, in its own pixels.
        negative_weight: Per kind, how strongly its unlabelled places teach that there is no such cell, 0..1.
        own_labels: The boxes that it came with, where all of `labels` are relabelled; else None.
    """

    id: str
    data: str
    pixels: Pixels
    labels: Labels
    red_cell_px: float
    negative_weight: tuple[float, float, float]
    own_labels: Labels | None = None


def load_pictures(
    records: Sequence[Record], report: Callable[[int, int], None]
) -> tuple[dict[str, Pixels], tuple[Refusal, ...]]:
    """Pictures of fields by their ids, and those that cannot be read; decoded once, later read back from the cache."""

    def decode() -> Iterator[tuple[Pixels | None, str]]:
        for index, record in enumerate(records):
            try:
                yield read_image(record.image).pixels, ""
            except InputRefused as error:
                yield None, str(error)
            report(index + 1, len(records))

    key = hash_bytes(json.dumps([(record.id, record.image) for record in records]).encode("utf-8", "surrogatepass"))
    kept = _keep_pictures(f"fields-{key[:32]}", decode)
    pictures = {record.id: pixels for record, (pixels, _) in zip(records, kept, strict=True) if pixels is not None}
    refused = [Refusal(record.id, why) for record, (pixels, why) in zip(records, kept, strict=True) if pixels is None]
    return pictures, tuple(refused)


def draw_synthetic_fields(count: int, seed: int, report: Callable[[int, int], None]) -> list[TrainingField]:
    """Seeded synthetic fields with every cell boxed, drawn once and kept in the cache."""

    def draw() -> Iterator[tuple[Pixels | None, list[tuple[float, float, float, float, str]]]]:
        for number in range(count):
            random = np.random.default_rng([seed % _FOR_SEEDS, number])
            drawn = draw_field(random, pixel_size_um=RED_CELL_UM / SYNTHETIC_RED_CELL_PX)
            report(number + 1, count)
            yield drawn.image, [(cell.x0, cell.y0, cell.x1, cell.y1, cell.kind) for cell in drawn.cells]

    fields = []
    for number, (pixels, cells) in enumerate(_keep_pictures(f"synthetic-fields-{count}-{seed}", draw)):
        assert pixels is not None  # no drawn field is ever refused
        labels = label_boxes([Box(*cell) for cell in cells])
        fields.append(
            TrainingField(f"synthetic-{number}", SYNTHETIC, pixels, labels, SYNTHETIC_RED_CELL_PX, (1.0, 1.0, 1.0))
        )
    return fields


def _keep_pictures(
    name: str, produce: Callable[[], Iterable[tuple[Pixels | None, Any]]]
) -> list[tuple[Pixels | None, Any]]:
    """Pictures of any size in one file, one after another, each with what is known of it."""
    bytes_path, facts_path = keep_path(f"{name}.rgb"), keep_path(f"{name}.json")

    def make() -> None:
        facts = []
        with write_atomically(bytes_path) as temporary, temporary.open("wb") as stream:
            for pixels, fact in produce():
                stream.write(b"" if pixels is None else pixels.tobytes())
                facts.append((None if pixels is None else pixels.shape[:2], fact))
        write_text(facts_path, json.dumps(facts))

    return read_or_make((bytes_path, facts_path), lambda: _read_pictures(bytes_path, facts_path), make)


def _read_pictures(bytes_path: Path, facts_path: Path) -> list[tuple[Pixels | None, Any]]:
    found = json.loads(facts_path.read_text(encoding="utf-8"))
    everything: Pixels = np.memmap(bytes_path, np.uint8, "r") if bytes_path.stat().st_size else np.empty(0, np.uint8)
    kept: list[tuple[Pixels | None, Any]] = []
    start = 0
    for size, fact in found:
        length = 0 if size is None else 3 * math.prod(size)
        kept.append((None if size is None else everything[start : start + length].reshape(*size, 3), fact))
        start += length
    return kept
