import pytest

from leukolens.core.detections import Detections
from leukolens.core.pixels import Preparation
from leukolens.core.results import Box, Detection
from leukolens.inference.subject import FRAME_UM, Subject, find_subject, standard_box

HEIGHT, WIDTH = 240, 320


def disc(x: float, y: float, wide: float = 60, kind: str = "leukocyte") -> Box:
    return Box(x - wide / 2, y - wide / 2, x + wide / 2, y + wide / 2, kind)


def seen(*boxes: Box, pixel_size_um: float | None = None) -> Detections:
    detections = tuple(Detection(box, 0.9) for box in boxes)
    return Detections.from_items(detections, pixel_size_um and 7.5 / pixel_size_um, pixel_size_um, "red cells")


def test_the_leukocyte_nearest_the_middle_is_what_a_picture_is_about() -> None:
    near, far = disc(150, 130), disc(250, 60, 20)
    subject = find_subject(seen(far, near, disc(160, 120, kind="red_cell"), pixel_size_um=0.1), HEIGHT, WIDTH)
    assert subject == Subject(standard_box(near, 0.1), "", no_platelet=False)


def test_a_cell_that_the_border_cuts_comes_last_and_leaves_no_doubt() -> None:
    cut, whole = disc(160, 25), disc(40, 200)
    assert find_subject(seen(cut, whole), HEIGHT, WIDTH).box == whole
    assert find_subject(seen(cut, whole), HEIGHT, WIDTH).doubt == ""
    assert find_subject(seen(cut), HEIGHT, WIDTH).box == cut


def test_a_second_leukocyte_as_large_is_doubtful() -> None:
    subject = find_subject(seen(disc(150, 130), disc(60, 60), pixel_size_um=0.1), HEIGHT, WIDTH)
    assert subject.box == standard_box(disc(150, 130), 0.1) and "2 leukocytes" in subject.doubt


def test_without_a_leukocyte_a_central_platelet_else_the_whole_picture() -> None:
    middle, corner = disc(170, 110, 20, "platelet"), disc(30, 30, 20, "platelet")
    found = find_subject(seen(corner, middle, pixel_size_um=0.1), HEIGHT, WIDTH)
    assert found.box == standard_box(middle, 0.1) and found.doubt == ""
    # A platelet's own box says nothing of the scale, so without one the picture is taken whole.
    unknown = find_subject(seen(middle), HEIGHT, WIDTH)
    assert unknown.box is None and "hardly a red cell" in unknown.doubt
    alone = find_subject(seen(corner, pixel_size_um=0.1), HEIGHT, WIDTH)
    assert alone.box is None and "no leukocyte" in alone.doubt


def test_a_picture_is_about_no_platelet_where_none_is_asked_for() -> None:
    middle, aside = disc(162, 118, 20, "platelet"), disc(50, 190)
    assert find_subject(seen(middle, aside, pixel_size_um=0.1), HEIGHT, WIDTH, False).box == standard_box(aside, 0.1)
    assert find_subject(seen(middle, pixel_size_um=0.1), HEIGHT, WIDTH, False).box is None


def test_a_platelet_in_the_very_middle_goes_before_a_leukocyte_aside() -> None:
    middle, aside = disc(162, 118, 20, "platelet"), disc(50, 190)
    found = find_subject(seen(middle, aside, pixel_size_um=0.1), HEIGHT, WIDTH)
    assert found.box == standard_box(middle, 0.1) and "platelet" in found.doubt
    near = disc(200, 160)
    assert find_subject(seen(middle, near, pixel_size_um=0.1), HEIGHT, WIDTH).box == standard_box(near, 0.1)


def test_without_a_scale_a_picture_framed_as_taught_is_taken_whole() -> None:
    assert find_subject(seen(disc(165, 118, 90)), HEIGHT, WIDTH) == Subject(None)
    for cell in (disc(165, 118, 20), disc(165, 118, 180), disc(265, 118, 90)):
        assert find_subject(seen(cell), HEIGHT, WIDTH) == Subject(cell)


def test_a_picture_that_is_cut_already_is_taken_whole() -> None:
    framed = FRAME_UM / HEIGHT
    found = find_subject(seen(disc(165, 118, 90), pixel_size_um=1.1 * framed), HEIGHT, WIDTH)
    assert found == Subject(None, "", no_platelet=True)
    for cell, size in (
        (disc(165, 118, 90), 1.4 * framed),
        (disc(165, 118, 90), 0.7 * framed),
        (disc(220, 118, 90), framed),
    ):
        assert find_subject(seen(cell, pixel_size_um=size), HEIGHT, WIDTH).box == standard_box(cell, size)


def test_cells_of_any_size_are_cut_as_wide() -> None:
    for wide in (30, 90):
        box = standard_box(disc(100, 80, wide), 0.1)
        assert (box.x1 - box.x0) * Preparation.cell_context * 0.1 == pytest.approx(FRAME_UM)
        assert ((box.x0 + box.x1) / 2, (box.y0 + box.y1) / 2) == pytest.approx((100, 80))
    assert standard_box(disc(100, 80), None) == disc(100, 80)


def test_a_leukocyte_wider_than_any_platelet_is_none() -> None:
    assert find_subject(seen(disc(150, 130, 90), pixel_size_um=0.1), HEIGHT, WIDTH).no_platelet
    assert not find_subject(seen(disc(150, 130, 80), pixel_size_um=0.1), HEIGHT, WIDTH).no_platelet
    assert not find_subject(seen(disc(150, 130, 200)), HEIGHT, WIDTH).no_platelet
