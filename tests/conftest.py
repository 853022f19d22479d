"""What every test may rely on: no network, a home of its own, real data where the environment points."""

import importlib.util
import os
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import settings
from PIL import Image

from leukolens.core.pixels import Pixels

# Examples are bounded and deadlines off: a time is measured in bench/, never asserted in a test.
settings.register_profile("leukolens", max_examples=40, deadline=None, derandomize=True)
settings.load_profile("leukolens")


@pytest.fixture(autouse=True)
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    connect = socket.socket.connect

    def only_loopback(self: socket.socket, address: Any) -> None:
        if isinstance(address, tuple) and not str(address[0]).startswith(("127.", "localhost", "::1")):
            raise AssertionError(f"a test tried to reach {address}")
        connect(self, address)

    monkeypatch.setattr(socket.socket, "connect", only_loopback)


@pytest.fixture(autouse=True)
def home(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path_factory.mktemp("home")
    monkeypatch.setenv("LEUKOLENS_HOME", str(folder))
    return folder


def draw(seed: int, height: int = 48, width: int = 64) -> Pixels:
    """A smooth picture of its own, so that no two seeds look alike and lossy formats change it little."""
    coarse = np.random.default_rng(seed).integers(0, 256, (6, 8, 3), dtype=np.uint8)
    return np.asarray(Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC))


@pytest.fixture
def picture() -> Callable[..., Pixels]:
    return draw


def _folder(variable: str, what: str) -> Path:
    value = os.environ.get(variable)
    if not value or not Path(value).is_dir():
        pytest.skip(f"real data: {variable} points to no folder of {what}")
    return Path(value)


@pytest.fixture
def real_data() -> Path:
    return _folder("LEUKOLENS_DATA", "datasets as zips")


@pytest.fixture
def real_weights(monkeypatch: pytest.MonkeyPatch) -> Path:
    return _folder("LEUKOLENS_WEIGHTS", "pretrained weights")


def pytest_terminal_summary(terminalreporter: Any) -> None:
    skipped = [item for item in terminalreporter.stats.get("skipped", []) if "real data" in str(item.longrepr)]
    if skipped:
        terminalreporter.write_line(
            f"{len(skipped)} tests on real data did not run: set LEUKOLENS_DATA and LEUKOLENS_WEIGHTS to run them."
        )


@pytest.fixture
def toy_bundle(tmp_path: Path) -> Path:
    """Red is eosinophil, blue basophil, green lymphocyte."""
    return load_test_module("toy_bundle").make_bundle(tmp_path / "toy")


def load_test_module(name: str) -> Any:
    """A module beside this file; tests are imported by path, so the folder is no package."""
    spec = importlib.util.spec_from_file_location(name, Path(__file__).parent / f"{name}.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def toy() -> Any:
    """The module `toy_bundle`."""
    return load_test_module("toy_bundle")


@pytest.fixture
def toy_finder() -> Any:
    """The module `toy_detector`."""
    return load_test_module("toy_detector")


@pytest.fixture
def toy_detector(toy_finder: Any, tmp_path: Path) -> Path:
    """A detector's bundle that finds cyan leukocytes, magenta red cells and yellow platelets on white."""
    return toy_finder.make_bundle(tmp_path / "toy-detector")


@pytest.fixture(scope="session")
def fake_smear() -> Any:
    """The module `fake_smear`."""
    return load_test_module("fake_smear")


@pytest.fixture
def leukolens() -> Callable[..., int]:
    """The command in this process, by the words a user types; gives its exit code."""
    import click

    from leukolens.cli.main import group

    def run(*words: object) -> int:
        try:
            code = group.main([str(word) for word in words], prog_name="leukolens", standalone_mode=False)
        except click.exceptions.Exit as end:
            code = end.exit_code
        return code if isinstance(code, int) else 0

    return run
