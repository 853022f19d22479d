"""From logits to a prediction: the softmax and the rule by which a prediction is accepted. Each exists only here."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from leukolens.core.results import CellStatus, Prediction

BELOW_THRESHOLD = "probability below"
"""How the reason of a prediction begins whose probability does not reach the threshold."""


def softmax(logits: NDArray[np.floating], temperature: float = 1.0) -> NDArray[np.float64]:
    """Probabilities `(n, k)` float64, rows of sum 1: the softmax of logits `(n, k)` divided by the temperature."""
    scaled = logits.astype(np.float64) / temperature
    shares = np.exp(scaled - scaled.max(axis=1, keepdims=True))
    return np.asarray(shares / shares.sum(axis=1, keepdims=True))


def are_accepted(probabilities: NDArray[np.float64], threshold: float) -> NDArray[np.bool_]:
    """Which rows of probabilities `(n, k)` are accepted, `(n,)`: their highest probability reaches the threshold."""
    return np.asarray(probabilities.max(axis=1) >= threshold)


def make_prediction(
    image: str,
    probabilities: NDArray[np.float64],
    classes: Sequence[str],
    threshold: float,
    warnings: tuple[str, ...] = (),
) -> Prediction:
    """The prediction on one cell: accepted where its probability reaches the threshold, else for review.

    Args:
        image: Name of the image.
        probabilities: `(k,)` float64, calibrated, one per class.
        classes: `k` names.
        threshold: The least probability that is accepted.
        warnings: What was odd about the image.
    """
    best = int(probabilities.argmax())
    accepted = bool(are_accepted(probabilities[None], threshold)[0])
    # A card's threshold above 1 means that no prediction is accepted.
    below = (
        f"{BELOW_THRESHOLD} {threshold:.3f}" if threshold <= 1 else f"{BELOW_THRESHOLD} what this classifier accepts"
    )
    status, reason = (CellStatus.ACCEPTED, "") if accepted else (CellStatus.REVIEW, below)
    return Prediction(image, classes[best], float(probabilities[best]), probabilities, status, reason, warnings)
