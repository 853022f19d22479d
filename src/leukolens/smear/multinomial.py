"""Intervals that hold for all classes of one count together.

These are Goodman's. The intervals of Sison and Glaz held a little less often over mixes like those of leukocytes, and
are twice as wide as needed for rare classes. `bench/coverage.py` measures both.
"""

from collections.abc import Sequence
from dataclasses import replace
from statistics import NormalDist

from leukolens.core.intervals import Interval, wilson_interval


def simultaneous_intervals(counts: Sequence[int]) -> tuple[Interval, ...]:
    """Intervals of the shares of all classes, which hold together with 95 % (Goodman 1965, Bonferroni's form).

    Args:
        counts: Cells of each class. If there are none, every interval is `[0, 1]`.
    """
    z = NormalDist().inv_cdf(1 - 0.05 / (2 * max(1, len(counts))))
    cells = sum(counts)
    return tuple(replace(wilson_interval(count, cells, z), method="Goodman, all classes together") for count in counts)
