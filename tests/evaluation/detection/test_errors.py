"""Causes of errors: one of each sort, made by hand."""

from leukolens.core.results import Box, Detection
from leukolens.evaluation.detection.errors import Cause, ErrorSort, attribute_errors, list_errors
from leukolens.evaluation.detection.matching import JudgedField

KIND = "red_cell"


def box(x: float, y: float = 0) -> Box:
    return Box(x, y, x + 20, y + 20, KIND)


DETECTIONS = (
    Detection(box(0), 0.9),  # boxed by both
    Detection(box(30), 0.8),  # boxed by the careful only
    Detection(box(60), 0.7),  # boxed by nobody
    Detection(box(90), 0.6),  # doubtful
    Detection(box(120), 0.55),  # boxed by both, but badly by the careless
    Detection(box(180), 0.2),  # below the threshold, boxed by both
)
CARELESS = (box(0), box(128), box(150), box(180), box(210))
CAREFUL = (box(0), box(30), box(120), box(180))


def test_each_error_has_its_cause() -> None:
    careless = [JudgedField("a", "a", CARELESS, DETECTIONS), JudgedField("b", "b", (box(0),), ())]
    careful = [JudgedField("a", "a", CAREFUL, DETECTIONS, (box(90), box(210)))]
    errors = list_errors(careless, [KIND], {KIND: 0.5})
    assert [(error.sort, error.field, error.box.x0) for error in errors] == [
        (ErrorSort.FALSE, "a", 30),
        (ErrorSort.FALSE, "a", 60),
        (ErrorSort.FALSE, "a", 90),
        (ErrorSort.FALSE, "a", 120),
        (ErrorSort.MISSED, "a", 128),
        (ErrorSort.MISSED, "a", 150),
        (ErrorSort.MISSED, "a", 180),
        (ErrorSort.MISSED, "a", 210),
        (ErrorSort.MISSED, "b", 0),
    ]
    attributed = attribute_errors(careless, careful, [KIND], {KIND: 0.5})
    # Field b was not relabelled.
    assert [(error.box.x0, error.cause) for error in attributed] == [
        (30, Cause.GROUND_TRUTH),
        (60, Cause.DETECTOR),
        (90, Cause.DOUBTFUL),
        (120, Cause.GROUND_TRUTH),
        (128, Cause.GROUND_TRUTH),
        (150, Cause.GROUND_TRUTH),
        (180, Cause.DETECTOR),
        (210, Cause.DOUBTFUL),
    ]
    assert attributed[0].reason == "a cell that has no box"
    assert attributed[3].reason == "its box is badly drawn"
    assert attributed[4].reason == "found, but its box is badly drawn"
    assert attributed[5].reason == "the relabelled field has no such cell"


def test_a_cell_boxed_as_another_kind_is_named() -> None:
    boxed = Box(0, 0, 20, 20, "platelet")
    found = (Detection(box(1), 0.9),)
    (error,) = attribute_errors(
        [JudgedField("a", "a", (boxed,), found)], [JudgedField("a", "a", (box(0),), found)], [KIND], {KIND: 0.5}
    )
    assert (error.cause, error.reason) == (Cause.GROUND_TRUTH, "boxed as a platelet")


def test_without_an_error_the_list_is_empty() -> None:
    field = JudgedField("a", "a", (box(0),), (Detection(box(1), 0.9),))
    assert list_errors([field], [KIND, "platelet"], {KIND: 0.5, "platelet": 0.5}) == []
