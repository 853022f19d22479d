import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from statsmodels.stats.proportion import proportion_confint

from leukolens.core.intervals import grouped_bootstrap, wilson_interval


def test_ten_of_two_hundred_is_the_textbook_interval() -> None:
    interval = wilson_interval(10, 200)
    assert (round(interval.low, 3), round(interval.high, 3)) == (0.027, 0.090)


@given(st.integers(0, 500), st.integers(1, 500))
def test_wilson_agrees_with_statsmodels_and_holds_the_share(successes: int, trials: int) -> None:
    successes = min(successes, trials)
    interval = wilson_interval(successes, trials)
    low, high = proportion_confint(successes, trials, method="wilson")
    assert interval.low == pytest.approx(low, abs=1e-9) and interval.high == pytest.approx(high, abs=1e-9)
    assert interval.low <= successes / trials <= interval.high


def test_without_trials_nothing_is_known() -> None:
    assert (wilson_interval(0, 0).low, wilson_interval(0, 0).high) == (0, 1)


def test_whole_groups_are_drawn_so_copies_do_not_narrow_the_interval() -> None:
    generator = np.random.default_rng(0)
    right = generator.random(40) < 0.7
    copies = np.repeat(right, 50)
    groups = [str(index // 50) for index in range(2000)]
    grouped = grouped_bootstrap(lambda rows: float(copies[rows].mean()), groups, ["a"] * 2000, 400)
    naive = grouped_bootstrap(lambda rows: float(copies[rows].mean()), [str(i) for i in range(2000)], ["a"] * 2000, 400)
    single = grouped_bootstrap(lambda rows: float(right[rows].mean()), [str(i) for i in range(40)], ["a"] * 40, 400)
    width = lambda interval: interval.high - interval.low  # noqa: E731
    assert width(grouped) > 4 * width(naive)
    assert width(grouped) == pytest.approx(width(single), rel=0.25)
    assert "40 groups" in grouped.method


def test_every_draw_keeps_every_class() -> None:
    strata = ["rare"] + ["common"] * 30
    seen: list[int] = []
    grouped_bootstrap(lambda rows: seen.append(int((rows == 0).sum())) or 0.0, [str(i) for i in range(31)], strata, 50)
    assert min(seen) == 1
