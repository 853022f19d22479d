"""Hyper-parameter search with Optuna: trials on validation alone, pruned, and resumable after a kill.

The study lives in `search.db` (SQLite) of the run folder, one row per trial in `search.csv`. The test part of the split is
never read here. Text 000 tuned by hand what is searched here; text 002 asks for it.
"""

import dataclasses
from pathlib import Path

import lightning
import optuna
from lightning.pytorch.callbacks import Callback

from leukolens.core.files import write_rows
from leukolens.core.runs import RunFolder
from leukolens.datasets.manifest import Manifest
from leukolens.datasets.splits import Split
from leukolens.training.classification.fit import rehearse
from leukolens.training.recipe import TrainConfig
from leukolens.training.trainer import Report

MEASURE = "validation_balanced_accuracy"
_SHORT_SIDES = (0.5, 0.75, 1.0)  # of the recipe's image; the aspect stays
_STRIDE_PX = 8  # sides are kept to multiples of it


def search_recipe(
    config: TrainConfig, manifest: Manifest, split: Split, out: Path, trials: int, report: Report
) -> TrainConfig:
    """Tries recipes around the given one and returns the best; trials made before count.

    Args:
        config: Where the search starts; its epochs are the most that a trial may take.
        manifest: The dataset.
        split: Its parts; only training and validation are used.
        out: The run folder.
        trials: How many there shall be in all, those of earlier calls included.
        report: Progress of the preparation.
    """
    out.mkdir(parents=True, exist_ok=True)
    unseen = dataclasses.replace(split, parts={part: split.parts[part] for part in ("train", "validation")})
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(
        storage=f"sqlite:///{out / 'search.db'}",
        study_name="search",
        direction="maximize",
        load_if_exists=True,
        # Another seed after a kill: the same one would suggest the same recipes again.
        sampler=optuna.samplers.TPESampler(seed=config.seed + len(list((out / "search").glob("trial-*")))),
        pruner=optuna.pruners.MedianPruner(n_startup_trials=4, n_warmup_steps=2),
    )

    def objective(trial: optuna.Trial) -> float:
        tried = suggest_recipe(trial, config)
        callback = _Watch(trial)
        rehearse(tried, manifest, unseen, RunFolder(out / "search" / f"trial-{trial.number}"), (callback,), report)
        if callback.pruned:
            raise optuna.TrialPruned
        return callback.best

    # A trial that was killed half-way is not counted: another is tried.
    ended = (optuna.trial.TrialState.COMPLETE, optuna.trial.TrialState.PRUNED)
    left = trials - len(study.get_trials(deepcopy=False, states=ended))
    study.optimize(objective, n_trials=max(0, left), callbacks=[lambda study, trial: _tabulate(study, out)])
    return suggest_recipe(optuna.trial.FixedTrial(study.best_params), config)


def suggest_recipe(trial: optuna.trial.BaseTrial, config: TrainConfig) -> TrainConfig:
    """The recipe of a trial: rate, batch, optimiser, epochs, image size, dropout, L2; filters and kernel where open."""
    model, seen, optimiser = config.model, config.preparation, config.optimiser
    if model.filters:
        model = dataclasses.replace(
            model,
            filters=trial.suggest_categorical("filters", (8, 16, 32)),
            kernel_px=trial.suggest_categorical("kernel_px", (3, 5)),
        )
    model = dataclasses.replace(model, dropout=trial.suggest_float("dropout", 0.0, 0.6, step=0.1))
    share = trial.suggest_categorical("image_size", _SHORT_SIDES)
    height = round(seen.height_px * share / _STRIDE_PX) * _STRIDE_PX
    width = round(seen.width_px * share / _STRIDE_PX) * _STRIDE_PX
    optimiser = dataclasses.replace(
        optimiser,
        method=trial.suggest_categorical("method", ("adam", "adamw", "sgd")),
        batch_size=trial.suggest_categorical("batch_size", (16, 32, 64)),
        weight_decay=trial.suggest_float("weight_decay", 1e-6, 1e-2, log=True),
    )
    rate = trial.suggest_float("learning_rate", 1e-4, 1e-2, log=True)
    most = config.epochs
    epochs = trial.suggest_int("epochs", max(1, most // 10), most, log=True)
    return dataclasses.replace(
        config,
        model=model,
        preparation=dataclasses.replace(seen, height_px=height, width_px=width),
        optimiser=optimiser,
        rounds=(dataclasses.replace(config.rounds[-1], learning_rate=rate, epochs=epochs),),
    )


class _Watch(Callback):
    """Tells Optuna of each epoch, and stops the trial when it lags behind the others."""

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
