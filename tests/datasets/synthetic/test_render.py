import numpy as np
import pytest

from leukolens.datasets.synthetic.render import Canvas, Optics, expose
from leukolens.datasets.synthetic.stain import Stain

WHITE = Stain((240.0, 240.0, 240.0), np.eye(3, dtype=np.float32))
EVEN = Optics(unevenness=0.0, blur_px=(0.5, 0.5))


def square(side_px: int, level: float) -> np.ndarray:
    return np.full((side_px, side_px, 3), level, dtype=np.float32)


def test_layers_absorb_by_the_thicker_and_a_share_of_the_thinner() -> None:
    canvas = Canvas(9, 9)
    canvas.absorb(square(3, 1.0), 4, 4)
    canvas.absorb(square(3, 0.5), 5, 4)
    assert canvas.density[4, 3, 0] == 1
    assert canvas.density[4, 4, 0] == pytest.approx(1.2)
    assert canvas.density[4, 6, 0] == 0.5
    assert canvas.density[0, 0, 0] == 0


def test_cover_hides_what_lies_below() -> None:
    canvas = Canvas(9, 9)
    canvas.absorb(square(9, 1.0), 4, 4)
    cover = np.array([[0, 0, 0], [0, 1, 0.5], [0, 0, 0]], dtype=np.float32)
    canvas.cover(square(3, 0.2), cover, 4, 4)
    assert canvas.density[4, 4, 0] == pytest.approx(0.2)
    assert canvas.density[4, 5, 0] == pytest.approx(0.6)
    assert canvas.density[4, 3, 0] == 1


@pytest.mark.parametrize(
    ("x", "y", "box", "share"),
    [
        (10, 8, (8, 6, 13, 11), 1.0),
        (0, 8, (0, 6, 3, 11), 0.6),
        (19, 15, (17, 13, 20, 16), 9 / 25),
        (-2, 8, (0, 6, 1, 11), 0.2),
        (-3, 8, (0, 0, 0, 0), 0.0),
        (40, 40, (0, 0, 0, 0), 0.0),
    ],
)
def test_visible_box_is_what_lies_on_the_frame(x: int, y: int, box: tuple[int, ...], share: float) -> None:
    canvas = Canvas(20, 16)
    cover = np.zeros((7, 7), dtype=np.float32)
    cover[1:6, 1:6] = 1
    assert canvas.visible_box(cover, x, y) == (box, pytest.approx(share))


def test_patches_off_the_frame_change_nothing() -> None:
    canvas = Canvas(8, 8)
    for x, y in ((-20, 4), (4, -20), (30, 4), (4, 30)):
        canvas.absorb(square(5, 1.0), x, y)
    assert not canvas.density.any()


def test_even_light_gives_an_even_background() -> None:
    image = expose(Canvas(64, 48), WHITE, EVEN, np.random.default_rng(0))
    assert image.shape == (48, 64, 3) and image.dtype == np.uint8
    thirds = [part.mean() for part in np.array_split(image.astype(float), 3, axis=1)]
    assert max(thirds) - min(thirds) < 1


def test_tinted_corners_are_redder_than_the_middle() -> None:
    optics = Optics(unevenness=0.0, edge_tint=(1.0, 0.7, 0.7), blur_px=(0.5, 0.5))
    image = expose(Canvas(60, 60), WHITE, optics, np.random.default_rng(0)).astype(float)
    assert image[:5, :5, 0].mean() - image[:5, :5, 1].mean() > 40
    assert abs(image[28:32, 28:32, 0].mean() - image[28:32, 28:32, 1].mean()) < 4


@pytest.mark.parametrize("fringe_px", [0.5, 1.0, 1.75])
def test_fringe_moves_red_and_blue_apart_by_twice_its_size(fringe_px: float) -> None:
    canvas = Canvas(61, 61)
    canvas.absorb(square(15, 2.0), 30, 30)
    optics = Optics(unevenness=0.0, blur_px=(0.5, 0.5), fringe_px=fringe_px)
    darkness = np.maximum(200.0 - expose(canvas, WHITE, optics, np.random.default_rng(0)), 0)
    columns = np.arange(61)[None, :, None]
    middle = (darkness * columns).sum(axis=(0, 1)) / darkness.sum(axis=(0, 1))
    assert middle[0] - middle[2] == pytest.approx(2 * fringe_px, abs=0.25)
