"""Intervals that hold for all classes of one count at once.

Goodman's rather than Sison and Glaz's: over leukocyte-like mixes the latter held a little less often, and are twice
as wide for the rare classes as they need be. `bench/coverage.py` measures both.
"""

from collections.abc import Sequence
from dataclasses import replace
from statistics import NormalDist

from leukolens.core.intervals import Interval, wilson_interval


def simultaneous_intervals(counts: Sequence[int]) -> tuple[Interval, ...]:
    """Intervals of the shares of all classes that hold together with 95 % (Goodman 1965, Bonferroni's form).

    Args:
        counts: Cells of each class; without any cell every interval is `[0, 1]`.
    """
    z = NormalDist().inv_cdf(1 - 0.05 / (2 * max(1, len(counts))))
    cells = sum(counts)
    return tuple(replace(wilson_interval(count, cells, z), method="Goodman, all classes at once") for count in counts)
