"""Ctrl-C and a request to end: within five seconds, with one sentence, the right code and no leftovers."""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")

SLOW = "rounds=[{epochs=1000,learning_rate=1e-3}]"


def wait_for(ready: Callable[[], bool], process: "subprocess.Popen[str]") -> None:
    end = time.monotonic() + 90
    while not ready():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < end
        time.sleep(0.05)


def stop(words: list[str], ready: Callable[[], bool], number: signal.Signals, home: Path) -> str:
    """What the command said on stderr; it must have ended in time and with the right code."""
    process = subprocess.Popen(
        [sys.executable, "-m", "leukolens", *words],
        cwd=ROOT,
        env={**os.environ, "LEUKOLENS_HOME": str(home)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    wait_for(lambda: hears(process.pid), process)
    wait_for(ready, process)
    process.send_signal(number)
    began = time.monotonic()
    _, said = process.communicate(timeout=30)
    assert time.monotonic() - began < 5
    assert process.returncode == 128 + number
    assert said.endswith("Stopped. No half-written file was left.\n") and "Traceback" not in said
    return said


def hears(process: int) -> bool:
    """Whether a process catches SIGTERM, as Python alone does not: a start under load takes its time."""
    (caught,) = re.findall(r"SigCgt:\t(\w+)", Path(f"/proc/{process}/status").read_text())
    return bool(int(caught, 16) >> (signal.SIGTERM - 1) & 1)


def later(seconds: float) -> Callable[[], bool]:
    began: list[float] = []

    def is_over() -> bool:
        began.append(time.monotonic())
        return began[-1] - began[0] >= seconds

    return is_over


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("command", ["train", "ladder"])
def test_a_training_in_mid_epoch(command: str, number: signal.Signals, tmp_path: Path) -> None:
    out, home = tmp_path / "run", tmp_path / "home"
    words = {
        "train": f"train recipes/ladder/conv-batchnorm.toml --data synth --out {out} --set {SLOW}",
        "ladder": f"ladder run conv1 --data synth --out {out}",
    }[command].split()
    where = out if command == "train" else home / "ladder" / "conv1" / "synth"
    stop(words, lambda: (where / "history.csv").is_file(), number, home)
    assert not (where / "environment.json").exists()
    assert [path for path in tmp_path.rglob(".*") if path.name.startswith((".unfinished", ".training"))] == []


@pytest.mark.parametrize("after_s", [0.0, 0.1, 0.4, 1.0, 2.5])
def test_a_training_that_has_just_begun(after_s: float, tmp_path: Path) -> None:
    words = f"train recipes/ladder/conv-batchnorm.toml --data synth --out {tmp_path / 'run'}".split()
    stop(words, later(after_s), signal.SIGINT, tmp_path / "home")
    assert not (tmp_path / "run").exists()


def test_classify_of_large_pictures(tmp_path: Path) -> None:
    large = np.random.default_rng(0).integers(0, 256, (3000, 4000, 3), np.uint8)
    (tmp_path / "in").mkdir()
    Image.fromarray(large).save(tmp_path / "in" / "0.png", compress_level=1)
    for number in range(1, 12):
        os.link(tmp_path / "in" / "0.png", tmp_path / "in" / f"{number}.png")
    words = ["classify", str(tmp_path / "in"), "--out", str(tmp_path / "out" / "predictions.csv")]
    stop(words, later(4.0), signal.SIGINT, tmp_path / "home")
    assert not (tmp_path / "out").exists() or list((tmp_path / "out").iterdir()) == []
