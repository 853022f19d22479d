"""Small pictures and datasets that are made on the spot."""

import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from leukolens.core.pixels import Pixels
from leukolens.datasets.manifest import Manifest, Record


@pytest.fixture
def class_folders(tmp_path: Path, picture: Callable[..., Pixels]) -> Callable[[dict[str, int]], Path]:
    """Writes a folder of PNG pictures for each class and number, and gives their root."""

    def write(counts: dict[str, int]) -> Path:
        root = tmp_path / "cells"
        for number, (label, count) in enumerate(counts.items()):
            (root / label).mkdir(parents=True)
            for index in range(count):
                Image.fromarray(picture(1000 * number + index)).save(root / label / f"{label}_{index}.png")
        return root

    return write


@pytest.fixture
def make_manifest() -> Callable[[dict[str, int], int], Manifest]:
    """A dataset without pictures: so many images of each class, in groups of so many."""

    def make(counts: dict[str, int], per_group: int) -> Manifest:
        records = [
            Record(f"{label}_{index}", f"{label}_{index}.png", label, label, "made", f"{label}/{index // per_group}")
            for label, count in counts.items()
            for index in range(count)
        ]
        return Manifest("made", tuple(records))

    return make


@pytest.fixture(params=["folder", "zip"])
def plant(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[dict[str, str | bytes]], Path]:
    """Writes files, by their paths, into a folder or a zip, and gives its root; each test runs with both."""

    def write(tree: dict[str, str | bytes]) -> Path:
        data = {name: content.encode() if isinstance(content, str) else content for name, content in tree.items()}
        if request.param == "zip":
            with zipfile.ZipFile(tmp_path / "given.zip", "w") as archive:
                for name, content in data.items():
                    archive.writestr(name, content)
            return tmp_path / "given.zip"
        for name, content in data.items():
            path = tmp_path / "given" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        return tmp_path / "given"

    return write
