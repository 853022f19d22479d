import numpy as np
import pytest

from leukolens.datasets.synthetic import stain

CREAM = stain.Stain((255.0, 230.0, 203.0), np.eye(3, dtype=np.float32))


def test_nothing_absorbed_leaves_the_background() -> None:
    image = CREAM.develop(np.zeros((2, 2, 3), dtype=np.float32))
    np.testing.assert_allclose(image, np.broadcast_to([255, 230, 203], (2, 2, 3)))


def test_density_of_a_colour_develops_to_that_colour() -> None:
    np.testing.assert_allclose(CREAM.develop(stain.density_of(186, 90, 104)), [186, 90, 104], rtol=1e-5)


def test_two_layers_multiply_what_they_let_through() -> None:
    half = np.full(3, np.log(2), dtype=np.float32)
    np.testing.assert_allclose(CREAM.develop(half + half), np.array([255, 230, 203]) / 4, rtol=1e-5)


def test_mix_runs_from_the_first_to_the_second() -> None:
    part = np.array([[0.0, 0.25, 1.0]], dtype=np.float32)
    mixed = stain.mix(np.zeros(3, dtype=np.float32), np.full(3, 4, dtype=np.float32), part)
    np.testing.assert_allclose(mixed, [[[0, 0, 0], [1, 1, 1], [4, 4, 4]]])


@pytest.mark.parametrize("seed", range(8))
def test_every_stain_keeps_nuclei_dark_violet_and_red_cells_pale_and_warm(seed: int) -> None:
    for slide in (
        stain.draw_stain(np.random.default_rng(seed)),
        stain.draw_blue_stain(np.random.default_rng(seed)),
    ):
        red_cell, nucleus = slide.develop(stain.RED_CELL), slide.develop(stain.CHROMATIN)
        assert nucleus.mean() + 40 < red_cell.mean() < np.mean(slide.background) - 10
        assert nucleus[2] > nucleus[0] > nucleus[1]
        assert red_cell[1] / slide.background[1] < red_cell[0] / slide.background[0]
        assert max(slide.background) <= 255


def test_blue_stain_makes_nuclei_bluer_than_cream_stain() -> None:
    blue = stain.draw_blue_stain(np.random.default_rng(0)).develop(stain.CHROMATIN)
    assert blue[2] > CREAM.develop(stain.CHROMATIN)[2] + 40
