"""Small pictures and datasets that are made on the spot."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from leukolens.core.pixels import Pixels
from leukolens.data.manifest import Manifest, Record


def draw(seed: int, height: int = 48, width: int = 64) -> Pixels:
    """A smooth picture of its own, so that no two seeds look alike and lossy formats change it little."""
    coarse = np.random.default_rng(seed).integers(0, 256, (6, 8, 3), dtype=np.uint8)
    return np.asarray(Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC))


@pytest.fixture
def picture() -> Callable[..., Pixels]:
    return draw


@pytest.fixture
def class_folders(tmp_path: Path) -> Callable[[dict[str, int]], Path]:
    """Writes a folder of PNG pictures for each class and number, and gives their root."""

    def write(counts: dict[str, int]) -> Path:
        root = tmp_path / "cells"
        for number, (label, count) in enumerate(counts.items()):
            (root / label).mkdir(parents=True)
            for index in range(count):
                Image.fromarray(draw(1000 * number + index)).save(root / label / f"{label}_{index}.png")
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
