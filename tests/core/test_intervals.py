import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import chi2, t
from statsmodels.stats.proportion import proportion_confint

from leukolens.core.intervals import (
    cells_needed,
    clopper_pearson_interval,
    grouped_bootstrap,
    mean_interval,
    poisson_interval,
    ratio_interval,
    student_quantile,
    wilson_interval,
)


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


@given(st.integers(0, 300), st.integers(1, 300))
def test_clopper_pearson_agrees_with_statsmodels(successes: int, trials: int) -> None:
    successes = min(successes, trials)
    interval = clopper_pearson_interval(successes, trials)
    low, high = proportion_confint(successes, trials, method="beta")
    assert interval.low == pytest.approx(low, abs=1e-9) and interval.high == pytest.approx(high, abs=1e-9)


def test_no_basophil_of_a_hundred_is_the_rule_of_three() -> None:
    interval = clopper_pearson_interval(0, 100)
    assert interval.low == 0 and interval.high == pytest.approx(1 - 0.025 ** (1 / 100), abs=1e-12)


@given(st.integers(0, 5000), st.floats(0.5, 50))
def test_the_poisson_interval_agrees_with_the_chi_squared_quantiles(count: int, exposure: float) -> None:
    interval = poisson_interval(count, exposure)
    assert interval.low == pytest.approx(chi2.ppf(0.025, 2 * count) / 2 / exposure if count else 0, rel=1e-7)
    assert interval.high == pytest.approx(chi2.ppf(0.975, 2 * count + 2) / 2 / exposure, rel=1e-7)


def test_no_event_leaves_up_to_3_69() -> None:
    interval = poisson_interval(0)
    assert interval.low == 0 and interval.high == pytest.approx(3.6889, abs=1e-4)


@pytest.mark.parametrize("freedom", [1, 2, 3, 4, 5, 8, 9, 19, 60, 99, 100, 101, 250, 5000])
def test_student_agrees_with_scipy(freedom: int) -> None:
    assert student_quantile(freedom) == pytest.approx(t.ppf(0.975, freedom), abs=2e-6)


def test_the_mean_of_two_four_and_six_is_the_textbook_interval() -> None:
    # Mean 4, deviation 2, t 4.302653: 4 +- 4.968; Poisson's for 12 in 3 fields is 2.07 to 6.99.
    interval = mean_interval([2, 4, 6])
    assert interval.low == 0 and interval.high == pytest.approx(4 + 4.302653 * 2 / 3**0.5, abs=1e-5)
    assert "3 fields" in interval.method


def test_equal_or_empty_fields_or_a_single_one_do_not_make_certainty() -> None:
    for counts in ([5, 5, 5, 5], [0, 0, 0], [7]):
        poisson, interval = poisson_interval(sum(counts), len(counts)), mean_interval(counts)
        assert (interval.low, interval.high) == (poisson.low, poisson.high)


def test_a_ratio_is_the_odds_of_wilsons_ends() -> None:
    interval = ratio_interval(120, 60)
    assert (round(interval.low, 3), round(interval.high, 3)) == (1.469, 2.723)  # Wilson .5950 to .7314 of 180
    assert ratio_interval(5, 0).high == float("inf") and ratio_interval(0, 0).low == 0


@given(st.integers(0, 400), st.integers(1, 400))
def test_a_ratio_holds_its_estimate_and_turns_over(numerator: int, denominator: int) -> None:
    interval = ratio_interval(numerator, denominator)
    assert interval.low <= numerator / denominator <= interval.high
    if numerator:
        turned = ratio_interval(denominator, numerator)
        assert turned.high == (pytest.approx(1 / interval.low) if interval.low else float("inf"))


@given(st.floats(0, 1), st.integers(0, 400), st.floats(0.005, 0.2))
def test_just_enough_more_cells_are_asked_for(share: float, counted: int, half_width: float) -> None:
    def half(cells: int) -> float:
        interval = wilson_interval(share * cells, cells)
        return (interval.high - interval.low) / 2

    needed = cells_needed(share, counted, half_width)
    assert needed >= 0 and half(max(1, counted + needed)) <= half_width
    assert needed == 0 or counted + needed == 1 or half(counted + needed - 1) > half_width


def test_half_of_the_cells_within_five_points_takes_381() -> None:
    # 1.96^2 / 4 / .05^2 = 384.1 by Wald, less z^2 = 3.8 by Wilson.
    assert cells_needed(0.5, 100, 0.05) == 381 - 100
    assert cells_needed(0.5, 1000, 0.05) == 0
