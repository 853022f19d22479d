"""Makes the ten-kilobyte bundle of the tests: mean colour, then one linear layer whose weights name the classes.

Red pictures are eosinophils, green ones lymphocytes, blue ones basophils, so that tests know what is right.
"""

from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from leukolens.core.card import ClassifierCard, write_card
from leukolens.core.files import hash_file
from leukolens.core.pixels import Preparation

CLASSES = ("eosinophil", "basophil", "lymphocyte")
SIDE = 32


def make_model(classes: int = 3, side: int = SIDE, external: str = "") -> onnx.ModelProto:
    """A model of the given shape; `external` makes its weights point at that file."""
    weights = np.array([[8, 0, 0], [0, 0, 8], [0, 8, 0]], np.float32)[:, :classes]
    matrix = numpy_helper.from_array(np.pad(weights, ((0, 0), (0, max(0, classes - 3)))), "matrix")
    if external:
        matrix.ClearField("raw_data")
        matrix.data_location = TensorProto.EXTERNAL
        for key, value in (("location", external), ("offset", "0"), ("length", str(12 * classes))):
            entry = matrix.external_data.add()
            entry.key, entry.value = key, value
    nodes = [
        helper.make_node("Identity", ["image"], ["features"]),
        helper.make_node("GlobalAveragePool", ["image"], ["pooled"]),
        helper.make_node("Flatten", ["pooled"], ["flat"]),
        helper.make_node("MatMul", ["flat", "matrix"], ["logits"]),
    ]
    image = helper.make_tensor_value_info("image", TensorProto.FLOAT, ["n", 3, side, side])
    outputs = [
        helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["n", classes]),
        helper.make_tensor_value_info("features", TensorProto.FLOAT, ["n", 3, side, side]),
    ]
    graph = helper.make_graph(nodes, "toy", [image], outputs, [matrix])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)


def make_bundle(folder: Path, model: onnx.ModelProto | None = None, **changes: object) -> Path:
    """Writes a bundle whose card fits its model, unless `changes` makes the card lie."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "model.onnx").write_bytes((model or make_model()).SerializeToString())
    fields: dict[str, object] = {
        "name": folder.name,
        "architecture": "toy",
        "classes": CLASSES,
        "preparation": Preparation(SIDE, SIDE, mean=(0.0,) * 3, std=(1.0,) * 3),
        "temperature": 1.0,
        "accept_threshold": 0.9,
        "files": {"model.onnx": hash_file(folder / "model.onnx")},
    }
    write_card(folder, ClassifierCard(**(fields | changes)))  # type: ignore[arg-type]
    return folder
