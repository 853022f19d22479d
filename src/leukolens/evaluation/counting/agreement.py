"""Counts beside true counts: error per field, bias, limits of agreement.

Error and bias are both needed. Errors of single fields that cancel out leave no bias, and a bias of a few percent is
not visible in any single field.
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
    """Limits between which 95 % of the differences of two counts lie (Bland and Altman 1999).

    Attributes:
        mean: Of the differences, with its interval.
        mean_interval: Student's 95 % interval of the mean.
        low: The lower limit.
        low_interval: Its 95 % interval.
        high: The upper limit.
        high_interval: Its 95 % interval.
    """

    mean: float
    mean_interval: Interval
    low: float
    low_interval: Interval
    high: float
    high_interval: Interval


@dataclass(frozen=True)
class CountAgreement:
    """How well one kind of cell is counted.

    Attributes:
        fields: Number of fields.
        counted: Cells counted in all fields.
        true: Cells in all fields.
        mean_error: Mean over fields of the absolute difference of counted and true, in cells.
        mean_error_interval: 95 % bootstrap interval over groups of fields.
        bias_percent: 100 x counted / true over all fields together, less 100.
        bias_interval: 95 % bootstrap interval over groups of fields.
        limits: Limits of agreement of counted less true; None for a single field.
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
    """Compares counts with true counts, field by field.

    Args:
        counted: Cells counted in each field.
        true: Cells in each field; at least one in all fields together.
        groups: Group of each field in the bootstrap.
        draws: Of the bootstrap.

    Raises:
        UsageError: there is no cell, or the lengths differ.
    """
    found, known = np.asarray(counted, float), np.asarray(true, float)
    if not len(found) == len(known) == len(groups) or not known.sum():
        raise UsageError(
            f"Expected counts, true counts and groups of the same fields, with at least one true cell. Received {len(found)} "
            f"counts, {len(known)} true counts with {known.sum():g} cells, and {len(groups)} groups."
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
    """Limits of agreement: mean difference -1.96 and +1.96 standard deviations, each with its 95 % interval.

    The variance of a limit is s^2 (1/n + 1.96^2 / 2(n - 1)); intervals are Student's with n - 1 degrees of freedom
    (Bland and Altman 1999, section 2.2 and its appendix). They assume normal differences and independent fields.

    Args:
        differences: `(n,)` counted less true; n of at least 2.
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
