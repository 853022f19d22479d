"""A small folder of synthetic cells, and the shortest recipe that still is one."""

from pathlib import Path

import pytest

from leukolens.datasets.formats.class_folders import read_class_folders
from leukolens.datasets.manifest import Manifest
from leukolens.datasets.splits import Split, make_split
from leukolens.datasets.synthetic import write_cells
from leukolens.training.classification.recipe import ClassificationRecipe, ModelConfig, PreparationConfig
from leukolens.training.recipe import AugmentConfig, OptimiserConfig, RoundConfig


@pytest.fixture(scope="session")
def cells(tmp_path_factory: pytest.TempPathFactory) -> Manifest:
    folder = tmp_path_factory.mktemp("cells")
    write_cells(folder, 48, seed=3)
    manifest = read_class_folders(folder)
    kept = tuple(r for r in manifest.records if r.label in ("lymphocyte", "eosinophil", "platelet"))
    return Manifest("toy", kept)


@pytest.fixture(scope="session")
def split(cells: Manifest) -> Split:
    return make_split(cells, "grouped", (0.5, 0.25, 0.25))


@pytest.fixture
def config() -> ClassificationRecipe:
    return ClassificationRecipe(
        name="toy",
        model=ModelConfig("conv-batchnorm", weights="none", dropout=0.1),
        preparation=PreparationConfig(32, 32, crop_fraction=0.75),
        rounds=(RoundConfig(2, 1e-2, trainable="head"), RoundConfig(2, 3e-3, scale=0.75)),
        optimiser=OptimiserConfig(batch_size=4, average_decay=0.5),
        augment=AugmentConfig(
            flip=True, rotation_degrees=90, scale=1.2, stain=0.1, colour=0.2, blur_px=1, noise=0.02, jpeg=0.2
        ),
    )


@pytest.fixture
def short() -> ClassificationRecipe:
    return ClassificationRecipe(
        name="short",
        model=ModelConfig("conv-batchnorm", weights="none"),
        preparation=PreparationConfig(32, 32),
        rounds=(RoundConfig(1, 1e-2),),
        optimiser=OptimiserConfig(batch_size=4),
    )


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("LEUKOLENS_HOME", str(tmp_path / "home"))
    return tmp_path / "home"
