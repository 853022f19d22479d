import functools
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from leukolens.ladder import timing
from leukolens.ladder.rungs import RUNGS
from leukolens.ladder.table import write_table
from leukolens.models.catalogue import find_model
from leukolens.models.shape import NetworkShape


@pytest.mark.filterwarnings("ignore")
def test_a_network_is_timed_three_ways_and_only_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    build = functools.partial(find_model("conv5").build, NetworkShape(4, 0.1, 32, 32))

    def one() -> Iterator[timing._Timed]:
        yield timing._Timed("rungs", "conv5", "conv5", build, 32, 32)

    monkeypatch.setattr(timing, "_list_networks", one)
    monkeypatch.setattr(timing, "_LEAST_SECONDS", 0.0)
    told: list[str] = []
    path = timing.time_everything(tmp_path / "ladder", told.append)
    row = json.loads(path.read_text())["rungs"]["conv5"]
    assert row["parameters"] == sum(weight.numel() for weight in build().parameters())
    assert row["weighted_layers"] == 5 + 3
    assert row["megabytes_int8"] < row["megabytes"] / 2
    times = [row[f"{kind}_ms_{batch}"] for kind in ("torch", "onnx", "int8") for batch in (1, 32)]
    assert all(value > 0 for value in times)
    timing.time_everything(tmp_path / "ladder", told.append)
    assert len(told) == 1
    write_table(tmp_path / "ladder")
    assert "| conv5 | 32x32 |" in (tmp_path / "ladder.md").read_text()


def test_every_rung_and_text_004s_twelve_are_named() -> None:
    found = [(network.kind, network.name) for network in timing._list_networks()]
    assert [name for kind, name in found if kind == "rungs"] == list(RUNGS)
    assert len([name for kind, name in found if kind == "backbones"]) == 12
