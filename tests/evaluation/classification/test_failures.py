import itertools

import numpy as np
import pytest

from leukolens.core.predictions import Predictions
from leukolens.core.results import Prediction
from leukolens.evaluation.classification.failures import Findings, lay_heat, tabulate_faults
from leukolens.evaluation.classification.metrics import compute_metrics
from leukolens.evaluation.classification.report import write_evaluation
from leukolens.evaluation.records import Provenance

CLASSES = ("neutrophil", "lymphocyte")


def calls(wrong: int, right: int, groups: int = 0) -> Predictions:
    made = []
    for index in range(wrong + right):
        made.append(Prediction(f"i{index}", "lymphocyte", 0.9, np.array([0.1, 0.9]), "accepted"))
    truths = ("neutrophil",) * wrong + ("lymphocyte",) * right
    names = tuple(f"g{index % groups}" for index in range(wrong + right)) if groups else ()
    return Predictions(CLASSES, tuple(made), truths, names)


def findings(wrong: int, right: int, spoilt_wrong: int, spoilt_right: int) -> Findings:
    spoilt = {*range(spoilt_wrong), *range(wrong, wrong + spoilt_right)}
    return Findings(("blur", "dark"), {f"i{i}": ("blur",) * (i in spoilt) for i in range(wrong + right)})


def test_a_fault_is_a_reason_only_where_errors_show_it_more_often() -> None:
    blur, dark, any_fault = tabulate_faults(calls(50, 100), findings(50, 100, 20, 3))
    assert (blur.wrong.count, blur.wrong.images, blur.right.count, blur.right.images) == (20, 50, 3, 100)
    # Wilson's interval of 20 of 50, from a second implementation (statsmodels).
    from statsmodels.stats.proportion import proportion_confint

    low, high = proportion_confint(20, 50, method="wilson")
    assert (blur.wrong.interval.low, blur.wrong.interval.high) == pytest.approx((low, high))
    assert blur.is_reason and not dark.is_reason and any_fault.wrong == blur.wrong
    as_common = tabulate_faults(calls(50, 100), findings(50, 100, 20, 40))[0]
    assert not as_common.is_reason and as_common.verdict == "no difference shown"
    rarer = tabulate_faults(calls(50, 100), findings(50, 100, 0, 40))[0]
    assert not rarer.is_reason and "right predictions" in rarer.verdict


def test_images_of_few_groups_prove_little() -> None:
    row = tabulate_faults(calls(50, 100, groups=5), findings(50, 100, 20, 3))[0]
    assert row.wrong.groups == row.right.groups == 5 and not row.is_reason


def test_the_report_offers_reasons_and_shows_maps(tmp_path) -> None:  # type: ignore[no-untyped-def]
    predictions = calls(50, 100)
    picture = np.full((20, 20, 3), 90, np.uint8)
    heat = (picture, np.eye(20, dtype=np.float32))
    measured = findings(50, 100, 20, 3)
    asked = []

    def heat_of(name: str):  # type: ignore[no-untyped-def]
        asked.append(name)
        return heat if name != "i49" else None

    told = Findings(measured.words, measured.faults, heat_of, "a map of <b>something</b>")
    metrics = compute_metrics(predictions, Provenance(), draws=20)
    page = write_evaluation(tmp_path, predictions, metrics, lambda name: picture, told).read_text()
    assert page.count("possible reason: blur") == 20 and page.count("no image fault") == 30
    assert page.count('class="bad pair"') == 49 and page.count("<figure") == 50
    assert sorted(asked) == sorted(f"i{index}" for index in range(50))
    assert "a map of &lt;b&gt;" in page
    few = Findings(("blur",), {})
    assert (
        "too few to compare" in write_evaluation(tmp_path, predictions, metrics, lambda name: picture, few).read_text()
    )


def test_heat_tints_only_where_it_is() -> None:
    picture = np.random.default_rng(0).integers(0, 256, (8, 8, 3), np.uint8)
    heat = np.zeros((8, 8), np.float32)
    heat[2, 3] = 1
    laid = lay_heat(picture, heat)
    assert laid.shape == picture.shape and laid.dtype == np.uint8
    for row, column in itertools.product(range(8), range(8)):
        assert (len(set(laid[row, column].tolist())) == 1) == ((row, column) != (2, 3))
    assert laid[2, 3, 0] > laid[2, 3, 2] + 60
