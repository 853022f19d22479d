"""What a run leaves once its weights are chosen: calibration on validation, predictions, curves, environment."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from leukolens.core.acceptance import make_prediction, softmax
from leukolens.core.files import read_rows, write_text
from leukolens.core.pixels import Preparation, normalise_batch
from leukolens.core.predictions import Predictions
from leukolens.core.runs import RunFolder
from leukolens.evaluation.classification.calibration import calibrate
from leukolens.reporting.charts import draw_curves
from leukolens.training.classification.tensors import CellArray

HISTORY_COLUMNS = (
    "epoch",
    "train_loss",
    "train_accuracy",
    "validation_loss",
    "validation_accuracy",
    "validation_balanced_accuracy",
    "learning_rate",
    "seconds",
)
"""Of `history.csv`, one row per epoch."""


def finish_run(
    run: RunFolder,
    network: nn.Module,
    parts: Mapping[str, CellArray],
    classes: Sequence[str],
    preparation: Preparation,
    facts: dict[str, Any],
) -> None:
    """Writes predictions of each part, calibrated on validation, then curves and `environment.json`."""
    # Nothing is judged by the training part, so that it need not wait for the numbers that the exported model gives.
    logits = {part: predict_logits(network, array, preparation, exact=part != "train") for part, array in parts.items()}
    truths = np.array([classes.index(record.label or "") for record in parts["validation"].records])
    found = calibrate(logits["validation"], truths)
    for part, array in parts.items():
        probabilities = softmax(logits[part], found.temperature)
        _collect(array, probabilities, classes, found.threshold).save(run.predictions(part))
    _draw_history(run)
    facts = facts | {
        "classes": list(classes),
        "preparation": {key: value for key, value in vars(preparation).items() if key != "background"},
        "temperature": found.temperature,
        "accept_threshold": found.threshold,
        "validation": asdict(found.validation),
    }
    write_text(run.environment, json.dumps(facts, indent=1, ensure_ascii=False) + "\n")


def predict_logits(
    network: nn.Module, array: CellArray, preparation: Preparation, exact: bool = True
) -> NDArray[np.float32]:
    """`(n, classes)` logits as the exported model will give them; in bfloat16, three times as fast, where not `exact`."""
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


def _draw_history(run: RunFolder) -> None:
    rows = read_rows(run.history)
    series = {name.replace("_", " "): [float(row[name]) for row in rows] for name in HISTORY_COLUMNS[1:5]}
    write_text(run.curves, draw_curves(series, "Accuracy and loss over the epochs", "epoch", "accuracy, loss"))
