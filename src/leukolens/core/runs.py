"""A run: the folder that training writes, and the record of it that every later step reads."""

from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import msgspec

from leukolens.core.card import TrainingFacts
from leukolens.core.errors import DataError, TrainingError
from leukolens.core.files import show_name, write_text


@dataclass(frozen=True)
class RunFolder:
    """Names of the files of one run."""

    path: Path

    @property
    def recipe(self) -> Path:
        """The recipe with every value written out."""
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
        """The record of a finished run, see `FinishedRun`."""
        return self.path / "environment.json"

    @property
    def split(self) -> Path:
        """A copy of the split that the run was trained on."""
        return self.path / "split.json"

    def site_split(self, dataset: str) -> Path:
        """The split of another site that the run was trained on too."""
        return self.path / name_site_split(dataset)

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


class FinishedRun(TrainingFacts, frozen=True, kw_only=True, forbid_unknown_fields=False):
    """What `environment.json` says of a finished run, whatever its task; each task adds its own fields.

    Attributes:
        architecture: Name in the catalogue of models.
        parameters: Numbers of the network.
        weights_origin: Where the weights started from, in words.
        refused: Images that could not be read, and why.
        epochs_done: Epochs that were trained, fewer than `epochs` where a limit ended the training.
        resumed: Whether the training was interrupted and went on.
        precision: Of the calculation.
        python: Version of Python.
    """

    architecture: str
    parameters: int
    weights_origin: str
    refused: tuple[str, ...] = ()
    epochs_done: int
    resumed: bool
    precision: str
    python: str

    def training_facts(self) -> TrainingFacts:
        """What the card tells of the training."""
        return TrainingFacts(**{name: getattr(self, name) for name in TrainingFacts.__struct_fields__})


AnyRecord = TypeVar("AnyRecord", bound=FinishedRun)


def write_environment(run: RunFolder, record: FinishedRun) -> None:
    """Writes the record of a finished run; it comes last, so that a run with it is whole."""
    text = msgspec.json.format(msgspec.json.encode(record), indent=1)
    write_text(run.environment, text.decode("utf-8") + "\n")


def read_environment(run: RunFolder, kind: type[AnyRecord]) -> AnyRecord:
    """The record of a finished run.

    Args:
        run: The run.
        kind: The task's class of records, or `FinishedRun` for what all tasks share.

    Raises:
        TrainingError: the run is not finished, or was made by another version.
    """
    if not (run.weights.is_file() and run.environment.is_file()):
        raise TrainingError(
            f"{show_name(str(run.path))} is not a finished run: go on with `leukolens train ... --resume` first."
        )
    try:
        return msgspec.json.decode(run.environment.read_bytes(), type=kind)
    except (OSError, ValueError, RecursionError) as error:
        raise TrainingError(
            f"{show_name(str(run.environment))} is not the record of such a run: {error}. It was trained by another "
            "version of LeukoLens or for another task. Train it again."
        ) from error


def name_site_split(dataset: str) -> str:
    """The file name of another site's split, in a run and in a bundle."""
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
