"""Classification: how a classifier is trained, exported and evaluated."""

from pathlib import Path
from typing import TYPE_CHECKING

from leukolens.core.card import Card, ClassifierCard
from leukolens.core.errors import UsageError
from leukolens.core.runs import RunFolder
from leukolens.core.tasks import Task
from leukolens.datasets.manifest import Manifest
from leukolens.datasets.registry import open_dataset
from leukolens.datasets.splits import Split, make_split, read_split
from leukolens.inference.bundles import Bundle
from leukolens.training.classification.recipe import ClassificationRecipe
from leukolens.training.recipe import Recipe
from leukolens.training.task import Evaluation, Export, Question, Reporter, Training, TrainingData, TrainingTask

if TYPE_CHECKING:
    from torch import nn

_PROVIDED = (0.8, 0.2, 0.0)
_GROUPED = (0.64, 0.16, 0.20)
"""Shares of training, validation and test; a provided split has its own test part."""


class ClassificationTask(TrainingTask):
    """A classifier of leukocytes, trained on photographs with labels or on labelled cells of fields."""

    task = Task.CLASSIFICATION
    recipe = ClassificationRecipe

    def open_data(self, recipe: Recipe, data: str | Manifest, split: Path | Split | None) -> TrainingData:
        """The labelled cells of a dataset, and their split: the given one, the provided one, or a grouped one."""
        manifest = (open_dataset(data).cells() if isinstance(data, str) else data).labelled()
        if isinstance(split, Path):
            split = read_split(split)
        if split is None:
            provided = any(record.part for record in manifest.records)
            kind, shares = ("provided", _PROVIDED) if provided else ("grouped", _GROUPED)
            split = make_split(manifest, kind, shares, recipe.seed)
        return TrainingData((manifest,), manifest, split)

    def search(self, recipe: Recipe, source: TrainingData, run: RunFolder, trials: int, reporter: Reporter) -> Recipe:
        """The best of some recipes by balanced accuracy on validation."""
        from leukolens.training.classification.search import search_recipe

        assert isinstance(recipe, ClassificationRecipe)
        best = search_recipe(recipe, source, run.path, trials, reporter)
        reporter.tell(f"{run.path / 'search.csv'}: {trials} recipes tried; the best is trained now.")
        return best

    def prepare(self, recipe: Recipe, source: TrainingData, reporter: Reporter) -> Training:
        """Decodes and crops the cells, builds the network and its loss."""
        from leukolens.training.classification.training import ClassifierTraining

        assert isinstance(recipe, ClassificationRecipe)
        return ClassifierTraining(recipe, source, reporter)

    def load_network(self, run: RunFolder) -> "nn.Module":
        """The trained network of a finished run."""
        from leukolens.training.classification.export import load_run

        return load_run(run).network

    def export(self, run: RunFolder, out: Path, images: int, int8: bool, reporter: Reporter) -> Export:
        """Writes the bundle, and compares its classes and probabilities with the run's."""
        from leukolens.training.classification.export import export_run

        return export_run(run, out, images, int8, reporter)

    def evaluate_run(self, run: RunFolder, question: Question) -> Evaluation:
        """Accuracy, calibration and errors of the predictions that the run left."""
        from leukolens.training.classification.evaluate import evaluate_run

        _refuse_truth(question)
        return evaluate_run(run, question)

    def evaluate_bundle(self, bundle: Bundle[Card], question: Question) -> Evaluation:
        """Accuracy, calibration and errors of predictions that are made now."""
        from leukolens.training.classification.evaluate import evaluate_bundle

        _refuse_truth(question)
        assert isinstance(bundle.card, ClassifierCard)
        return evaluate_bundle(Bundle(bundle.folder, bundle.card), question)


def _refuse_truth(question: Question) -> None:
    if question.truth is not None:
        raise UsageError("--truth is for detectors; this model is a classifier. Leave it out.")
