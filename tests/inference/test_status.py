import numpy as np
import pytest

from leukolens.core.results import Box, CellStatus, Prediction
from leukolens.inference.status import find_apart, reject_image, rule_out_platelet, send_to_review

SEEN = np.zeros((400, 400, 3), np.uint8)


def disc(x: float, y: float, wide: float = 60) -> Box:
    return Box(x - wide / 2, y - wide / 2, x + wide / 2, y + wide / 2, "leukocyte")


def test_what_is_no_platelet_is_given_to_the_other_classes() -> None:
    row = np.array([0.6, 0.3, 0.1])
    np.testing.assert_allclose(rule_out_platelet(row, ("platelet", "monocyte", "basophil")), [0, 0.75, 0.25])
    np.testing.assert_allclose(rule_out_platelet(row, ("neutrophil", "monocyte", "basophil")), row)
    np.testing.assert_allclose(rule_out_platelet(np.array([1.0, 0.0]), ("platelet", "monocyte")), [1, 0])


def test_a_reason_goes_before_that_of_the_probability() -> None:
    unsure = Prediction("a", "monocyte", 0.6, np.array([0.6, 0.4]), CellStatus.REVIEW, "probability below 0.900")
    sure = Prediction("a", "monocyte", 0.95, np.array([0.95, 0.05]), CellStatus.ACCEPTED)
    assert send_to_review(unsure, "two cells").reason == "two cells; probability below 0.900"
    reviewed = send_to_review(sure, "two cells")
    assert (reviewed.status, reviewed.reason, reviewed.label) == (CellStatus.REVIEW, "two cells", "monocyte")


def test_a_rejected_image_has_no_class() -> None:
    rejected = reject_image("a", "why", ("odd",))
    assert (rejected.image, rejected.label, rejected.status) == ("a", "", CellStatus.REJECTED)
    assert (rejected.reason, rejected.warnings, len(rejected.probabilities)) == ("why", ("odd",), 0)


@pytest.mark.parametrize(
    ("others", "status"),
    [([], None), ([disc(225, 215)], CellStatus.CLUMPED), ([disc(255, 200)], None), ([disc(300, 300)], None)],
)
def test_a_clump_is_two_boxes_that_share_much(others: list[Box], status: CellStatus | None) -> None:
    apart = find_apart(disc(200, 200), others, SEEN)
    assert (apart and apart[0]) == status


def test_the_border_goes_before_a_clump() -> None:
    assert find_apart(disc(31, 200), [disc(31, 200)], SEEN) == (CellStatus.CUT, "lies on the field's border")
