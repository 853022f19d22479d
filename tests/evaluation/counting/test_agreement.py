"""Counts against truth, with the worked example of Bland and Altman (1999)."""

import numpy as np
import pytest

from leukolens.core.errors import UsageError
from leukolens.evaluation.counting.agreement import compare_counts, limit_agreement


def test_bland_and_altmans_own_example() -> None:
    # 85 people's blood pressure by two methods: mean difference -16.29, standard deviation 19.61 mmHg.
    raw = np.random.default_rng(0).normal(size=85)
    differences = (raw - raw.mean()) / raw.std(ddof=1) * 19.61 - 16.29
    limits = limit_agreement(differences)
    # They give -54.7 (-61.9 to -47.5) and 22.1 (14.9 to 29.3), from a standard error rounded to 3.64.
    assert (limits.low, limits.high) == (pytest.approx(-54.7, abs=0.06), pytest.approx(22.1, abs=0.06))
    assert limits.low_interval.low == pytest.approx(-61.9, abs=0.12)
    assert limits.low_interval.high == pytest.approx(-47.5, abs=0.12)
    assert limits.high_interval.low == pytest.approx(14.9, abs=0.12)
    assert limits.high_interval.high == pytest.approx(29.3, abs=0.12)
    assert limits.mean_interval.low == pytest.approx(-20.5, abs=0.1)
    assert limits.mean_interval.high == pytest.approx(-12.1, abs=0.1)


def test_errors_of_fields_and_bias_of_all_are_told_apart() -> None:
    agreement = compare_counts([12, 8, 10, 14], [10, 10, 10, 10], ["a", "b", "c", "d"], draws=300)
    assert (agreement.counted, agreement.true, agreement.fields) == (44, 40, 4)
    assert agreement.mean_error == 2.0
    assert agreement.bias_percent == pytest.approx(10.0)
    assert agreement.bias_interval.low < 10 < agreement.bias_interval.high
    assert agreement.mean_error_interval.low < 2 < agreement.mean_error_interval.high
    assert agreement.limits is not None
    assert agreement.limits.mean == 1.0
    assert agreement.limits.high - agreement.limits.mean == pytest.approx(
        1.96 * np.std([2, -2, 0, 4], ddof=1), rel=1e-3
    )


def test_fields_of_one_group_are_drawn_together() -> None:
    counted, true = [12, 8] * 10, [10, 10] * 10
    paired = compare_counts(counted, true, [str(number // 2) for number in range(20)], draws=100)
    assert (paired.bias_interval.low, paired.bias_interval.high) == (0.0, 0.0)
    alone = compare_counts(counted, true, [str(number) for number in range(20)], draws=100)
    assert alone.bias_interval.low < 0 < alone.bias_interval.high


def test_a_single_field_has_no_limits() -> None:
    assert compare_counts([3], [4], ["a"], draws=10).limits is None


@pytest.mark.parametrize(("counted", "true", "groups"), [([1], [0], ["a"]), ([1, 2], [1], ["a"]), ([], [], [])])
def test_what_cannot_be_compared_is_refused(counted: list[int], true: list[int], groups: list[str]) -> None:
    with pytest.raises(UsageError):
        compare_counts(counted, true, groups)
