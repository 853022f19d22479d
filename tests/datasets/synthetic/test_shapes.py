import numpy as np
import pytest

from leukolens.datasets.synthetic import shapes


@pytest.fixture
def window() -> shapes.Window:
    return shapes.open_window(5.0, 4.0)


def value_at(plane: shapes.Plane, window: shapes.Window, x_um: float, y_um: float) -> float:
    middle = window.side_px // 2
    return float(plane[middle + round(y_um * window.px_per_um), middle + round(x_um * window.px_per_um)])


def test_window_reaches_its_half_width_with_the_middle_at_zero(window: shapes.Window) -> None:
    assert window.side_px == 41
    assert window.x[0, 0] == -5 and window.x[0, -1] == 5 and window.y[-1, 0] == 5
    assert value_at(window.x, window, 0, 0) == 0


def test_circle_distance_is_negative_inside_and_counts_micrometres(window: shapes.Window) -> None:
    circle = shapes.ellipse_distance(window, (1.0, 0.0), (2.0, 2.0), 0.3)
    assert value_at(circle, window, 1, 0) == pytest.approx(-2)
    assert value_at(circle, window, 3, 0) == pytest.approx(0, abs=1e-5)
    assert value_at(circle, window, 1, 3) == pytest.approx(1)


def test_ellipse_turns_with_its_angle(window: shapes.Window) -> None:
    upright = shapes.ellipse_distance(window, (0.0, 0.0), (4.0, 1.0), np.pi / 2)
    assert value_at(upright, window, 0, 4) == pytest.approx(0, abs=1e-5)
    assert value_at(upright, window, 1, 0) == pytest.approx(0, abs=1e-5)


def test_strand_distance_is_to_the_nearest_point_of_the_strand(window: shapes.Window) -> None:
    strand = shapes.strand_distance(window, (-2.0, 0.0), (2.0, 0.0), 0.5)
    assert value_at(strand, window, 0, 2) == pytest.approx(1.5)
    assert value_at(strand, window, 4, 0) == pytest.approx(1.5)


def test_join_is_the_nearer_shape_and_carve_takes_away(window: shapes.Window) -> None:
    left = shapes.ellipse_distance(window, (-2.0, 0.0), (1.0, 1.0), 0)
    right = shapes.ellipse_distance(window, (2.0, 0.0), (1.0, 1.0), 0)
    both = shapes.join(left, right, 0.5)
    assert value_at(both, window, -2, 0) == pytest.approx(-1)
    assert value_at(both, window, 2, 0) == pytest.approx(-1)
    # on the axis between equal shapes the seam is rounded by a quarter of its width
    assert value_at(both, window, 0, 0) == pytest.approx(1 - 0.125)
    whole = shapes.ellipse_distance(window, (0.0, 0.0), (3.0, 3.0), 0)
    assert value_at(shapes.carve(whole, right, 0.2), window, 2, 0) > 0
    assert value_at(shapes.carve(whole, right, 0.2), window, -2, 0) == pytest.approx(-1)


def test_blob_without_wobble_is_a_circle(window: shapes.Window) -> None:
    blob = shapes.blob_distance(window, 3.0, (0.0, 0.0), np.random.default_rng(0))
    np.testing.assert_allclose(blob, np.hypot(window.x, window.y) - 3, atol=1e-5)


def test_fill_is_half_on_the_outline_and_has_the_shape_s_area(window: shapes.Window) -> None:
    circle = shapes.ellipse_distance(window, (0.0, 0.0), (3.0, 3.0), 0)
    cover = shapes.fill(circle, window.px_per_um)
    assert value_at(cover, window, 3, 0) == pytest.approx(0.5, abs=1e-4)
    assert cover.sum() / window.px_per_um**2 == pytest.approx(np.pi * 9, rel=0.01)


@pytest.mark.parametrize(("low", "high", "expected"), [(0, 2, [0, 0, 0.5, 1, 1]), (2, 0, [1, 1, 0.5, 0, 0])])
def test_ramp_steps_up_or_down(low: float, high: float, expected: list[float]) -> None:
    values = np.array([-1, 0, 1, 2, 3], dtype=np.float32)
    np.testing.assert_allclose(shapes.ramp(values, low, high), expected)


@pytest.mark.parametrize("sigma_px", [0.5, 1.3, 3.0])
def test_blur_keeps_flat_planes_and_spreads_a_dot_as_a_gaussian(sigma_px: float) -> None:
    np.testing.assert_allclose(shapes.blur(np.full((9, 7, 3), 4.0, dtype=np.float32), sigma_px), 4, rtol=1e-5)
    dot = np.zeros((41, 41), dtype=np.float32)
    dot[20, 20] = 1
    spread = shapes.blur(dot, sigma_px)
    assert spread.sum() == pytest.approx(1, rel=1e-5)
    offsets = np.arange(-20, 21)
    variance = float((spread.sum(axis=0) * offsets**2).sum())
    reach = max(1, int(np.ceil(2.5 * sigma_px)))
    cut = np.exp(-0.5 * (np.arange(-reach, reach + 1) / sigma_px) ** 2)
    assert variance == pytest.approx(float((cut * np.arange(-reach, reach + 1) ** 2).sum() / cut.sum()), rel=1e-4)


def test_granules_stay_between_0_and_1_and_come_about_as_often_as_asked() -> None:
    window = shapes.open_window(6.0, 20.0)
    granules = shapes.scatter_granules(window, 1.5, 0.15, 1.0, np.random.default_rng(3))
    assert granules.min() >= 0 and 0.5 < granules.max() <= 1
    middle = granules[1:-1, 1:-1]
    peaks = (middle > 0.15) & (middle >= granules[:-2, 1:-1]) & (middle >= granules[2:, 1:-1])
    peaks &= (middle > granules[1:-1, :-2]) & (middle >= granules[1:-1, 2:])
    assert 40 <= peaks.sum() <= 75  # a lattice of 12 / 1.5 = 8 by 8


def test_noise_is_centred_and_seeded(window: shapes.Window) -> None:
    one = shapes.draw_noise(window, 0.6, np.random.default_rng(1))
    np.testing.assert_array_equal(one, shapes.draw_noise(window, 0.6, np.random.default_rng(1)))
    assert abs(one.mean()) < 0.25 and 0.4 < one.std() < 1.1
