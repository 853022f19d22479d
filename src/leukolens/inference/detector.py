"""A detector: a field in, boxes of leukocytes, red cells and platelets out.

Fields may have any size and magnification. They are resized to the scale that the model was trained on, by the given
pixel size or by their red cells, and cut into tiles. `leukolens.inference.view` is the only caller.
"""

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from leukolens.core.card import INPUT_MULTIPLE_PX, DetectorCard
from leukolens.core.detections import Detections
from leukolens.core.errors import BundleError, InputRefused
from leukolens.core.pixels import Pixels, normalise_colours, resize_window
from leukolens.core.tasks import Task
from leukolens.inference.bundles import Bundle, load_bundle
from leukolens.inference.decoding import (
    RawDetections,
    decode_maps,
    join_detections,
    lift_cut,
    lift_scores,
    suppress_non_maxima,
)
from leukolens.inference.scale import (
    RED_CELL_UM,
    SCALE_TOLERANCE,
    Window,
    check_pixel_size,
    guess_diameter,
    measure_red_cells,
)
from leukolens.inference.session import INPUT_NAME, open_bundle_model, try_model
from leukolens.inference.tiles import Span, Tile, lay_tiles

CENTRES_NAME, SIDES_NAME = "centres", "sides"
SMUDGE_NAME = "remnants"
"""Output of a model that can tell smudge cells: `(n, 1, h, w)` logits on the grid of the centres."""

_TILE_CELLS = 12
"""Length of a tile in red cells. Longer tiles lose less to their margins, but 17 red cells took 400 MB of memory."""
_MARGIN_CELLS = 2
"""Width of a margin in red cells. A monocyte is up to 3.5 wide, so it is whole in the tile that holds its centre."""
_CORRECTIONS = 2


class Detector:
    """An opened detector. It may be used from several threads at once.

    Attributes:
        card: Its card.
    """

    def __init__(self, bundle: Bundle[DetectorCard], threads: int | None = None) -> None:
        """Opens the model.

        Args:
            bundle: Folder and card.
            threads: Processors that one call uses; None leaves it to ONNX Runtime.

        Raises:
            BundleError: the bundle is not a detector's, or the model does not agree with the card.
        """
        bundle = load_bundle(bundle, Task.DETECTION)
        self.card = bundle.card
        self._counted = np.array([bundle.card.score_thresholds[kind] for kind in bundle.card.kinds])
        self._cut_gains = np.array([bundle.card.cut_gains.get(kind, 0.0) for kind in bundle.card.kinds])
        self._outputs = [
            CENTRES_NAME,
            SIDES_NAME,
            *([SMUDGE_NAME] if bundle.card.smudge_threshold is not None else []),
        ]
        self._session = open_bundle_model(bundle.folder, bundle.card.name, bundle.card.files, threads)
        self._check()

    def find_cells(
        self, field: Pixels, pixel_size_um: float | None = None, least_score: float | None = None
    ) -> Detections:
        """The cells of a field. Use `view.detect_cells` for a photograph, which may have an eyepiece's rim.

        Args:
            field: `(h, w, 3)` uint8 RGB, of any size.
            pixel_size_um: Micrometres per pixel; None to measure the scale on the red cells.
            least_score: Report detections down to this score, 0..1; None for the thresholds of the card.

        Raises:
            InputRefused: the field is not such an array.
            UsageError: the pixel size is out of range.
            BundleError: the model gives numbers that are not finite.
        """
        if field.ndim != 3 or field.shape[2] != 3 or field.dtype != np.uint8 or min(field.shape) < 1:
            raise InputRefused(f"A field is (h, w, 3) uint8; received {field.shape} {field.dtype}.")
        least = self._counted if least_score is None else np.full(len(self._counted), float(least_score))
        # A detection below its own threshold still competes: where a platelet is likelier, there is no leukocyte.
        competing = np.full(len(least), min(least.min(), self._counted.min()))
        whole = (0, 0, field.shape[1], field.shape[0])
        if pixel_size_um is None:
            detections, measured = self._find_at_own_scale(field, competing)
            pixel_size_um = None if measured is None else RED_CELL_UM / measured
            origin = "unknown" if measured is None else "red cells"
        else:
            check_pixel_size(pixel_size_um)
            detections = self._detect(field, whole, RED_CELL_UM / pixel_size_um, competing)
            measured = measure_red_cells(detections, whole, self.card) or RED_CELL_UM / pixel_size_um
            origin = "given"
        detections = detections.pick(detections.scores >= least[detections.kinds])
        kinds = np.array(self.card.kinds, np.str_)[detections.kinds]
        return Detections(
            detections.boxes, detections.scores, kinds, detections.smudges, measured, pixel_size_um, origin
        )

    def guess_red_cell(self, field: Pixels) -> float:
        """Diameter in pixels that the red cells of a field `(h, w, 3)` uint8 RGB seem to have, from a few windows of it."""
        # A window cuts cells on all sides, so the lower thresholds of cut cells hold in it.
        counted_if_cut = lift_scores(self._counted, -self._cut_gains)
        return guess_diameter(
            (field.shape[0], field.shape[1]),
            lambda window, supposed: self._detect(field, window, supposed, counted_if_cut),
            self.card,
        )

    def _find_at_own_scale(self, field: Pixels, least: NDArray[np.float64]) -> tuple[RawDetections, float | None]:
        """Detections, and the diameter of the red cells among them; None where there are too few."""
        whole = (0, 0, field.shape[1], field.shape[0])
        diameter = self.guess_red_cell(field)
        for _ in range(1 + _CORRECTIONS):
            detections = self._detect(field, whole, diameter, least)
            measured = measure_red_cells(detections, whole, self.card)
            if measured is None or abs(measured / diameter - 1) <= SCALE_TOLERANCE:
                break
            diameter = measured
        return detections, measured

    def _detect(self, field: Pixels, window: Window, diameter_px: float, least: NDArray[np.float64]) -> RawDetections:
        """Detections in a window, in pixels of the field, on the assumption that red cells are `diameter_px` wide."""
        x0, y0, x1, y1 = window
        part = field[y0:y1, x0:x1]
        scale = self.card.red_cell_px / diameter_px
        size = (max(1, round((y1 - y0) * scale)), max(1, round((x1 - x0) * scale)))
        side = math.ceil(_TILE_CELLS * self.card.red_cell_px / INPUT_MULTIPLE_PX) * INPUT_MULTIPLE_PX
        margin = math.ceil(_MARGIN_CELLS * self.card.red_cell_px)
        tiles = lay_tiles(size, side, margin, INPUT_MULTIPLE_PX)
        # The border of a window is not the border of the field.
        gains = self._cut_gains if part.shape == field.shape else np.zeros(len(least))
        before = lift_scores(least, -gains)  # what a cut cell must score to reach `least`
        # One tile after another: a batch is no faster on a processor and takes more memory.
        found = join_detections([self._detect_in_tile(part, size, tile, before) for tile in tiles])
        found = suppress_non_maxima(found, self.card.nms_iou, self.card.kinds)
        # After the suppression: where a red cell is likelier, a raised score must not make a leukocyte.
        found = lift_cut(found, size, gains, least)
        found = found.widen(np.array([self.card.box_scales.get(kind, 1.0) for kind in self.card.kinds]))
        found = found.place(np.array([(x1 - x0) / size[1], (y1 - y0) / size[0]]), np.array([x0, y0], float))
        found = replace(found, boxes=found.boxes.clip((x0, y0, x0, y0), (x1, y1, x1, y1)))
        return found.pick(np.asarray((found.boxes[:, 2:] > found.boxes[:, :2]).all(axis=1)))

    def _detect_in_tile(
        self, part: Pixels, size: tuple[int, int], tile: Tile, least: NDArray[np.float64]
    ) -> RawDetections:
        """Detections with their centre in the tile's core, in pixels of the part resized to `size`."""
        rows, columns = tile.rows, tile.columns
        height, width = min(rows.stop, size[0]) - rows.start, min(columns.stop, size[1]) - columns.start
        to_x, to_y = part.shape[1] / size[1], part.shape[0] / size[0]
        window = (
            columns.start * to_x,
            rows.start * to_y,
            min((columns.start + width) * to_x, part.shape[1]),
            min((rows.start + height) * to_y, part.shape[0]),
        )
        pixels = resize_window(part, window, (height, width))
        inputs = normalise_colours(pixels[None], self.card.mean, self.card.std)
        # Zeros beyond the field, as the network pads every border; a mirror would make whole cells of cut ones.
        beyond = (rows.stop - rows.start - height, columns.stop - columns.start - width)
        inputs = np.pad(inputs, ((0, 0), (0, 0), (0, beyond[0]), (0, beyond[1])))
        centres, sides, *smudge_maps = self._run(inputs)
        detections = decode_maps(centres[0], sides[0], self.card.stride, least, *(part[0] for part in smudge_maps))
        detections = detections.place(np.ones(2), np.array([columns.start, rows.start], float))
        # A cell that the border cuts may have its middle beyond the border.
        middle = detections.centres.clip(0, (size[1], size[0]))
        # One step of the grid more than the core, since two tiles may place one centre differently.
        slack = self.card.stride
        return detections.pick(_is_within(middle[:, 0], columns, slack) & _is_within(middle[:, 1], rows, slack))

    def _run(self, inputs: NDArray[np.float32]) -> list[NDArray[np.float32]]:
        return self._refuse_infinite(self._session.run(self._outputs, {INPUT_NAME: inputs}))

    def _refuse_infinite(self, answers: list[NDArray[np.float32]]) -> list[NDArray[np.float32]]:
        if not all(np.isfinite(answer).all() for answer in answers):
            raise BundleError(f"The model of {self.card.name} gives numbers that are not finite: do not use it.")
        return answers

    def _check(self) -> None:
        """Runs the model on a small picture that is not square, and compares the answer with the card."""
        inputs = {value.name: list(value.shape) for value in self._session.get_inputs()}
        outputs = {output.name for output in self._session.get_outputs()}
        if list(inputs) != [INPUT_NAME] or not set(self._outputs) <= outputs:
            raise BundleError(
                f"A detector with this card takes {INPUT_NAME!r} and gives {', '.join(map(repr, self._outputs))}; the model "
                f"of {self.card.name} takes {sorted(inputs)} and gives {sorted(outputs)}."
            )
        height, width = 2 * INPUT_MULTIPLE_PX, 3 * INPUT_MULTIPLE_PX
        black = np.zeros((1, 3, height, width), np.float32)
        answers = self._refuse_infinite(try_model(self._session, self.card.name, self._outputs, black))
        shapes = [answer.shape for answer in answers]
        grid = (height // self.card.stride, width // self.card.stride)
        expected = [(1, channels, *grid) for channels in (len(self.card.kinds), 4, 1)[: len(shapes)]]
        if shapes != expected:
            raise BundleError(
                f"The card of {self.card.name} promises maps of shapes {expected} for a picture of {height} x {width}; "
                f"the model gives {shapes}."
            )


def _is_within(positions: NDArray[np.float64], span: Span, slack: int) -> NDArray[np.bool_]:
    return np.asarray((positions >= span.core_start - slack) & (positions <= span.core_stop + slack))


def open_detector(
    model: str | Path | Bundle[DetectorCard] | Detector | None = None, threads: int | None = None
) -> Detector:
    """An opened detector, from a name, a folder or a bundle; the default one for None. An opened one is given back.

    Raises:
        BundleError: there is no such bundle, it is not a detector's, or its card and files do not hold together.
        UsageError: something else was given.
    """
    return model if isinstance(model, Detector) else Detector(load_bundle(model, Task.DETECTION), threads)
