"""The smudge head of a detector: the other outputs of the model do not change, and the head is what was fitted."""

import shutil
from pathlib import Path

import numpy as np
import onnx
import pytest
from msgspec import structs
from PIL import Image
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from leukolens.core.card import read_card, write_card
from leukolens.core.errors import TrainingError
from leukolens.core.files import hash_file
from leukolens.core.results import Box
from leukolens.core.tasks import Task
from leukolens.datasets.manifest import Record
from leukolens.datasets.synthetic import draw_field
from leukolens.images.decoding import read_image
from leukolens.inference.bundles import load_bundle
from leukolens.inference.detector import CENTRES_NAME, SMUDGE_NAME, Detector
from leukolens.inference.session import INPUT_NAME, open_model
from leukolens.models.detector import SMUDGE_TAPS
from leukolens.training.detection import smudges as module
from leukolens.training.detection.smudges import (
    SmudgeExamples,
    SmudgeHead,
    append_smudge_head,
    find_taps,
    fit_smudge_head,
    train_smudge_head,
)


@pytest.fixture
def untaught(tmp_path: Path) -> Path:
    """The shipped detector as it was before it could tell smudge cells."""
    folder = tmp_path / "untaught"
    shutil.copytree(load_bundle(task=Task.DETECTION).folder, folder)
    model = onnx.load(folder / "model.onnx")
    for items in (model.graph.node, model.graph.initializer, model.graph.output):
        for item in [item for item in items if "remnants" in str(getattr(item, "output", "")) + item.name]:
            items.remove(item)
    onnx.save(model, folder / "model.onnx")
    card = load_bundle(task=Task.DETECTION).card
    files = card.files | {"model.onnx": hash_file(folder / "model.onnx")}
    write_card(folder, structs.replace(card, files=files, smudge_threshold=None))
    return folder


@pytest.fixture
def fields(tmp_path: Path) -> list[Record]:
    records = []
    for number in range(14):
        drawn = draw_field(np.random.default_rng([5, number]), pixel_size_um=0.15)
        path = tmp_path / f"field-{number}.png"
        Image.fromarray(drawn.image).save(path)
        boxes = tuple(Box(cell.x0, cell.y0, cell.x1, cell.y1, cell.kind) for cell in drawn.cells)
        records.append(Record(path.stem, str(path), None, "", "drawn", path.stem, boxes=boxes))
    return records


def make_examples() -> SmudgeExamples:
    random = np.random.default_rng(0)
    drawn = random.random(600) < 0.3
    features = random.normal(size=(600, 7)) * (1, 10, 0.1, 1, 1, 1, 1) + 5
    features[:, 2] += 0.4 * drawn
    return SmudgeExamples(features, drawn, np.array([f"slide {number % 12}" for number in range(600)]), 400)


def test_the_judge_says_what_the_regression_on_standardised_features_says() -> None:
    examples = make_examples()
    head = fit_smudge_head(examples)
    scaler = StandardScaler().fit(examples.features)
    regression = LogisticRegression(C=0.01, class_weight="balanced", max_iter=1000)
    regression.fit(scaler.transform(examples.features), examples.drawn)
    expected = regression.predict_proba(scaler.transform(examples.features))[:, 1]
    np.testing.assert_allclose(head.predict(examples.features), expected, atol=1e-9)


def test_the_threshold_gives_up_about_one_whole_leukocyte_in_a_hundred() -> None:
    examples = make_examples()
    head = fit_smudge_head(examples)
    told = head.predict(examples.features) >= head.threshold
    assert told[~examples.drawn].mean() < 0.025 and told[examples.drawn].mean() > 0.9


def test_the_map_is_the_weighed_sum_of_the_maps_that_it_taps(untaught: Path) -> None:
    model = onnx.load(untaught / "model.onnx")
    taps = find_taps(model, SMUDGE_TAPS)
    random = np.random.default_rng(1)
    head = SmudgeHead(random.normal(size=sum(channels for _, channels, _ in taps)), -0.7, 0.5)
    for name, channels, _ in taps:
        shown = onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, ["n", channels, None, None])
        model.graph.output.append(shown)
    append_smudge_head(model, taps, head)
    picture = random.normal(size=(1, 3, 96, 160)).astype(np.float32)
    names = [CENTRES_NAME, SMUDGE_NAME, *(name for name, _, _ in taps)]
    centres, remnants, *maps = open_model(model.SerializeToString()).run(names, {INPUT_NAME: picture})
    before = open_model((untaught / "model.onnx").read_bytes()).run([CENTRES_NAME], {INPUT_NAME: picture})[0]
    np.testing.assert_array_equal(centres, before)
    wide = [found.repeat(coarser, 2).repeat(coarser, 3) for found, (_, _, coarser) in zip(maps, taps, strict=True)]
    expected = np.einsum("c,nchw->nhw", head.weights, np.concatenate(wide, axis=1)) + head.bias
    np.testing.assert_allclose(remnants[:, 0], expected, rtol=1e-3, atol=1e-3)


def test_a_bundle_is_taught_on_fields_and_runs(
    untaught: Path, fields: list[Record], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_LEAST_EXAMPLES", 5)
    told: list[str] = []
    card = train_smudge_head(untaught, fields[:10], fields[10:], told.append)
    assert read_card(untaught) == card and card.smudge_threshold is not None and len(told) == 2
    facts = card.validation.smudges
    assert 0 < facts.drawn_smudges_called_smudges <= facts.drawn_smudges_found_as_whole_leukocytes
    assert facts.drawn_smudges_found_as_whole_leukocytes <= facts.drawn_smudges == 2 * len(fields[10:])
    assert facts.leukocytes_called_smudges <= facts.whole_leukocytes
    detections = Detector(load_bundle(untaught, Task.DETECTION)).find_cells(read_image(fields[0].image).pixels)
    assert ((detections.smudge >= 0) & (detections.smudge <= 1)).all() and (detections.smudge > 0).any()


def test_too_few_examples_teach_nothing(untaught: Path, fields: list[Record]) -> None:
    told: list[str] = []
    before = (untaught / "model.onnx").read_bytes()
    assert train_smudge_head(untaught, fields[:2], fields[:1], told.append).smudge_threshold is None
    assert "too few" in told[-1] and (untaught / "model.onnx").read_bytes() == before


def test_another_network_is_refused(toy_detector: Path) -> None:
    with pytest.raises(TrainingError, match="not built as today"):
        find_taps(onnx.load(toy_detector / "model.onnx"), SMUDGE_TAPS)
