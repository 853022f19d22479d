"""Hyper-parameter search with Optuna: trials on validation alone, pruned, and resumable after a kill.

The study lives in `search.db` (SQLite) of the run folder, one row per trial in `search.csv`. The test part of the split
is never read here. Text 000 tuned by hand what is searched here; text 002 asks for a search.
"""

import dataclasses
import shutil
from pathlib import Path

import lightning
import optuna
from lightning.pytorch.callbacks import Callback
from msgspec import structs

from leukolens.core.files import write_rows
from leukolens.core.runs import RunFolder
from leukolens.training.classification.recipe import ClassificationRecipe
from leukolens.training.classification.training import ClassifierTraining
from leukolens.training.task import Reporter, TrainingData
from leukolens.training.trainer import Fit, fit_module, hold_memory

MEASURE = ClassifierTraining.chosen_by
_SHORT_SIDES = (0.5, 0.75, 1.0)  # of the recipe's image; the aspect stays
_STRIDE_PX = 8  # sides are kept to multiples of it


def search_recipe(
    recipe: ClassificationRecipe, source: TrainingData, out: Path, trials: int, reporter: Reporter
) -> ClassificationRecipe:
    """Tries recipes around the given one and returns the best; earlier trials in `out` count.

    Args:
        recipe: Where the search starts; its epochs are the most that a trial may take.
        source: The dataset; only training and validation of its split are used.
        out: The run folder.
        trials: How many there shall be in all, those of earlier calls included.
        reporter: Progress of the preparation.
    """
    out.mkdir(parents=True, exist_ok=True)
    parts = {part: source.split.parts[part] for part in ("train", "validation")}
    untested = dataclasses.replace(source, split=dataclasses.replace(source.split, parts=parts))
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(
        storage=f"sqlite:///{out / 'search.db'}",
        study_name="search",
        direction="maximize",
        load_if_exists=True,
        # Another seed after a kill: the same one would suggest the same recipes again.
        sampler=optuna.samplers.TPESampler(seed=recipe.seed + len(list((out / "search").glob("trial-*")))),
        pruner=optuna.pruners.MedianPruner(n_startup_trials=4, n_warmup_steps=2),
    )

    def objective(trial: optuna.Trial) -> float:
        callback = _Watch(trial)
        folder = RunFolder(out / "search" / f"trial-{trial.number}")
        rehearse(suggest_recipe(trial, recipe), untested, folder, callback, reporter)
        if callback.pruned:
            raise optuna.TrialPruned
        return callback.best

    # A trial that was killed half-way is not counted: another is tried.
    ended = (optuna.trial.TrialState.COMPLETE, optuna.trial.TrialState.PRUNED)
    left = trials - len(study.get_trials(deepcopy=False, states=ended))
    study.optimize(objective, n_trials=max(0, left), callbacks=[lambda study, trial: _tabulate(study, out)])
    return suggest_recipe(optuna.trial.FixedTrial(study.best_params), recipe)


def suggest_recipe(trial: optuna.trial.BaseTrial, recipe: ClassificationRecipe) -> ClassificationRecipe:
    """The recipe of a trial: rate, batch, optimiser, epochs, image size, dropout, L2; filters and kernel where open."""
    model, seen, optimiser = recipe.model, recipe.preparation, recipe.optimiser
    if model.filters:
        model = structs.replace(
            model,
            filters=trial.suggest_categorical("filters", (8, 16, 32)),
            kernel_px=trial.suggest_categorical("kernel_px", (3, 5)),
        )
    model = structs.replace(model, dropout=trial.suggest_float("dropout", 0.0, 0.6, step=0.1))
    share = trial.suggest_categorical("image_size", _SHORT_SIDES)
    height = round(seen.height_px * share / _STRIDE_PX) * _STRIDE_PX
    width = round(seen.width_px * share / _STRIDE_PX) * _STRIDE_PX
    optimiser = structs.replace(
        optimiser,
        method=trial.suggest_categorical("method", ("adam", "adamw", "sgd")),
        batch_size=trial.suggest_categorical("batch_size", (16, 32, 64)),
        weight_decay=trial.suggest_float("weight_decay", 1e-6, 1e-2, log=True),
    )
    rate = trial.suggest_float("learning_rate", 1e-4, 1e-2, log=True)
    most = recipe.epochs
    epochs = trial.suggest_int("epochs", max(1, most // 10), most, log=True)
    return structs.replace(
        recipe,
        model=model,
        preparation=structs.replace(seen, height_px=height, width_px=width),
        optimiser=optimiser,
        rounds=(structs.replace(recipe.rounds[-1], learning_rate=rate, epochs=epochs),),
    )


def rehearse(
    recipe: ClassificationRecipe, source: TrainingData, run: RunFolder, callback: Callback, reporter: Reporter
) -> None:
    """Trains and throws the weights away: one trial, watched by a callback."""
    hold_memory()
    lightning.seed_everything(recipe.seed, verbose=False)
    training = ClassifierTraining(recipe, source, reporter)
    how = Fit(recipe, run, training.columns, MEASURE, watching=(callback,))
    fit_module(training.module, *training.load_batches(), how)
    shutil.rmtree(run.checkpoints)


class _Watch(Callback):
    """Reports each epoch to Optuna, and stops the trial when it lags behind the others."""

    def __init__(self, trial: optuna.Trial) -> None:
        self._trial = trial
        self.best = 0.0
        self.pruned = False

    def on_validation_epoch_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Reports the best so far."""
        self.best = max(self.best, float(trainer.callback_metrics[MEASURE]))
        self._trial.report(self.best, trainer.current_epoch)
        self.pruned = self._trial.should_prune()
        trainer.should_stop = trainer.should_stop or self.pruned


def _tabulate(study: optuna.Study, out: Path) -> None:
    trials = study.get_trials(deepcopy=False)
    names = sorted({name for trial in trials for name in trial.params})
    rows = [
        (trial.number, trial.state.name.lower(), trial.value, *(trial.params.get(name, "") for name in names))
        for trial in trials
    ]
    write_rows(out / "search.csv", ("trial", "state", MEASURE, *names), rows)
