from leukolens.core.detections import Detections
from leukolens.core.pixels import Preparation
from leukolens.core.results import Box, Detection
from leukolens.inference.subject import Subject, choose_subject
from leukolens.inference.view import DetectedView

HEIGHT, WIDTH = 240, 320


def disc(x: float, y: float, wide: float = 60, kind: str = "leukocyte") -> Box:
    return Box(x - wide / 2, y - wide / 2, x + wide / 2, y + wide / 2, kind)


def seen(*boxes: Box, pixel_size_um: float | None = None) -> Detections:
    detections = tuple(Detection(box, 0.9) for box in boxes)
    return Detections.from_items(detections, pixel_size_um and 7.5 / pixel_size_um, pixel_size_um, "red cells")


def choose(detections: Detections, platelets: bool = True) -> Subject:
    return choose_subject(DetectedView((0, 0, WIDTH, HEIGHT), detections), Preparation.frame_um, platelets)


def test_the_leukocyte_nearest_the_middle_is_what_a_picture_is_about() -> None:
    near, far = disc(150, 130), disc(250, 60, 20)
    subject = choose(seen(far, near, disc(160, 120, kind="red_cell"), pixel_size_um=0.1))
    assert subject == Subject(near, "", no_platelet=False)


def test_a_cell_that_the_border_cuts_comes_last_and_leaves_no_doubt() -> None:
    cut, whole = disc(160, 25), disc(40, 200)
    assert choose(seen(cut, whole)).box == whole
    assert choose(seen(cut, whole)).reason == ""
    assert choose(seen(cut)).box == cut


def test_a_second_leukocyte_as_large_is_doubtful() -> None:
    subject = choose(seen(disc(150, 130), disc(60, 60), pixel_size_um=0.1))
    assert subject.box == disc(150, 130) and "2 leukocytes" in subject.reason


def test_without_a_leukocyte_a_central_platelet_else_the_whole_picture() -> None:
    middle, corner = disc(170, 110, 20, "platelet"), disc(30, 30, 20, "platelet")
    found = choose(seen(corner, middle, pixel_size_um=0.1))
    assert found.box == middle and found.reason == ""
    # A platelet's own box says nothing of the scale, so without one the picture is taken whole.
    unknown = choose(seen(middle))
    assert unknown.box is None and "hardly a red cell" in unknown.reason
    alone = choose(seen(corner, pixel_size_um=0.1))
    assert alone.box is None and "no leukocyte" in alone.reason


def test_a_picture_is_about_no_platelet_where_none_is_asked_for() -> None:
    middle, aside = disc(162, 118, 20, "platelet"), disc(50, 190)
    assert choose(seen(middle, aside, pixel_size_um=0.1), platelets=False).box == aside
    assert choose(seen(middle, pixel_size_um=0.1), platelets=False).box is None


def test_a_platelet_in_the_very_middle_goes_before_a_leukocyte_aside() -> None:
    middle, aside = disc(162, 118, 20, "platelet"), disc(50, 190)
    found = choose(seen(middle, aside, pixel_size_um=0.1))
    assert found.box == middle and "platelet" in found.reason
    near = disc(200, 160)
    assert choose(seen(middle, near, pixel_size_um=0.1)).box == near


def test_without_a_scale_a_picture_framed_as_taught_is_taken_whole() -> None:
    assert choose(seen(disc(165, 118, 90))) == Subject(None)
    for cell in (disc(165, 118, 20), disc(165, 118, 180), disc(265, 118, 90)):
        assert choose(seen(cell)) == Subject(cell)


def test_a_picture_that_is_cut_already_is_taken_whole() -> None:
    framed = Preparation.frame_um / HEIGHT
    found = choose(seen(disc(165, 118, 90), pixel_size_um=1.1 * framed))
    assert found == Subject(None, "", no_platelet=True)
    for cell, size in (
        (disc(165, 118, 90), 1.4 * framed),
        (disc(165, 118, 90), 0.7 * framed),
        (disc(220, 118, 90), framed),
    ):
        assert choose(seen(cell, pixel_size_um=size)).box == cell


def test_a_leukocyte_wider_than_any_platelet_is_none() -> None:
    assert choose(seen(disc(150, 130, 90), pixel_size_um=0.1)).no_platelet
    assert not choose(seen(disc(150, 130, 80), pixel_size_um=0.1)).no_platelet
    assert not choose(seen(disc(150, 130, 200))).no_platelet


def test_the_subject_lies_in_the_photograph() -> None:
    found = DetectedView((30, 20, 30 + WIDTH, 20 + HEIGHT), seen(disc(150, 130), pixel_size_um=0.1))
    assert choose_subject(found, Preparation.frame_um).box == disc(180, 150)
