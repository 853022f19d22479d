"""Whose an error is: one of each sort, made by hand."""

from leukolens.core.results import Box, Detection
from leukolens.evaluation.detection.errors import (
    DETECTOR,
    DOUBTFUL,
    FALSE,
    GROUND_TRUTH,
    MISSED,
    attribute_errors,
    list_errors,
)
from leukolens.evaluation.detection.matching import JudgedField

KIND = "red_cell"


def box(x: float, y: float = 0) -> Box:
    return Box(x, y, x + 20, y + 20, KIND)


FINDS = (
    Detection(box(0), 0.9),  # boxed by both
    Detection(box(30), 0.8),  # boxed by the careful alone
    Detection(box(60), 0.7),  # boxed by nobody
    Detection(box(90), 0.6),  # doubtful
    Detection(box(120), 0.55),  # boxed by both, but badly by the careless
    Detection(box(180), 0.2),  # below the threshold, boxed by both
)
CARELESS = (box(0), box(128), box(150), box(180), box(210))
CAREFUL = (box(0), box(30), box(120), box(180))


def test_each_error_is_laid_at_the_right_door() -> None:
    careless = [JudgedField("a", "a", CARELESS, FINDS), JudgedField("b", "b", (box(0),), ())]
    careful = [JudgedField("a", "a", CAREFUL, FINDS, (box(90), box(210)))]
    errors = list_errors(careless, [KIND], {KIND: 0.5})
    assert [(error.sort, error.field, error.box.x0) for error in errors] == [
        (FALSE, "a", 30),
        (FALSE, "a", 60),
        (FALSE, "a", 90),
        (FALSE, "a", 120),
        (MISSED, "a", 128),
        (MISSED, "a", 150),
        (MISSED, "a", 180),
        (MISSED, "a", 210),
        (MISSED, "b", 0),
    ]
    said = attribute_errors(careless, careful, [KIND], {KIND: 0.5})
    # Field b was not looked at again.
    assert [(error.box.x0, error.whose) for error in said] == [
        (30, GROUND_TRUTH),
        (60, DETECTOR),
        (90, DOUBTFUL),
        (120, GROUND_TRUTH),
        (128, GROUND_TRUTH),
        (150, GROUND_TRUTH),
        (180, DETECTOR),
        (210, DOUBTFUL),
    ]
    assert said[0].why == "a cell that has no box"
    assert said[3].why == "its box was drawn badly"
    assert said[4].why == "found, but its box was drawn badly"
    assert said[5].why == "looked at closely, there is no such cell"


def test_a_cell_boxed_as_another_kind_is_said_to_be() -> None:
    boxed = Box(0, 0, 20, 20, "platelet")
    found = (Detection(box(1), 0.9),)
    (error,) = attribute_errors(
        [JudgedField("a", "a", (boxed,), found)], [JudgedField("a", "a", (box(0),), found)], [KIND], {KIND: 0.5}
    )
    assert (error.whose, error.why) == (GROUND_TRUTH, "boxed as a platelet")


def test_without_an_error_there_is_nothing_to_say() -> None:
    field = JudgedField("a", "a", (box(0),), (Detection(box(1), 0.9),))
    assert list_errors([field], [KIND, "platelet"], {KIND: 0.5, "platelet": 0.5}) == []
