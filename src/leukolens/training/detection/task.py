"""Detection: how a detector is trained, exported and evaluated."""

from pathlib import Path
from typing import TYPE_CHECKING

from leukolens.core.card import Card, DetectorCard
from leukolens.core.errors import UsageError
from leukolens.core.files import show_name
from leukolens.core.runs import RunFolder
from leukolens.core.tasks import Task
from leukolens.datasets.field_splits import join_datasets, split_fields
from leukolens.datasets.manifest import Manifest
from leukolens.datasets.registry import open_dataset
from leukolens.datasets.splits import Split
from leukolens.inference.bundles import Bundle
from leukolens.training.detection.recipe import DetectionRecipe
from leukolens.training.recipe import Recipe
from leukolens.training.task import Evaluation, Export, Question, Reporter, Training, TrainingData, TrainingTask

if TYPE_CHECKING:
    from torch import nn


class DetectionTask(TrainingTask):
    """A detector of leukocytes, red cells and platelets, trained on fields with boxes."""

    task = Task.DETECTION
    recipe = DetectionRecipe

    def open_data(self, recipe: Recipe, data: str | Manifest, split: Path | Split | None) -> TrainingData:
        """The datasets of the recipe, with a split that is the same for every recipe.

        A second recipe may not be trained on fields that the first one was chosen on.
        """
        assert isinstance(recipe, DetectionRecipe)
        if split is not None:
            raise UsageError("A detector's split is drawn from the datasets of its recipe. Leave --split out.")
        names = [part.data for part in recipe.data.fields]
        name = data if isinstance(data, str) else data.name
        if name != names[0]:
            raise UsageError(
                f"This recipe trains on {', '.join(names)}: --data takes the first of them, received {show_name(name)!r}."
            )
        first = open_dataset(data) if isinstance(data, str) else data
        manifests = (first, *(open_dataset(name) for name in names[1:]))
        return TrainingData(manifests, join_datasets(manifests), split_fields(manifests))

    def prepare(self, recipe: Recipe, source: TrainingData, reporter: Reporter) -> Training:
        """Loads the fields, builds the network and its losses."""
        from leukolens.training.detection.training import DetectorTraining

        assert isinstance(recipe, DetectionRecipe)
        return DetectorTraining(recipe, source, reporter)

    def load_network(self, run: RunFolder) -> "nn.Module":
        """The trained network of a finished run."""
        from leukolens.training.detection.export import load_run

        return load_run(run)[0]

    def export(self, run: RunFolder, out: Path, images: int, int8: bool, reporter: Reporter) -> Export:
        """Writes the bundle, trains its smudge head, and compares its output on validation fields with the run's."""
        from leukolens.training.detection.export import export_run

        if int8:
            raise UsageError("Detectors are not exported in 8-bit integers. Leave --int8 out.")
        return export_run(run, out, images, reporter)

    def evaluate_run(self, run: RunFolder, question: Question) -> Evaluation:
        """Refuses: a detector's thresholds and boxes are those of its bundle."""
        folder = show_name(str(run.path))
        raise UsageError(
            f"{folder} is the run of a detector, which leaves no predictions. Export it with `leukolens export {folder} "
            "--out BUNDLE`, then evaluate BUNDLE."
        )

    def evaluate_bundle(self, bundle: Bundle[Card], question: Question) -> Evaluation:
        """Average precision and counts against the boxes of the dataset."""
        from leukolens.training.detection.evaluate import evaluate_bundle

        assert isinstance(bundle.card, DetectorCard)
        if question.whole:
            raise UsageError("--whole is for classifiers; a detector always gets the whole field.")
        return evaluate_bundle(Bundle(bundle.folder, bundle.card), question)
