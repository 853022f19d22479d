"""Confidence intervals of one figure: proportions, rates, ratios, means, and bootstraps over groups.

Everything here needs numpy only, so the light install has it. The tests compare it with SciPy and statsmodels.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Z_95 = 1.959963984540054
"""The 97.5 % quantile of the standard normal distribution."""


@dataclass(frozen=True)
class Interval:
    """A two-sided 95 % interval, and its method in words."""

    low: float
    high: float
    method: str


def wilson_interval(successes: float, trials: float, z: float = Z_95) -> Interval:
    """The 95 % score interval of a proportion (Wilson 1927); `[0, 1]` without trials."""
    if trials <= 0:
        return Interval(0.0, 1.0, "Wilson")
    share = successes / trials
    centre = (share + z * z / (2 * trials)) / (1 + z * z / trials)
    half = z / (1 + z * z / trials) * np.sqrt(share * (1 - share) / trials + z * z / (4 * trials * trials))
    low = 0.0 if successes <= 0 else max(0.0, float(centre - half))
    high = 1.0 if successes >= trials else min(1.0, float(centre + half))
    return Interval(low, high, "Wilson")


def clopper_pearson_interval(successes: int, trials: int) -> Interval:
    """The exact 95 % interval of a proportion (Clopper and Pearson 1934); `[0, 1]` without trials."""
    if trials <= 0:
        return Interval(0.0, 1.0, "Clopper-Pearson")
    numbers = np.arange(trials + 1)
    ways = np.array([math.lgamma(number + 1) for number in numbers])
    ways = ways[-1] - ways - ways[::-1]

    def tail(share: float, picked: slice) -> float:
        logs = ways[picked] + numbers[picked] * np.log(share) + (trials - numbers[picked]) * np.log1p(-share)
        return float(np.exp(logs).sum())

    low = _bisect(lambda share: tail(share, slice(successes, None)) < 0.025, 0.0, 1.0) if successes > 0 else 0.0
    high = _bisect(lambda share: tail(share, slice(0, successes + 1)) > 0.025, 0.0, 1.0) if successes < trials else 1.0
    return Interval(low, high, "Clopper-Pearson")


def poisson_interval(count: int, exposure: float = 1.0) -> Interval:
    """The exact 95 % interval of a rate (Garwood 1936).

    Args:
        count: Events.
        exposure: Number of units that were searched, above 0; the rate is per unit.
    """
    numbers = np.arange(count + 1)
    factorials = np.array([math.lgamma(number + 1) for number in numbers])

    def at_most(rate: float, most: int) -> float:
        picked = slice(0, most + 1)
        return float(np.exp(numbers[picked] * np.log(rate) - rate - factorials[picked]).sum())

    top = count + 10 * math.sqrt(count + 1)
    low = _bisect(lambda rate: 1 - at_most(rate, count - 1) < 0.025, 0.0, float(count)) if count else 0.0
    high = _bisect(lambda rate: at_most(rate, count) > 0.025, float(count), top)
    return Interval(low / exposure, high / exposure, "Poisson, exact")


def ratio_interval(numerator: int, denominator: int) -> Interval:
    """The 95 % interval of the ratio of two counts of one sample: the odds of Wilson's interval of the first's share."""
    share = wilson_interval(numerator, numerator + denominator)
    high = share.high / (1 - share.high) if share.high < 1 else math.inf
    return Interval(share.low / (1 - share.low), high, "Wilson, as odds")


def mean_interval(counts: Sequence[int]) -> Interval:
    """The 95 % interval of a mean count per field, where fields may differ by more than chance.

    It reaches as far as the wider of two intervals: Student's over fields and the exact Poisson interval of the total.
    Without the second, a few equal fields would give an interval of no width. For one field it is Poisson's.
    """
    poisson = poisson_interval(sum(counts), len(counts))
    if len(counts) < 2:
        return Interval(poisson.low, poisson.high, "one field: Poisson, exact")
    mean = float(np.mean(counts))
    half = student_quantile(len(counts) - 1) * float(np.std(counts, ddof=1)) / math.sqrt(len(counts))
    method = f"wider of Student over {len(counts)} fields and Poisson"
    return Interval(max(0.0, min(mean - half, poisson.low)), max(mean + half, poisson.high), method)


def student_quantile(freedom: int) -> float:
    """The 97.5 % quantile of Student's t with whole degrees of freedom, to six decimals.

    From the finite sum of the distribution (Abramowitz and Stegun 1964, 26.7.3 and 26.7.4); above 100 degrees of freedom
    from their expansion 26.7.5.
    """
    if freedom > 100:
        z = Z_95
        terms = (z**3 + z) / 4, (5 * z**5 + 16 * z**3 + 3 * z) / 96, (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384
        return z + sum(term / float(freedom) ** power for power, term in enumerate(terms, start=1))

    def between(value: float) -> float:
        angle = math.atan(value / math.sqrt(freedom))
        cosine = math.cos(angle)
        term = cosine if freedom % 2 else 1.0
        terms, start = [], 3 if freedom % 2 else 2
        for number in range(start, freedom + 1, 2):
            terms.append(term)
            term *= cosine**2 * (number - 1) / number
        inside = math.sin(angle) * sum(terms)
        return 2 / math.pi * (angle + inside) if freedom % 2 else inside

    return _bisect(lambda value: between(value) < 0.95, 0.0, 20.0)


def cells_needed(share: float, counted: int, half_width: float) -> int:
    """How many more cells make half the width of Wilson's interval at most `half_width`, if the share stays the same.

    Args:
        share: Of the cells so far, 0..1.
        counted: Cells so far.
        half_width: Wanted, above 0; 0.05 is five percentage points.
    """

    def wide(cells: int) -> bool:
        interval = wilson_interval(share * cells, cells)
        return interval.high - interval.low > 2 * half_width

    enough = max(1, counted)
    if not wide(enough):
        return enough - counted
    while wide(enough):
        enough *= 2
    short = enough // 2
    while enough - short > 1:
        middle = (short + enough) // 2
        short, enough = (middle, enough) if wide(middle) else (short, middle)
    return enough - counted


def _bisect(before: Callable[[float], bool], low: float, high: float) -> float:
    """The point between two others at which `before` turns from true to false."""
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if before(middle) else (low, middle)
    return (low + high) / 2


def grouped_bootstrap(
    statistic: Callable[[NDArray[np.intp]], float],
    groups: Sequence[str],
    strata: Sequence[str],
    draws: int = 1000,
    seed: int = 0,
) -> Interval:
    """The 95 % percentile bootstrap interval of a statistic, drawing whole groups instead of single images.

    Groups are drawn with replacement within each stratum, so no draw lacks a class (Davison and Hinkley 1997, chapter
    3.8). A group belongs to the stratum of its first row.

    Args:
        statistic: Gives the statistic of the row numbers of a draw, which may repeat.
        groups: The group of each row.
        strata: The stratum of each row.
        draws: Number of bootstrap draws.
        seed: Of the draws.
    """
    (interval,) = grouped_bootstraps(lambda rows: [statistic(rows)], groups, strata, draws, seed)
    return interval


def grouped_bootstraps(
    statistics: Callable[[NDArray[np.intp]], Sequence[float]],
    groups: Sequence[str],
    strata: Sequence[str],
    draws: int = 1000,
    seed: int = 0,
) -> tuple[Interval, ...]:
    """As `grouped_bootstrap`, for several statistics of the same draws: one interval each."""
    rows_of: dict[str, list[int]] = {}
    for row, group in enumerate(groups):
        rows_of.setdefault(group, []).append(row)
    members: dict[str, list[NDArray[np.intp]]] = {}
    for rows in rows_of.values():
        members.setdefault(strata[rows[0]], []).append(np.array(rows, np.intp))
    generator = np.random.default_rng(seed)
    values = []
    for _ in range(draws):
        picked = [rows[index] for rows in members.values() for index in generator.integers(len(rows), size=len(rows))]
        values.append(statistics(np.concatenate(picked)))
    within = " within classes" if len(members) > 1 else ""
    method = f"bootstrap over {len(rows_of)} groups{within}, {draws} draws"
    return tuple(
        Interval(float(low), float(high), method) for low, high in np.nanpercentile(values, [2.5, 97.5], axis=0).T
    )
