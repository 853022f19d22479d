"""Two models compared on the same images, and several runs of one recipe averaged; intervals are over groups."""

from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from leukolens.core.errors import DataError
from leukolens.core.intervals import Interval, grouped_bootstrap
from leukolens.core.predictions import Predictions


@dataclass(frozen=True)
class GroupTally:
    """Images of one group and class, and how many of them are right."""

    group: str
    label: str
    images: int
    right: int


Runs = Sequence[Sequence[GroupTally]]
"""Tallies of one or several runs of a recipe, such as seeds; they are averaged."""


@dataclass(frozen=True)
class Comparison:
    """Difference of the first model's accuracy and the second's.

    Attributes:
        images: Images that both predict.
        groups: Their groups.
        difference: Of accuracy per image.
        interval: Its 95 % interval; paired: each draw of groups is used for both models.
        group_difference: Of the share of groups with more than half of their images right.
        group_interval: Its 95 % interval; paired likewise.
    """

    images: int
    groups: int
    difference: float
    interval: Interval
    group_difference: float
    group_interval: Interval


def tally_groups(predictions: Predictions) -> list[GroupTally]:
    """Right predictions by group and class; an image without a group is a group of its own."""
    counts: dict[tuple[str, str], list[int]] = defaultdict(lambda: [0, 0])
    groups = predictions.groups or ("",) * len(predictions.items)
    for prediction, truth, group in zip(predictions.items, predictions.truths, groups, strict=True):
        if truth:
            found = counts[group or prediction.image, truth]
            found[0] += 1
            found[1] += prediction.label == truth
    return [GroupTally(group, label, images, right) for (group, label), (images, right) in sorted(counts.items())]


def leave_out(tallies: Sequence[GroupTally], groups: Collection[str]) -> list[GroupTally]:
    """The tallies of all other groups."""
    return [tally for tally in tallies if tally.group not in groups]


@dataclass(frozen=True)
class Estimate:
    """Accuracy of several runs of one recipe together, with 95 % intervals: seeds are averaged, folds are joined."""

    images: int
    groups: int
    accuracy: float
    interval: Interval
    group_accuracy: float
    group_interval: Interval


def estimate_runs(runs: Runs, draws: int = 2000) -> Estimate:
    """Accuracy per image and per group, with bootstrap intervals over groups, drawn within classes.

    A group that several runs predict (seeds) counts once, with the mean of its right predictions.
    """
    found: dict[tuple[str, str], list[GroupTally]] = defaultdict(list)
    for run in runs:
        for tally in run:
            found[tally.group, tally.label].append(tally)
    images = np.array([same[0].images for same in found.values()], float)
    right = np.array([np.mean([tally.right for tally in same]) for same in found.values()])
    won = np.array([np.mean([tally.right > tally.images / 2 for tally in same]) for same in found.values()])
    names, strata = [f"{group}/{label}" for group, label in found], [label for _, label in found]
    return Estimate(
        int(images.sum()),
        len(found),
        float(right.sum() / images.sum()),
        grouped_bootstrap(lambda rows: float(right[rows].sum() / images[rows].sum()), names, strata, draws),
        float(won.mean()),
        grouped_bootstrap(lambda rows: float(won[rows].mean()), names, strata, draws),
    )


def compare_runs(first: Runs, second: Runs, draws: int = 2000) -> Comparison:
    """Difference of two models, by a paired bootstrap over groups within classes (Efron and Tibshirani 1993, chapter 8).

    Raises:
        DataError: the runs do not predict the same images.
    """
    keys = [(tally.group, tally.label, tally.images) for tally in first[0]]
    for run in (*first, *second):
        if [(tally.group, tally.label, tally.images) for tally in run] != keys:
            raise DataError(
                "The runs were evaluated on different images. Expected the same images; evaluate both on the test part of one split."
            )
    images = np.array([count for _, _, count in keys], float)
    gained = _mean_right(first) - _mean_right(second)
    won = _mean_won(first, images) - _mean_won(second, images)
    names, strata = [f"{group}/{label}" for group, label, _ in keys], [label for _, label, _ in keys]
    return Comparison(
        int(images.sum()),
        len(keys),
        float(gained.sum() / images.sum()),
        grouped_bootstrap(lambda rows: float(gained[rows].sum() / images[rows].sum()), names, strata, draws),
        float(won.mean()),
        grouped_bootstrap(lambda rows: float(won[rows].mean()), names, strata, draws),
    )


def _mean_right(runs: Runs) -> NDArray[np.float64]:
    mean: NDArray[np.float64] = np.mean([[tally.right for tally in run] for run in runs], axis=0, dtype=np.float64)
    return mean


def _mean_won(runs: Runs, images: NDArray[np.float64]) -> NDArray[np.float64]:
    right = np.array([[tally.right for tally in run] for run in runs], float)
    mean: NDArray[np.float64] = np.mean(right > images / 2, axis=0, dtype=np.float64)
    return mean
