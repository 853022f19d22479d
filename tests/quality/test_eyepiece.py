import io
import zipfile
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from leukolens.datasets.synthetic.fields import draw_field
from leukolens.images.decoding import read_image
from leukolens.quality.eyepiece import find_view
from leukolens.quality.field import judge_field

WIDTH, HEIGHT = 480, 360


def photograph(
    radius: float, x: float, y: float, seed: int = 0, soft: float = 2, glare: float = 8, aslant: float = 0.0
) -> NDArray[np.uint8]:
    """A phone's photograph of a field through an eyepiece whose disc lies at `x`, `y`."""
    rng = np.random.default_rng(seed)
    field = draw_field(rng, WIDTH, HEIGHT).image.astype(np.float64)
    rows, columns = np.mgrid[:HEIGHT, :WIDTH]
    away = np.hypot(columns + 0.5 - x, (rows + 0.5 - y) * (1 + aslant))
    inside = 1 / (1 + np.exp(np.clip((away - radius) / soft, -50, 50)))
    dimmed = field * (1 - 0.25 * np.minimum(away / radius, 1) ** 2)[..., None] * inside[..., None]
    lit = dimmed + glare * np.exp(-np.maximum(0, away - radius) / radius)[..., None] + rng.normal(0, 2, field.shape)
    stream = io.BytesIO()
    Image.fromarray(lit.clip(0, 255).astype(np.uint8)).save(stream, "JPEG", quality=85)
    return np.asarray(Image.open(stream))


@pytest.mark.parametrize("turns", [0, 1, 2])
@pytest.mark.parametrize(
    ("radius", "x", "y", "aslant", "least_share"),
    [
        (150, 240, 180, 0.0, 0.5),  # whole; a square inside a circle takes .64 of it
        (110, 300, 150, 0.0, 0.5),  # off centre
        (170, 200, 320, 0.0, 0.25),  # cut by the frame
        (260, 240, 180, 0.0, 0.5),  # larger than the frame: four dark corners
        (140, 240, 180, 0.06, 0.5),  # phone held aslant
    ],
)
def test_the_window_lies_in_the_disc_and_is_large(
    radius: float, x: float, y: float, aslant: float, least_share: float, turns: int
) -> None:
    pixels = np.rot90(photograph(radius, x, y, aslant=aslant), turns)
    for _ in range(turns):  # a quarter turn to the left takes (x, y) to (y, width - x)
        x, y = y, (WIDTH if _ % 2 == 0 else HEIGHT) - x
    view = find_view(pixels)
    assert view is not None
    x0, y0, x1, y1 = view
    assert 0 <= x0 < x1 <= pixels.shape[1] and 0 <= y0 < y1 <= pixels.shape[0]
    corners = [np.hypot(a - x, b - y) for a in (x0, x1) for b in (y0, y1)]
    assert max(corners) <= radius * (1 - aslant / 2) + 4
    area = (x1 - x0) * (y1 - y0)
    assert area >= least_share * min(np.pi * radius**2, WIDTH * HEIGHT)


def test_glare_around_the_disc_does_not_hide_it() -> None:
    assert find_view(photograph(140, 240, 180, glare=50, soft=5)) is not None


@pytest.mark.parametrize("seed", range(6))
def test_a_plain_field_is_left_whole(seed: int) -> None:
    assert find_view(draw_field(np.random.default_rng(seed), WIDTH, HEIGHT).image) is None


def test_other_black_edges_are_no_eyepiece() -> None:
    field = draw_field(np.random.default_rng(0), 400, 400).image
    turned = np.asarray(Image.fromarray(field).rotate(30))  # four black corners with straight sides
    striped = field.copy()
    striped[:, :60] = 0
    cornered = np.where(np.add.outer(np.arange(400), np.arange(400))[..., None] < 150, 0, field).astype(np.uint8)
    for pixels in (turned, striped, cornered, np.zeros_like(field), np.full_like(field, 255)):
        assert find_view(pixels) is None


@pytest.mark.parametrize("size", [(1, 1), (2, 40), (24, 24), (900, 30)])
def test_any_picture_is_answered(size: tuple[int, int]) -> None:
    assert find_view(np.random.default_rng(0).integers(0, 256, (*size, 3), np.uint8)) is None


@pytest.mark.real
def test_real_fields_are_left_whole_and_judged_good(real_data: Path) -> None:
    for name, folder in (("bccd.zip", "JPEGImages/"), ("chula-wbc.zip", "images/")):
        with zipfile.ZipFile(real_data / name) as archive:
            members = [member for member in archive.namelist() if folder in member and not member.endswith("/")]
            for member in members[::60]:
                pixels = read_image(f"{real_data / name}::{member}").pixels
                assert find_view(pixels) is None
                assert judge_field(pixels, None) == ()
