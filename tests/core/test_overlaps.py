import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from leukolens.core.overlaps import measure_overlaps

corner = st.integers(0, 12)
box = st.tuples(corner, corner, corner, corner).map(
    lambda c: (min(c[0], c[2]), min(c[1], c[3]), max(c[0], c[2]), max(c[1], c[3]))
)


def test_a_hand_worked_pair_and_its_broadcast() -> None:
    first = np.array([[0.0, 0, 4, 4], [10, 10, 12, 12]])
    second = np.array([[2.0, 0, 6, 4], [0, 0, 4, 4], [20, 20, 21, 21]])
    # The first pair shares 2 x 4 = 8 of 16 + 16 - 8 = 24.
    np.testing.assert_allclose(measure_overlaps(first[:, None], second), [[1 / 3, 1, 0], [0, 0, 0]])


@given(box, box)
def test_it_counts_pixels(a: tuple[int, ...], b: tuple[int, ...]) -> None:
    canvas = np.zeros((2, 12, 12), bool)
    for layer, (x0, y0, x1, y1) in zip(canvas, (a, b), strict=True):
        layer[y0:y1, x0:x1] = True
    union = (canvas[0] | canvas[1]).sum()
    expected = (canvas[0] & canvas[1]).sum() / union if union else 0.0
    assert measure_overlaps(np.array(a, float), np.array(b, float)) == expected
