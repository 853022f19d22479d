import dataclasses
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leukolens.core.card import Card, read_card, write_card
from leukolens.core.card_fields import CARD_NAME
from leukolens.core.errors import BundleError
from leukolens.core.files import hash_file
from leukolens.core.pixels import Preparation

CARD = Card("toy", "conv", ("neutrophil", "platelet"), Preparation(16, 16, frame_um=40.0), 1.5, 0.9)
PREPARATION = {key: value for key, value in vars(CARD.preparation).items() if key != "background"}


def make(folder: Path, card: Card = CARD) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / "model.onnx").write_bytes(b"model")
    write_card(folder, dataclasses.replace(card, files={"model.onnx": hash_file(folder / "model.onnx")}))
    return folder


def test_a_card_survives_a_round_trip(tmp_path: Path) -> None:
    card = read_card(make(tmp_path / "b"))
    assert dataclasses.replace(card, files={}) == CARD


def test_another_model_file_is_found_out(tmp_path: Path) -> None:
    folder = make(tmp_path / "b")
    (folder / "model.onnx").write_bytes(b"other")
    with pytest.raises(BundleError, match="not the file its card was written for"):
        read_card(folder)
    (folder / "model.onnx").unlink()
    with pytest.raises(BundleError, match="lacks"):
        read_card(folder)


@pytest.mark.parametrize("name", ["../model.onnx", "/etc/passwd", "sub/model.onnx"])
def test_a_card_cannot_point_outside_its_folder(tmp_path: Path, name: str) -> None:
    folder = make(tmp_path / "b")
    fields = json.loads((folder / CARD_NAME).read_text())
    fields["files"] = {name: "0"}
    (folder / CARD_NAME).write_text(json.dumps(fields))
    with pytest.raises(BundleError, match="plain name"):
        read_card(folder)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("classes", ["neutrophil", "neutrophil"]),
        ("classes", ["unicorn"]),
        ("classes", []),
        ("temperature", 0),
        ("temperature", "1"),
        ("temperature", True),
        ("temperature", float("nan")),
        ("accept_threshold", 7),
        ("format", 99),
        ("preparation", {"height_px": 10**9}),
        ("preparation", PREPARATION | {"frame_um": 0}),
        ("preparation", {key: value for key, value in PREPARATION.items() if key != "frame_um"}),
        ("files", 3),
    ],
)
def test_a_field_out_of_range_is_refused(tmp_path: Path, key: str, value: object) -> None:
    folder = make(tmp_path / "b")
    fields = json.loads((folder / CARD_NAME).read_text())
    fields[key] = value
    (folder / CARD_NAME).write_text(json.dumps(fields))
    with pytest.raises(BundleError):
        read_card(folder)


CONFUSION = {
    "labels": ["neutrophil", "platelet"],
    "counts": [[9, 1], [1, 8]],
    "unsure": [[1, 0], [0, 0]],
}


def test_a_confusion_is_read_and_a_hostile_one_refused(tmp_path: Path) -> None:
    folder = make(tmp_path / "b", dataclasses.replace(CARD, validation={"confusion": CONFUSION}))
    confusion = read_card(folder).confusion
    assert confusion is not None and confusion.counts.tolist() == [[9, 1], [1, 8]]
    for hostile in (None, {}, CONFUSION | {"counts": [[9, -1], [1, 8]]}, CONFUSION | {"counts": 3}):
        make(folder, dataclasses.replace(CARD, validation={"confusion": hostile}))
        with pytest.raises(BundleError, match="confusion"):
            read_card(folder)
    make(folder, dataclasses.replace(CARD, classes=("platelet", "neutrophil"), validation={"confusion": CONFUSION}))
    with pytest.raises(BundleError, match="confusion"):
        read_card(folder)


json_values = st.recursive(
    st.none() | st.booleans() | st.floats() | st.text(max_size=5) | st.integers(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


@given(st.sampled_from([f.name for f in dataclasses.fields(Card)]), json_values)
def test_no_value_in_any_field_gets_past_as_another_error(
    tmp_path_factory: pytest.TempPathFactory, key: str, value: object
) -> None:
    folder = make(tmp_path_factory.mktemp("fuzz") / "b")
    fields = json.loads((folder / CARD_NAME).read_text())
    fields[key] = value
    (folder / CARD_NAME).write_text(json.dumps(fields))
    try:
        read_card(folder)
    except BundleError:
        pass


@given(st.binary(max_size=200))
def test_no_bytes_get_past_as_another_error(tmp_path_factory: pytest.TempPathFactory, raw: bytes) -> None:
    folder = tmp_path_factory.mktemp("fuzz")
    (folder / CARD_NAME).write_bytes(raw)
    with pytest.raises(BundleError):
        read_card(folder)
