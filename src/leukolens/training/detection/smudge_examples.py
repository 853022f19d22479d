"""Examples for the smudge head: leukocytes of photographs, and smudge cells drawn into the same photographs.

A smudge cell is a burst leukocyte. No dataset labels them, so they are drawn.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper

from leukolens.core.card import INPUT_MULTIPLE_PX, DetectorCard
from leukolens.core.errors import InputRefused
from leukolens.core.overlaps import measure_overlaps, stack_corners
from leukolens.core.pixels import Pixels, normalise_colours, resize_window
from leukolens.core.results import Box
from leukolens.core.taxonomy import CellKind
from leukolens.datasets.manifest import Record
from leukolens.datasets.synthetic.smudges import measure_dye, smear_leukocyte
from leukolens.images.decoding import read_image
from leukolens.inference.borders import is_cut
from leukolens.inference.bundles import Bundle
from leukolens.inference.decoding import average_in_boxes
from leukolens.inference.detector import Detector
from leukolens.inference.scale import RED_CELL_UM
from leukolens.inference.session import INPUT_NAME, open_model
from leukolens.inference.view import detect_cells

_SMUDGES_PER_FIELD = 2
_TRIES = 20
_APART = 0.9
"""Least distance of a smudge's middle from a leukocyte's box, in red cells."""
_SAME_OVERLAP = 0.3


@dataclass(frozen=True)
class SmudgeExamples:
    """Leukocytes that were detected whole in photographs, and drawn smudge cells that were taken for such.

    Attributes:
        features: `(n, c)` float64: means of the model's maps over each box, channels in the order of the taps.
        drawn: `(n,)` bool: whether it is a drawn smudge.
        groups: `(n,)` what must stay on one side of a split: slides, fields.
        painted: Smudge cells that were drawn; those that were not taken for a leukocyte have no row.
    """

    features: NDArray[np.float64]
    drawn: NDArray[np.bool_]
    groups: NDArray[np.str_]
    painted: int


class ExampleFinder:
    """Detects leukocytes with a bundle, and reads its model's maps there."""

    def __init__(
        self, bundle: Bundle[DetectorCard], model: onnx.ModelProto, taps: Sequence[tuple[str, int, int]]
    ) -> None:
        self._card, self._taps = bundle.card, taps
        self._detector = Detector(bundle)
        shown = onnx.ModelProto()
        shown.CopyFrom(model)
        for name, channels, _ in taps:
            shape: list[Any] = ["n", channels, None, None]
            shown.graph.output.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, shape))
        self._session = open_model(shown.SerializeToString())

    def gather(self, records: Sequence[Record], seed: int) -> SmudgeExamples:
        """Examples of all fields whose scale can be measured on their red cells."""
        features = [np.empty((0, sum(channels for _, channels, _ in self._taps)))]
        drawn: list[bool] = []
        groups: list[str] = []
        painted = 0
        for number, record in enumerate(records):
            rng = np.random.default_rng([seed, number])
            boxed = [box for box in record.boxes if box.kind == CellKind.LEUKOCYTE]
            if not boxed:
                continue
            try:
                photograph = read_image(record.image).pixels
            except InputRefused:
                continue  # The training has named it already.
            seen = detect_cells(photograph, self._detector)
            red_cell_px = seen.in_view.red_cell_px
            if red_cell_px is None:
                continue
            field = seen.cut(photograph)
            boxed = [box.shift(-seen.view[0], -seen.view[1]) for box in boxed]
            found = [item.box for item in seen.in_view if item.box.kind == CellKind.LEUKOCYTE]
            whole = [box for box in found if _is_boxed(box, boxed) and not is_cut(box, *field.shape[:2])]
            smudged, middles = _paint(field, [*boxed, *found], red_cell_px, rng)
            painted += len(middles)
            held = self._find_at(smudged, middles, red_cell_px)
            for picture, finds, is_smudge in ((field, whole, False), (smudged, held, True)):
                if finds:
                    features.append(self._read(picture, finds, red_cell_px))
                    drawn += [is_smudge] * len(finds)
                    groups += [f"{record.source} {record.group}"] * len(finds)
        return SmudgeExamples(np.concatenate(features), np.array(drawn, bool), np.array(groups, str), painted)

    def _find_at(self, field: Pixels, places: Sequence[tuple[float, float]], red_cell_px: float) -> list[Box]:
        """The leukocyte with the highest score, not cut by the border, over each place; none where there is none."""
        seen = detect_cells(field, self._detector, RED_CELL_UM / red_cell_px)
        whole = [
            seen.place(item.box)
            for item in seen.in_view
            if item.box.kind == CellKind.LEUKOCYTE and not is_cut(item.box, seen.height_px, seen.width_px)
        ]
        surest = (next((box for box in whole if _holds(box, place)), None) for place in places)
        return [box for box in surest if box is not None]

    def _read(self, field: Pixels, boxes: Sequence[Box], red_cell_px: float) -> NDArray[np.float64]:
        scale = self._card.red_cell_px / red_cell_px
        size = round(field.shape[0] * scale), round(field.shape[1] * scale)
        pixels = resize_window(field, (0, 0, field.shape[1], field.shape[0]), size)
        inputs = normalise_colours(pixels[None], self._card.mean, self._card.std)
        beyond = [(0, -side % INPUT_MULTIPLE_PX) for side in size]
        inputs = np.pad(inputs, ((0, 0), (0, 0), *beyond))
        maps = self._session.run([name for name, _, _ in self._taps], {INPUT_NAME: inputs})
        fine = [
            found[0].repeat(coarser, axis=1).repeat(coarser, axis=2)
            for found, (_, _, coarser) in zip(maps, self._taps, strict=True)
        ]
        placed = stack_corners(boxes) * scale
        return np.concatenate([average_in_boxes(found, placed, self._card.stride) for found in fine], axis=1)


def _paint(
    field: Pixels, leukocytes: Sequence[Box], red_cell_px: float, rng: np.random.Generator
) -> tuple[Pixels, list[tuple[float, float]]]:
    """The field with smudges away from its leukocytes and from one another, and their middles."""
    dye = measure_dye(field, leukocytes[0])
    middles: list[tuple[float, float]] = []
    for middle in _draw_places(field, leukocytes, red_cell_px, rng):
        if all(np.hypot(middle[0] - x, middle[1] - y) >= 3 * red_cell_px for x, y in middles):
            field, _ = smear_leukocyte(field, middle, RED_CELL_UM / red_cell_px, dye, rng)
            middles.append(middle)
        if len(middles) == _SMUDGES_PER_FIELD:
            break
    return field, middles


def _draw_places(
    field: Pixels, leukocytes: Sequence[Box], red_cell_px: float, rng: np.random.Generator
) -> Iterator[tuple[float, float]]:
    far = _APART * red_cell_px
    ends = field.shape[1] - far, field.shape[0] - far
    for _ in range(_TRIES if min(ends) > far else 0):
        place = float(rng.uniform(far, ends[0])), float(rng.uniform(far, ends[1]))
        around = (Box(box.x0 - far, box.y0 - far, box.x1 + far, box.y1 + far, box.kind) for box in leukocytes)
        if not any(_holds(box, place) for box in around):
            yield place


def _holds(box: Box, place: tuple[float, float]) -> bool:
    return box.x0 <= place[0] <= box.x1 and box.y0 <= place[1] <= box.y1


def _is_boxed(found: Box, boxed: Sequence[Box]) -> bool:
    return bool((measure_overlaps(stack_corners([found]), stack_corners(boxed)) >= _SAME_OVERLAP).any())
