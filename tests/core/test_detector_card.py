import dataclasses
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leukolens.core.card import Card, read_card, write_card
from leukolens.core.card_fields import CARD_NAME, read_task
from leukolens.core.detector_card import DetectorCard, read_detector_card, write_detector_card
from leukolens.core.errors import BundleError
from leukolens.core.files import hash_file
from leukolens.core.pixels import Preparation

CARD = DetectorCard(
    "toy",
    "conv",
    ("leukocyte", "red_cell", "platelet"),
    4,
    48.0,
    (0.5, 0.5, 0.5),
    (0.25, 0.25, 0.25),
    {"leukocyte": 0.5, "red_cell": 0.25, "platelet": 0.4},
    0.5,
    cut_gains={"leukocyte": 1.25},
    smudge_threshold=0.75,
    training={"data": "bccd"},
)


def make(folder: Path) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / "model.onnx").write_bytes(b"model")
    write_detector_card(folder, dataclasses.replace(CARD, files={"model.onnx": hash_file(folder / "model.onnx")}))
    return folder


def change(folder: Path, key: str, value: object) -> Path:
    fields = json.loads((folder / CARD_NAME).read_text())
    fields[key] = value
    (folder / CARD_NAME).write_text(json.dumps(fields))
    return folder


def test_a_card_survives_a_round_trip(tmp_path: Path) -> None:
    card = read_detector_card(make(tmp_path / "b"))
    assert dataclasses.replace(card, files={}) == CARD


def test_neither_reader_opens_the_others_bundle(tmp_path: Path) -> None:
    detector, classifier = make(tmp_path / "detector"), tmp_path / "classifier"
    write_card(classifier, Card("toy", "conv", ("neutrophil",), Preparation(16, 16), 1.5, 0.9))
    assert (read_task(detector), read_task(classifier)) == ("detector", "classifier")
    with pytest.raises(BundleError, match="card of a detector, but a classifier"):
        read_card(detector)
    with pytest.raises(BundleError, match="card of a classifier, but a detector"):
        read_detector_card(classifier)


def test_a_card_from_before_there_were_tasks_is_a_classifiers(tmp_path: Path) -> None:
    write_card(tmp_path, Card("toy", "conv", ("neutrophil",), Preparation(16, 16), 1.5, 0.9))
    fields = json.loads((tmp_path / CARD_NAME).read_text())
    del fields["task"]
    (tmp_path / CARD_NAME).write_text(json.dumps(fields))
    assert read_task(tmp_path) == "classifier"
    assert read_card(tmp_path).name == "toy"


def test_another_model_file_is_found_out(tmp_path: Path) -> None:
    folder = make(tmp_path / "b")
    (folder / "model.onnx").write_bytes(b"other")
    with pytest.raises(BundleError, match="not the file its card was written for"):
        read_detector_card(folder)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("kinds", ["leukocyte", "leukocyte", "platelet"]),
        ("kinds", ["unicorn"]),
        ("kinds", ["leukocyte"]),
        ("stride", 3),
        ("stride", True),
        ("red_cell_px", 0),
        ("red_cell_px", float("nan")),
        ("std", [0.2, 0.0, 0.2]),
        ("score_thresholds", {"leukocyte": 0.5, "red_cell": 0.5}),
        ("score_thresholds", {"leukocyte": 0.5, "red_cell": 0.5, "platelet": 2}),
        ("nms_iou", 1.5),
        ("box_scales", {"unicorn": 0.9}),
        ("box_scales", {"platelet": 0.0}),
        ("box_scales", "platelet"),
        ("cut_gains", {"unicorn": 1.0}),
        ("cut_gains", {"leukocyte": -1.0}),
        ("smudge_threshold", 1.5),
        ("smudge_threshold", True),
        ("task", "prophet"),
        ("format", 2),
        ("files", {"../model.onnx": "0"}),
    ],
)
def test_a_field_out_of_range_is_refused(tmp_path: Path, key: str, value: object) -> None:
    with pytest.raises(BundleError):
        read_detector_card(change(make(tmp_path / "b"), key, value))


json_values = st.recursive(
    st.none() | st.booleans() | st.floats() | st.text(max_size=5) | st.integers(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


@given(st.sampled_from([*(f.name for f in dataclasses.fields(DetectorCard)), "task", "format"]), json_values)
def test_no_value_in_any_field_gets_past_as_another_error(
    tmp_path_factory: pytest.TempPathFactory, key: str, value: object
) -> None:
    folder = change(make(tmp_path_factory.mktemp("fuzz") / "b"), key, value)
    try:
        read_detector_card(folder)
    except BundleError:
        pass
    assert read_task(folder) in ("classifier", "detector")
