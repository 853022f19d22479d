"""Fits the network of any task with Lightning: checkpoints, history, time budget, averaged weights.

The network, its loss and its batches come from the task.
"""

import ctypes
import io
import logging
import math
import platform
import subprocess
import sys
import time
import warnings
import zipfile
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import lightning
import torch
from lightning.fabric.plugins import TorchCheckpointIO
from lightning.pytorch.callbacks import Callback, EarlyStopping, EMAWeightAveraging, ModelCheckpoint, TQDMProgressBar
from lightning.pytorch.loggers import TensorBoardLogger
from safetensors.torch import save_file
from torch import nn
from torch.utils.data import DataLoader

from leukolens.core.errors import TrainingError
from leukolens.core.files import read_rows, show_name, write_atomically, write_rows
from leukolens.core.runs import RunFolder
from leukolens.training.recipe import Recipe


@dataclass(frozen=True)
class Fit:
    """What a fit needs beside the module and its batches.

    Attributes:
        recipe: The recipe.
        run: Where checkpoints and history go.
        columns: Of `history.csv`: the epoch, what the module logs, the rate and the seconds.
        chosen_by: The logged value whose highest makes the best epoch.
        checkpoint: To go on from; None to start.
        watching: More callbacks.
    """

    recipe: Recipe
    run: RunFolder
    columns: Sequence[str]
    chosen_by: str
    checkpoint: Path | None = None
    watching: Sequence[Callback] = ()


def hold_memory() -> None:
    """Makes glibc keep freed memory for the next batch: to give it back and fetch it again took a third of an epoch."""
    library = ctypes.CDLL(None) if sys.platform == "linux" else None
    if library is not None and hasattr(library, "mallopt"):
        library.mallopt(-4, 0)  # M_MMAP_MAX: no block of its own mapping
        library.mallopt(-1, 2**31 - 1)  # M_TRIM_THRESHOLD


def fit_module(
    module: lightning.LightningModule, training: DataLoader[Any], validation: DataLoader[Any], how: Fit
) -> None:
    """Trains a module and brings it back to the processor; the best epoch's weights are in `checkpoints/best.ckpt`."""
    recipe = how.recipe
    checkpoints = ModelCheckpoint(
        how.run.checkpoints,
        "best",
        monitor=how.chosen_by,
        mode="max",
        save_last=True,
        enable_version_counter=False,
    )
    callbacks: list[Callback] = [checkpoints, _Finite(), _History(how.run.history, how.columns), *how.watching]
    if recipe.budget_seconds:
        callbacks.append(_Budget(how.run.history, recipe.budget_seconds))
    if sys.stderr.isatty():
        callbacks.append(TQDMProgressBar(refresh_rate=5))
    if recipe.optimiser.average_decay:
        callbacks.append(EMAWeightAveraging(decay=recipe.optimiser.average_decay))
    if recipe.optimiser.early_stopping_patience:
        callbacks.append(EarlyStopping("validation_loss", patience=recipe.optimiser.early_stopping_patience))
    # Lightning announces devices, tips and ends; progress is reported by LeukoLens.
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    accelerated = torch.cuda.is_available()
    trainer = lightning.Trainer(
        max_epochs=recipe.epochs,
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
        plugins=[WholeCheckpoints()],
    )
    with warnings.catch_warnings():
        # The loaders read a memory map: worker processes would only copy it.
        warnings.filterwarnings("ignore", ".*does not have many workers.*")
        warnings.filterwarnings("ignore", ".*Checkpoint directory.*")
        warnings.filterwarnings("ignore", ".*treespec.*")
        trainer.fit(
            module, training, validation, ckpt_path=how.checkpoint, weights_only=False if how.checkpoint else None
        )
    module.to("cpu")


def find_checkpoint(run: RunFolder, resume: bool) -> Path | None:
    """The checkpoint to go on from; None to start.

    Raises:
        TrainingError: there is none to resume from, or it is damaged.
    """
    last = run.checkpoints / "last.ckpt"
    if resume and not last.is_file():
        raise TrainingError(f"{run.path} has no checkpoints/last.ckpt to resume from. Start it without --resume.")
    if resume and not _is_whole(last):
        raise TrainingError(
            f"{show_name(str(last))} is damaged: it was cut or changed after it was written. Start again with --force "
            "instead of --resume."
        )
    return last if resume else None


def _is_whole(checkpoint: Path) -> bool:
    """Whether every part of a checkpoint has its checksum; torch writes a zip."""
    try:
        with zipfile.ZipFile(checkpoint) as parts:
            return parts.testzip() is None
    except (OSError, ValueError, zipfile.BadZipFile, EOFError, zlib.error):
        return False


def keep_best(module: lightning.LightningModule, network: nn.Module, run: RunFolder) -> int:
    """Loads the weights of the best epoch and writes them as the run's; gives the number of that epoch."""
    best = torch.load(run.checkpoints / "best.ckpt", map_location="cpu", weights_only=True)
    module.load_state_dict(best["state_dict"], strict=False)
    with write_atomically(run.weights) as temporary:
        save_file({key: value.contiguous() for key, value in network.state_dict().items()}, temporary)
    return int(best["epoch"])


class WholeCheckpoints(TorchCheckpointIO):
    """Writes each checkpoint beside its final place and renames it, so that a full disk or a kill leaves the old one.

    Lightning writes into the temporary folder; where that is on another disk, it copies, and a copy can be cut.
    """

    def save_checkpoint(self, checkpoint: object, path: Any, storage_options: Any = None) -> None:
        """Writes a checkpoint, whole or not at all."""
        content = io.BytesIO()  # torch has no OSError for a full disk
        torch.save(checkpoint, content)
        with write_atomically(Path(path)) as temporary:
            temporary.write_bytes(content.getbuffer())


class _Finite(Callback):
    """Stops a training whose loss is not a number, before an epoch of it is kept."""

    def on_train_batch_end(
        self, trainer: lightning.Trainer, pl_module: lightning.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Looks at the loss of the step."""
        self._check(trainer, float(outputs["loss"]), "training")

    def on_validation_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Looks at the loss of the epoch."""
        self._check(trainer, float(trainer.callback_metrics.get("validation_loss", 0.0)), "validation")

    def _check(self, trainer: lightning.Trainer, loss: float, part: str) -> None:
        if not math.isfinite(loss):
            raise TrainingError(
                f"The {part} loss is {loss} in epoch {trainer.current_epoch}: the training was stopped, and the checkpoints "
                "of the epochs before it were kept. Most often the learning rate is too high: start again with a lower "
                "one, --set rounds.0.learning_rate=VALUE."
            )


class _History(Callback):
    """Writes `history.csv` after each epoch, so that a killed run keeps its rows and a resumed one goes on."""

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
    """Ends training after the epoch that used up its seconds; a resumed run counts the earlier ones too."""

    def __init__(self, history: Path, seconds: int) -> None:
        self._history = history
        self._seconds = seconds

    def on_train_epoch_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Adds up the seconds."""
        spent = sum(float(row["seconds"]) for row in read_rows(self._history))
        trainer.should_stop = trainer.should_stop or spent >= self._seconds


@dataclass(frozen=True)
class Machine:
    """What a run was made with and on.

    Attributes:
        device: Processor or accelerator.
        precision: Of the calculation.
        versions: Of LeukoLens and the libraries.
        python: Version of Python.
        commit: Of the source code.
    """

    device: str
    precision: str
    versions: dict[str, str]
    python: str
    commit: str


def describe_machine() -> Machine:
    """This machine and its software."""
    commit = subprocess.run(["git", "rev-parse", "HEAD"], capture_output=True, text=True, check=False)
    threads = torch.get_num_threads()
    processor = f"CPU, {threads} thread{'s' if threads > 1 else ''}"
    return Machine(
        device=torch.cuda.get_device_name() if torch.cuda.is_available() else processor,
        precision="bfloat16 autocast",
        versions={name: version(name) for name in ("leukolens", "torch", "timm", "lightning", "numpy", "pillow")},
        python=platform.python_version(),
        commit=commit.stdout.strip() if commit.returncode == 0 else "not in a git checkout",
    )
