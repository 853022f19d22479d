"""How long each rung takes per image on this machine: torch, ONNX Runtime, and ONNX in 8-bit integers, in one sitting.

Times depend on the layers, not on what they learned, so networks are built fresh from the recipes. Figures of one file
were measured one after another on one machine: compare them with each other, not with other machines'.
"""

import functools
import json
import os
import platform
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import timm
import torch
from torch import nn

from leukolens.core.files import write_text
from leukolens.core.pixels import Preparation
from leukolens.inference.session import INPUT_NAME, LOGITS_NAME, open_model
from leukolens.ladder.rungs import RUNGS
from leukolens.ladder.runs import recipes_folder
from leukolens.models.catalogue import find_model
from leukolens.training.classification.export import write_model
from leukolens.training.classification.fit import describe_shape
from leukolens.training.classification.int8 import quantise_model
from leukolens.training.recipe import read_recipe

BATCHES = (1, 32)


@dataclass(frozen=True)
class Backbone:
    """A row of text 004's table of backbones, as it prints it (ImageNet accuracy, milliseconds per step on its CPU)."""

    architecture: str
    top1: float
    top5: float
    depth: int | None
    cpu_ms: float


BACKBONES: dict[str, Backbone] = {
    "Xception": Backbone("legacy_xception", 0.790, 0.945, 126, 109.42),
    "VGG16": Backbone("vgg16", 0.713, 0.901, 23, 69.50),
    "VGG19": Backbone("vgg19", 0.713, 0.900, 26, 84.75),
    "ResNet50": Backbone("resnet50", 0.749, 0.921, None, 58.20),
    "ResNet101": Backbone("resnet101", 0.764, 0.928, None, 89.59),
    "ResNet152": Backbone("resnet152", 0.766, 0.931, None, 127.43),
    "ResNet50V2": Backbone("resnetv2_50", 0.760, 0.930, None, 45.63),
    "ResNet101V2": Backbone("resnetv2_101", 0.772, 0.938, None, 72.73),
    "ResNet152V2": Backbone("resnetv2_152", 0.780, 0.942, None, 107.50),
    "InceptionV3": Backbone("inception_v3", 0.779, 0.937, 159, 42.25),
    "InceptionResNetV2": Backbone("inception_resnet_v2", 0.803, 0.953, 572, 130.19),
    "MobileNet": Backbone("mobilenetv1_100", 0.704, 0.895, 88, 22.60),
}
"""Text 004's twelve, and what timm calls them."""

_LEAST_SECONDS = 1.0  # of repeats behind each figure
_LEAST_REPEATS = 5


def time_everything(out: Path, tell: Callable[[str], None]) -> Path:
    """Times every rung and text 004's backbones; writes `timings.json` after each, so that a killed one goes on.

    Args:
        out: The folder of the ladder.
        tell: Told of each that is done.
    """
    path = out / "timings.json"
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    found["machine"] = {
        "processor": platform.processor() or platform.machine(),
        "processors": os.cpu_count(),
        "torch": torch.__version__,
        "onnxruntime": version("onnxruntime"),
    }
    for kind, name, architecture, network, (height, width) in _networks():
        rows = found.setdefault(kind, {})
        if name not in rows:
            rows[name] = {"architecture": architecture} | _measure(network(), height, width)
            write_text(path, json.dumps(found, indent=1) + "\n")
            tell(f"{kind} {name}: " + ", ".join(f"{key} {value}" for key, value in rows[name].items()))
    return path


def _networks() -> Iterator[tuple[str, str, str, Callable[[], nn.Module], tuple[int, int]]]:
    for name in RUNGS:
        config = read_recipe(recipes_folder() / f"{name}.toml")
        shape = describe_shape(config, 8 if "pbc" in RUNGS[name].honest else 4)
        architecture = config.model.architecture
        build = functools.partial(find_model(architecture).build, shape)
        yield "rungs", name, architecture, build, (shape.height_px, shape.width_px)
    for name, backbone in BACKBONES.items():
        build = functools.partial(timm.create_model, backbone.architecture)
        yield "backbones", name, backbone.architecture, build, (224, 224)


def _measure(network: nn.Module, height: int, width: int) -> dict[str, Any]:
    network.eval()
    weighted = (nn.Conv2d, nn.Linear)
    row: dict[str, Any] = {
        "height_px": height,
        "width_px": width,
        "parameters": sum(weight.numel() for weight in network.parameters()),
        "weighted_layers": sum(isinstance(layer, weighted) for layer in network.modules()),
    }
    random = np.random.default_rng(0)
    with tempfile.TemporaryDirectory() as scratch:
        model, small = Path(scratch) / "model.onnx", Path(scratch) / "int8.onnx"
        write_model(network, height, width, model)
        pixels = random.integers(0, 256, (20, height, width, 3), np.uint8)
        quantise_model(model, small, pixels, Preparation(height, width))
        row["megabytes"] = round(model.stat().st_size / 1e6, 1)
        row["megabytes_int8"] = round(small.stat().st_size / 1e6, 1)
        for batch in BATCHES:
            inputs = random.standard_normal((batch, 3, height, width)).astype(np.float32)
            tensor = torch.from_numpy(inputs).contiguous(memory_format=torch.channels_last)
            with torch.inference_mode():
                row[f"torch_ms_{batch}"] = _milliseconds(functools.partial(network, tensor), batch)
            for kind, path in (("onnx", model), ("int8", small)):
                run = functools.partial(open_model(path.read_bytes()).run, [LOGITS_NAME], {INPUT_NAME: inputs})
                row[f"{kind}_ms_{batch}"] = _milliseconds(run, batch)
    return row


def _milliseconds(run: Callable[[], object], images: int) -> float:
    """Median per image over repeats; the first is not counted."""
    run()
    taken: list[float] = []
    while sum(taken) < _LEAST_SECONDS or len(taken) < _LEAST_REPEATS:
        start = time.perf_counter()
        run()
        taken.append(time.perf_counter() - start)
    return round(1000 * float(np.median(taken)) / images, 3)
