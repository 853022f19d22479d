import io

import numpy as np
import pytest
from PIL import Image, ImageOps

from leukolens.core.pixels import Pixels
from leukolens.datasets.synthetic.fields import draw_field
from leukolens.quality.padding import find_content

BLACK, GREY, WHITE, BLUE = (0, 0, 0), (114, 114, 114), (255, 255, 255), (20, 40, 200)


def draw(seed: int = 0, width: int = 320, height: int = 240) -> Image.Image:
    return Image.fromarray(draw_field(np.random.default_rng(seed), width, height).image)


def save(image: Image.Image, **how: object) -> Pixels:
    stream = io.BytesIO()
    image.save(stream, **how)  # type: ignore[arg-type]
    return np.asarray(Image.open(stream).convert("RGB"))


@pytest.mark.parametrize(
    "how", [{"format": "PNG"}, {"format": "JPEG", "quality": 75}, {"format": "WEBP", "quality": 80}]
)
@pytest.mark.parametrize("colour", [BLACK, GREY, WHITE, BLUE])
@pytest.mark.parametrize(
    "border", [(0, 40, 0, 40), (40, 0, 40, 0), (0, 80, 0, 0), (0, 0, 33, 0), (25, 30, 7, 9), (3, 3, 3, 3)]
)
def test_padding_of_any_colour_is_cut_away_to_the_pixel(
    border: tuple[int, int, int, int], colour: tuple[int, int, int], how: dict[str, object]
) -> None:
    if how["format"] != "PNG":  # their blocks of 16 pixels blur thin bars
        border = tuple(side if side >= 20 else 0 for side in border)  # type: ignore[assignment]
    window = find_content(save(ImageOps.expand(draw(), border, colour), **how))
    if not any(border):
        assert window is None
        return
    assert window is not None
    left, top, *_ = border
    exact = np.array([left, top, left + 320, top + 240])
    cut = (np.array(window) - exact) * (1, 1, -1, -1)
    # Never padding left in; of the picture at most three pixels lost.
    assert (cut >= 0).all() and (cut <= 3).all(), (window, exact)
    assert all(lost == 0 for lost, thick in zip(cut, border, strict=True) if not thick)


def test_a_picture_that_was_padded_and_then_resized(seed: int = 1) -> None:
    square = ImageOps.expand(draw(seed), (0, 40, 0, 40), BLACK).resize((224, 224), Image.Resampling.BICUBIC)
    window = find_content(save(square, format="JPEG", quality=80))
    assert window is not None and (window[0], window[2]) == (0, 224)
    assert 28 <= window[1] <= 31 and 193 <= window[3] <= 196


@pytest.mark.parametrize("seed", range(6))
def test_a_field_without_padding_is_left_whole(seed: int) -> None:
    assert find_content(np.asarray(draw(seed))) is None


def test_a_white_background_a_corner_and_a_disc_are_no_padding() -> None:
    burnt = np.full((200, 300, 3), 255, np.uint8)
    disc = np.asarray(draw()).copy()
    rows, columns = np.mgrid[:240, :320]
    burnt[np.hypot(columns - 160, rows - 120)[:200, :300] < 40] = (120, 60, 150)
    disc[np.hypot(columns - 160, rows - 120) > 110] = 0
    turned = np.asarray(draw().rotate(30))
    dark_line = np.asarray(draw()).copy()
    dark_line[:2] = 0
    small = np.where(np.hypot(*np.mgrid[-35:35, -35:35])[..., None] < 25, 130, 0).repeat(3, 2).astype(np.uint8)
    for pixels in (burnt, small, disc, turned, dark_line, np.zeros((50, 50, 3), np.uint8)):
        assert find_content(pixels) is None


def test_two_cells_on_a_flat_background_are_no_padded_picture() -> None:
    pixels = np.full((480, 640, 3), 255, np.uint8)
    down, across = np.mgrid[:480, :640]
    for x in (200, 440):
        pixels[(down - 240) ** 2 + (across - x) ** 2 < 33**2] = (0, 255, 255)
    assert find_content(pixels) is None


@pytest.mark.parametrize("size", [(1, 1), (2, 40), (24, 24), (900, 30)])
def test_any_picture_is_answered(size: tuple[int, int]) -> None:
    assert find_content(np.random.default_rng(0).integers(0, 256, (*size, 3), np.uint8)) is None
