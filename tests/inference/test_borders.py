import numpy as np

from leukolens.inference.borders import are_cut


def test_a_border_may_cut_what_ends_at_it_and_larger_cells_from_farther_off() -> None:
    small, large = 20.0, 200.0  # borders of 2 and of 9 px
    corners = [[x, 30, x + side, 30 + side] for side in (small, large) for x in (1.9, 2.1, 8.9, 9.1)]
    assert are_cut(np.array(corners), 400, 500).tolist() == [True, False, False, False, True, True, True, False]
    right_below = np.array([[480, 100, 498.5, 120], [100, 370, 120, 399.0], [-30, -3, 5, 6.0], [200, 200, 220, 220]])
    assert are_cut(right_below, 400, 500).tolist() == [True, True, True, False]
    assert are_cut(np.empty((0, 4)), 400, 500).shape == (0,)
