"""Bundles of other people: what cannot be used is refused when it is opened, in words."""

import time
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from leukolens.core.card import CARD_NAME
from leukolens.core.errors import BundleError
from leukolens.inference import session
from leukolens.inference.bundles import load_bundle
from leukolens.inference.classifier import Classifier


def open_with(model: onnx.ModelProto, toy: Any, folder: Path) -> Classifier:
    return Classifier(load_bundle(toy.make_bundle(folder, model)))


def test_a_model_that_takes_one_image_alone_is_refused(toy: Any, tmp_path: Path) -> None:
    model = toy.make_model()
    model.graph.input[0].type.tensor_type.shape.dim[0].dim_value = 1
    with pytest.raises(BundleError, match="does not run on 2 plain images"):
        open_with(model, toy, tmp_path / "one")


def test_a_model_that_gives_fewer_rows_than_images_is_refused(toy: Any, tmp_path: Path) -> None:
    model = toy.make_model()
    graph = model.graph
    graph.node[-1].output[0] = "all"
    for name, value in (("start", [0]), ("end", [1])):
        graph.initializer.append(numpy_helper.from_array(np.array(value, np.int64), name))
    graph.node.append(helper.make_node("Slice", ["all", "start", "end"], ["logits"]))
    with pytest.raises(BundleError, match=r"for 2 images the model gives logits of shape \(1, 3\)"):
        open_with(model, toy, tmp_path / "few")


def test_a_model_that_never_ends_is_stopped(toy: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = toy.make_model()
    graph = model.graph
    graph.node[-1].output[0] = "first"
    shape = [None, 3]
    body = helper.make_graph(
        [
            helper.make_node("Identity", ["go"], ["on"]),
            helper.make_node("Sin", ["before"], ["after"]),
        ],
        "body",
        [
            helper.make_tensor_value_info("turn", TensorProto.INT64, []),
            helper.make_tensor_value_info("go", TensorProto.BOOL, []),
            helper.make_tensor_value_info("before", TensorProto.FLOAT, shape),
        ],
        [
            helper.make_tensor_value_info("on", TensorProto.BOOL, []),
            helper.make_tensor_value_info("after", TensorProto.FLOAT, shape),
        ],
    )
    graph.initializer.append(numpy_helper.from_array(np.array(2**62, np.int64), "turns"))
    graph.initializer.append(numpy_helper.from_array(np.array(True), "yes"))
    graph.node.append(helper.make_node("Loop", ["turns", "yes", "first"], ["logits"], body=body))
    monkeypatch.setattr(session, "_TIME_LIMIT_S", 0.5)
    began = time.monotonic()
    with pytest.raises(BundleError, match=r"stopped after 0\.5 s"):
        open_with(model, toy, tmp_path / "endless")
    assert time.monotonic() - began < 15


@pytest.mark.parametrize("name", ["two\\nlines", "\\u001b[31mred", "\\u202eback", ""])
def test_a_name_that_is_no_printable_line_is_refused(name: str, toy_bundle: Path) -> None:
    card = toy_bundle / CARD_NAME
    card.write_text(card.read_text().replace('"name": "toy"', f'"name": "{name}"'))
    with pytest.raises(BundleError, match="not a valid card"):
        load_bundle(toy_bundle)
