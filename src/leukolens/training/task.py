"""What a task must be able to do, so that one `train`, one `export` and one `evaluate` serve all tasks.

To add a task: a word in `core.tasks`, a folder here with a subclass of `TrainingTask`, and a row in `TASKS`.
This module loads no torch; a task's verbs import what they need when they are called.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from leukolens.core.card import Card
from leukolens.core.errors import UsageError
from leukolens.core.results import Refusal
from leukolens.core.runs import FinishedRun, RunFolder
from leukolens.core.tasks import Task
from leukolens.datasets.manifest import Manifest
from leukolens.datasets.splits import Split
from leukolens.inference.bundles import Bundle
from leukolens.training.recipe import Recipe

if TYPE_CHECKING:
    import lightning
    from torch import nn
    from torch.utils.data import DataLoader

Progress = Callable[[str, int, int], None]
"""Called with what is being prepared, how many are done and how many there are."""


@dataclass(frozen=True)
class Reporter:
    """Where a long verb reports.

    Attributes:
        progress: Called after each image.
        tell: Called with a line for people.
    """

    progress: Progress = lambda what, done, total: None
    tell: Callable[[str], None] = lambda line: None


@dataclass(frozen=True)
class TrainingData:
    """The data of a training.

    Attributes:
        manifests: The datasets; the first is the one that the user named.
        whole: All of them as one.
        split: The parts of it.
    """

    manifests: tuple[Manifest, ...]
    whole: Manifest
    split: Split


@dataclass(frozen=True)
class Contents:
    """What was gathered for a training, for the record.

    Attributes:
        images: Photographs by part of the split.
        synthetic_images: Drawn images among those that are trained on.
        refused: Photographs that could not be read.
        sites: Cells of other sites that are trained on too, by dataset.
        detector: Name of the detector that found the cells; empty where none was used.
    """

    images: Mapping[str, int]
    synthetic_images: int
    refused: Sequence[Refusal]
    sites: Mapping[str, int] = field(default_factory=dict)
    detector: str = ""


class Training(ABC):
    """A recipe with its data and its network, ready to be fitted.

    Attributes:
        module: The Lightning module: network, loss and augmentation.
        network: Its network.
        architecture: Its name in the catalogue of models.
        weights_origin: Where the first weights came from, in words.
        contents: What was gathered.
        columns: Of `history.csv`: the epoch, what the module logs, the rate and the seconds.
        chosen_by: The logged value whose highest decides which epoch is kept.
    """

    module: "lightning.LightningModule"
    network: "nn.Module"
    architecture: str
    weights_origin: str
    contents: Contents
    columns: tuple[str, ...]
    chosen_by: str

    @abstractmethod
    def load_batches(self) -> "tuple[DataLoader[Any], DataLoader[Any]]":
        """Batches of the training part and of the validation part."""

    @abstractmethod
    def write_inputs(self, run: RunFolder) -> None:
        """Writes what the run keeps of its data beside recipe and split."""

    @abstractmethod
    def finish(self, run: RunFolder, record: FinishedRun) -> FinishedRun:
        """Chooses thresholds on validation, writes predictions and curves; the task's whole record of the run."""


@dataclass(frozen=True)
class Export:
    """What was exported.

    Attributes:
        folder: The bundle.
        card: Its card.
        parity: How closely the bundle agrees with the run, in words.
    """

    folder: Path
    card: Card
    parity: str


@dataclass(frozen=True)
class Evaluation:
    """What an evaluation wrote.

    Attributes:
        report: The page.
        lines: The main figures, for people.
        refused: Photographs that could not be read.
        why_leaky: How the split leaks; empty where it does not.
    """

    report: Path
    lines: tuple[str, ...]
    refused: tuple[Refusal, ...]
    why_leaky: str


@dataclass(frozen=True)
class Question:
    """What a model is to be evaluated on, and how.

    Attributes:
        data: The dataset.
        out: Folder for figures and report.
        part: Part of the split; None for the default.
        whole: Whether a classifier gets each photograph as it is, without a detector.
        truth: Which ground truth leads the report of a detector; None for the default.
        reporter: Progress and notes.
    """

    data: Manifest
    out: Path
    part: str | None = None
    whole: bool = False
    truth: str | None = None
    reporter: Reporter = field(default_factory=Reporter)


class TrainingTask(ABC):
    """One task: what differs between a classifier and a detector when models are trained, exported and evaluated."""

    task: Task
    recipe: type[Recipe]

    @abstractmethod
    def open_data(self, recipe: Recipe, data: str | Manifest, split: Path | Split | None) -> TrainingData:
        """The datasets of a recipe, and their split: the given one, or the task's own where None is given.

        Raises:
            UsageError: the recipe is for other data, or the task takes no split.
            DataError: a dataset was not added.
        """

    def search(self, recipe: Recipe, source: TrainingData, run: RunFolder, trials: int, reporter: Reporter) -> Recipe:
        """The best of some recipes around the given one, tried on validation.

        Raises:
            UsageError: there is no search for this task.
        """
        raise UsageError(f"There is no search for the recipe of a {self.task.model}. Leave --search out.")

    @abstractmethod
    def prepare(self, recipe: Recipe, source: TrainingData, reporter: Reporter) -> Training:
        """Gathers the data and builds network and loss.

        Raises:
            DataError: the split does not fit the data, or a part is empty.
            TrainingError: the first weights are missing.
        """

    @abstractmethod
    def load_network(self, run: RunFolder) -> "nn.Module":
        """The trained network of a finished run in float32, in evaluation mode.

        Raises:
            TrainingError: the run is not finished, or its network was built otherwise then.
        """

    @abstractmethod
    def export(self, run: RunFolder, out: Path, images: int, int8: bool, reporter: Reporter) -> Export:
        """Writes a bundle, and proves on validation images that it agrees with the run.

        Raises:
            TrainingError: the run is not finished, or the bundle does not agree with it.
            UsageError: the task has no models in 8-bit integers.
        """

    @abstractmethod
    def evaluate_run(self, run: RunFolder, question: Question) -> Evaluation:
        """Evaluates the predictions that a run left.

        Raises:
            UsageError: runs of this task leave none.
        """

    @abstractmethod
    def evaluate_bundle(self, bundle: Bundle[Card], question: Question) -> Evaluation:
        """Evaluates a bundle.

        Raises:
            UsageError: the dataset has nothing to evaluate on, or an option is for another task.
        """


_CLASSES = {
    Task.CLASSIFICATION: ("leukolens.training.classification.task", "ClassificationTask"),
    Task.DETECTION: ("leukolens.training.detection.task", "DetectionTask"),
}
"""The class of each task, by module and name. A module is loaded when its task is needed."""


def find_task(task: Task) -> TrainingTask:
    """The implementation of a task."""
    module, name = _CLASSES[task]
    found: TrainingTask = getattr(import_module(module), name)()
    return found
