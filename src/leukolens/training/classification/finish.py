"""What a classifier's run leaves once its weights are chosen: calibration, predictions, curves, record."""

import dataclasses
from collections.abc import Sequence

import numpy as np
import torch
from msgspec import structs
from numpy.typing import NDArray
from torch import nn

from leukolens.core.acceptance import make_prediction, softmax
from leukolens.core.card import ClassifierValidation
from leukolens.core.confusion import ConfusionTable, count_confusion
from leukolens.core.files import read_rows, write_text
from leukolens.core.pixels import Preparation, normalise_batch
from leukolens.core.predictions import Predictions
from leukolens.core.results import CellStatus
from leukolens.core.runs import FinishedRun, RunFolder
from leukolens.evaluation.classification.calibration import calibrate
from leukolens.models.shape import NetworkShape
from leukolens.reporting.charts import draw_curves
from leukolens.training.classification.gather import TrainingCells
from leukolens.training.classification.record import ClassificationRun
from leukolens.training.classification.tensors import CellArray

_CURVES = ("train_loss", "train_accuracy", "validation_loss", "validation_accuracy")


def finish_run(
    run: RunFolder, network: nn.Module, cells: TrainingCells, shape: NetworkShape, record: FinishedRun
) -> ClassificationRun:
    """Writes predictions of each part, calibrated on validation, and curves; gives the whole record."""
    # Nothing is measured on the training part, so it does not need the exact numbers of the exported model.
    logits = {
        part: predict_logits(network, array, cells.preparation, exact=part != "train")
        for part, array in cells.parts.items()
    }
    truths = np.array([cells.classes.index(record.label or "") for record in cells.parts["validation"].records])
    found = calibrate(logits["validation"], truths)
    predictions = {}
    for part, array in cells.parts.items():
        probabilities = softmax(logits[part], found.temperature)
        predictions[part] = _collect(array, probabilities, cells.classes, found.threshold)
        predictions[part].save(run.predictions(part))
    _draw_history(run)
    validation = ClassifierValidation(
        **dataclasses.asdict(found.validation), confusion=_count(predictions["validation"])
    )
    return ClassificationRun(
        **structs.asdict(record),
        shape=shape,
        classes=cells.classes,
        preparation=dataclasses.replace(cells.preparation, background=None),
        temperature=found.temperature,
        accept_threshold=found.threshold,
        validation=validation,
    )


def predict_logits(
    network: nn.Module, array: CellArray, preparation: Preparation, exact: bool = True
) -> NDArray[np.float32]:
    """Logits `(n, classes)` as the exported model gives them; without `exact` in bfloat16, three times as fast."""
    network.eval()
    rows = []
    with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16, enabled=not exact):
        for start in range(0, len(array.records), 64):
            batch = array.images[start : min(start + 64, len(array.records))]
            inputs = torch.from_numpy(normalise_batch(batch, preparation))
            rows.append(network(inputs.contiguous(memory_format=torch.channels_last)).float().numpy())
    return np.concatenate(rows)


def _collect(
    array: CellArray, probabilities: NDArray[np.float64], classes: Sequence[str], threshold: float
) -> Predictions:
    rows = zip(array.records, probabilities, strict=True)
    return Predictions(
        tuple(classes),
        tuple(make_prediction(record.id, row, classes, threshold) for record, row in rows),
        tuple(record.label or "" for record in array.records),
        tuple(record.group for record in array.records),
    )


def _count(predictions: Predictions) -> ConfusionTable:
    items = predictions.items
    accepted = [item.status is CellStatus.ACCEPTED for item in items]
    labels = [item.label for item in items]
    return count_confusion(predictions.classes, predictions.truths, labels, accepted).to_table()


def _draw_history(run: RunFolder) -> None:
    rows = read_rows(run.history)
    series = {name.replace("_", " "): [float(row[name]) for row in rows] for name in _CURVES}
    write_text(run.curves, draw_curves(series, "Accuracy and loss over the epochs", "epoch", "accuracy, loss"))
