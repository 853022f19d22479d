"""Confidence intervals: Wilson for independent cells, bootstrap over groups where cells are not independent."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Z_95 = 1.959963984540054
"""The 97.5 % quantile of the standard normal distribution."""


@dataclass(frozen=True)
class Interval:
    """A two-sided interval and how it was made."""

    low: float
    high: float
    method: str


def wilson_interval(successes: float, trials: float, z: float = Z_95) -> Interval:
    """The score interval of a proportion (Wilson 1927); `[0, 1]` when there were no trials."""
    if trials <= 0:
        return Interval(0.0, 1.0, "Wilson")
    share = successes / trials
    centre = (share + z * z / (2 * trials)) / (1 + z * z / trials)
    half = z / (1 + z * z / trials) * np.sqrt(share * (1 - share) / trials + z * z / (4 * trials * trials))
    low = 0.0 if successes <= 0 else max(0.0, float(centre - half))
    high = 1.0 if successes >= trials else min(1.0, float(centre + half))
    return Interval(low, high, "Wilson")


def grouped_bootstrap(
    statistic: Callable[[NDArray[np.intp]], float],
    groups: Sequence[str],
    strata: Sequence[str],
    draws: int = 1000,
    seed: int = 0,
) -> Interval:
    """Percentile interval of a statistic when whole groups, not single images, are drawn anew.

    Groups are drawn with replacement within each stratum (the class of a group's first image), so that a draw
    never loses a class (Davison and Hinkley 1997, chapter 3.8).

    Args:
        statistic: Gives the statistic for the row numbers of a draw (repeats included).
        groups: The group of each row.
        strata: The stratum of each row.
        draws: Number of bootstrap draws.
        seed: Of the draws.
    """
    rows_of: dict[str, list[int]] = {}
    for row, group in enumerate(groups):
        rows_of.setdefault(group, []).append(row)
    members: dict[str, list[NDArray[np.intp]]] = {}
    for rows in rows_of.values():
        members.setdefault(strata[rows[0]], []).append(np.array(rows, np.intp))
    generator = np.random.default_rng(seed)
    values = np.empty(draws)
    for draw in range(draws):
        picked = [rows[index] for rows in members.values() for index in generator.integers(len(rows), size=len(rows))]
        values[draw] = statistic(np.concatenate(picked))
    low, high = np.nanpercentile(values, [2.5, 97.5])
    return Interval(float(low), float(high), f"bootstrap over {len(rows_of)} groups within classes, {draws} draws")
