import numpy as np
import pytest

from leukolens.core.results import Box, CellStatus, FieldCell
from leukolens.core.taxonomy import CELL_CLASSES
from leukolens.smear.overlay import CLASS_COLOURS, LARGEST_OVERLAY_PX, draw_overlay, outline_cells


def cell(
    kind: str = "leukocyte", label: str | None = "neutrophil", status: str = "accepted", at: float = 20
) -> FieldCell:
    return FieldCell(Box(at, at, at + 30, at + 30, kind, label), 0.9, 0.9, np.empty(0), status)


def test_colour_is_the_class_line_the_status_and_words_are_for_leukocytes_alone() -> None:
    cells = [cell(status="review"), cell("red_cell", None), cell("platelet", "platelet"), cell(label="monocyte")]
    red, platelet, unsure, monocyte = outline_cells(cells)
    assert (unsure.word, unsure.line) == ("neutrophil?", "dashed") and (monocyte.word, monocyte.line) == (
        "monocyte",
        "whole",
    )
    assert not red.word and not platelet.word
    assert len({red.colour, platelet.colour, unsure.colour, monocyte.colour}) == 4
    assert len(set(CLASS_COLOURS.values())) == len(CELL_CLASSES)


@pytest.mark.parametrize("status", [CellStatus.CUT, CellStatus.CLUMPED, CellStatus.REPEATED])
def test_what_was_set_apart_is_dotted_and_says_why(status: str) -> None:
    (outline,) = outline_cells([cell(status=status)])
    assert outline.line == "dotted" and outline.word == status


def test_boxes_are_drawn_where_they_are_and_the_picture_given_stays_clean() -> None:
    field = np.full((120, 160, 3), 200, np.uint8)
    drawn = draw_overlay(field, [cell(at=60)])
    assert drawn.shape == field.shape and (field == 200).all()
    blue = np.array([0x00, 0x72, 0xB2])
    assert (drawn[75, 60] == blue).all() and (drawn[75, 75] == 200).all() and (drawn[20, 20] == 200).all()


@pytest.mark.parametrize("status", ["review", "cut"])
def test_a_broken_line_has_gaps(status: str) -> None:
    drawn = draw_overlay(np.full((120, 160, 3), 200, np.uint8), [cell("red_cell", None, status, 60)])
    edge = (drawn[60:90, 60] == [0x8A, 0x8F, 0x98]).all(axis=1)
    assert 0.2 < edge.mean() < 0.8


@pytest.mark.parametrize(("height", "width"), [(1, 1), (3, 40), (40, 3), (30, 5000)])
def test_any_size_of_field_is_drawn(height: int, width: int) -> None:
    box = Box(-5.0, -5.0, width + 5.0, height + 5.0, "leukocyte", None)
    flat = FieldCell(Box(1, 1, 1, 1, "leukocyte", "basophil"), 0.9, 0.9, np.empty(0), "accepted")
    cells = [FieldCell(box, 0.9, 0.9, np.empty(0), "review"), flat]
    drawn = draw_overlay(np.zeros((height, width, 3), np.uint8), cells)
    assert max(drawn.shape) == min(max(height, width, 3), LARGEST_OVERLAY_PX)


def test_a_box_thinner_than_a_pixel_at_the_rim_is_drawn() -> None:
    """Taking half of its width from both sides must not swap them, whatever the rounding."""
    generator = np.random.default_rng(0)
    lefts = generator.uniform(900, 1000, 300)
    thin = [
        FieldCell(Box(x, 3.3, x + width, 60.1, "leukocyte", "basophil"), 0.9, 0.9, np.empty(0), "cut")
        for x, width in zip(lefts, 10 ** generator.uniform(-13, 0, 300), strict=True)
    ]
    assert draw_overlay(np.zeros((100, 1000, 3), np.uint8), thin).shape == (100, 1000, 3)
