"""Smudge cells drawn into photographs: dye laid over what is there, and a box that holds it."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from leukolens.core.results import Box
from leukolens.datasets.synthetic.smudges import measure_dye, smear_leukocyte

DYE = np.array([1.2, 1.6, 0.5], np.float32)
GLASS = (230, 220, 210)


def draw_glass(height: int = 200, width: int = 260) -> np.ndarray:
    return np.full((height, width, 3), GLASS, np.uint8)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000), st.integers(0, 259), st.integers(0, 199))
def test_a_smudge_darkens_what_lies_in_and_about_its_box_alone(seed: int, x: int, y: int) -> None:
    field = draw_glass()
    drawn, box = smear_leukocyte(field, (x, y), 0.15, DYE, np.random.default_rng(seed))
    assert (field == GLASS).all() and drawn.shape == field.shape
    assert (drawn <= field).all()
    assert 0 <= box.x0 < box.x1 <= 260 and 0 <= box.y0 < box.y1 <= 200 and box.kind == "leukocyte"
    taken = (field.astype(int) - drawn).sum(axis=2)
    inside = taken[int(box.y0) : int(box.y1), int(box.x0) : int(box.x1)]
    assert inside.max() == taken.max() > 0
    down, across = np.ogrid[:200, :260]
    middle = (box.x0 + box.x1) / 2, (box.y0 + box.y1) / 2
    far = np.hypot(across - middle[0], down - middle[1]) > 0.5 * np.hypot(box.x1 - box.x0, box.y1 - box.y0) + 60
    assert not taken[far].any()  # nothing tells where the window was in which it was drawn


def test_the_same_seed_draws_the_same_and_another_does_not() -> None:
    first, again, other = (
        smear_leukocyte(draw_glass(), (130, 100), 0.15, DYE, np.random.default_rng(seed))[0] for seed in (4, 4, 5)
    )
    assert (first == again).all() and (first != other).any()


def test_a_smudge_is_as_wide_on_the_slide_at_any_magnification() -> None:
    boxes = []
    for pixel_size_um in (0.3, 0.1):
        sides = [
            box.x1 - box.x0 + box.y1 - box.y0
            for seed in range(20)
            for _, box in [
                smear_leukocyte(draw_glass(400, 400), (200, 200), pixel_size_um, DYE, np.random.default_rng(seed))
            ]
        ]
        boxes.append(np.median(sides) / 2 * pixel_size_um)
    assert boxes[0] == pytest.approx(boxes[1], rel=0.15)
    assert 7 < boxes[0] < 22  # from a lymphocyte's width to three red cells'


def test_dye_is_a_nucleus_above_the_glass() -> None:
    field = draw_glass()
    field[50:100, 50:100] = (200, 150, 190)  # plasm
    field[60:90, 60:90] = np.array(GLASS) * np.exp(-DYE)
    np.testing.assert_allclose(measure_dye(field, Box(50, 50, 100, 100, "leukocyte")), DYE, atol=0.03)
    assert (measure_dye(draw_glass(), Box(50, 50, 100, 100, "leukocyte")) > 0).all()
