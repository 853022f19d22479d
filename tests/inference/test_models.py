import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import leukolens as ll
from leukolens.core.pixels import prepare_image
from leukolens.core.results import Box
from leukolens.inference.bundles import load_bundle
from leukolens.inference.classifier import Classifier
from leukolens.inference.models import ClassifierModel, DetectorModel, load

GENERATOR = np.random.default_rng(0)
CROPS = [
    GENERATOR.integers(0, 256, (*size, 3), np.uint8) for size in ((40, 40), (64, 48), (32, 90), (40, 40), (50, 50))
]


@pytest.fixture
def classifier(toy_bundle: Path) -> ClassifierModel:
    return load(toy_bundle, task="classification")


@pytest.fixture
def detector(toy_detector: Path) -> DetectorModel:
    return load(toy_detector, task="detection")


def test_a_bundle_is_opened_as_what_its_card_says(toy_bundle: Path, toy_detector: Path) -> None:
    opened = load(toy_bundle)
    assert isinstance(opened, ClassifierModel) and opened.classes == ("eosinophil", "basophil", "lymphocyte")
    assert repr(opened) == "classifier toy: eosinophil, basophil, lymphocyte" and opened.card.name == "toy"
    found = load(str(toy_detector), threads=1)
    assert isinstance(found, DetectorModel) and found.kinds == ("leukocyte", "red_cell", "platelet")
    assert repr(found) == f"detector {toy_detector.name}: leukocyte, red_cell, platelet"


def test_the_shipped_models_are_what_the_types_promise() -> None:
    assert isinstance(load(), ClassifierModel) and load().card.name == load("pbc").card.name
    assert isinstance(load("cells"), DetectorModel)
    assert load(task="detection").card.name == load("cells").card.name


def test_a_crop_gets_exactly_what_the_model_says_of_it(classifier: ClassifierModel, toy_bundle: Path) -> None:
    bare = Classifier(load_bundle(toy_bundle), threads=1)
    prepared = np.stack([prepare_image(crop, bare.card.preparation) for crop in CROPS])
    expected = bare.classify_batch(prepared).probabilities
    proba = classifier.predict_proba(CROPS)
    assert proba.dtype == np.float64 and proba.shape == (5, 3)
    np.testing.assert_array_equal(proba, expected)
    predictions = classifier.predict(CROPS)
    np.testing.assert_array_equal(predictions.proba, expected)
    assert predictions.bundle == "toy" and np.isnan(predictions.xyxy).all()


def test_images_are_given_in_any_of_four_ways(classifier: ClassifierModel, tmp_path: Path) -> None:
    stack = np.stack([CROPS[0], CROPS[3]])
    for number, crop in enumerate(stack):
        Image.fromarray(crop).save(tmp_path / f"{number}.png")
    expected = classifier.predict_proba([*stack])
    assert expected.shape == (2, 3)
    for given in (
        stack,
        tmp_path,
        str(tmp_path),
        sorted(tmp_path.iterdir()),
        iter(stack),
        [CROPS[0], tmp_path / "1.png"],
    ):
        np.testing.assert_array_equal(classifier.predict_proba(given), expected)
    np.testing.assert_array_equal(classifier.predict_proba(CROPS[0]), expected[:1])
    assert classifier.predict_proba([]).shape == (0, 3) and len(classifier.predict([])) == 0


def test_a_plain_crop_has_probabilities_but_is_rejected(classifier: ClassifierModel) -> None:
    plain = np.full((40, 40, 3), 120, np.uint8)
    np.testing.assert_allclose(classifier.predict_proba(plain), np.full((1, 3), 1 / 3))
    rejected = classifier.predict(plain)
    assert rejected.status.tolist() == ["rejected"] and np.isnan(rejected.proba).all()


def test_what_cannot_be_read_is_never_passed_over(
    classifier: ClassifierModel, detector: DetectorModel, tmp_path: Path
) -> None:
    (tmp_path / "text.png").write_text("no picture")
    uses = (
        (classifier.predict, ll.NothingRead),
        (classifier.predict_proba, ll.InputRefused),
        (detector.detect, ll.InputRefused),
    )
    for use, kind in uses:
        for wrong, words in (
            (tmp_path / "text.png", "text.png"),
            (tmp_path / "missing.png", "missing.png"),
            (np.zeros((40, 40), np.uint8), r"array 0 is an array \(40, 40\)"),
            (np.zeros((40, 40, 3)), "float64"),
        ):
            with pytest.raises(kind, match=words):
                use(wrong)
    with pytest.raises(ll.InputRefused, match=r"missing\.png"):
        classifier.predict_proba([CROPS[0], tmp_path / "missing.png"])
    (tmp_path / "empty").mkdir()
    for use in (classifier.predict, classifier.predict_proba):
        with pytest.raises(ll.NothingRead, match="No images were found"):
            use(tmp_path / "empty")
    some = classifier.predict([CROPS[0], tmp_path / "missing.png"])
    assert len(some) == len(some.refused) == 1
    assert repr(some).endswith("1 refused")


@pytest.mark.parametrize("wrong", [None, 3, [None], [[1, 2]], ["a.png", 5]])
def test_what_is_no_image_is_a_word_to_the_caller(classifier: ClassifierModel, wrong: Any) -> None:
    for use in (classifier.predict, classifier.predict_proba, lambda given: ll.classify(given, classifier, whole=True)):
        with pytest.raises(ll.UsageError, match=r"Images are paths or arrays .* received a (NoneType|int|list)\."):
            use(wrong)


def test_a_detector_takes_one_image(detector: DetectorModel) -> None:
    with pytest.raises(ll.UsageError, match="one image, a path or an array; received a list"):
        detector.detect([CROPS[0]])  # type: ignore[arg-type]
    with pytest.raises(ll.UsageError, match="pixel size"):
        detector.detect(CROPS[0], pixel_size_um=130)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ({"task": "segmentation"}, "'classification' or 'detection'; received 'segmentation'"),
        ({"threads": 0}, "whole number from 1; received 0"),
        ({"threads": True}, "received True"),
        ({"threads": "2"}, "received '2'"),
    ],
)
def test_wrong_arguments_are_named(words: Any, message: str) -> None:
    with pytest.raises(ll.UsageError, match=re.escape(message)):
        load("pbc", **words)


def test_a_bundle_of_another_task_is_refused(toy_bundle: Path, toy_detector: Path) -> None:
    with pytest.raises(ll.BundleError, match="detector"):
        load(toy_bundle, task="detection")
    with pytest.raises(ll.BundleError, match="classifier"):
        load(toy_detector, task="classification")
    with pytest.raises(ll.BundleError, match="no-such-model"):
        load("no-such-model")


def draw_field(toy_finder: Any, wide: int = 66) -> tuple[np.ndarray, Box]:
    grid = [(x, y) for x in range(60, 600, 90) for y in range(60, 420, 90) if (x, y) != (330, 240)]
    red_cells = [Box(x - 24, y - 24, x + 24, y + 24, "red_cell") for x, y in grid]
    cell = Box(330 - wide / 2, 240 - wide / 2, 330 + wide / 2, 240 + wide / 2, "leukocyte")
    return toy_finder.draw_discs((480, 640), [*red_cells, cell]), cell


def test_detections_lie_in_the_photograph(detector: DetectorModel, toy_finder: Any, tmp_path: Path) -> None:
    field, cell = draw_field(toy_finder)
    found = detector.detect(field)
    white = found[found.kind == "leukocyte"]
    np.testing.assert_allclose(white.xyxy, [cell.xyxy], atol=6)
    assert found.scale_origin == "red cells" and len(found) == 24
    Image.fromarray(field).save(tmp_path / "field.png")
    np.testing.assert_array_equal(detector.detect(tmp_path / "field.png").xyxy, found.xyxy)
    given = detector.detect(field, pixel_size_um=7.5 / 48)
    assert given.scale_origin == "given" and given.pixel_size_um == 7.5 / 48


def test_black_around_an_eyepiece_is_left_out(
    detector: DetectorModel, toy_finder: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from leukolens.inference import view

    field, _ = draw_field(toy_finder)
    framed = np.pad(field, ((100, 50), (150, 20), (0, 0)))
    monkeypatch.setattr(view, "find_content", lambda pixels: None)
    monkeypatch.setattr(
        view, "find_view", lambda pixels: (150, 100, 790, 580) if pixels.shape == framed.shape else None
    )
    plain, moved = detector.detect(field), detector.detect(framed)
    np.testing.assert_allclose(moved.xyxy, plain.xyxy + np.array([150, 100, 150, 100]))


def test_opened_models_classify_photographs_as_the_command_does(
    classifier: ClassifierModel, detector: DetectorModel, toy_bundle: Path, toy_detector: Path, toy_finder: Any
) -> None:
    field, cell = draw_field(toy_finder)
    by_name = ll.classify(field, toy_bundle, toy_detector)
    opened = ll.classify(field, classifier, detector)
    np.testing.assert_array_equal(opened.proba, by_name.proba)
    np.testing.assert_allclose(opened.xyxy, [cell.xyxy], atol=6)
    assert not np.isnan(opened.proba).any() and not np.allclose(opened.proba, classifier.predict_proba(field))
    with pytest.raises(ll.UsageError, match=r"A classifier is expected: .*; received detector toy-detector"):
        ll.classify(field, detector)  # type: ignore[arg-type]
    with pytest.raises(ll.UsageError, match=r"A detector is expected: .*; received classifier toy"):
        ll.classify(field, classifier, classifier)  # type: ignore[arg-type]


def test_one_model_serves_many_threads(classifier: ClassifierModel, detector: DetectorModel, toy_finder: Any) -> None:
    field, _ = draw_field(toy_finder)
    boxes, proba = detector.detect(field).xyxy, classifier.predict_proba(CROPS)
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda _: detector.detect(field).xyxy, range(8)))
        shares = list(pool.map(lambda _: classifier.predict_proba(CROPS), range(8)))
    assert all(np.array_equal(item, boxes) for item in found) and all(np.array_equal(item, proba) for item in shares)
