"""From probabilities to a call: accepted, to be reviewed by a person, or rejected."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from leukolens.core.card import ClassifierCard
from leukolens.core.pixels import Pixels
from leukolens.core.results import CellStatus, Prediction

SMALLEST_SIDE_PX = 24
"""Below this a cell's nucleus is a few pixels wide, and no class can be seen."""

UNSURE = "probability below"
"""How the reason begins where nothing but the probability speaks against a call."""

_LEAST_CONTRAST = 2.0
"""Standard deviation of grey, of 255, below which a picture is one colour: no cell can be in it."""


def find_fault(image: Pixels) -> str:
    """Why a picture cannot hold one visible cell, or nothing."""
    height, width = image.shape[:2]
    if min(height, width) < SMALLEST_SIDE_PX:
        return f"only {width} x {height} pixels: a cell needs at least {SMALLEST_SIDE_PX}"
    # Every fourth pixel is enough to tell one colour from a picture.
    if float(image[::4, ::4].std(axis=(0, 1)).max()) < _LEAST_CONTRAST:
        return "the picture is of one colour: there is no cell in it"
    return ""


def judge_cell(
    name: str, probabilities: NDArray[np.float64], card: ClassifierCard, warnings: tuple[str, ...] = ()
) -> Prediction:
    """The call on one cell by the card's threshold."""
    best = int(probabilities.argmax())
    probability = float(probabilities[best])
    if probability >= card.accept_threshold:
        return Prediction(name, card.classes[best], probability, probabilities, CellStatus.ACCEPTED, "", warnings)
    reason = f"{UNSURE} {card.accept_threshold:.3f}"
    return Prediction(name, card.classes[best], probability, probabilities, CellStatus.REVIEW, reason, warnings)


def rule_out_platelet(probabilities: NDArray[np.float64], classes: Sequence[str]) -> NDArray[np.float64]:
    """Probabilities `(k,)` of a cell that is known to be no platelet; the same where there is no such class."""
    left = np.where([name == "platelet" for name in classes], 0.0, probabilities)
    return np.asarray(left / left.sum()) if left.sum() > 0 else probabilities


def doubt_call(call: Prediction, doubt: str) -> Prediction:
    """The same call, for a person to look at."""
    return replace(call, status=CellStatus.REVIEW, reason="; ".join(filter(None, (doubt, call.reason))))


def reject_image(name: str, reason: str, warnings: tuple[str, ...] = ()) -> Prediction:
    """The call on a picture that shows no cell."""
    return Prediction(name, "", 0.0, np.empty(0), CellStatus.REJECTED, reason, warnings)
