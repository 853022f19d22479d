import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs
from PIL import Image

from leukolens.core.card import (
    CARD_NAME,
    Card,
    ClassifierCard,
    ClassifierValidation,
    DetectorCard,
    KindRates,
    TrainingFacts,
    read_card,
    read_task,
    write_card,
)
from leukolens.core.confusion import ConfusionTable
from leukolens.core.errors import BundleError
from leukolens.core.files import hash_file
from leukolens.core.pixels import Preparation
from leukolens.core.tasks import Task
from leukolens.core.taxonomy import CellKind

FACTS = TrainingFacts(
    data="bccd", data_hash="a", split_hash="b", split="fields, seed 0", leaky=False, recipe="r", seed=1,
    images={"train": 3}, epochs=4, training_seconds=1.5, device="CPU", versions={"numpy": "2"}, commit="c",
)  # fmt: skip
TABLE = ConfusionTable(("neutrophil", "platelet"), ((9, 1), (1, 8)), ((1, 0), (0, 0)))
CLASSIFIER = ClassifierCard(
    name="toy",
    architecture="conv",
    classes=("neutrophil", "platelet"),
    preparation=Preparation(16, 16, frame_um=40.0),
    temperature=1.5,
    accept_threshold=0.9,
    training=FACTS,
    validation=ClassifierValidation(
        n=19, accuracy=0.9, balanced_accuracy=0.9, coverage=0.9, accepted_accuracy=None, confusion=TABLE
    ),
)
DETECTOR = DetectorCard(
    name="toy",
    architecture="conv",
    kinds=tuple(CellKind),
    stride=4,
    red_cell_px=48.0,
    mean=(0.5, 0.5, 0.5),
    std=(0.25, 0.25, 0.25),
    score_thresholds={CellKind.LEUKOCYTE: 0.5, CellKind.RED_CELL: 0.25, CellKind.PLATELET: 0.4},
    nms_iou=0.5,
    cut_gains={CellKind.LEUKOCYTE: 1.25},
    smudge_threshold=0.75,
    training=FACTS,
)
CARDS: dict[str, Card] = {"classifier": CLASSIFIER, "detector": DETECTOR}


def make(folder: Path, card: Card = CLASSIFIER) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / "model.onnx").write_bytes(b"model")
    write_card(folder, structs.replace(card, files={"model.onnx": hash_file(folder / "model.onnx")}))
    return folder


def change(folder: Path, key: str, value: object) -> Path:
    fields = json.loads((folder / CARD_NAME).read_text())
    fields[key] = value
    (folder / CARD_NAME).write_text(json.dumps(fields))
    return folder


@pytest.mark.parametrize("card", CARDS.values(), ids=CARDS)
def test_a_card_survives_a_round_trip_and_says_its_task(tmp_path: Path, card: Card) -> None:
    folder = make(tmp_path / "b", card)
    assert structs.replace(read_card(folder), files={}) == card
    assert read_task(folder) is card.task is Task(json.loads((folder / CARD_NAME).read_text())["task"])


def test_the_background_image_is_a_file_of_the_bundle(tmp_path: Path) -> None:
    folder, mean = tmp_path / "b", np.full((16, 16, 3), 7, np.uint8)
    folder.mkdir()
    Image.fromarray(mean).save(folder / "background.png")
    files = {"background.png": hash_file(folder / "background.png")}
    write_card(folder, structs.replace(CLASSIFIER, preparation=Preparation(16, 16, background=mean), files=files))
    card = read_card(folder)
    assert isinstance(card, ClassifierCard) and np.array_equal(card.preparation.background, mean)
    Image.fromarray(mean[:8]).save(folder / "background.png")
    files = {"background.png": hash_file(folder / "background.png")}
    write_card(folder, structs.replace(CLASSIFIER, files=files))
    with pytest.raises(BundleError, match="background"):
        read_card(folder)


def test_a_card_of_an_older_version_is_refused_in_words(tmp_path: Path) -> None:
    for version, task in ((1, "classifier"), (1, "detector"), (99, "classification")):
        folder = change(change(make(tmp_path / "b"), "format", version), "task", task)
        with pytest.raises(BundleError, match=f"format {version}; .* reads format 2"):
            read_card(folder)
        assert read_task(folder) is None


def test_another_model_file_is_found_out(tmp_path: Path) -> None:
    folder = make(tmp_path / "b")
    (folder / "model.onnx").write_bytes(b"other")
    with pytest.raises(BundleError, match="not the file its card was written for"):
        read_card(folder)
    (folder / "model.onnx").unlink()
    with pytest.raises(BundleError, match="lacks"):
        read_card(folder)


def test_a_link_is_no_file_of_a_bundle(tmp_path: Path) -> None:
    folder = make(tmp_path / "b")
    (folder / "model.onnx").rename(tmp_path / "elsewhere")
    (folder / "model.onnx").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(BundleError, match="plain name"):
        read_card(folder)


@pytest.mark.parametrize("card", CARDS.values(), ids=CARDS)
@pytest.mark.parametrize("name", ["../model.onnx", "/etc/passwd", "sub/model.onnx"])
def test_a_card_cannot_point_outside_its_folder(tmp_path: Path, name: str, card: Card) -> None:
    folder = change(make(tmp_path / "b", card), "files", {name: "0"})
    with pytest.raises(BundleError, match="plain name"):
        read_card(folder)


def test_a_huge_card_is_not_read(tmp_path: Path) -> None:
    folder = change(make(tmp_path / "b"), "licence", "x" * (1 << 20))
    with pytest.raises(BundleError, match="over 1 MiB"):
        read_card(folder)


PREPARATION = {
    key: list(value) if isinstance(value, tuple) else value
    for key, value in vars(CLASSIFIER.preparation).items()
    if key != "background"
}
HOSTILE: list[tuple[Card, str, Any]] = [
    (CLASSIFIER, "classes", ["neutrophil", "neutrophil"]),
    (CLASSIFIER, "classes", ["unicorn"]),
    (CLASSIFIER, "classes", []),
    (CLASSIFIER, "classes", ["platelet", "neutrophil"]),  # the confusion is of another order
    (CLASSIFIER, "temperature", 0),
    (CLASSIFIER, "temperature", "1"),
    (CLASSIFIER, "temperature", True),
    (CLASSIFIER, "temperature", float("nan")),
    (CLASSIFIER, "accept_threshold", 7),
    (CLASSIFIER, "preparation", PREPARATION | {"height_px": 10**9}),
    (CLASSIFIER, "preparation", PREPARATION | {"background": [[0]]}),
    (CLASSIFIER, "preparation", PREPARATION | {"std": [0.5, 0.0, 0.5]}),
    (CLASSIFIER, "preparation", PREPARATION | {"frame_um": 0}),
    *((CLASSIFIER, "preparation", {k: v for k, v in PREPARATION.items() if k != left}) for left in PREPARATION),
    (CLASSIFIER, "validation", {"n": 3}),
    (CLASSIFIER, "training", {}),
    (CLASSIFIER, "format", "2"),
    (CLASSIFIER, "files", 3),
    (CLASSIFIER, "smudge_threshold", 0.5),  # a field of the other task
    (CLASSIFIER, "task", "detection"),
    (CLASSIFIER, "task", "prophet"),
    (DETECTOR, "kinds", ["leukocyte", "leukocyte", "platelet"]),
    (DETECTOR, "kinds", ["unicorn"]),
    (DETECTOR, "kinds", ["leukocyte"]),
    (DETECTOR, "stride", 3),
    (DETECTOR, "stride", True),
    (DETECTOR, "red_cell_px", 0),
    (DETECTOR, "red_cell_px", float("nan")),
    (DETECTOR, "std", [0.2, 0.0, 0.2]),
    (DETECTOR, "std", [0.2, 0.2]),
    (DETECTOR, "score_thresholds", {"leukocyte": 0.5, "red_cell": 0.5}),
    (DETECTOR, "score_thresholds", {"leukocyte": 0.5, "red_cell": 0.5, "platelet": 2}),
    (DETECTOR, "nms_iou", 1.5),
    (DETECTOR, "box_scales", {"unicorn": 0.9}),
    (DETECTOR, "box_scales", {"platelet": 0.0}),
    (DETECTOR, "box_scales", "platelet"),
    (DETECTOR, "cut_gains", {"unicorn": 1.0}),
    (DETECTOR, "cut_gains", {"leukocyte": -1.0}),
    (DETECTOR, "smudge_threshold", 1.5),
    (DETECTOR, "smudge_threshold", True),
    (DETECTOR, "task", "classification"),
    (DETECTOR, "files", {"../model.onnx": "0"}),
]


@pytest.mark.parametrize(("card", "key", "value"), HOSTILE)
def test_a_field_out_of_range_is_refused(tmp_path: Path, card: Card, key: str, value: object) -> None:
    with pytest.raises(BundleError):
        read_card(change(make(tmp_path / "b", card), key, value))


def test_the_preparation_of_these_tests_is_a_good_one(tmp_path: Path) -> None:
    assert read_card(change(make(tmp_path / "b"), "preparation", PREPARATION)).name == "toy"


def test_gains_are_for_the_kinds_of_the_card(tmp_path: Path) -> None:
    one = change(change(make(tmp_path / "b", DETECTOR), "kinds", ["platelet"]), "score_thresholds", {"platelet": 0.5})
    with pytest.raises(BundleError, match="cut_gains for leukocyte, expected some of platelet"):
        read_card(one)


@pytest.mark.parametrize(
    "hostile",
    [
        {},
        {"labels": ["neutrophil", "platelet"], "counts": [[9, -1], [1, 8]], "unsure": [[1, 0], [0, 0]]},
        {"labels": ["neutrophil", "platelet"], "counts": 3, "unsure": [[1, 0], [0, 0]]},
        {"labels": ["platelet", "neutrophil"], "counts": [[9, 1], [1, 8]], "unsure": [[1, 0], [0, 0]]},
    ],
)
def test_a_hostile_confusion_is_refused_by_its_name(tmp_path: Path, hostile: object) -> None:
    folder = make(tmp_path / "b")
    validation = json.loads((folder / CARD_NAME).read_text())["validation"]
    with pytest.raises(BundleError, match="confusion"):
        read_card(change(folder, "validation", validation | {"confusion": hostile}))


json_values = st.recursive(
    st.none() | st.booleans() | st.floats() | st.text(max_size=5) | st.integers(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
FIELDS = [(card, name) for card in CARDS.values() for name in (*card.__struct_fields__, "task")]


@given(st.sampled_from(FIELDS), json_values)
def test_no_value_in_any_field_gets_past_as_another_error(
    tmp_path_factory: pytest.TempPathFactory, field: tuple[Card, str], value: object
) -> None:
    folder = change(make(tmp_path_factory.mktemp("fuzz") / "b", field[0]), field[1], value)
    try:
        read_card(folder)
    except BundleError:
        pass
    assert read_task(folder) in (*Task, None)


@given(st.binary(max_size=200))
def test_no_bytes_get_past_as_another_error(tmp_path_factory: pytest.TempPathFactory, raw: bytes) -> None:
    folder = tmp_path_factory.mktemp("fuzz")
    (folder / CARD_NAME).write_bytes(raw)
    with pytest.raises(BundleError):
        read_card(folder)


def test_rates_beyond_one_are_refused(tmp_path: Path) -> None:
    rates = KindRates(precision=1.5, recall=1.0, f1=1.0, fields=1, cells=1, data="bccd")
    folder = make(tmp_path / "b", DETECTOR)
    validation = {"fields": 1, "average_precision_50": {}, "at_thresholds": {"platelet": structs.asdict(rates)}}
    with pytest.raises(BundleError, match=r"at_thresholds"):
        read_card(change(folder, "validation", validation))
