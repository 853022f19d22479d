"""Teaches a detector's bundle to tell smudge cells: what leukocytes it finds are remnants of burst ones.

The network stays as it is. What its deeper maps hold where a leukocyte was found, averaged over the box, is what a
logistic regression learns from: smudges drawn into photographs against the leukocytes of the same photographs. The
regression becomes a map of its own in the model, so that running it needs nothing new.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from msgspec import structs
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from scipy.special import expit
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedGroupKFold, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from leukolens.core.card import INPUT_MULTIPLE_PX, DetectorCard, SmudgeRates, write_card
from leukolens.core.errors import InputRefused, TrainingError
from leukolens.core.files import hash_file, write_atomically
from leukolens.core.overlaps import measure_overlaps, stack_corners
from leukolens.core.pixels import Pixels, normalise_colours, resize_window
from leukolens.core.results import Box
from leukolens.core.tasks import Task
from leukolens.core.taxonomy import CellKind
from leukolens.datasets.manifest import Record
from leukolens.datasets.synthetic.smudges import measure_dye, smear_leukocyte
from leukolens.images.decoding import read_image
from leukolens.inference.borders import is_cut
from leukolens.inference.bundles import Bundle, load_bundle
from leukolens.inference.decoding import average_in_boxes
from leukolens.inference.detector import SMUDGE_NAME, Detector
from leukolens.inference.scale import RED_CELL_UM
from leukolens.inference.session import INPUT_NAME, open_model
from leukolens.inference.view import detect_cells

WRONGLY_SMUDGED = 0.01
"""Share of whole leukocytes that the threshold may give up: each is a cell that the differential does not count."""

_SMUDGES_PER_FIELD = 2
_TRIES = 20
_APART = 0.9
"""Red cells that lie between a smudge's middle and a leukocyte's box at least."""
_SAME_OVERLAP = 0.3
_FOLDS = 5
_LEAST_EXAMPLES = 50
_PENALTY = 0.01  # of scikit-learn's C: .001 to .1 gave the same on groups left out


@dataclass(frozen=True)
class SmudgeExamples:
    """Leukocytes that were found whole in photographs, and smudges drawn into them that were found as such.

    Attributes:
        features: `(n, c)` float64: means of the model's maps over each find's box, channels in the order of the taps.
        drawn: `(n,)` bool: whether it is a drawn smudge.
        groups: `(n,)` what must stay on one side of a split: slides, fields.
        painted: Smudges that were drawn; those that no whole leukocyte was found for are not here.
    """

    features: NDArray[np.float64]
    drawn: NDArray[np.bool_]
    groups: NDArray[np.str_]
    painted: int


@dataclass(frozen=True)
class SmudgeJudge:
    """A logistic regression over features as they are.

    Attributes:
        weights: `(c,)` float64.
        bias: Added to the weighed sum.
        threshold: Likeness, 0..1, from which a leukocyte is called a smudge cell.
    """

    weights: NDArray[np.float64]
    bias: float
    threshold: float

    def judge(self, features: NDArray[np.float64]) -> NDArray[np.float64]:
        """How much each of `(n, c)` looks like a smudge, `(n,)` of 0..1."""
        return np.asarray(expit(features @ self.weights + self.bias))


def teach_smudges(
    folder: Path, train: Sequence[Record], validation: Sequence[Record], report: Callable[[str], None]
) -> DetectorCard:
    """Adds the map of remnants to a bundle's model and the threshold to its card; nothing where examples are too few.

    Args:
        folder: A detector's bundle, without such a map.
        train: Fields with boxes of leukocytes that the detector may learn from.
        validation: Such fields that it was not trained on.
        report: Told what goes on.

    Raises:
        TrainingError: the model is not built as today's detectors are.
    """
    bundle = load_bundle(folder, Task.DETECTION)
    model = onnx.load(folder / "model.onnx")
    taps = find_taps(model)
    looker = _Looker(bundle, model, taps)
    learned = looker.gather(train, seed=0)
    report(
        f"{(~learned.drawn).sum()} leukocytes found, and {learned.drawn.sum()} of {learned.painted} drawn smudges taken for one"
    )
    if not _is_enough(learned):
        report("too few to learn from: this bundle does not tell smudge cells")
        return bundle.card
    judge = learn_smudges(learned)
    judged = looker.gather(validation, seed=1)
    told = judge.judge(judged.features) >= judge.threshold
    given_up, caught = int(told[~judged.drawn].sum()), int(told[judged.drawn].sum())
    report(
        f"on validation {caught} of {judged.drawn.sum()} drawn smudges that were taken for leukocytes are told, and "
        f"{given_up} of {(~judged.drawn).sum()} leukocytes called one"
    )
    add_remnants(model, taps, judge)
    with write_atomically(folder / "model.onnx") as temporary:
        onnx.save(model, temporary)
    rates = SmudgeRates(
        whole_leukocytes=int((~judged.drawn).sum()),
        leukocytes_called_smudges=given_up,
        drawn_smudges=judged.painted,
        drawn_smudges_found_as_whole_leukocytes=int(judged.drawn.sum()),
        drawn_smudges_called_smudges=caught,
    )
    assert bundle.card.validation is not None  # export wrote it
    card = structs.replace(
        bundle.card,
        smudge_threshold=judge.threshold,
        files=bundle.card.files | {"model.onnx": hash_file(folder / "model.onnx")},
        validation=structs.replace(bundle.card.validation, smudges=rates),
    )
    write_card(folder, card)
    return card


def learn_smudges(examples: SmudgeExamples) -> SmudgeJudge:
    """The judge of all examples; its threshold is what one in a hundred leukocytes of groups left out reaches."""
    regression = LogisticRegression(C=_PENALTY, class_weight="balanced", max_iter=1000)
    fitted = make_pipeline(StandardScaler(), regression)
    folds = StratifiedGroupKFold(_FOLDS)
    left_out = cross_val_predict(
        fitted, examples.features, examples.drawn, groups=examples.groups, cv=folds, method="predict_proba"
    )[:, 1]
    threshold = float(np.quantile(left_out[~examples.drawn], 1 - WRONGLY_SMUDGED))
    scaler = fitted.fit(examples.features, examples.drawn)[0]
    weights = regression.coef_[0] / scaler.scale_
    return SmudgeJudge(weights, float(regression.intercept_[0] - weights @ scaler.mean_), threshold)


def find_taps(model: onnx.ModelProto) -> list[tuple[str, int, int]]:
    """The maps that the judge looks at: name, channels and how many times coarser than the centres' grid.

    They are the trunk's of strides 8, 16 and 32 and the last of the top-down path, known by the weights that read them.

    Raises:
        TrainingError: the model is not built so.
    """
    readers = {"centre_head.0.0.weight": 1, "laterals.1.weight": 2, "laterals.2.weight": 4, "laterals.3.weight": 8}
    shapes = {constant.name: list(constant.dims) for constant in model.graph.initializer}
    read = {node.input[1]: node.input[0] for node in model.graph.node if node.op_type == "Conv"}
    if not set(readers) <= set(read):
        raise TrainingError(
            "This model is not built as today's detectors are: trained by another version. Train it again."
        )
    # The path's first reader looks at each channel alone, so its weights' first number is the channels.
    return [(read[name], shapes[name][0 if coarser == 1 else 1], coarser) for name, coarser in readers.items()]


def add_remnants(model: onnx.ModelProto, taps: Sequence[tuple[str, int, int]], judge: SmudgeJudge) -> None:
    """Gives a model the output of remnants: the weighed sum of its maps, on the grid of the centres."""
    graph, parts, start = model.graph, [], 0
    for number, (name, channels, coarser) in enumerate(taps):
        part = judge.weights[start : start + channels].astype(np.float32).reshape(1, channels, 1, 1)
        start += channels
        weight, weighed = f"remnants.{number}.weight", f"remnants_{number}"
        graph.initializer.append(numpy_helper.from_array(part, weight))
        inputs = [name, weight]
        if number == 0:
            graph.initializer.append(numpy_helper.from_array(np.array([judge.bias], np.float32), "remnants.bias"))
            inputs.append("remnants.bias")
        graph.node.append(helper.make_node("Conv", inputs, [weighed]))
        if coarser > 1:
            scales = f"remnants.{number}.scales"
            graph.initializer.append(numpy_helper.from_array(np.array([1, 1, coarser, coarser], np.float32), scales))
            wide = {"mode": "nearest", "coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"}
            graph.node.append(helper.make_node("Resize", [weighed, "", scales], [f"{weighed}_wide"], **wide))
            weighed += "_wide"
        parts.append(weighed)
    graph.node.append(helper.make_node("Sum", parts, [SMUDGE_NAME]))
    graph.output.append(helper.make_tensor_value_info(SMUDGE_NAME, TensorProto.FLOAT, ["n", 1, "gh", "gw"]))
    onnx.checker.check_model(model)


class _Looker:
    """Finds leukocytes with a bundle, and reads its model's maps where they are."""

    def __init__(
        self, bundle: Bundle[DetectorCard], model: onnx.ModelProto, taps: Sequence[tuple[str, int, int]]
    ) -> None:
        self._card, self._taps = bundle.card, taps
        self._detector = Detector(bundle)
        telling = onnx.ModelProto()
        telling.CopyFrom(model)
        for name, channels, _ in taps:
            shape: list[Any] = ["n", channels, None, None]
            telling.graph.output.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, shape))
        self._session = open_model(telling.SerializeToString())

    def gather(self, records: Sequence[Record], seed: int) -> SmudgeExamples:
        """Examples of all fields whose scale their red cells tell."""
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
        """The leukocyte with the highest score, not cut by the border, that holds each place; none where there is none."""
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


def _is_enough(examples: SmudgeExamples) -> bool:
    """Whether both kinds are many enough, and from enough groups for each fold to have some."""
    return all(
        kind.sum() >= _LEAST_EXAMPLES and len(set(examples.groups[kind])) >= _FOLDS
        for kind in (examples.drawn, ~examples.drawn)
    )


def _holds(box: Box, place: tuple[float, float]) -> bool:
    return box.x0 <= place[0] <= box.x1 and box.y0 <= place[1] <= box.y1


def _is_boxed(found: Box, boxed: Sequence[Box]) -> bool:
    return bool((measure_overlaps(stack_corners([found]), stack_corners(boxed)) >= _SAME_OVERLAP).any())
