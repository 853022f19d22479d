import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from leukolens.core.pixels import Preparation, crop_cell, normalise_batch, prepare_image, resize_window, square_box
from leukolens.core.results import Box


def test_preparation_of_the_right_size_changes_nothing() -> None:
    image = np.random.default_rng(0).integers(0, 256, (16, 24, 3), np.uint8)
    assert np.array_equal(prepare_image(image, Preparation(16, 24)), image)


def test_crop_fraction_keeps_the_middle() -> None:
    image = np.zeros((40, 40, 3), np.uint8)
    image[10:30, 10:30] = 200
    assert prepare_image(image, Preparation(20, 20, crop_fraction=0.5)).min() == 200


def test_a_wide_image_is_cut_to_a_square_not_squeezed() -> None:
    image = np.zeros((20, 60, 3), np.uint8)
    image[:, 20:40] = 255
    # The filter looks past the edge of the window, so the outermost columns are left aside.
    assert prepare_image(image, Preparation(10, 10))[:, 1:-1].min() == 255


@given(st.integers(1, 80), st.integers(1, 80), st.floats(0.05, 1))
def test_any_size_of_image_gives_the_size_asked_for(height: int, width: int, fraction: float) -> None:
    image = np.full((height, width, 3), 77, np.uint8)
    prepared = prepare_image(image, Preparation(9, 13, crop_fraction=fraction))
    assert prepared.shape == (9, 13, 3) and (prepared == 77).all()


def test_normalising_against_the_written_formula() -> None:
    batch = np.random.default_rng(1).integers(0, 256, (2, 4, 5, 3), np.uint8)
    background = np.random.default_rng(2).integers(0, 256, (4, 5, 3), np.uint8)
    preparation = Preparation(4, 5, mean=(0.1, 0.2, 0.3), std=(0.5, 0.6, 0.7), background=background)
    expected = ((batch / 255 - background / 255) - np.array([0.1, 0.2, 0.3])) / np.array([0.5, 0.6, 0.7])
    result = normalise_batch(batch, preparation)
    assert result.dtype == np.float32
    np.testing.assert_allclose(result, expected.transpose(0, 3, 1, 2), atol=1e-5)


@pytest.mark.parametrize("corner", [(0, 0), (50, 0), (0, 30), (50, 30)])
def test_a_cell_at_the_border_keeps_its_place_in_the_middle(corner: tuple[int, int]) -> None:
    field = np.zeros((40, 60, 3), np.uint8)
    x, y = corner
    field[y : y + 10, x : x + 10] = 255
    cell = crop_cell(field, square_box(Box(x, y, x + 10, y + 10, "leukocyte"), 20))
    assert cell.shape == (20, 20, 3)
    assert cell[5:15, 5:15].min() == 255


@pytest.mark.parametrize("scale", [0.23, 0.5, 1.0, 2.7])
def test_a_resized_window_is_a_window_of_the_resized_image(scale: float) -> None:
    image = np.random.default_rng(0).integers(0, 256, (151, 203, 3), dtype=np.uint8)
    height, width = round(151 * scale), round(203 * scale)
    whole = np.asarray(Image.fromarray(image).resize((width, height), Image.Resampling.BILINEAR))
    x0, y0, x1, y1 = width // 3, height // 4, width // 3 + 20, height // 4 + 13
    to_x, to_y = 203 / width, 151 / height
    part = resize_window(image, (x0 * to_x, y0 * to_y, x1 * to_x, y1 * to_y), (13, 20))
    np.testing.assert_allclose(part.astype(int), whole[y0:y1, x0:x1], atol=1)


def test_a_huge_crop_is_thinned_out() -> None:
    image = np.tile(np.arange(4000, dtype=np.uint16) // 16, (30, 1)).astype(np.uint8)[..., None].repeat(3, axis=2)
    crop = crop_cell(image, square_box(Box(0, 0, 4000, 30, "leukocyte"), 4000))
    assert crop.shape == (2000, 2000, 3)
    np.testing.assert_array_equal(crop[0, :, 0], image[0, ::2, 0])
