import numpy as np

from leukolens.core.card import ClassifierCard
from leukolens.core.pixels import Preparation
from leukolens.inference.judge import find_fault, judge_cell, reject_image, rule_out_platelet

CARD = ClassifierCard(
    name="toy",
    architecture="toy",
    classes=("neutrophil", "platelet"),
    preparation=Preparation(8, 8),
    temperature=1.0,
    accept_threshold=0.8,
)


def test_the_threshold_itself_is_accepted() -> None:
    assert judge_cell("a", np.array([0.8, 0.2]), CARD).status == "accepted"
    assert judge_cell("a", np.array([0.79, 0.21]), CARD).status == "review"


def test_faults_are_named() -> None:
    assert find_fault(np.zeros((50, 50, 3), np.uint8))
    assert find_fault(np.random.default_rng(0).integers(0, 255, (10, 90, 3), np.uint8))
    assert not find_fault(np.random.default_rng(0).integers(0, 255, (50, 90, 3), np.uint8))
    assert reject_image("a", "why").reason == "why"


def test_what_is_no_platelet_is_given_to_the_other_classes() -> None:
    row = np.array([0.6, 0.3, 0.1])
    np.testing.assert_allclose(rule_out_platelet(row, ("platelet", "monocyte", "basophil")), [0, 0.75, 0.25])
    np.testing.assert_allclose(rule_out_platelet(row, ("neutrophil", "monocyte", "basophil")), row)
    np.testing.assert_allclose(rule_out_platelet(np.array([1.0, 0.0]), ("platelet", "monocyte")), [1, 0])
