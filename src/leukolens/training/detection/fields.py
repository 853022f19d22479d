"""Fields for training a detector: decoded once to one file on disk, cut and turned anew for every batch.

Pictures stay as they are in the file; each crop is resized from them in one step, by the code that the runtime uses.
Colours are `augment`'s matter, what the boxes teach is `detector_loss`'s.
"""

import json
import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from leukolens.core.card import INPUT_MULTIPLE_PX
from leukolens.core.errors import InputRefused
from leukolens.core.files import hash_bytes, write_atomically
from leukolens.core.overlaps import stack_corners
from leukolens.core.pixels import Pixels, resize_window
from leukolens.core.results import Box, Refusal
from leukolens.core.taxonomy import DETECTED_KINDS, CellKind
from leukolens.datasets.manifest import Record
from leukolens.datasets.synthetic import draw_field
from leukolens.images.decoding import read_image
from leukolens.inference.scale import RED_CELL_UM
from leukolens.training.cache import keep_path

SYNTHETIC = "synthetic"
"""The name of the dataset of drawn fields."""

SYNTHETIC_RED_CELL_PX = 64.0
"""Of synthetic fields: a little above what the network sees, so that a crop that enlarges is still sharp."""

_LEAST_SIDE_PX = 4.0
_LEAST_SHOWN = np.array([{"leukocyte": 0.1}.get(kind, 0.35) for kind in DETECTED_KINDS])
"""What shows of a cut cell must be wider than a step of the grid and this share of its box, else it teaches nothing. A tenth
of a leukocyte must not pass for a platelet."""

_LEFT_OF_CUT = (0.2, 0.4)
"""Shares of a leukocyte's width or height that are left where a field is cut through it."""

_AT_A_CELL = 0.75
"""Share of crops that are laid over a cell, its kind drawn first: leukocytes and platelets are few."""

_FOR_SEEDS = 2**32


@dataclass(frozen=True)
class Labels:
    """Boxes as arrays.

    Attributes:
        boxes: `(n, 4)` float64: x0, y0, x1, y1 in pixels.
        kinds: `(n,)` numbers of the taxonomy's detected kinds.
        sure: `(n,)` bool; where False the box teaches neither that a cell is there nor that none is.
    """

    boxes: NDArray[np.float64]
    kinds: NDArray[np.intp]
    sure: NDArray[np.bool_]

    def pick(self, chosen: NDArray[np.bool_]) -> "Labels":
        """Those where it is true."""
        return Labels(self.boxes[chosen], self.kinds[chosen], self.sure[chosen])


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


@dataclass(frozen=True)
class Crop:
    """A part of a field at the network's scale.

    Attributes:
        pixels: `(h, w, 3)` uint8; 0 beyond the field.
        inside: `(h, w)` bool: what is of the field.
        labels: In pixels of the crop; cells that hardly show are not sure.
        negative_weight: Of its field.
    """

    pixels: Pixels
    inside: NDArray[np.bool_]
    labels: Labels
    negative_weight: tuple[float, float, float]


def label_boxes(boxes: Sequence[Box]) -> Labels:
    """Boxes as arrays, all sure."""
    kinds = np.array([DETECTED_KINDS.index(box.kind) for box in boxes], np.intp)
    return Labels(stack_corners(boxes), kinds, np.ones(len(boxes), bool))


def label_relabelled(cells: Sequence[Box], doubtful: Sequence[Box]) -> Labels:
    """Boxes as arrays, the doubtful ones not sure."""
    labels = label_boxes([*cells, *doubtful])
    return replace(labels, sure=np.arange(len(labels.kinds)) < len(cells))


def replace_kind(labels: Labels, boxes: Sequence[Box], kind: str) -> Labels:
    """Labels whose boxes of one kind are others, all sure."""
    others = labels.pick(labels.kinds != DETECTED_KINDS.index(kind))
    own = label_boxes(boxes)
    return Labels(
        np.concatenate([others.boxes, own.boxes]),
        np.concatenate([others.kinds, own.kinds]),
        np.concatenate([others.sure, own.sure]),
    )


def draw_in(labels: Labels, margin_px: float, pixels: Pixels) -> Labels:
    """Labels whose boxes stand off their cells, as tight ones; a side at the picture's edge, where a cell is cut, stays.

    Args:
        labels: Boxes in pixels of the picture.
        margin_px: How far each side stands off; of a small box no more than a quarter of its width or height.
        pixels: The picture, `(h, w, 3)`.
    """
    least, most = labels.boxes[:, :2], labels.boxes[:, 2:]
    margin = np.minimum(margin_px, (most - least) / 4)
    ends = np.array([pixels.shape[1], pixels.shape[0]])
    drawn = [np.where(least > margin, least + margin, least), np.where(most < ends - margin, most - margin, most)]
    return replace(labels, boxes=np.concatenate(drawn, axis=1))


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
        assert pixels is not None  # none of ours is ever refused
        labels = label_boxes([Box(*cell) for cell in cells])
        fields.append(
            TrainingField(f"synthetic-{number}", SYNTHETIC, pixels, labels, SYNTHETIC_RED_CELL_PX, (1.0, 1.0, 1.0))
        )
    return fields


def _keep_pictures(
    name: str, produce: Callable[[], Iterable[tuple[Pixels | None, Any]]]
) -> list[tuple[Pixels | None, Any]]:
    """Pictures of any sizes one after another in one file, and beside it their sizes and what is known of each."""
    bytes_path, facts_path = keep_path(f"{name}.rgb"), keep_path(f"{name}.json")
    if not (bytes_path.is_file() and facts_path.is_file()):
        facts = []
        with write_atomically(bytes_path) as temporary, temporary.open("wb") as stream:
            for pixels, fact in produce():
                stream.write(b"" if pixels is None else pixels.tobytes())
                facts.append((None if pixels is None else pixels.shape[:2], fact))
        with write_atomically(facts_path) as temporary:
            temporary.write_text(json.dumps(facts), encoding="utf-8")
    found = json.loads(facts_path.read_text(encoding="utf-8"))
    everything: Pixels = np.memmap(bytes_path, np.uint8, "r") if bytes_path.stat().st_size else np.empty(0, np.uint8)
    kept: list[tuple[Pixels | None, Any]] = []
    start = 0
    for size, fact in found:
        length = 0 if size is None else 3 * math.prod(size)
        kept.append((None if size is None else everything[start : start + length].reshape(*size, 3), fact))
        start += length
    return kept


def cut_whole(field: TrainingField, red_cell_px: float) -> Crop:
    """The whole field at the network's scale, with room beyond it to the next size that the network takes."""
    return _cut_from(field, 0.0, 0.0, red_cell_px)


def cut_through(field: TrainingField, red_cell_px: float) -> list[Crop]:
    """Parts of a field whose left or upper border cuts a leukocyte: photographs at random have such, aimed ones hardly."""
    leukocytes = field.labels.sure & (field.labels.kinds == DETECTED_KINDS.index(CellKind.LEUKOCYTE))
    parts = []
    for box in field.labels.boxes[leukocytes]:
        for share in _LEFT_OF_CUT:
            left, top = box[2:] - share * (box[2:] - box[:2])
            parts += [_cut_from(field, left, 0.0, red_cell_px), _cut_from(field, 0.0, top, red_cell_px)]
    return parts


def _cut_from(field: TrainingField, left: float, top: float, red_cell_px: float) -> Crop:
    scale = red_cell_px / field.red_cell_px
    sides = np.array(field.pixels.shape[:2]) - (top, left)
    size = [math.ceil(round(side * scale) / INPUT_MULTIPLE_PX) * INPUT_MULTIPLE_PX for side in sides]
    return _cut(field, (left, top), scale, (size[0], size[1]))


def draw_crop(
    field: TrainingField, side_px: int, red_cell_px: float, jitter: float, random: np.random.Generator
) -> Crop:
    """A square part of the field: at a random place, more often over a cell than not, at a random scale.

    Args:
        field: The field.
        side_px: Of the crop.
        red_cell_px: What the field's usual red cell measures in a crop whose scale is not changed.
        jitter: Largest factor of that change either way; 1 for none.
        random: Source of all draws.
    """
    scale = red_cell_px / field.red_cell_px * math.exp(random.uniform(-1, 1) * math.log(jitter))
    shown = side_px / scale
    at = _choose_place(field.labels, random) if random.random() < _AT_A_CELL else None
    corner = []
    for axis, length in enumerate((field.pixels.shape[1], field.pixels.shape[0])):
        if shown >= length:
            corner.append(0.0)
        elif at is None:
            corner.append(random.uniform(0, length - shown))
        else:
            corner.append(float(np.clip(random.uniform(at[axis] - shown, at[axis]), 0, length - shown)))
    return _cut(field, (corner[0], corner[1]), scale, (side_px, side_px))


def _choose_place(labels: Labels, random: np.random.Generator) -> NDArray[np.float64] | None:
    """Where a cell is, x and y: a kind of those that are there, then one of it.

    Of a leukocyte it is any place, so that a crop's border may cut off most of it, as a field's border does; of others the middle.
    """
    kinds = np.unique(labels.kinds[labels.sure])
    if not len(kinds):
        return None
    chosen = random.choice(kinds)
    of_kind = np.nonzero(labels.sure & (labels.kinds == chosen))[0]
    box = labels.boxes[random.choice(of_kind)]
    place = random.uniform(0, 1, 2) if chosen == DETECTED_KINDS.index(CellKind.LEUKOCYTE) else 0.5
    return np.asarray(box[:2] + place * (box[2:] - box[:2]))


def _cut(field: TrainingField, corner: tuple[float, float], scale: float, size: tuple[int, int]) -> Crop:
    left, top = corner
    height, width = field.pixels.shape[:2]
    right, bottom = min(width, left + size[1] / scale), min(height, top + size[0] / scale)
    part = (min(size[0], max(1, round((bottom - top) * scale))), min(size[1], max(1, round((right - left) * scale))))
    pixels = np.zeros((*size, 3), np.uint8)
    pixels[: part[0], : part[1]] = resize_window(field.pixels, (left, top, right, bottom), part)
    inside = np.zeros(size, bool)
    inside[: part[0], : part[1]] = True
    whole = (field.labels.boxes - (left, top, left, top)) * scale
    boxes = whole.clip(0, (part[1], part[0], part[1], part[0]))
    sides = boxes[:, 2:] - boxes[:, :2]
    shown = sides.prod(axis=1) / np.maximum((whole[:, 2:] - whole[:, :2]).prod(axis=1), 1e-9)
    sure = (
        field.labels.sure
        & (sides.min(axis=1, initial=np.inf) >= _LEAST_SIDE_PX)
        & (shown >= _LEAST_SHOWN[field.labels.kinds])
    )
    labels = Labels(boxes, field.labels.kinds, sure).pick((sides > 0).all(axis=1))
    return Crop(pixels, inside, labels, field.negative_weight)


def turn_crop(crop: Crop, quarters: int, mirrored: bool) -> Crop:
    """A square crop turned anticlockwise by quarters, after mirroring left to right."""
    pixels, inside, boxes = crop.pixels, crop.inside, crop.labels.boxes
    side = pixels.shape[0]
    if mirrored:
        pixels, inside = pixels[:, ::-1], inside[:, ::-1]
        boxes = np.stack([side - boxes[:, 2], boxes[:, 1], side - boxes[:, 0], boxes[:, 3]], axis=1)
    for _ in range(quarters % 4):
        pixels, inside = np.rot90(pixels), np.rot90(inside)
        boxes = np.stack([boxes[:, 1], side - boxes[:, 2], boxes[:, 3], side - boxes[:, 0]], axis=1)
    return replace(crop, pixels=pixels, inside=inside, labels=replace(crop.labels, boxes=boxes))
