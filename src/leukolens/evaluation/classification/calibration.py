"""Does a probability of .9 mean right nine times of ten: temperature, the threshold of acceptance, calibration error.

Temperature and threshold are fitted on validation only; the caller answers for that.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax

ACCEPTED_TARGET = 0.99
"""Share of accepted validation cells that must be right; the contract of `status`."""

LEAST_ACCEPTED = 0.9
"""No call less probable than this is accepted, even where more of them were right on validation: of the cells of a laboratory
that a model never saw many are named so, a third of them or more wrongly (`docs/results.md`)."""


@dataclass(frozen=True)
class Calibration:
    """What validation decides of a model.

    Attributes:
        temperature: Divides the logits.
        threshold: Calibrated probability at or above which a call is accepted.
        validation: What the two give there: `n`, accuracies, coverage; goes into the card.
    """

    temperature: float
    threshold: float
    validation: dict[str, Any]


def calibrate(logits: NDArray[np.floating], truths: NDArray[np.integer]) -> Calibration:
    """Temperature and threshold from validation logits `(n, k)` and class numbers `(n,)`, and what they give there."""
    temperature = fit_temperature(logits, truths)
    probabilities = to_probabilities(logits, temperature)
    threshold = max(LEAST_ACCEPTED, choose_threshold(probabilities, truths))
    right = probabilities.argmax(axis=1) == truths
    accepted = probabilities.max(axis=1) >= threshold
    validation = {
        "n": len(truths),
        "accuracy": float(right.mean()),
        "balanced_accuracy": float(np.mean([right[truths == index].mean() for index in np.unique(truths)])),
        "coverage": float(accepted.mean()),
        "accepted_accuracy": float(right[accepted].mean()) if accepted.any() else None,
    }
    return Calibration(temperature, threshold, validation)


def to_probabilities(logits: NDArray[np.floating], temperature: float) -> NDArray[np.float64]:
    """`(n, k)` softmax of the logits over the temperature."""
    scaled = np.asarray(logits / temperature, np.float64)
    shares = np.exp(scaled - scaled.max(axis=1, keepdims=True))
    return np.asarray(shares / shares.sum(axis=1, keepdims=True), np.float64)


def fit_temperature(logits: NDArray[np.floating], truths: NDArray[np.integer]) -> float:
    """The temperature that makes validation likeliest (Guo et al. 2017, On Calibration of Modern Neural Networks).

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
    """The least top probability at or above which at least `target` of the calls are right.

    Args:
        probabilities: `(n, k)`, calibrated.
        truths: `(n,)` class numbers.
        target: Share that must be right.

    Returns:
        A threshold that keeps equal probabilities together; 1.01, which accepts nothing, where none reaches `target`.
    """
    top = probabilities.max(axis=1)
    right = probabilities.argmax(axis=1) == truths
    order = np.argsort(-top, kind="stable")
    share = np.cumsum(right[order]) / np.arange(1, len(order) + 1)
    last_of_ties = np.append(top[order][1:] != top[order][:-1], True)
    enough = np.flatnonzero((share >= target) & last_of_ties)
    return float(top[order][enough[-1]]) if len(enough) else 1.01


def expected_calibration_error(confidences: NDArray[np.floating], right: NDArray[np.bool_], bins: int = 15) -> float:
    """Mean distance between confidence and share right, over bins of equal mass (Nixon et al. 2019).

    Args:
        confidences: `(n,)` probability of the call.
        right: `(n,)` whether the call was right.
        bins: Number of bins; fewer where there are fewer cells.
    """
    if not len(confidences):
        return float("nan")
    parts = np.array_split(np.argsort(confidences, kind="stable"), min(bins, len(confidences)))
    gaps = [abs(confidences[part].mean() - right[part].mean()) * len(part) for part in parts]
    return float(np.sum(gaps) / len(confidences))
