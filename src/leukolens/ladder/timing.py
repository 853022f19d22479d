"""Measures milliseconds per image of each rung on this machine: torch, ONNX Runtime, and ONNX in 8-bit integers.

Times depend on the layers, not on the weights, so networks are built new from the recipes. Figures of one file were
measured one after another on one machine: compare them with each other, not with those of other machines.
"""

import functools
import os
import platform
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import numpy as np
import timm
import torch
from torch import nn

from leukolens.core.pixels import Preparation
from leukolens.evaluation.records import write_record
from leukolens.inference.session import INPUT_NAME, LOGITS_NAME, open_model
from leukolens.ladder.backbones import BACKBONES
from leukolens.ladder.rungs import RUNGS
from leukolens.ladder.runs import recipes_folder
from leukolens.ladder.speed import Timing, read_timings
from leukolens.models.catalogue import find_model
from leukolens.training.classification.export import write_model
from leukolens.training.classification.int8 import quantise_model
from leukolens.training.classification.recipe import ClassificationRecipe
from leukolens.training.classification.training import describe_shape
from leukolens.training.recipe import read_recipe

_LEAST_SECONDS = 1.0  # of repeats behind each figure
_LEAST_REPEATS = 5


@dataclass(frozen=True)
class _Timed:
    """A network that is to be timed: `kind` is `rungs` or `backbones`."""

    kind: str
    name: str
    architecture: str
    build: Callable[[], nn.Module]
    height_px: int
    width_px: int


def time_everything(out: Path, tell: Callable[[str], None]) -> Path:
    """Times every rung and text 004's backbones; writes `timings.json` after each, so an interrupted call can resume.

    Args:
        out: The folder of the ladder.
        tell: Called with a line for each network that is done.
    """
    path = out / "timings.json"
    found = read_timings(path)
    found.machine = {
        "processor": platform.processor() or platform.machine(),
        "processors": os.cpu_count(),
        "torch": str(torch.__version__),
        "onnxruntime": version("onnxruntime"),
    }
    for network in _list_networks():
        rows = found.rungs if network.kind == "rungs" else found.backbones
        if network.name not in rows:
            rows[network.name] = timing = _measure(network)
            write_record(path, found)
            tell(f"{network.kind} {network.name}: ONNX {timing.onnx_ms_1} ms, torch {timing.torch_ms_1} ms per image")
    return path


def _list_networks() -> Iterator[_Timed]:
    for name in RUNGS:
        config = read_recipe(recipes_folder() / f"{name}.toml", ClassificationRecipe)
        shape = describe_shape(config, 8 if "pbc" in RUNGS[name].honest else 4)
        architecture = config.model.architecture
        build = functools.partial(find_model(architecture).build, shape)
        yield _Timed("rungs", name, architecture, build, shape.height_px, shape.width_px)
    for name, backbone in BACKBONES.items():
        build = functools.partial(timm.create_model, backbone.architecture)
        yield _Timed("backbones", name, backbone.architecture, build, 224, 224)


def _measure(timed: _Timed) -> Timing:
    network = timed.build().eval()
    height, width = timed.height_px, timed.width_px
    random = np.random.default_rng(0)
    with tempfile.TemporaryDirectory() as scratch:
        model, small = Path(scratch) / "model.onnx", Path(scratch) / "int8.onnx"
        write_model(network, height, width, model)
        pixels = random.integers(0, 256, (20, height, width, 3), np.uint8)
        quantise_model(model, small, pixels, Preparation(height, width))
        times = [_time_batch(network, (model, small), random.standard_normal((n, 3, height, width))) for n in (1, 32)]
        return Timing(
            timed.architecture,
            height,
            width,
            sum(weight.numel() for weight in network.parameters()),
            sum(isinstance(layer, nn.Conv2d | nn.Linear) for layer in network.modules()),
            round(model.stat().st_size / 1e6, 1),
            round(small.stat().st_size / 1e6, 1),
            *times[0],
            *times[1],
        )


def _time_batch(
    network: nn.Module, models: tuple[Path, Path], drawn: np.ndarray[tuple[int, ...], np.dtype[np.float64]]
) -> tuple[float, float, float]:
    """Milliseconds per image of torch, of the float32 ONNX file and of the 8-bit one."""
    inputs = drawn.astype(np.float32)
    tensor = torch.from_numpy(inputs).contiguous(memory_format=torch.channels_last)
    with torch.inference_mode():
        in_torch = _milliseconds(functools.partial(network, tensor), len(inputs))
    whole, small = (
        functools.partial(open_model(path.read_bytes()).run, [LOGITS_NAME], {INPUT_NAME: inputs}) for path in models
    )
    return in_torch, _milliseconds(whole, len(inputs)), _milliseconds(small, len(inputs))


def _milliseconds(run: Callable[[], object], images: int) -> float:
    """Median per image over repeats; the first call is not counted."""
    run()
    taken: list[float] = []
    while sum(taken) < _LEAST_SECONDS or len(taken) < _LEAST_REPEATS:
        start = time.perf_counter()
        run()
        taken.append(time.perf_counter() - start)
    return round(1000 * float(np.median(taken)) / images, 3)
