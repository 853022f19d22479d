"""Two models on the same images: is the one better, and by how much, when whole groups are drawn anew."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from leukolens.core.errors import DataError
from leukolens.core.intervals import Interval, grouped_bootstrap
from leukolens.core.predictions import Predictions


@dataclass(frozen=True)
class Comparison:
    """How much more of the images, and of the groups, the first model has right than the second.

    Attributes:
        images: Judged by both.
        groups: Of the images.
        difference: Of accuracy per image.
        interval: Paired: one draw of groups serves both models.
        group_difference: Of the share of groups with more than half of their images right.
        group_interval: Likewise.
    """

    images: int
    groups: int
    difference: float
    interval: Interval
    group_difference: float
    group_interval: Interval


def compare_predictions(first: Predictions, second: Predictions, draws: int = 2000) -> Comparison:
    """Paired bootstrap over groups, within classes (Efron and Tibshirani 1993, chapter 8).

    Args:
        first: Predictions with truths and groups.
        second: Of the same images, in any order.
        draws: Of the bootstrap.

    Raises:
        DataError: the two are not about the same images, or truths or groups are missing.
    """
    ours, theirs = _right_by_image(first), _right_by_image(second)
    if set(ours) != set(theirs):
        raise DataError(
            f"The two files are about different images ({len(set(ours) ^ set(theirs))} stand in only one): judge both on one split."
        )
    if not first.groups:
        raise DataError("The predictions name no groups: a column `group` is needed to compare over groups.")
    rows = {call.image: index for index, call in enumerate(first.calls)}
    gains = np.array([float(ours[name]) - float(theirs[name]) for name in rows])
    strata = [first.truths[index] for index in rows.values()]
    interval = grouped_bootstrap(lambda drawn: float(gains[drawn].mean()), first.groups, strata, draws)
    names = sorted(set(first.groups))
    own = np.array(first.groups)
    right = np.array([[ours[name], theirs[name]] for name in rows], float)
    won = np.array([right[own == name].mean(axis=0) > 0.5 for name in names], float)
    group_gains: NDArray[np.float64] = won[:, 0] - won[:, 1]
    group_strata = [strata[int(np.argmax(own == name))] for name in names]
    group_interval = grouped_bootstrap(lambda drawn: float(group_gains[drawn].mean()), names, group_strata, draws)
    return Comparison(len(gains), len(names), float(gains.mean()), interval, float(group_gains.mean()), group_interval)


def _right_by_image(predictions: Predictions) -> dict[str, bool]:
    if not predictions.truths:
        raise DataError("The predictions have no truths: a column `truth` is needed to compare them.")
    return {call.image: call.label == truth for call, truth in zip(predictions.calls, predictions.truths, strict=True)}
