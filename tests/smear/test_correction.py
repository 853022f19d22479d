import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.optimize import minimize

from leukolens.core.confusion import Confusion
from leukolens.core.intervals import clopper_pearson_interval, wilson_interval
from leukolens.core.taxonomy import CELL_CLASSES, LEUKOCYTE_CLASSES
from leukolens.smear.correction import correct_shares, find_obstacle, find_shift

TWO = ("neutrophil", "lymphocyte")


def make_confusion(counts: object, labels: tuple[str, ...] = TWO, unsure: int = 0) -> Confusion:
    """With as many of the right calls of each class unsure."""
    return Confusion(labels, np.array(counts, np.int64), np.eye(len(labels), dtype=np.int64) * unsure)


def draw_confusion(seed: int, right: float = 0.85) -> NDArray[np.float64]:
    """Rates of a classifier that is mostly right; the rest spread unevenly."""
    generator = np.random.default_rng(seed)
    wrong = generator.gamma(0.5, size=(8, 8)) * (1 - np.eye(8))
    wrong *= (1 - right) / wrong.sum(axis=1, keepdims=True)
    return np.asarray(wrong + right * np.eye(8))


PERFECT = make_confusion(np.eye(2) * 10**8)


@given(st.integers(5, 300), st.integers(5, 300))
def test_a_perfect_classifier_leaves_wilsons_interval(first: int, second: int) -> None:
    found = correct_shares(np.array([[first, second]]), PERFECT, TWO)
    wilson = wilson_interval(first, first + second)
    assert found.shares[0, 0] == pytest.approx(first / (first + second), abs=1e-6)
    assert (found.low[0, 0], found.high[0, 0]) == (
        pytest.approx(wilson.low, abs=1e-5),
        pytest.approx(wilson.high, abs=1e-5),
    )
    assert not found.exact.any()


@pytest.mark.parametrize("few", [0, 1, 4])
def test_of_few_calls_a_perfect_classifier_leaves_the_exact_interval(few: int) -> None:
    found = correct_shares(np.array([[100 - few, few]]), PERFECT, TWO)
    exact = clopper_pearson_interval(few, 100)
    assert found.exact.tolist() == [[False, True]]
    assert (found.low[0, 1], found.high[0, 1]) == (
        pytest.approx(exact.low, abs=1e-4),
        pytest.approx(exact.high, abs=1e-4),
    )


def test_two_classes_are_rogan_and_gladens() -> None:
    # Sensitivity .9, false rate .2, called .41 of 200: (.41 - .2) / (.9 - .2) = .3.
    confusion = make_confusion([[9 * 10**7, 10**7], [2 * 10**7, 8 * 10**7]])
    found = correct_shares(np.array([[82, 118]]), confusion, TWO)
    assert found.shares[0] == pytest.approx([0.3, 0.7], abs=1e-6)
    # The score test of the share called, carried through: Wilson's ends of 82 in 200.
    wilson = wilson_interval(82, 200)
    assert found.low[0, 0] == pytest.approx((wilson.low - 0.2) / 0.7, abs=1e-5)
    assert found.high[0, 0] == pytest.approx((wilson.high - 0.2) / 0.7, abs=1e-5)


def test_the_mix_is_the_likeliest() -> None:
    rates = draw_confusion(3)
    confusion = make_confusion(np.round(rates * 400), CELL_CLASSES)
    calls = np.array([60, 8, 3, 40, 12, 9, 2, 5])
    found = correct_shares(calls[None], confusion, CELL_CLASSES).shares[0]
    known = confusion.counts + 1 / 8
    known = known / known.sum(axis=1, keepdims=True)

    def loss(free: NDArray[np.float64]) -> float:
        mix = np.exp(free - free.max())
        return -float(calls @ np.log(mix / mix.sum() @ known))

    best = min(
        (minimize(loss, np.random.default_rng(k).normal(size=8), method="BFGS") for k in range(3)), key=lambda r: r.fun
    )
    assert -float(calls @ np.log(found @ known)) <= best.fun + 1e-4


@given(st.lists(st.integers(0, 80), min_size=8, max_size=8).filter(lambda counts: any(counts[:6])), st.integers(0, 20))
def test_shares_are_shares_and_lie_in_their_intervals(calls: list[int], seed: int) -> None:
    confusion = make_confusion(np.round(draw_confusion(seed) * 300), CELL_CLASSES)
    found = correct_shares(np.array([calls]), confusion, LEUKOCYTE_CLASSES)
    assert found.shares.sum() == pytest.approx(1) and found.shares.min() >= 0
    assert (found.low >= 0).all() and (found.high <= 1).all()
    assert (found.low <= found.shares + 1e-9).all() and (found.shares <= found.high + 1e-9).all()


def test_intervals_narrow_with_cells_and_with_validation() -> None:
    rates = draw_confusion(1)
    calls = np.array([[100, 20, 10, 80, 30, 20, 5, 5]])

    def width(cells: int, validation: int) -> NDArray[np.float64]:
        confusion = make_confusion(np.round(rates * validation), CELL_CLASSES)
        found = correct_shares(calls * cells, confusion, LEUKOCYTE_CLASSES)
        return (found.high - found.low)[0]

    assert (width(4, 1000) < width(1, 1000)).all()
    assert (width(1, 1000) < width(1, 100)).all()


def test_smears_do_not_touch_one_another() -> None:
    confusion = make_confusion(np.round(draw_confusion(2) * 300), CELL_CLASSES)
    smears = np.random.default_rng(0).multinomial(200, np.full(8, 1 / 8), 5)
    together = correct_shares(smears, confusion, LEUKOCYTE_CLASSES)
    for index, smear in enumerate(smears):
        alone = correct_shares(smear[None], confusion, LEUKOCYTE_CLASSES)
        np.testing.assert_allclose(together.low[index], alone.low[0], atol=1e-6)
        np.testing.assert_allclose(together.high[index], alone.high[0], atol=1e-6)


def test_the_interval_holds_where_the_raw_one_fails() -> None:
    rates = np.array([[0.95, 0.01, 0.04], [0.12, 0.80, 0.08], [0.25, 0.05, 0.70]])
    labels, mix = ("neutrophil", "eosinophil", "lymphocyte"), np.array([0.5, 0.15, 0.35])
    generator, raw, held = np.random.default_rng(4), [], []
    for _ in range(40):
        counts = np.array([generator.multinomial(250, row) for row in rates])
        calls = generator.multinomial(200, mix @ rates, 25)
        found = correct_shares(calls, make_confusion(counts, labels), labels)
        held.append((found.low <= mix) & (mix <= found.high))
        ends = [[wilson_interval(count, 200) for count in row] for row in calls]
        raw.append([[i.low <= p <= i.high for i, p in zip(row, mix, strict=True)] for row in ends])
    coverage = np.concatenate(held).mean(axis=0)
    assert (coverage > 0.925).all() and (coverage < 0.985).all()  # 1,000 draws around .95, forty confusions
    assert np.concatenate(raw).mean(axis=0).min() < 0.5


@pytest.mark.parametrize(
    ("counts", "words"),
    [
        ([[100, 0], [0, 19]], "19 cells of lymphocyte"),
        ([[0, 0], [0, 100]], "0 cells of neutrophil"),
        ([[50, 50], [50, 50]], "confuses"),
        ([[100, 0], [100, 0]], "confuses"),
        ([[99, 1], [1, 99]], ""),
        ([[100, 0], [0, 100]], ""),
    ],
)
def test_what_stands_in_the_way_is_said(counts: list[list[int]], words: str) -> None:
    obstacle = find_obstacle(make_confusion(counts))
    assert words in obstacle and bool(obstacle) == bool(words)


def test_cells_unlike_those_of_validation_are_noticed() -> None:
    told = make_confusion([[100, 0], [0, 100]], unsure=1)
    assert find_shift(1, 100, told) == ""
    assert "not sure of 30 of 130 cells" in find_shift(30, 130, told)
    assert find_shift(0, 0, told) == ""
    assert find_shift(1, 6, told) == ""  # too few cells to tell
