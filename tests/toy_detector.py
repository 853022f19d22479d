"""Makes the bundle of a detector of discs, whose answers are known: cyan leukocytes, magenta red cells, yellow platelets.

On white, a disc of one of these colours is dark in one channel alone, so each kind has a channel of its own. The sum of
the darkness within R of a place is the disc's area, from which its radius follows; the same sum weighed by
1 - (distance / R)^2 says how near the disc's middle is. A disc of radius r whose middle is d away has a mean weight of
1 - r^2/2R^2 - d^2/R^2: a peak at the middle, the lower the larger the disc.
"""

from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from PIL import Image, ImageDraw

from leukolens.core.card import DetectorCard
from leukolens.core.card import write_card as write_any_card
from leukolens.core.files import hash_file
from leukolens.core.pixels import Pixels
from leukolens.core.results import Box
from leukolens.core.taxonomy import DETECTED_KINDS

STRIDE = 4
RED_CELL_PX = 48.0
REACH = 40
COLOURS = {"leukocyte": (0, 255, 255), "red_cell": (255, 0, 255), "platelet": (255, 255, 0)}


def make_model(broken: bool = False) -> onnx.ModelProto:
    """The model; a broken one answers with numbers that are none."""
    cells = REACH // STRIDE
    along = (np.arange(2 * cells + 1) - cells) * STRIDE
    far = np.hypot(along, along[:, None])
    disc = (far <= REACH).astype(np.float32) * STRIDE**2
    bowl = (1 - (far / REACH) ** 2).clip(0).astype(np.float32) * STRIDE**2
    weights = {
        "bowls": np.stack([-bowl[None]] * 3),
        "discs": -np.stack([disc] * 3)[None],
        "apart": -np.stack([disc[None]] * 3),
        "steep": np.float32(20),
        "shift": np.float32(0.5),
        "little": np.float32(60.0),
        "per_area": np.float32(1 / np.pi),
        "four": np.array([1, 4, 1, 1], np.int64),
        "nothing": np.float32(0),
    }
    same = {"kernel_shape": [2 * cells + 1] * 2, "pads": [cells] * 4}
    pooled = {"kernel_shape": [STRIDE] * 2, "strides": [STRIDE] * 2}
    last = [
        helper.make_node("Sqrt", ["rounds"], ["radius"]),
        helper.make_node("Tile", ["radius", "four"], ["sides"]),
    ]
    if broken:
        last[0] = helper.make_node("Div", ["rounds", "nothing"], ["radius"])
    nodes = [
        helper.make_node("AveragePool", ["image"], ["small"], **pooled),
        helper.make_node("Conv", ["small", "bowls"], ["weighed"], group=3, **same),
        helper.make_node("Conv", ["small", "apart"], ["areas"], group=3, **same),
        helper.make_node("Conv", ["small", "discs"], ["area"], **same),
        helper.make_node("Add", ["areas", "little"], ["some"]),
        helper.make_node("Div", ["weighed", "some"], ["share"]),
        helper.make_node("Sub", ["share", "shift"], ["above"]),
        helper.make_node("Mul", ["above", "steep"], ["centres"]),
        helper.make_node("Relu", ["area"], ["dark"]),
        helper.make_node("Mul", ["dark", "per_area"], ["rounds"]),
        *last,
    ]
    image = helper.make_tensor_value_info("image", TensorProto.FLOAT, ["n", 3, "h", "w"])
    outputs = [
        helper.make_tensor_value_info("centres", TensorProto.FLOAT, ["n", 3, "gh", "gw"]),
        helper.make_tensor_value_info("sides", TensorProto.FLOAT, ["n", 4, "gh", "gw"]),
    ]
    constants = [numpy_helper.from_array(np.asarray(value), name) for name, value in weights.items()]
    graph = helper.make_graph(nodes, "toy", [image], outputs, constants)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)


def make_bundle(folder: Path, model: onnx.ModelProto | None = None, **changes: object) -> Path:
    """Writes a bundle whose card fits its model, unless `changes` makes the card lie."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "model.onnx").write_bytes((model or make_model()).SerializeToString())
    return write_card(folder, **changes)


def write_card(folder: Path, **changes: object) -> Path:
    """Writes a card that vouches for whatever model lies in the folder."""
    fields: dict[str, object] = {
        "name": folder.name,
        "architecture": "toy",
        "kinds": DETECTED_KINDS,
        "stride": STRIDE,
        "red_cell_px": RED_CELL_PX,
        "mean": (1.0,) * 3,  # white is zero, as what lies beyond the border
        "std": (1.0,) * 3,
        "score_thresholds": dict.fromkeys(DETECTED_KINDS, 0.5),
        "nms_iou": 0.5,
        "files": {"model.onnx": hash_file(folder / "model.onnx")},
    }
    write_any_card(folder, DetectorCard(**(fields | changes)))  # type: ignore[arg-type]
    return folder


def draw_discs(size: tuple[int, int], boxes: list[Box]) -> Pixels:
    """A white field of a height and width with a disc of its kind's colour in each box."""
    image = Image.new("RGB", (size[1], size[0]), (255, 255, 255))
    pen = ImageDraw.Draw(image)
    for box in boxes:
        pen.ellipse((box.x0, box.y0, box.x1 - 1, box.y1 - 1), fill=COLOURS[box.kind])
    return np.asarray(image)


def strew_discs(size: tuple[int, int], pitch: int, diameter: int, seed: int = 0) -> list[Box]:
    """Discs on a shaken grid, mostly red cells, none nearer to another than the toy can tell apart."""
    generator = np.random.default_rng(seed)
    boxes = []
    for y in range(pitch // 2, size[0] - pitch // 4, pitch):
        for x in range(pitch // 2, size[1] - pitch // 4, pitch):
            kind = str(generator.choice(DETECTED_KINDS, p=(0.1, 0.8, 0.1)))
            wide = {"leukocyte": 1.4, "red_cell": 1.0, "platelet": 0.4}[kind] * diameter
            left, top = x - wide / 2, y - wide / 2
            boxes.append(Box(*(round(value) for value in (left, top, left + wide, top + wide)), kind))
    return boxes
