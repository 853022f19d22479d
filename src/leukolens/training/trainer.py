"""How any network is fitted, by Lightning: checkpoints, history, budget, averaged weights, and the machine it ran on.

What is trained, on which batches and by which loss is the modules' matter; `fit` and `detector_fit` call this.
"""

import ctypes
import logging
import platform
import subprocess
import sys
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import lightning
import torch
from filelock import FileLock, Timeout
from lightning.pytorch.callbacks import Callback, EarlyStopping, EMAWeightAveraging, ModelCheckpoint, TQDMProgressBar
from lightning.pytorch.loggers import TensorBoardLogger
from safetensors.torch import save_file
from torch import nn
from torch.utils.data import DataLoader

from leukolens.core.errors import TrainingError
from leukolens.core.files import read_rows, write_atomically, write_rows
from leukolens.core.runs import RunFolder
from leukolens.training.recipe import Plan

Report = Callable[[str, int, int], None]
"""Told what is being prepared, how many are done and how many there are."""


@dataclass(frozen=True)
class Fit:
    """What a fit needs beside the module and its batches.

    Attributes:
        plan: The recipe.
        run: Where checkpoints and history go.
        columns: Of `history.csv`: the epoch, what the module logs, the rate and the seconds.
        chosen_by: What the module logs of which the highest makes the best epoch.
        checkpoint: To go on from; None to start.
        watching: More callbacks.
    """

    plan: Plan
    run: RunFolder
    columns: Sequence[str]
    chosen_by: str
    checkpoint: Path | None = None
    watching: Sequence[Callback] = ()


def hold_memory() -> None:
    """Tells glibc to keep freed memory for the next batch: giving it back and faulting it in anew cost a third of an epoch."""
    library = ctypes.CDLL(None) if sys.platform == "linux" else None
    if library is not None and hasattr(library, "mallopt"):
        library.mallopt(-4, 0)  # M_MMAP_MAX: no block of its own mapping
        library.mallopt(-1, 2**31 - 1)  # M_TRIM_THRESHOLD


def fit_module(
    module: lightning.LightningModule, learned: DataLoader[Any], chosen_on: DataLoader[Any], how: Fit
) -> None:
    """Trains a module and brings it back to the processor; the best epoch's weights are in `checkpoints/best.ckpt`.

    Raises:
        TrainingError: another process trains in the same run folder.
    """
    plan = how.plan
    checkpoints = ModelCheckpoint(
        how.run.checkpoints,
        "best",
        monitor=how.chosen_by,
        mode="max",
        save_last=True,
        enable_version_counter=False,
    )
    callbacks: list[Callback] = [checkpoints, _History(how.run.history, how.columns), *how.watching]
    if plan.budget_seconds:
        callbacks.append(_Budget(how.run.history, plan.budget_seconds))
    if sys.stderr.isatty():
        callbacks.append(TQDMProgressBar(refresh_rate=5))
    if plan.optimiser.average_decay:
        callbacks.append(EMAWeightAveraging(decay=plan.optimiser.average_decay))
    if plan.optimiser.early_stopping_patience:
        callbacks.append(EarlyStopping("validation_loss", patience=plan.optimiser.early_stopping_patience))
    # Lightning announces devices, tips and ends; the progress is told by us.
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    accelerated = torch.cuda.is_available()
    trainer = lightning.Trainer(
        max_epochs=plan.epochs,
        accelerator="gpu" if accelerated else "cpu",
        devices=1,
        precision="bf16-mixed",
        callbacks=callbacks,
        logger=TensorBoardLogger(how.run.path, "logs", "tensorboard"),
        enable_progress_bar=sys.stderr.isatty(),
        default_root_dir=how.run.path,
        num_sanity_val_steps=0,
        log_every_n_steps=1,
        enable_model_summary=False,
    )
    with _claim(how.run.path), warnings.catch_warnings():
        # The loaders read a memory map: worker processes would only copy it.
        warnings.filterwarnings("ignore", ".*does not have many workers.*")
        warnings.filterwarnings("ignore", ".*Checkpoint directory.*")
        warnings.filterwarnings("ignore", ".*treespec.*")
        trainer.fit(
            module, learned, chosen_on, ckpt_path=how.checkpoint, weights_only=False if how.checkpoint else None
        )
    module.to("cpu")


@contextmanager
def _claim(folder: Path) -> Iterator[None]:
    """Keeps other processes from training in the same run folder; a killed one's claim ends with it."""
    lock = FileLock(folder / ".training")
    try:
        lock.acquire(timeout=0)
    except Timeout as error:
        raise TrainingError(
            f"{folder} is being trained by another process. Wait for it, or give another --out."
        ) from error
    try:
        yield
    finally:
        lock.release()


def find_checkpoint(run: RunFolder, resume: bool) -> Path | None:
    """The checkpoint to go on from; None to start.

    Raises:
        TrainingError: there is none to resume from.
    """
    last = run.checkpoints / "last.ckpt"
    if resume and not last.is_file():
        raise TrainingError(f"{run.path} has no checkpoints/last.ckpt to resume from. Start it without --resume.")
    return last if resume else None


def keep_best(module: lightning.LightningModule, network: nn.Module, run: RunFolder) -> int:
    """Gives the module its best epoch's weights, writes the network's as the run's; which epoch that was."""
    best = torch.load(run.checkpoints / "best.ckpt", map_location="cpu", weights_only=True)
    module.load_state_dict(best["state_dict"], strict=False)
    with write_atomically(run.weights) as temporary:
        save_file({key: value.contiguous() for key, value in network.state_dict().items()}, temporary)
    return int(best["epoch"])


class _History(Callback):
    """Writes `history.csv` anew after each epoch, so that a killed run keeps what it had and a resumed one goes on."""

    def __init__(self, path: Path, columns: Sequence[str]) -> None:
        self._path = path
        self._columns = columns
        self._started = 0.0

    def on_train_epoch_start(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Starts the clock."""
        self._started = time.monotonic()

    def on_train_epoch_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Adds a row; rows of epochs that are trained again are dropped."""
        before = read_rows(self._path) if self._path.is_file() and trainer.current_epoch else []
        rows = [list(row.values()) for row in before if int(row["epoch"]) < trainer.current_epoch]
        values = {
            name: f"{float(trainer.callback_metrics.get(name, float('nan'))):.6f}" for name in self._columns[1:-2]
        }
        rate = f"{trainer.optimizers[0].param_groups[0]['lr']:.3e}"
        seconds = f"{time.monotonic() - self._started:.1f}"
        write_rows(self._path, self._columns, [*rows, [str(trainer.current_epoch), *values.values(), rate, seconds]])


class _Budget(Callback):
    """Ends training after the epoch that used up its seconds; a resumed run counts those of before."""

    def __init__(self, history: Path, seconds: int) -> None:
        self._history = history
        self._seconds = seconds

    def on_train_epoch_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Looks at the clock."""
        spent = sum(float(row["seconds"]) for row in read_rows(self._history))
        trainer.should_stop = trainer.should_stop or spent >= self._seconds


def describe_machine() -> dict[str, Any]:
    """What a run was made with and on: device, precision, versions, commit."""
    commit = subprocess.run(["git", "rev-parse", "HEAD"], capture_output=True, text=True, check=False)
    threads = torch.get_num_threads()
    processor = f"CPU, {threads} thread{'s' if threads > 1 else ''}"
    return {
        "device": torch.cuda.get_device_name() if torch.cuda.is_available() else processor,
        "precision": "bfloat16 autocast",
        "versions": {name: version(name) for name in ("leukolens", "torch", "timm", "lightning", "numpy", "pillow")},
        "python": platform.python_version(),
        "commit": commit.stdout.strip() if commit.returncode == 0 else "not in a git checkout",
    }
