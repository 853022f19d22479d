"""Tables of size and speed, from the `timings.json` that `leukolens ladder time` writes."""

from pathlib import Path

import msgspec

from leukolens.evaluation.records import read_record
from leukolens.ladder.backbones import BACKBONES, Backbone
from leukolens.ladder.wording import format_share
from leukolens.reporting.page import Section


class Timing(msgspec.Struct, frozen=True):
    """Size of one network, and milliseconds per image in batches of 1 and 32."""

    architecture: str
    height_px: int
    width_px: int
    parameters: int
    weighted_layers: int
    megabytes: float
    megabytes_int8: float
    torch_ms_1: float
    onnx_ms_1: float
    int8_ms_1: float
    torch_ms_32: float
    onnx_ms_32: float
    int8_ms_32: float


class Timings(msgspec.Struct):
    """`timings.json`: the machine, and a timing for each rung and each of text 004's backbones."""

    machine: dict[str, str | int | None] = {}
    rungs: dict[str, Timing] = {}
    backbones: dict[str, Timing] = {}


def read_timings(path: Path) -> Timings:
    """What was measured before; empty where there is no such file.

    Raises:
        DataError: the file lacks a field, or is no JSON.
    """
    if not path.is_file():
        return Timings()
    return read_record(path, Timings)


_HEADER = (
    "network",
    "px",
    "parameters",
    "MB / 8-bit MB",
    "layers with weights",
    "torch ms",
    "ONNX ms",
    "8-bit ONNX ms",
)


def tabulate_speed(path: Path) -> list[Section]:
    """Milliseconds per image of the rungs and of text 004's twelve backbones; none where nothing was measured."""
    found = read_timings(path)
    if not found.machine:
        return []
    machine = ", ".join(f"{key} {value}" for key, value in found.machine.items())
    text = (
        f"Measured one after another on one machine ({machine}); compare rows with each other only. Milliseconds per "
        "image in batches of 1 / 32, float32 except in the last column.",
    )
    printed = {backbone.architecture: backbone for backbone in BACKBONES.values()}
    rungs = tuple(
        (name, *_list_cells(timing), _format_tops(printed.get(timing.architecture)))
        for name, timing in found.rungs.items()
    )
    backbones = tuple(
        (
            f"{name} ({timing.architecture})",
            *_list_cells(timing),
            _format_tops(BACKBONES[name]),
            str(BACKBONES[name].depth or ""),
            f"{BACKBONES[name].cpu_ms}",
        )
        for name, timing in found.backbones.items()
    )
    tops = "ImageNet top-1 / top-5 (text 004)"
    extra = (tops, "depth (text 004)", "CPU ms (text 004, its machine)")
    return [
        Section("Size and speed of the rungs", text, header=(*_HEADER, tops), rows=rungs),
        Section("Text 004's twelve backbones", text, header=(*_HEADER, *extra), rows=backbones),
    ]


def _format_tops(backbone: Backbone | None) -> str:
    return "" if backbone is None else f"{format_share(backbone.top1)} / {format_share(backbone.top5)}"


def _list_cells(timing: Timing) -> tuple[str, ...]:
    return (
        f"{timing.height_px}x{timing.width_px}",
        f"{timing.parameters:,}",
        f"{timing.megabytes} / {timing.megabytes_int8}",
        str(timing.weighted_layers),
        f"{timing.torch_ms_1:.2f} / {timing.torch_ms_32:.2f}",
        f"{timing.onnx_ms_1:.2f} / {timing.onnx_ms_32:.2f}",
        f"{timing.int8_ms_1:.2f} / {timing.int8_ms_32:.2f}",
    )
