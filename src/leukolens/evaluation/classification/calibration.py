"""Calibration of probabilities: temperature, threshold of acceptance, calibration error.

Temperature and threshold are chosen on validation only. The caller must see to that.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax

from leukolens.core.acceptance import are_accepted, softmax

ACCEPTED_TARGET = 0.99
"""Share of accepted validation cells that must be right; the contract of `status`."""

LEAST_ACCEPTED = 0.9
"""No prediction below this probability is accepted, even if validation allows it. At a site that the model was not
trained on, many predictions lie below, and a third of them or more are wrong (`docs/results.md`)."""


@dataclass(frozen=True)
class ValidationFigures:
    """Figures on validation, as the card has them.

    Attributes:
        n: Images.
        accuracy: Share that is right.
        balanced_accuracy: Mean over classes of the share that is right.
        coverage: Share that is accepted.
        accepted_accuracy: Share of the accepted images that is right; None where none is accepted.
    """

    n: int
    accuracy: float
    balanced_accuracy: float
    coverage: float
    accepted_accuracy: float | None


@dataclass(frozen=True)
class Calibration:
    """What is chosen on validation for a model.

    Attributes:
        temperature: Divides the logits.
        threshold: Calibrated probability at or above which a prediction is accepted.
        validation: Figures that the two give on validation; for the card.
    """

    temperature: float
    threshold: float
    validation: ValidationFigures


def calibrate(logits: NDArray[np.floating], truths: NDArray[np.integer]) -> Calibration:
    """Temperature and threshold from validation, and the figures that they give there.

    Args:
        logits: `(n, k)`, of validation.
        truths: `(n,)` class numbers.
    """
    temperature = fit_temperature(logits, truths)
    probabilities = softmax(logits, temperature)
    threshold = max(LEAST_ACCEPTED, choose_threshold(probabilities, truths))
    right = probabilities.argmax(axis=1) == truths
    accepted = are_accepted(probabilities, threshold)
    validation = ValidationFigures(
        n=len(truths),
        accuracy=float(right.mean()),
        balanced_accuracy=float(np.mean([right[truths == index].mean() for index in np.unique(truths)])),
        coverage=float(accepted.mean()),
        accepted_accuracy=float(right[accepted].mean()) if accepted.any() else None,
    )
    return Calibration(temperature, threshold, validation)


def fit_temperature(logits: NDArray[np.floating], truths: NDArray[np.integer]) -> float:
    """The temperature of the highest likelihood on validation (Guo et al. 2017, On Calibration of Modern Neural Networks).

    Args:
        logits: `(n, k)`.
        truths: `(n,)` class numbers.
    """
    rows = np.arange(len(truths))

    def loss(log_temperature: float) -> float:
        return float(-log_softmax(logits / np.exp(log_temperature), axis=1)[rows, truths].mean())

    return float(np.exp(minimize_scalar(loss, bounds=(np.log(0.05), np.log(20)), method="bounded").x))


def choose_threshold(
    probabilities: NDArray[np.floating], truths: NDArray[np.integer], target: float = ACCEPTED_TARGET
) -> float:
    """The lowest probability at or above which at least `target` of the predictions are right.

    Args:
        probabilities: `(n, k)`, calibrated.
        truths: `(n,)` class numbers.
        target: Share that must be right.

    Returns:
        The threshold; equal probabilities are accepted together. 1.01, which accepts nothing, where none reaches
        `target`.
    """
    top = probabilities.max(axis=1)
    right = probabilities.argmax(axis=1) == truths
    order = np.argsort(-top, kind="stable")
    share = np.cumsum(right[order]) / np.arange(1, len(order) + 1)
    last_of_ties = np.append(top[order][1:] != top[order][:-1], True)
    enough = np.flatnonzero((share >= target) & last_of_ties)
    return float(top[order][enough[-1]]) if len(enough) else 1.01


def split_bins(confidences: NDArray[np.floating], bins: int = 15) -> list[NDArray[np.intp]]:
    """Row numbers in bins of equal mass, from the lowest confidence to the highest.

    Args:
        confidences: `(n,)` probability of the predicted class.
        bins: Number of bins; fewer where there are fewer rows.
    """
    return np.array_split(np.argsort(confidences, kind="stable"), max(1, min(bins, len(confidences))))


def expected_calibration_error(confidences: NDArray[np.floating], right: NDArray[np.bool_], bins: int = 15) -> float:
    """Mean distance between confidence and share right, over bins of equal mass (Nixon et al. 2019).

    Args:
        confidences: `(n,)` probability of the predicted class.
        right: `(n,)` whether the prediction is right.
        bins: Number of bins; fewer where there are fewer predictions.

    Returns:
        0..1; not a number without predictions.
    """
    if not len(confidences):
        return float("nan")
    gaps = [abs(confidences[part].mean() - right[part].mean()) * len(part) for part in split_bins(confidences, bins)]
    return float(np.sum(gaps) / len(confidences))
