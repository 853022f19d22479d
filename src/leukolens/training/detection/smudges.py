"""The smudge head of a detector's bundle: which detected leukocytes are smudge cells, that is, burst ones.

The network does not change. A logistic regression is fitted on its deeper maps, averaged over the box of each detected
leukocyte: smudge cells drawn into photographs against the leukocytes of the same photographs. The regression becomes an
output of the model, so that running it needs nothing new.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

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

from leukolens.core.card import DetectorCard, SmudgeRates, write_card
from leukolens.core.errors import TrainingError
from leukolens.core.files import hash_file, write_atomically
from leukolens.core.tasks import Task
from leukolens.datasets.manifest import Record
from leukolens.inference.bundles import load_bundle
from leukolens.inference.detector import SMUDGE_NAME
from leukolens.models.catalogue import find_model
from leukolens.training.detection.smudge_examples import ExampleFinder, SmudgeExamples

WRONGLY_SMUDGED = 0.01
"""Share of whole leukocytes that may be called smudge cells. The differential does not count them."""

_FOLDS = 5
_LEAST_EXAMPLES = 50
_PENALTY = 0.01  # of scikit-learn's C: .001 to .1 gave the same on groups left out


@dataclass(frozen=True)
class SmudgeHead:
    """A logistic regression over unscaled features.

    Attributes:
        weights: `(c,)` float64.
        bias: Added to the weighted sum.
        threshold: Output, 0..1, from which a leukocyte is called a smudge cell.
    """

    weights: NDArray[np.float64]
    bias: float
    threshold: float

    def predict(self, features: NDArray[np.float64]) -> NDArray[np.float64]:
        """Probability `(n,)`, 0..1, that each row of features `(n, c)` is a smudge cell."""
        return np.asarray(expit(features @ self.weights + self.bias))


def train_smudge_head(
    folder: Path, train: Sequence[Record], validation: Sequence[Record], report: Callable[[str], None]
) -> DetectorCard:
    """Adds the smudge head to a bundle's model and its threshold to the card; nothing where examples are too few.

    Args:
        folder: A detector's bundle without a smudge head.
        train: Training fields with boxes of leukocytes.
        validation: Validation fields with such boxes.
        report: Called with what was found.

    Raises:
        TrainingError: the model is not built as today's detectors are.
    """
    bundle = load_bundle(folder, Task.DETECTION)
    readers = find_model(bundle.card.architecture, Task.DETECTION).smudge_taps
    if not readers:
        report("this architecture has none")
        return bundle.card
    model = onnx.load(folder / "model.onnx")
    taps = find_taps(model, readers)
    gatherer = ExampleFinder(bundle, model, taps)
    examples = gatherer.gather(train, seed=0)
    report(
        f"{(~examples.drawn).sum()} leukocytes were detected, and {examples.drawn.sum()} of {examples.painted} drawn smudge "
        "cells were taken for one"
    )
    if not _is_enough(examples):
        report("too few to train on: this bundle gets no smudge head")
        return bundle.card
    head = fit_smudge_head(examples)
    known = gatherer.gather(validation, seed=1)
    smudged = head.predict(known.features) >= head.threshold
    wrong, right = int(smudged[~known.drawn].sum()), int(smudged[known.drawn].sum())
    report(
        f"on validation it recognises {right} of {known.drawn.sum()} drawn smudge cells that were taken for leukocytes, and "
        f"calls {wrong} of {(~known.drawn).sum()} leukocytes one"
    )
    append_smudge_head(model, taps, head)
    with write_atomically(folder / "model.onnx") as temporary:
        onnx.save(model, temporary)
    rates = SmudgeRates(
        whole_leukocytes=int((~known.drawn).sum()),
        leukocytes_called_smudges=wrong,
        drawn_smudges=known.painted,
        drawn_smudges_found_as_whole_leukocytes=int(known.drawn.sum()),
        drawn_smudges_called_smudges=right,
    )
    assert bundle.card.validation is not None  # export wrote it
    card = structs.replace(
        bundle.card,
        smudge_threshold=head.threshold,
        files=bundle.card.files | {"model.onnx": hash_file(folder / "model.onnx")},
        validation=structs.replace(bundle.card.validation, smudges=rates),
    )
    write_card(folder, card)
    return card


def fit_smudge_head(examples: SmudgeExamples) -> SmudgeHead:
    """The head of all examples. One in a hundred leukocytes of left-out groups reaches its threshold."""
    regression = LogisticRegression(C=_PENALTY, class_weight="balanced", max_iter=1000)
    fitted = make_pipeline(StandardScaler(), regression)
    folds = StratifiedGroupKFold(_FOLDS)
    left_out = cross_val_predict(
        fitted, examples.features, examples.drawn, groups=examples.groups, cv=folds, method="predict_proba"
    )[:, 1]
    threshold = float(np.quantile(left_out[~examples.drawn], 1 - WRONGLY_SMUDGED))
    scaler = fitted.fit(examples.features, examples.drawn)[0]
    weights = regression.coef_[0] / scaler.scale_
    return SmudgeHead(weights, float(regression.intercept_[0] - weights @ scaler.mean_), threshold)


def find_taps(model: onnx.ModelProto, readers: Mapping[str, int]) -> list[tuple[str, int, int]]:
    """The maps that the head uses: name, channels and how many times coarser than the centres' grid.

    Args:
        model: A detector's ONNX model.
        readers: The weights that read the maps, as the catalogue of models names them.

    Raises:
        TrainingError: the model is not built so.
    """
    shapes = {constant.name: list(constant.dims) for constant in model.graph.initializer}
    read = {node.input[1]: node.input[0] for node in model.graph.node if node.op_type == "Conv"}
    if not set(readers) <= set(read):
        raise TrainingError(
            "This model is not built as today's detectors are: trained by another version. Train it again."
        )
    # The first layer of the centre head convolves each channel alone, so its first size is the channels.
    return [(read[name], shapes[name][0 if coarser == 1 else 1], coarser) for name, coarser in readers.items()]


def append_smudge_head(model: onnx.ModelProto, taps: Sequence[tuple[str, int, int]], head: SmudgeHead) -> None:
    """Adds the head's output to a model: the weighted sum of its maps, on the grid of the centres."""
    graph, parts, start = model.graph, [], 0
    for number, (name, channels, coarser) in enumerate(taps):
        part = head.weights[start : start + channels].astype(np.float32).reshape(1, channels, 1, 1)
        start += channels
        weight, weighed = f"remnants.{number}.weight", f"remnants_{number}"
        graph.initializer.append(numpy_helper.from_array(part, weight))
        inputs = [name, weight]
        if number == 0:
            graph.initializer.append(numpy_helper.from_array(np.array([head.bias], np.float32), "remnants.bias"))
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


def _is_enough(examples: SmudgeExamples) -> bool:
    """Whether there are enough examples of both sorts, from enough groups for each fold to have some."""
    return all(
        kind.sum() >= _LEAST_EXAMPLES and len(set(examples.groups[kind])) >= _FOLDS
        for kind in (examples.drawn, ~examples.drawn)
    )
