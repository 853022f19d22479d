import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from scipy import special

from leukolens.core.acceptance import are_accepted, make_prediction, softmax
from leukolens.core.results import CellStatus

CLASSES = ("neutrophil", "platelet")


@given(arrays.arrays(np.float32, (3, 4), elements=st.floats(-80, 80, width=32)), st.floats(0.1, 10))
def test_the_softmax_is_that_of_scipy(logits: np.ndarray, temperature: float) -> None:
    expected = special.softmax(logits.astype(np.float64) / temperature, axis=1)
    np.testing.assert_allclose(softmax(logits, temperature), expected, atol=1e-12)


def test_large_logits_do_not_overflow() -> None:
    np.testing.assert_allclose(softmax(np.array([[1e30, 0.0]], np.float32)), [[1, 0]])


def test_the_threshold_itself_is_accepted() -> None:
    rows = np.array([[0.8, 0.2], [0.79, 0.21], [0.1, 0.9]])
    assert are_accepted(rows, 0.8).tolist() == [True, False, True]


@pytest.mark.parametrize(
    ("row", "status", "reason"),
    [([0.8, 0.2], CellStatus.ACCEPTED, ""), ([0.21, 0.79], CellStatus.REVIEW, "probability below 0.800")],
)
def test_a_prediction_by_its_threshold(row: list[float], status: CellStatus, reason: str) -> None:
    prediction = make_prediction("a", np.array(row), CLASSES, 0.8, ("odd",))
    assert (prediction.status, prediction.reason, prediction.warnings) == (status, reason, ("odd",))
    assert (prediction.label, prediction.probability) == (CLASSES[int(row[1] > row[0])], max(row))


def test_no_probability_above_1_is_told() -> None:
    never = make_prediction("a", np.array([1.0, 0.0]), ("monocyte", "basophil"), 1.01)
    assert (never.status, never.reason) == (CellStatus.REVIEW, "probability below what this classifier accepts")
