import numpy as np
import pytest

from leukolens.core.errors import DataError
from leukolens.core.predictions import Predictions
from leukolens.core.results import CellCall
from leukolens.evaluation.comparison import compare_predictions


def predictions(right: list[bool], order: list[int] | None = None) -> Predictions:
    """Sixteen images in four groups of four; groups 0 and 1 are neutrophils, 2 and 3 lymphocytes."""
    truths = ["neutrophil"] * 8 + ["lymphocyte"] * 8
    wrong = {"neutrophil": "lymphocyte", "lymphocyte": "neutrophil"}
    rows = order or list(range(16))
    calls = []
    for row in rows:
        label = truths[row] if right[row] else wrong[truths[row]]
        calls.append(CellCall(f"i{row}", label, 0.9, np.array([0.9, 0.1]), "accepted", ""))
    return Predictions(
        ("neutrophil", "lymphocyte"),
        tuple(calls),
        tuple(truths[row] for row in rows),
        tuple(f"g{row // 4}" for row in rows),
    )


def test_a_model_against_itself_differs_by_nothing() -> None:
    same = compare_predictions(predictions([True] * 16), predictions([True] * 16, list(reversed(range(16)))))
    assert (same.difference, same.interval.low, same.interval.high, same.group_difference) == (0, 0, 0, 0)


def test_a_gain_in_one_group_is_as_unsure_as_one_group() -> None:
    worse = [False] * 4 + [True] * 12
    found = compare_predictions(predictions([True] * 16), predictions(worse))
    assert (found.images, found.groups) == (16, 4)
    assert found.difference == 0.25 and found.group_difference == 0.25
    # Two neutrophil groups, one of them gained: a draw has it 0, 1 or 2 times.
    assert (found.interval.low, found.interval.high) == (0.0, 0.5)
    assert (found.group_interval.low, found.group_interval.high) == (0.0, 0.5)


def test_other_images_or_no_truths_are_refused() -> None:
    whole = predictions([True] * 16)
    with pytest.raises(DataError, match="different images"):
        compare_predictions(whole, predictions([True] * 16, list(range(15))))
    blind = Predictions(whole.classes, whole.calls)
    with pytest.raises(DataError, match="truth"):
        compare_predictions(blind, whole)
