import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from statsmodels.stats.proportion import multinomial_proportions_confint, proportion_confint

from leukolens.core.intervals import wilson_interval
from leukolens.smear.multinomial import simultaneous_intervals

counts_of_classes = st.lists(st.integers(0, 400), min_size=2, max_size=8).filter(any)


@given(counts_of_classes)
def test_each_is_wilsons_at_the_shared_level(counts: list[int]) -> None:
    intervals = simultaneous_intervals(counts)
    for count, interval in zip(counts, intervals, strict=True):
        low, high = proportion_confint(count, sum(counts), alpha=0.05 / len(counts), method="wilson")
        assert (interval.low, interval.high) == (pytest.approx(low, abs=1e-9), pytest.approx(high, abs=1e-9))


@given(st.lists(st.integers(5, 400), min_size=2, max_size=8))
def test_they_agree_with_statsmodels_goodman(counts: list[int]) -> None:
    # Theirs is Goodman's with chi-squared at alpha / k and one degree of freedom: the same quantile squared.
    theirs = multinomial_proportions_confint(np.array(counts), method="goodman")
    ours = [(interval.low, interval.high) for interval in simultaneous_intervals(counts)]
    np.testing.assert_allclose(ours, theirs, atol=1e-9)


@given(counts_of_classes)
def test_they_hold_the_shares_and_the_single_intervals(counts: list[int]) -> None:
    for count, interval in zip(counts, simultaneous_intervals(counts), strict=True):
        single = wilson_interval(count, sum(counts))
        assert interval.low <= single.low <= count / sum(counts) <= single.high <= interval.high


@given(counts_of_classes)
def test_they_narrow_with_more_cells(counts: list[int]) -> None:
    few, many = simultaneous_intervals(counts), simultaneous_intervals([4 * count for count in counts])
    assert all(b.high - b.low < a.high - a.low for a, b in zip(few, many, strict=True))


def test_without_cells_nothing_is_known() -> None:
    assert [(interval.low, interval.high) for interval in simultaneous_intervals([0, 0])] == [(0, 1), (0, 1)]
    assert simultaneous_intervals([]) == ()
