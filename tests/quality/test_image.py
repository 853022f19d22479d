import dataclasses
import functools

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from leukolens.core.errors import DataError
from leukolens.quality.image import (
    FAULTS,
    LEAST_IMAGES,
    ImageQuality,
    fit_reference,
    measure_image,
    name_faults,
)

PLAIN = (235, 220, 210)
PURPLE = (90, 50, 150)
RED_CELL = (210, 150, 150)


def draw(*discs: tuple[int, int, int], colour: tuple[int, int, int] = PURPLE, noise: float = 3) -> NDArray[np.uint8]:
    """A 192 px picture with red cells and stained discs `(row, column, radius)`."""
    rows, columns = np.mgrid[:192, :192]
    picture = np.empty((192, 192, 3), np.float64)
    picture[:] = PLAIN
    for row, column in ((20, 20), (170, 100), (30, 150)):
        picture[(rows - row) ** 2 + (columns - column) ** 2 < 18**2] = RED_CELL
    for row, column, radius in discs:
        picture[(rows - row) ** 2 + (columns - column) ** 2 < radius**2] = colour
    picture += np.random.default_rng(0).normal(0, noise, picture.shape)
    return picture.clip(0, 255).astype(np.uint8)


def change(pixels: NDArray[np.uint8], factor: float) -> NDArray[np.uint8]:
    return (pixels * factor).clip(0, 255).astype(np.uint8)


@functools.cache
def reference() -> list[ImageQuality]:
    generator = np.random.default_rng(1)
    places = generator.integers(80, 110, (LEAST_IMAGES + 20, 2))
    return [measure_image(draw((row, column, 30))) for row, column in places]


def test_a_plain_cell_is_measured_as_drawn() -> None:
    quality = measure_image(draw((96, 96, 30)))
    assert quality.stained_cells == 1 and quality.border_share == 0 and quality.black_share == 0
    assert quality.stained_share == pytest.approx(np.pi * 30**2 / 192**2, rel=0.05)
    assert quality.largest_share == pytest.approx(1, abs=0.02)


@pytest.mark.parametrize(
    ("spoilt", "word"),
    [
        (np.asarray(Image.fromarray(draw((96, 96, 30))).filter(ImageFilter.GaussianBlur(3))), "out of focus"),
        (change(draw((96, 96, 30)), 0.5), "too dark"),
        (change(draw((96, 96, 30)), 1.3), "partly burnt out"),
        (draw((96, 96, 8)), "little stain"),
        (draw((96, 60, 30), (96, 140, 28)), "several stained cells"),
        (draw((96, 96, 30), (150, 150, 8)), "stray stain beside it"),
        (draw((96, 10, 30)), "cut at the border"),
        (np.where(np.arange(192)[:, None, None] < 20, 0, draw((96, 96, 30))).astype(np.uint8), "partly black"),
    ],
)
def test_each_fault_is_named_and_a_good_cell_has_none(spoilt: NDArray[np.uint8], word: str) -> None:
    usual = fit_reference(reference())
    assert name_faults(measure_image(draw((95, 95, 30))), usual) == ()
    assert word in name_faults(measure_image(spoilt), usual)
    assert set(name_faults(measure_image(spoilt), usual)) <= set(FAULTS)


def test_an_unlit_corner_hides_neither_blur_nor_cell() -> None:
    sharp = draw((96, 96, 30))
    blurred = np.asarray(Image.fromarray(sharp).filter(ImageFilter.GaussianBlur(2))).copy()
    blurred[:40, :60] = 0
    found = measure_image(blurred)
    assert found.focus < measure_image(sharp).focus / 3
    assert found.stained_cells == 1 and found.border_share == 0
    cut = sharp.copy()
    cut[:, :96] = 0
    assert measure_image(cut).border_share > 0


@pytest.mark.parametrize("size", [(24, 24), (700, 90), (100, 333), (192, 256)])
@pytest.mark.parametrize("value", [0, 128, 255])
def test_any_picture_gives_numbers(size: tuple[int, int], value: int) -> None:
    for pixels in (
        np.full((*size, 3), value, np.uint8),
        np.random.default_rng(value).integers(0, 256, (*size, 3), np.uint8),
    ):
        values = np.array(dataclasses.astuple(measure_image(pixels)), np.float64)
        assert np.isfinite(values).all() and (values >= 0).all()


def test_of_the_reference_itself_few_are_unusual() -> None:
    qualities = reference()
    usual = fit_reference(qualities)
    for word in FAULTS:
        assert sum(word in name_faults(quality, usual) for quality in qualities) <= 0.05 * len(qualities)
    with pytest.raises(DataError, match="at least 40"):
        fit_reference(qualities[:39])
