"""Crops of fields at the network's scale, cut and turned anew for every batch.

Each crop is resized from its field in one step, by the code that inference uses. Colours are changed by
`training.augment`.
"""

import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from leukolens.core.card import INPUT_MULTIPLE_PX
from leukolens.core.pixels import Pixels, resize_window
from leukolens.core.taxonomy import DETECTED_KINDS, CellKind
from leukolens.training.detection.fields import TrainingField
from leukolens.training.detection.labels import Labels

_LEAST_SIDE_PX = 4.0

_LEAST_SHOWN = np.array([{"leukocyte": 0.1}.get(kind, 0.35) for kind in DETECTED_KINDS])
"""A cut cell is trained on only where this share of its box shows, and more than one step of the grid. A tenth of a
leukocyte must not be taken for a platelet."""

_LEFT_OF_CUT = (0.2, 0.4)
"""Shares of a leukocyte's width or height that are left where a field is cut through it."""

_AT_A_CELL = 0.75
"""Share of crops that lie over a cell. Its kind is drawn first, since leukocytes and platelets are few."""


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


def cut_whole(field: TrainingField, red_cell_px: float) -> Crop:
    """The whole field at the network's scale, with room beyond it to the next size that the network takes."""
    return _cut_from(field, 0.0, 0.0, red_cell_px)


def cut_through(field: TrainingField, red_cell_px: float) -> list[Crop]:
    """Parts of a field whose left or upper border cuts a leukocyte. Photographs aimed at cells have few such."""
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

    For a leukocyte this is any place in its box, so that a crop's border may cut off most of it, as a field's border
    does. For other kinds it is the middle.
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
