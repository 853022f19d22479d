"""The layout of a run folder: what training leaves behind and every later step finds there."""

from dataclasses import dataclass
from pathlib import Path

from leukolens.core.errors import DataError
from leukolens.core.files import show_name


@dataclass(frozen=True)
class RunFolder:
    """Names of the files of one training run."""

    path: Path

    @property
    def recipe(self) -> Path:
        """The resolved recipe."""
        return self.path / "recipe.toml"

    @property
    def history(self) -> Path:
        """One row per epoch."""
        return self.path / "history.csv"

    @property
    def curves(self) -> Path:
        """Accuracy and loss over the epochs."""
        return self.path / "curves.svg"

    @property
    def checkpoints(self) -> Path:
        """Folder of `last.ckpt` and `best.ckpt`."""
        return self.path / "checkpoints"

    @property
    def environment(self) -> Path:
        """Seed, data hash, versions, commit, device, where the weights came from."""
        return self.path / "environment.json"

    @property
    def split(self) -> Path:
        """A copy of the split the run was trained on."""
        return self.path / "split.json"

    def laboratory_split(self, dataset: str) -> Path:
        """The split of another laboratory that the run learned from too."""
        return self.path / name_laboratory_split(dataset)

    @property
    def weights(self) -> Path:
        """The chosen weights, as safetensors."""
        return self.path / "weights.safetensors"

    @property
    def background(self) -> Path:
        """Mean training image, where the recipe subtracts it."""
        return self.path / "background.png"

    def predictions(self, part: str) -> Path:
        """Predictions on one part of the split."""
        return self.path / f"predictions-{part}.csv"


def name_laboratory_split(dataset: str) -> str:
    """What the split of another laboratory is called, in a run and in a bundle."""
    return f"split-{dataset}.json"


def open_run(path: Path) -> RunFolder:
    """A finished or interrupted run.

    Raises:
        DataError: the folder holds no recipe.
    """
    run = RunFolder(path)
    if not run.recipe.is_file():
        raise DataError(
            f"{show_name(str(path))} is not a run: it holds no recipe.toml. Make one with `leukolens train`."
        )
    return run
