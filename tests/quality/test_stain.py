import numpy as np
import pytest
import scipy.ndimage
from numpy.typing import NDArray

from leukolens.quality.stain import find_lit, find_stained, grow, number_pieces

GROUND, DYE, RED_CELL = (230, 220, 215), (110, 80, 190), (215, 160, 150)


def paint(*discs: tuple[int, int, int], size: tuple[int, int] = (120, 120)) -> NDArray[np.uint8]:
    """A pale field with discs of dye `(x, y, radius)`, and one red cell."""
    picture = np.full((size[1], size[0], 3), GROUND, np.uint8)
    rows, columns = np.mgrid[: size[1], : size[0]]
    picture[(columns - 20) ** 2 + (rows - 100) ** 2 <= 100] = RED_CELL
    for x, y, radius in discs:
        picture[(columns - x) ** 2 + (rows - y) ** 2 <= radius**2] = DYE
    return picture


def test_dye_is_found_and_red_cells_are_not() -> None:
    found = find_stained(paint((60, 60, 15)))
    assert found.amount == pytest.approx(np.pi * 15**2 / 120**2, rel=0.15)
    assert found.mask[60, 60] and not found.mask[100, 20]
    assert len(found.areas) == 1 and found.strength > 0.1


def test_dye_is_found_under_a_coloured_lamp_too() -> None:
    lamp = (paint((60, 60, 15)) * np.array([1.0, 0.8, 0.55])).astype(np.uint8)
    assert find_stained(lamp).amount == pytest.approx(find_stained(paint((60, 60, 15))).amount, rel=0.15)


def test_pieces_are_counted_and_joined() -> None:
    assert len(find_stained(paint((30, 30, 10), (90, 60, 10))).areas) == 2
    assert len(find_stained(paint((50, 60, 10), (72, 60, 10))).areas) == 1, "lobes that nearly touch are one piece"
    assert len(find_stained(paint()).areas) == 0
    dark = find_stained(np.zeros((40, 40, 3), np.uint8))
    assert dark.amount == 0 and not dark.ground.any()


def test_growing_and_numbering_agree_with_scipy() -> None:
    generator = np.random.default_rng(0)
    for density in (0.0, 0.01, 0.05, 0.2, 0.7, 1.0):
        mask = generator.random((60, 85)) < density
        theirs, _ = scipy.ndimage.label(mask, np.ones((3, 3)))
        assert np.array_equal(number_pieces(mask), theirs)
        assert np.array_equal(grow(mask, 2), scipy.ndimage.binary_dilation(mask, iterations=2))
    spiral = np.zeros((40, 40), bool)
    spiral[::4] = spiral[:, 0] = True
    assert number_pieces(spiral).max() == 1


def test_an_unlit_corner_is_left_out_with_a_margin() -> None:
    picture = paint((60, 60, 15))
    picture[:20, :30] = 0
    lit = find_lit(picture, 2)
    assert not lit[:20, :32].any() and not lit[21, 10] and lit[23:, 40:].all()
