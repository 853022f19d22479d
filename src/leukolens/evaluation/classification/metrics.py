"""The figures of predictions whose ground truth is known. Reads predictions, never a model.

Balanced accuracy and the worst class come first: accuracy and macro-F1 can hide a rare class that is lost. Where images
share groups (copies of one field, cells of one slide), the interval over groups comes first.

Precision, recall, F1, confusion and the area under the ROC curve are scikit-learn's. Three figures are our own:
- Balanced accuracy, as 1,000 bootstrap draws of it would take seconds with scikit-learn's.
- Cross-entropies: a rejected image has probability 0 for each class, and no probability counts as less than 1e-12.
  scikit-learn's `log_loss` takes only rows that sum to 1.
- The calibration error (`calibration`), which scikit-learn does not have with bins of equal mass.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import confusion_matrix, precision_recall_fscore_support, roc_auc_score

from leukolens.core.errors import DataError
from leukolens.core.intervals import grouped_bootstrap, wilson_interval
from leukolens.core.predictions import Predictions
from leukolens.core.results import CellStatus
from leukolens.evaluation.classification.calibration import expected_calibration_error
from leukolens.evaluation.classification.records import (
    ClassGroups,
    ClassMetrics,
    ConfusionCounts,
    GroupMetrics,
    Metrics,
    SharedClasses,
)
from leukolens.evaluation.records import Provenance

FEW_GROUPS = 10
"""A class with fewer groups than this has no reliable interval."""

_SMALLEST_PROBABILITY = 1e-12


@dataclass(frozen=True)
class Scored:
    """Predictions whose ground truth is known, as arrays.

    Attributes:
        labels: `m` class names: those of the ground truth, and those predicted.
        truths: `(n,)` numbers into `labels`.
        predicted: `(n,)` numbers into `labels`; -1 where nothing was predicted.
        known: `(n,)` numbers of the true classes into the predictions' classes; -1 for a class that the model lacks.
        probabilities: `(n, k)`, zero where nothing was predicted.
        right: `(n,)` whether the prediction is right.
        accepted: `(n,)` whether it is accepted.
        groups: `n` names.
    """

    labels: tuple[str, ...]
    truths: NDArray[np.intp]
    predicted: NDArray[np.intp]
    known: NDArray[np.intp]
    probabilities: NDArray[np.float64]
    right: NDArray[np.bool_]
    accepted: NDArray[np.bool_]
    groups: tuple[str, ...]

    @property
    def strata(self) -> list[str]:
        """The true class of each image."""
        return [self.labels[index] for index in self.truths]

    @property
    def is_grouped(self) -> bool:
        """Whether images share groups."""
        return len(set(self.groups)) < len(self.groups)


def score(predictions: Predictions) -> Scored:
    """The predictions with a known ground truth, as arrays; a rejected image counts as not right.

    Raises:
        DataError: no prediction has a ground truth.
    """
    if not any(predictions.truths):
        raise DataError(
            "The predictions have no ground truth. Expected a column `truth` with the class of each image; "
            "add it to the predictions file."
        )
    rows = [index for index, truth in enumerate(predictions.truths) if truth]
    items = [predictions.items[index] for index in rows]
    truths = [predictions.truths[index] for index in rows]
    present = {*truths, *(item.label for item in items)}
    labels = (
        *(name for name in predictions.classes if name in present),
        *sorted(set(truths) - set(predictions.classes)),
    )
    number = {name: index for index, name in enumerate(labels)}
    known = {name: index for index, name in enumerate(predictions.classes)}
    groups = predictions.groups or ("",) * len(predictions.items)
    true_numbers = np.array([number[name] for name in truths], np.intp)
    predicted = np.array([number.get(item.label, -1) for item in items], np.intp)
    return Scored(
        labels,
        true_numbers,
        predicted,
        np.array([known.get(name, -1) for name in truths], np.intp),
        np.nan_to_num(predictions.proba[rows]),
        true_numbers == predicted,
        np.array([item.status == CellStatus.ACCEPTED for item in items]),
        tuple(groups[index] or item.image for index, item in zip(rows, items, strict=True)),
    )


def compute_metrics(predictions: Predictions, provenance: Provenance, refused: int = 0, draws: int = 1000) -> Metrics:
    """All figures of predictions.

    Args:
        predictions: With a ground truth.
        provenance: What was evaluated, on which data.
        refused: Images that could not be read; they are in no other figure.
        draws: Of the bootstrap.

    Raises:
        DataError: no prediction has a ground truth.
    """
    scored = score(predictions)
    right, strata, accepted = scored.right, scored.strata, scored.accepted
    naive = wilson_interval(right.sum(), len(right))
    per_class = _measure_classes(scored)
    auc, cross_entropy, binary_cross_entropy = _measure_probabilities(scored)
    return Metrics(
        n=len(right),
        n_refused=refused,
        accuracy=float(right.mean()),
        accuracy_ci=grouped_bootstrap(lambda rows: float(right[rows].mean()), scored.groups, strata, draws)
        if scored.is_grouped
        else naive,
        accuracy_ci_naive=naive,
        balanced_accuracy=balanced_accuracy(right, scored.truths),
        balanced_accuracy_ci=grouped_bootstrap(
            lambda rows: balanced_accuracy(right[rows], scored.truths[rows]), scored.groups, strata, draws
        ),
        macro_f1=float(np.mean([values.f1 for values in per_class.values() if values.support])),
        auc=auc,
        cross_entropy=cross_entropy,
        binary_cross_entropy=binary_cross_entropy,
        ece=expected_calibration_error(scored.probabilities.max(axis=1), right),
        per_class=per_class,
        confusion=_count_confusion(scored),
        groups=_measure_groups(scored, draws) if scored.is_grouped else None,
        coverage=float(accepted.mean()),
        accepted_accuracy=float(right[accepted].mean()) if accepted.any() else None,
        shared_classes=_measure_shared(scored, predictions.classes),
        **asdict(provenance),
    )


def balanced_accuracy(right: NDArray[np.bool_], truths: NDArray[np.intp]) -> float:
    """Mean over the classes present of the share of their images that is right.

    Args:
        right: `(n,)` whether each image is right.
        truths: `(n,)` class numbers.
    """
    support = np.bincount(truths)
    hits = np.bincount(truths, weights=right, minlength=len(support))
    present = support > 0
    return float((hits[present] / support[present]).mean())


def _measure_probabilities(scored: Scored) -> tuple[float | None, float | None, float | None]:
    """Area under the curve, cross-entropy and binary cross-entropy, over the images whose class the model has."""
    rows = scored.known >= 0
    if not rows.any():
        return None, None, None
    shares, known = scored.probabilities[rows], scored.known[rows]
    clipped = np.clip(shares, _SMALLEST_PROBABILITY, 1 - _SMALLEST_PROBABILITY)
    hot = np.eye(shares.shape[1])[known]
    binary = -(hot * np.log(clipped) + (1 - hot) * np.log(1 - clipped)).mean()
    areas = [
        roc_auc_score(hot[:, index], shares[:, index])
        for index in range(shares.shape[1])
        if 0 < hot[:, index].sum() < len(hot)
    ]
    auc = float(np.mean(areas)) if areas else None
    return auc, float(-np.log(clipped[np.arange(len(known)), known]).mean()), float(binary)


def _measure_classes(scored: Scored) -> dict[str, ClassMetrics]:
    numbers = range(len(scored.labels))
    columns = precision_recall_fscore_support(scored.truths, scored.predicted, labels=numbers, zero_division=0)
    hits = np.bincount(scored.truths, weights=scored.right, minlength=len(scored.labels))
    return {
        label: ClassMetrics(
            float(precision), float(recall), float(f1), int(support), wilson_interval(float(hit), int(support))
        )
        for label, hit, precision, recall, f1, support in zip(scored.labels, hits, *columns, strict=True)
    }


def _count_confusion(scored: Scored) -> ConfusionCounts:
    counts = confusion_matrix(scored.truths, scored.predicted, labels=range(len(scored.labels)))
    return ConfusionCounts(scored.labels, tuple(map(tuple, counts.tolist())))


def _measure_groups(scored: Scored, draws: int) -> GroupMetrics:
    rows_of: dict[str, list[int]] = defaultdict(list)
    for row, group in enumerate(scored.groups):
        rows_of[group].append(row)
    names = sorted(rows_of)
    won = np.array([scored.right[rows_of[name]].mean() > 0.5 for name in names])
    strata = scored.strata
    classes = [strata[rows_of[name][0]] for name in names]
    per_class = {}
    for label in scored.labels:
        own = won[[name == label for name in classes]]
        if len(own):
            few = f"{len(own)} fields: interval unreliable" if len(own) < FEW_GROUPS else ""
            interval = wilson_interval(int(own.sum()), len(own))
            per_class[label] = ClassGroups(len(own), float(own.mean()), interval, few)
    interval = grouped_bootstrap(lambda rows: float(won[rows].mean()), names, classes, draws)
    return GroupMetrics(len(names), float(won.mean()), interval, per_class)


def _measure_shared(scored: Scored, classes: Sequence[str]) -> SharedClasses | None:
    """Figures over the classes that both model and data have, where the model has more; else None."""
    present = {scored.labels[index] for index in scored.truths}
    both = [index for index, name in enumerate(classes) if name in present]
    if len(both) == len(classes) or len(both) < 2:
        return None
    rows = scored.known >= 0
    predicted = np.array(both)[scored.probabilities[rows][:, both].argmax(axis=1)]
    right = predicted == scored.known[rows]
    return SharedClasses(
        tuple(classes[index] for index in both),
        float(right.mean()),
        balanced_accuracy(right, scored.known[rows]),
    )
