import json
from pathlib import Path

import numpy as np
import pytest
from sklearn import metrics as reference

from leukolens.core.errors import DataError
from leukolens.core.predictions import Predictions
from leukolens.core.results import Prediction
from leukolens.evaluation.classification.calibration import (
    calibrate,
    choose_threshold,
    expected_calibration_error,
    fit_temperature,
)
from leukolens.evaluation.classification.metrics import compute_metrics
from leukolens.evaluation.classification.report import write_evaluation
from leukolens.evaluation.records import Provenance

CLASSES = ("neutrophil", "eosinophil", "lymphocyte")


def make(n: int = 300, groups: int = 0, seed: int = 0, truths_of: int = 3) -> Predictions:
    generator = np.random.default_rng(seed)
    truths = generator.integers(0, truths_of, n)
    logits = generator.normal(0, 1, (n, 3)) + 1.5 * np.eye(3)[truths]
    shares = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    calls = tuple(
        Prediction(f"i{k}", CLASSES[row.argmax()], float(row.max()), row, "accepted" if row.max() > 0.8 else "review")
        for k, row in enumerate(shares)
    )
    names = tuple(f"{CLASSES[t]}-{k % groups}" for k, t in enumerate(truths)) if groups else ()
    return Predictions(CLASSES, calls, tuple(CLASSES[t] for t in truths), names)


def test_every_figure_agrees_with_scikit_learn() -> None:
    predictions = make()
    result = compute_metrics(predictions, Provenance("m", "d", "s"), draws=50)
    truth, called = list(predictions.truths), [call.label for call in predictions.items]
    shares = predictions.proba
    numbers = [CLASSES.index(name) for name in truth]
    assert result.accuracy == pytest.approx(reference.accuracy_score(truth, called))
    assert result.balanced_accuracy == pytest.approx(reference.balanced_accuracy_score(truth, called))
    assert result.macro_f1 == pytest.approx(reference.f1_score(truth, called, average="macro"))
    assert result.cross_entropy == pytest.approx(reference.log_loss(numbers, shares))
    assert result.auc == pytest.approx(reference.roc_auc_score(numbers, shares, multi_class="ovr"))
    binary = np.mean([reference.log_loss(np.array(numbers) == k, shares[:, k]) for k in range(3)])
    assert result.binary_cross_entropy == pytest.approx(binary)
    assert result.groups is None and result.n == 300
    assert result.accuracy_ci.low < result.accuracy < result.accuracy_ci.high


def test_figures_of_a_class_by_hand() -> None:
    predictions = make()
    result = compute_metrics(predictions, Provenance(), draws=5)
    pairs = [(truth, item.label) for truth, item in zip(predictions.truths, predictions.items, strict=True)]
    assert result.confusion.labels == CLASSES
    for row, name in enumerate(CLASSES):
        counted = [pairs.count((name, other)) for other in CLASSES]
        assert list(result.confusion.counts[row]) == counted
        hits, predicted = counted[row], sum(label == name for _, label in pairs)
        found = result.per_class[name]
        assert found.support == sum(counted)
        assert found.precision == pytest.approx(hits / predicted, abs=1e-12)
        assert found.recall == pytest.approx(hits / sum(counted), abs=1e-12)
        assert found.f1 == pytest.approx(2 * hits / (predicted + sum(counted)), abs=1e-12)


def test_groups_lead_and_few_of_them_are_marked() -> None:
    calls = make(300, groups=4)
    result = compute_metrics(calls, Provenance(), draws=200)
    groups = result.groups
    assert groups.n == 12 and "4 fields: interval unreliable" in groups.per_class["neutrophil"].note
    assert "groups" in result.accuracy_ci.method and result.accuracy_ci_naive.method == "Wilson"
    right = {name: [] for name in calls.groups}
    for call, truth, group in zip(calls.items, calls.truths, calls.groups, strict=True):
        right[group].append(call.label == truth)
    assert groups.accuracy == pytest.approx(np.mean([np.mean(votes) > 0.5 for votes in right.values()]))


def test_classes_that_the_data_lacks_count_as_wrong_and_are_shown_apart() -> None:
    predictions = make(200, truths_of=2)
    result = compute_metrics(predictions, Provenance(), draws=20)
    shared = result.shared_classes
    assert shared.classes == ("neutrophil", "eosinophil")
    assert shared.balanced_accuracy > result.balanced_accuracy
    assert result.per_class["lymphocyte"].support == 0 and result.worst_class()[0] != "lymphocyte"


def test_a_rejected_cell_is_not_right_and_truths_are_needed() -> None:
    rejected = Prediction("x", "", 0.0, np.empty(0), "rejected", "no cell")
    some = make(20)
    result = compute_metrics(
        Predictions(CLASSES, (*some.items, rejected), (*some.truths, "neutrophil")), Provenance(), 3, 20
    )
    assert result.n == 21 and result.n_refused == 3
    assert sum(map(sum, result.confusion.counts)) == 20
    with pytest.raises(DataError, match="ground truth"):
        compute_metrics(Predictions(CLASSES, some.items), Provenance())


def test_a_class_the_model_does_not_know_is_always_wrong() -> None:
    some = make(20)
    truths = ("basophil", *some.truths[1:])
    result = compute_metrics(Predictions(CLASSES, some.items, truths), Provenance(), draws=20)
    assert result.per_class["basophil"].recall == 0 and result.worst_class() == ("basophil", 0.0)


def test_temperature_finds_the_scale_that_was_put_in() -> None:
    generator = np.random.default_rng(0)
    logits = generator.normal(0, 2, (20000, 4))
    shares = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    truths = np.array([generator.choice(4, p=row) for row in shares])
    assert fit_temperature(logits * 3, truths) == pytest.approx(3, rel=0.05)


def test_calibration_error_by_hand() -> None:
    confidence, right = np.array([0.6, 0.6, 0.9, 0.9]), np.array([True, False, True, True])
    assert expected_calibration_error(confidence, right, bins=2) == pytest.approx(0.5 * 0.1 + 0.5 * 0.1)
    assert expected_calibration_error(np.full(10, 1.0), np.ones(10, bool)) == 0


def test_the_threshold_keeps_its_promise_and_ties_together() -> None:
    top = np.array([0.99, 0.9, 0.9, 0.8, 0.7])
    shares = np.stack([top, 1 - top], axis=1)
    assert choose_threshold(shares, np.array([0, 0, 0, 0, 1]), 0.99) == 0.8
    assert choose_threshold(shares, np.array([0, 0, 1, 0, 0]), 0.99) == 0.99
    assert choose_threshold(shares, np.array([0, 0, 0, 0, 0]), 0.99) == 0.7
    assert choose_threshold(shares, np.array([1, 1, 1, 1, 1]), 0.99) == 1.01


def test_a_hesitant_call_is_not_accepted_though_all_were_right_on_validation() -> None:
    gaps = np.repeat([0.05, 8.0], [5, 200])
    truths = np.tile([0, 1], 103)[: len(gaps)]
    logits = np.stack([gaps, np.zeros(len(gaps))], axis=1)
    logits[truths == 1] = logits[truths == 1, ::-1]
    found = calibrate(logits, truths)
    assert found.validation.accuracy == 1 and found.threshold == 0.9
    wrong = truths.copy()
    wrong[5:25] = 1 - wrong[5:25]  # then .9 is not enough either
    assert calibrate(logits, wrong).threshold > 0.9


def test_the_report_says_what_must_be_said(tmp_path: Path) -> None:
    predictions = make(60, groups=3)
    picture = np.full((20, 20, 3), 90, np.uint8)
    provenance = Provenance("<b>model</b>", "toy", "test", True, "9 of 9 groups stand in more than one part")
    result = compute_metrics(predictions, provenance, draws=20)
    path = write_evaluation(tmp_path / "out", predictions, result, lambda name: picture if name != "i0" else None)
    page = path.read_text(encoding="utf-8")
    assert "THIS SPLIT LEAKS" in page and "not a medical device" in page and "<b>model</b>" not in page
    wrong = sum(call.label != truth for call, truth in zip(predictions.items, predictions.truths, strict=True))
    assert page.count("<figure") == wrong
    assert json.loads((tmp_path / "out" / "metrics.json").read_text())["leaky"] is True
    assert (tmp_path / "out" / "predictions.csv").is_file() and (tmp_path / "out" / "roc.svg").is_file()
