"""What predictions are worth, in numbers: `metrics.json`. Reads predictions, never a model.

Lead with balanced accuracy and the worst class: accuracy and macro-F1 can hide a rare class that is lost. Where
images share groups (copies of one field, cells of one slide) the interval over groups leads.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score

from leukolens.core.errors import DataError
from leukolens.core.intervals import Interval, grouped_bootstrap, wilson_interval
from leukolens.core.predictions import Predictions
from leukolens.core.results import CellStatus
from leukolens.evaluation.classification.calibration import expected_calibration_error

FEW_GROUPS = 10
"""A class with fewer groups than this has no interval worth the name."""

_SMALLEST_PROBABILITY = 1e-12


@dataclass(frozen=True)
class Provenance:
    """What was judged, on what: goes into the file as it is."""

    model: str = ""
    data: str = ""
    split: str = ""
    leaky: bool = False
    why_leaky: str = ""


@dataclass(frozen=True)
class Scored:
    """Predictions whose truth is known, as arrays.

    Attributes:
        labels: `m` class names: those of the truths, and those called.
        truths: `(n,)` numbers into `labels`.
        called: `(n,)` numbers into `labels`; -1 where nothing was called.
        known: `(n,)` numbers of the truths into the predictions' classes; -1 for a class the model does not have.
        probabilities: `(n, k)`, zero where nothing was called.
        right: `(n,)` whether the call is the truth.
        groups: `n` names.
    """

    labels: tuple[str, ...]
    truths: NDArray[np.intp]
    called: NDArray[np.intp]
    known: NDArray[np.intp]
    probabilities: NDArray[np.float64]
    right: NDArray[np.bool_]
    groups: tuple[str, ...]


def score(predictions: Predictions) -> Scored:
    """The predictions with a known truth, as arrays; a rejected cell counts as not right.

    Raises:
        DataError: no prediction has a truth.
    """
    if not any(predictions.truths):
        raise DataError(
            "These predictions have no truths: a column `truth` with the class of each image is needed to judge them."
        )
    rows = [index for index, truth in enumerate(predictions.truths) if truth]
    truths = [predictions.truths[index] for index in rows]
    called = [predictions.items[index].label for index in rows]
    present = set(truths) | set(called)
    labels = (
        *(name for name in predictions.classes if name in present),
        *sorted(set(truths) - set(predictions.classes)),
    )
    number = {name: index for index, name in enumerate(labels)}
    known = {name: index for index, name in enumerate(predictions.classes)}
    groups = predictions.groups or tuple(call.image for call in predictions.items)
    truth_numbers = np.array([number[name] for name in truths], np.intp)
    call_numbers = np.array([number.get(name, -1) for name in called], np.intp)
    return Scored(
        labels,
        truth_numbers,
        call_numbers,
        np.array([known.get(name, -1) for name in truths], np.intp),
        np.nan_to_num(predictions.proba[rows]),
        truth_numbers == call_numbers,
        tuple(groups[index] or predictions.items[index].image for index in rows),
    )


def compute_metrics(
    predictions: Predictions, provenance: Provenance, refused: int = 0, draws: int = 1000
) -> dict[str, Any]:
    """Everything in `metrics.json`.

    Args:
        predictions: Calls with truths.
        provenance: What was judged on what.
        refused: Images that could not be read; they are counted here, in no other figure.
        draws: Of the bootstrap.

    Raises:
        DataError: no prediction has a truth.
    """
    scored = score(predictions)
    strata = [scored.labels[index] for index in scored.truths]
    right = scored.right
    accuracy = float(right.mean())
    grouped = len(set(scored.groups)) < len(right)
    accepted = np.array(
        [
            call.status == CellStatus.ACCEPTED
            for call, truth in zip(predictions.items, predictions.truths, strict=True)
            if truth
        ]
    )
    per_class, confusion = _per_class(scored)
    metrics: dict[str, Any] = {
        "n": len(right),
        "n_refused": refused,
        "accuracy": accuracy,
        "accuracy_ci": _show(
            grouped_bootstrap(lambda rows: float(right[rows].mean()), scored.groups, strata, draws)
            if grouped
            else wilson_interval(right.sum(), len(right))
        ),
        "accuracy_ci_naive": _show(wilson_interval(right.sum(), len(right))),
        "balanced_accuracy": balanced_accuracy(right, scored.truths),
        "balanced_accuracy_ci": _show(
            grouped_bootstrap(
                lambda rows: balanced_accuracy(right[rows], scored.truths[rows]), scored.groups, strata, draws
            )
        ),
        "macro_f1": float(np.mean([values["f1"] for values in per_class.values() if values["support"]])),
        **_probabilistic(scored),
        "ece": expected_calibration_error(scored.probabilities.max(axis=1), right),
        "per_class": per_class,
        "confusion": {"labels": list(scored.labels), "counts": confusion},
        "groups": _groups(scored, strata, draws) if grouped else None,
        "coverage": float(accepted.mean()),
        "accepted_accuracy": float(right[accepted].mean()) if accepted.any() else None,
        "shared_classes": _shared(scored, predictions.classes),
        **vars(provenance),
    }
    return metrics


def balanced_accuracy(right: NDArray[np.bool_], truths: NDArray[np.intp]) -> float:
    """Mean over the classes present of the share of their cells that are right."""
    support = np.bincount(truths)
    hits = np.bincount(truths, weights=right, minlength=len(support))
    present = support > 0
    return float((hits[present] / support[present]).mean())


def _probabilistic(scored: Scored) -> dict[str, float | None]:
    """Losses and area under the curve, over the cells whose class the model has."""
    rows = scored.known >= 0
    if not rows.any():
        return {"auc": None, "cross_entropy": None, "binary_cross_entropy": None}
    shares, known = scored.probabilities[rows], scored.known[rows]
    clipped = np.clip(shares, _SMALLEST_PROBABILITY, 1 - _SMALLEST_PROBABILITY)
    hot = np.eye(shares.shape[1])[known]
    binary = -(hot * np.log(clipped) + (1 - hot) * np.log(1 - clipped)).mean()
    areas = [
        roc_auc_score(hot[:, index], shares[:, index])
        for index in range(shares.shape[1])
        if 0 < hot[:, index].sum() < len(hot)
    ]
    return {
        "auc": float(np.mean(areas)) if areas else None,
        "cross_entropy": float(-np.log(clipped[np.arange(len(known)), known]).mean()),
        "binary_cross_entropy": float(binary),
    }


def _per_class(scored: Scored) -> tuple[dict[str, dict[str, Any]], list[list[int]]]:
    size = len(scored.labels)
    counts = np.zeros((size, size), int)
    named = scored.called >= 0
    np.add.at(counts, (scored.truths[named], scored.called[named]), 1)
    support = np.bincount(scored.truths, minlength=size)
    values = {}
    for index, label in enumerate(scored.labels):
        hits, called = int(counts[index, index]), int(counts[:, index].sum())
        precision = hits / called if called else 0.0
        recall = hits / int(support[index]) if support[index] else 0.0
        both = precision + recall
        values[label] = {
            "precision": precision,
            "recall": recall,
            "f1": 2 * precision * recall / both if both else 0.0,
            "support": int(support[index]),
            "recall_ci": _show(wilson_interval(hits, int(support[index]))),
        }
    return values, counts.tolist()


def _groups(scored: Scored, strata: Sequence[str], draws: int) -> dict[str, Any]:
    """A group is right when more than half of its images are."""
    rows_of: dict[str, list[int]] = defaultdict(list)
    for row, group in enumerate(scored.groups):
        rows_of[group].append(row)
    names = sorted(rows_of)
    won = np.array([scored.right[rows_of[name]].mean() > 0.5 for name in names])
    classes = [strata[rows_of[name][0]] for name in names]
    per_class = {}
    for label in dict.fromkeys(scored.labels):
        picked = np.array([name == label for name in classes])
        if not picked.any():
            continue
        count = int(picked.sum())
        note = f"{count} fields: interval unreliable" if count < FEW_GROUPS else ""
        per_class[label] = {
            "n": count,
            "accuracy": float(won[picked].mean()),
            "ci": _show(wilson_interval(int(won[picked].sum()), count)),
            "note": note,
        }
    interval = grouped_bootstrap(lambda rows: float(won[rows].mean()), names, classes, draws)
    return {"n": len(names), "accuracy": float(won.mean()), "ci": _show(interval), "per_class": per_class}


def _shared(scored: Scored, classes: Sequence[str]) -> dict[str, Any] | None:
    """The same judged only between the classes that both model and data have, where the model has more."""
    present = {scored.labels[index] for index in scored.truths}
    both = [index for index, name in enumerate(classes) if name in present]
    if len(both) == len(classes) or len(both) < 2:
        return None
    rows = scored.known >= 0
    called = np.array(both)[scored.probabilities[rows][:, both].argmax(axis=1)]
    right = called == scored.known[rows]
    return {
        "classes": [classes[index] for index in both],
        "accuracy": float(right.mean()),
        "balanced_accuracy": balanced_accuracy(right, scored.known[rows]),
    }


def _show(interval: Interval) -> dict[str, Any]:
    return {"low": interval.low, "high": interval.high, "method": interval.method}


def worst_class(metrics: Mapping[str, Any]) -> tuple[str, float]:
    """The class of which the smallest share is found, and that share."""
    present = {name: values["recall"] for name, values in metrics["per_class"].items() if values["support"]}
    name = min(present, key=lambda label: present[label])
    return name, present[name]
