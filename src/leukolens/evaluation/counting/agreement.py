"""Cells counted against cells that are there: error per field, bias in all, limits of agreement. Numbers only.

Two numbers that hide what the other shows stand side by side: errors of single fields that cancel out leave no bias,
and a bias of a few percent is no error to notice in any one field.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from leukolens.core.errors import UsageError
from leukolens.core.intervals import Z_95, Interval, grouped_bootstraps, student_quantile


@dataclass(frozen=True)
class Limits:
    """Between which values 95 % of the differences of two ways to count lie (Bland and Altman 1999).

    Attributes:
        mean: Of the differences, with its interval.
        mean_interval: Student's.
        low: The lower limit.
        low_interval: Of the lower limit.
        high: The upper limit.
        high_interval: Of the upper limit.
    """

    mean: float
    mean_interval: Interval
    low: float
    low_interval: Interval
    high: float
    high_interval: Interval


@dataclass(frozen=True)
class CountAgreement:
    """How well one kind was counted.

    Attributes:
        fields: How many there were.
        counted: Cells counted in all of them.
        true: Cells that are there.
        mean_error: Mean over fields of how far the count is off, in cells, up or down.
        mean_error_interval: Bootstrap over groups of fields.
        bias_percent: Counted over true in all fields together, less 100.
        bias_interval: Bootstrap over groups of fields.
        limits: Of agreement, for counted less true; None for a single field.
    """

    fields: int
    counted: int
    true: int
    mean_error: float
    mean_error_interval: Interval
    bias_percent: float
    bias_interval: Interval
    limits: Limits | None


def compare_counts(
    counted: Sequence[int], true: Sequence[int], groups: Sequence[str], draws: int = 1000
) -> CountAgreement:
    """Compares counts, field by field.

    Args:
        counted: Cells found in each field.
        true: Cells in each field; at least one in all.
        groups: What must stay together in the bootstrap.
        draws: Of the bootstrap.

    Raises:
        UsageError: there is no cell to count, or the lengths differ.
    """
    found, known = np.asarray(counted, float), np.asarray(true, float)
    if not len(found) == len(known) == len(groups) or not known.sum():
        raise UsageError(
            f"Counts are compared over as many fields with at least one cell in all; received {len(found)} counts, "
            f"{len(known)} truths with {known.sum():g} cells, {len(groups)} groups."
        )

    def measure(rows: NDArray[np.intp]) -> tuple[float, float]:
        """Mean error and bias."""
        total = float(known[rows].sum())
        bias = 100 * (float(found[rows].sum()) / total - 1) if total else math.nan
        return float(np.abs(found[rows] - known[rows]).mean()), bias

    mean_error, bias = measure(np.arange(len(found)))
    error_interval, bias_interval = grouped_bootstraps(measure, groups, [""] * len(groups), draws)
    return CountAgreement(
        len(found),
        int(found.sum()),
        int(known.sum()),
        mean_error,
        error_interval,
        bias,
        bias_interval,
        limit_agreement(found - known) if len(found) > 1 else None,
    )


def limit_agreement(differences: NDArray[np.float64]) -> Limits:
    """Limits of agreement: mean less and plus 1.96 standard deviations, each with its 95 % interval.

    The variance of a limit is s^2 (1/n + 1.96^2 / 2(n - 1)); intervals are Student's with n - 1 degrees of freedom
    (Bland and Altman 1999, section 2.2 and its appendix). They take differences to be normal and fields independent.

    Args:
        differences: `(n,)` counted less true, n above 1.
    """
    count = len(differences)
    mean, spread = float(differences.mean()), float(differences.std(ddof=1))
    quantile = student_quantile(count - 1)

    def around(value: float, error: float) -> Interval:
        half = quantile * error
        return Interval(value - half, value + half, f"Student, {count} fields")

    error_of_limit = spread * math.sqrt(1 / count + Z_95**2 / (2 * (count - 1)))
    low, high = mean - Z_95 * spread, mean + Z_95 * spread
    return Limits(
        mean,
        around(mean, spread / math.sqrt(count)),
        low,
        around(low, error_of_limit),
        high,
        around(high, error_of_limit),
    )
