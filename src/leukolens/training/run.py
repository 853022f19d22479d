"""Train, export and evaluate, for every task: the functions behind the commands of these names.

Each finds out the task from the recipe, the run or the card, and leaves to it what differs (`training.task`).
Evaluating a bundle needs no torch.
"""

from collections.abc import Sequence
from dataclasses import replace
from fnmatch import fnmatch
from pathlib import Path

from msgspec import structs

from leukolens.core.card import Card, write_card
from leukolens.core.errors import DataError, TrainingError, UsageError
from leukolens.core.files import read_rows, show_name, write_text
from leukolens.core.folders import build_folder, hold_folder
from leukolens.core.runs import FinishedRun, RunFolder, name_site_split, open_run, write_environment
from leukolens.datasets.manifest import PARTS, Manifest
from leukolens.datasets.registry import open_dataset
from leukolens.datasets.splits import Split, read_split, write_split
from leukolens.inference.bundles import Bundle, load_bundle
from leukolens.training.recipe import Recipe, format_recipe, read_recipe, read_recipe_task
from leukolens.training.task import Contents, Evaluation, Export, Question, Reporter, Training, TrainingData, find_task

_SILENT = Reporter()

_UNREADABLE_SHARE = 0.05
"""A training is refused where more of its pictures cannot be read."""

_REASONS_SHOWN = 3

_BUNDLE_FILES = ("model.onnx", "card.json", "split.json", "background.png", "head.npy")


def load_recipe(path: str | Path, overrides: Sequence[str] = ()) -> Recipe:
    """A recipe of any task, with `group.key=value` overrides applied.

    Raises:
        UsageError: the file does not read, a key is unknown or missing, or a value is of the wrong kind or out of
            range.
    """
    place = Path(path)
    return read_recipe(place, find_task(read_recipe_task(place)).recipe, overrides)


def train(
    recipe: Recipe | str | Path,
    data: str | Manifest,
    *,
    out: str | Path,
    split: str | Path | Split | None = None,
    resume: bool = False,
    search: int = 0,
    reporter: Reporter = _SILENT,
) -> RunFolder:
    """Trains a model, or goes on with an interrupted training.

    Args:
        recipe: A recipe, or its TOML file.
        data: Name of the dataset, or its manifest. A recipe that names several datasets takes the first one here.
        out: The run folder to write.
        split: A split or its file; None for the dataset's own split, or a drawn one.
        resume: Whether to go on from the last finished epoch in `out`.
        search: Number of recipes around this one to try on validation first; the best is trained. 0 for none.
        reporter: Called with the progress.

    Raises:
        UsageError: the recipe cannot be read, or does not fit data, split or search.
        DataError: the dataset was not added, the split does not fit it, or a part is empty.
        TrainingError: the first weights are missing, there is nothing to resume, or another process trains in `out`.
    """
    import lightning

    from leukolens.training.claim import claim_run, clear_run
    from leukolens.training.trainer import Fit, find_checkpoint, fit_module, hold_memory, keep_best

    chosen = recipe if isinstance(recipe, Recipe) else load_recipe(recipe)
    run = RunFolder(Path(out))
    task = find_task(chosen.task)
    checkpoint = find_checkpoint(run, resume)
    with claim_run(run):
        source = task.open_data(chosen, data, Path(split) if isinstance(split, str) else split)
        _check_source(source, run, resume, reporter)
        if search:
            chosen = task.search(chosen, source, run, search, reporter)
        hold_memory()
        lightning.seed_everything(chosen.seed, verbose=False)
        training = task.prepare(chosen, source, reporter)
        _check_pictures(training.contents, reporter)
        if not resume:
            clear_run(run)
        write_text(run.recipe, format_recipe(chosen))
        write_split(run.split, source.split)
        training.write_inputs(run)
        fit = Fit(chosen, run, training.columns, training.chosen_by, checkpoint)
        fit_module(training.module, *training.load_batches(), fit)
        best_epoch = keep_best(training.module, training.network, run)
        record = _describe(chosen, source, training, run, resume, best_epoch)
        write_environment(run, training.finish(run, record))
    return run


def export(
    run: str | Path | RunFolder,
    *,
    out: str | Path,
    images: int = 256,
    int8: bool = False,
    force: bool = False,
    reporter: Reporter = _SILENT,
) -> Export:
    """Writes the bundle of a finished run, and proves on validation images that both agree.

    Args:
        run: The run or its folder.
        out: The bundle's folder; its name is the bundle's name.
        images: Number of validation images to compare on.
        int8: Whether to write the model in 8-bit integers: smaller and faster, its thresholds fitted again.
        force: Whether to replace a bundle. The old one stays until the new one is whole.
        reporter: Called with the progress.

    Raises:
        DataError: there is no run, or its dataset was not added.
        TrainingError: the run is not finished, or the bundle does not agree with it.
        UsageError: the task has no models in 8-bit integers, `out` is not empty, or another process writes it.
    """
    folder = run if isinstance(run, RunFolder) else open_run(Path(run))
    task, out = find_task(read_recipe_task(folder.recipe)), Path(out)
    with hold_folder(out, force), build_folder(out, _is_of_bundle) as staging:
        done = task.export(folder, staging, images, int8, reporter)
        card = structs.replace(done.card, name=show_name(out.resolve().name))
        write_card(staging, card)
    return replace(done, folder=out, card=card)


def _is_of_bundle(name: str) -> bool:
    """Whether a file of this name in a bundle's folder was written by an export."""
    return name in _BUNDLE_FILES or fnmatch(name, name_site_split("*"))


def evaluate(
    model: str | Path | Bundle[Card],
    data: str | Manifest,
    *,
    out: str | Path,
    part: str | None = None,
    whole: bool = False,
    truth: str | None = None,
    reporter: Reporter = _SILENT,
) -> Evaluation:
    """Measures a model on a dataset, and writes figures and a report.

    Args:
        model: A run's folder, a bundle, or its name or folder.
        data: Name of the dataset, or its manifest.
        out: Folder for `metrics.json`, `predictions.csv`, figures and `report.html`.
        part: `train`, `validation`, `test` or `all`; None for the test part of the split that the model was trained on,
            or for all of a dataset that it was not trained on.
        whole: Whether a classifier gets each photograph as it is, without a detector.
        truth: For a detector: which ground truth leads the report, `raw` or `relabelled`; None for relabelled if there
            is one.
        reporter: Called with the progress and with notes.

    Raises:
        UsageError: there is no such part, the dataset has nothing to measure on, or an option is for another task.
        BundleError: there is no such bundle, or its card and files do not hold together.
        DataError: the dataset was not added.
    """
    if part not in (None, *PARTS, "all"):
        raise UsageError(
            f"Evaluation takes a part of the split: {', '.join(PARTS)} or all. Received {show_name(str(part))!r}. "
            "A split file is for `leukolens train --split`; the bundle keeps the one that it was trained on."
        )
    manifest = open_dataset(data) if isinstance(data, str) else data
    question = Question(manifest, Path(out), part, whole, truth, reporter)
    run = None if isinstance(model, Bundle) else RunFolder(Path(model))
    if run is not None and run.recipe.is_file():
        return find_task(read_recipe_task(run.recipe)).evaluate_run(run, question)
    bundle = load_bundle(model, None)
    return find_task(bundle.card.task).evaluate_bundle(bundle, question)


def evaluate_predictions(
    path: str | Path, data: str | Manifest | None = None, *, out: str | Path, part: str = ""
) -> Evaluation:
    """Measures a classifier's predictions that stand in a file with a column `truth`.

    Args:
        path: The file.
        data: The dataset that they are on, for the pictures of the report; None for a report without pictures.
        out: Folder for figures and report.
        part: What the predictions are on, in words.

    Raises:
        DataError: the file cannot be read, or the dataset was not added.
    """
    from leukolens.training.classification.evaluate import evaluate_file

    return evaluate_file(Path(path), open_dataset(data) if isinstance(data, str) else data, Path(out), part)


def _check_source(source: TrainingData, run: RunFolder, resume: bool, reporter: Reporter) -> None:
    """Tells what is odd about the split.

    Raises:
        TrainingError: an interrupted training would go on with another split.
    """
    split = source.split
    if resume and run.split.is_file() and read_split(run.split).hash != split.hash:
        raise TrainingError(
            f"{show_name(str(run.path))} was begun with another split than the one that was given: the model would be "
            "tested on images that it was trained on. Give the split of the run, or another --out without --resume."
        )
    if split.dataset != source.whole.name:
        reporter.tell(
            f"note: this split was made of {show_name(split.dataset)}, not of {show_name(source.whole.name)}."
        )
    elif split.dataset_hash != source.whole.hash:
        reporter.tell(f"note: {show_name(source.whole.name)} here is not the same version that the split was made of.")
    if split.leaky:
        reporter.tell(f"This split leaks: {split.why_leaky}")


def _check_pictures(contents: Contents, reporter: Reporter) -> None:
    """Tells which pictures could not be read.

    Raises:
        DataError: they are more than a small share.
    """
    refused = contents.refused
    if not refused:
        return
    total = len(refused) + sum(contents.images.values()) + sum(contents.sites.values())
    first = "; ".join(f"{show_name(refusal.image)}: {refusal.why}" for refusal in refused[:_REASONS_SHOWN])
    words = f"{len(refused)} of {total} pictures cannot be read. The first: {first}"
    if len(refused) > _UNREADABLE_SHARE * total:
        raise DataError(
            f"{words}. At most {_UNREADABLE_SHARE:.0%} may be missing, since the rest need not be like the whole. Repair "
            "them, or add the dataset again without them."
        )
    reporter.tell(f"{words}. They are left out; environment.json names all.")


def _describe(
    recipe: Recipe, source: TrainingData, training: Training, run: RunFolder, resumed: bool, best_epoch: int
) -> FinishedRun:
    """What a reader needs to trust or to repeat the run; the task adds the rest."""
    from leukolens.training.trainer import describe_machine

    history, machine, contents = read_rows(run.history), describe_machine(), training.contents
    return FinishedRun(
        recipe=recipe.name,
        architecture=training.architecture,
        parameters=sum(weight.numel() for weight in training.network.parameters()),
        weights_origin=training.weights_origin,
        seed=recipe.seed,
        data=source.whole.name,
        detector=contents.detector,
        data_hash=source.whole.hash,
        split_hash=source.split.hash,
        split=f"{source.split.kind}, seed {source.split.seed}",
        leaky=source.split.leaky,
        why_leaky=source.split.why_leaky,
        images=dict(contents.images),
        synthetic_images=contents.synthetic_images,
        sites=dict(contents.sites),
        refused=tuple(f"{show_name(refusal.image)}: {refusal.why}" for refusal in contents.refused),
        epochs=recipe.epochs,
        epochs_done=len(history),
        best_epoch=best_epoch,
        training_seconds=round(sum(float(row["seconds"]) for row in history), 1),
        resumed=resumed,
        device=machine.device,
        precision=machine.precision,
        versions=machine.versions,
        python=machine.python,
        commit=machine.commit,
    )
