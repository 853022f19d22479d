import numpy as np
import pytest

from leukolens.core.errors import DataError
from leukolens.core.predictions import Predictions
from leukolens.core.results import Prediction
from leukolens.evaluation.classification.comparison import GroupTally, compare_runs, estimate_runs, tally_groups


def tallies(*right: int) -> list[GroupTally]:
    """Four groups of four images; two of neutrophils, two of lymphocytes."""
    labels = ("neutrophil", "neutrophil", "lymphocyte", "lymphocyte")
    return [GroupTally(f"g{index}", labels[index], 4, count) for index, count in enumerate(right)]


def test_tallies_count_images_and_right_calls_of_each_group() -> None:
    calls = tuple(
        Prediction(f"i{index}", "neutrophil", 0.9, np.array([0.9, 0.1]), "accepted", "") for index in range(4)
    )
    truths = ("neutrophil", "lymphocyte", "neutrophil", "")
    found = tally_groups(Predictions(("neutrophil", "lymphocyte"), calls, truths, ("a", "b", "a", "a")))
    assert found == [GroupTally("a", "neutrophil", 2, 2), GroupTally("b", "lymphocyte", 1, 0)]


def test_a_model_against_itself_differs_by_nothing() -> None:
    same = compare_runs([tallies(4, 3, 2, 4)], [tallies(4, 3, 2, 4)])
    assert (same.difference, same.interval.low, same.interval.high, same.group_difference) == (0, 0, 0, 0)


def test_a_gain_in_one_group_is_as_unsure_as_one_group() -> None:
    found = compare_runs([tallies(4, 4, 4, 4)], [tallies(0, 4, 4, 4)])
    assert (found.images, found.groups) == (16, 4)
    assert found.difference == 0.25 and found.group_difference == 0.25
    # Two neutrophil groups, one of them gained: a draw has it 0, 1 or 2 times.
    assert (found.interval.low, found.interval.high) == (0.0, 0.5)
    assert (found.group_interval.low, found.group_interval.high) == (0.0, 0.5)


def test_seeds_are_averaged() -> None:
    found = compare_runs([tallies(4, 4, 4, 4), tallies(0, 4, 4, 4)], [tallies(0, 4, 4, 4)])
    assert found.difference == 0.125 and found.group_difference == 0.125


def test_other_images_are_refused() -> None:
    with pytest.raises(DataError, match="different images"):
        compare_runs([tallies(4, 4, 4, 4)], [tallies(4, 4, 4, 4)[:3]])


def test_seeds_share_their_groups_and_folds_do_not() -> None:
    seeds = estimate_runs([tallies(4, 4, 4, 4), tallies(0, 4, 4, 2)])
    assert (seeds.images, seeds.groups) == (16, 4)
    assert seeds.accuracy == 13 / 16 and seeds.group_accuracy == 0.75
    assert seeds.interval.low < 13 / 16 < seeds.interval.high
    first, second = tallies(4, 4, 4, 4)[:2], tallies(4, 4, 4, 0)[2:]
    folds = estimate_runs([first, second])
    assert (folds.images, folds.groups, folds.accuracy, folds.group_accuracy) == (16, 4, 0.75, 0.75)
