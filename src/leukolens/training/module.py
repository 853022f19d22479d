"""The Lightning module: one network, its loss, its learning-rate schedule over rounds, its augmentation."""

import functools
import math
from collections.abc import Callable
from typing import Any

import lightning
import torch
import torch.nn.functional as functional
from torch import Tensor, nn
from torchmetrics.classification import MulticlassAccuracy

from leukolens.core.pixels import Preparation
from leukolens.models.catalogue import ModelSpec, trained_modules
from leukolens.training.augment import augment_batch
from leukolens.training.config import Plan, RoundConfig, TrainConfig

_OPTIMISERS: dict[str, Callable[..., torch.optim.Optimizer]] = {
    "adamw": torch.optim.AdamW,
    "adam": torch.optim.Adam,
    "sgd": functools.partial(torch.optim.SGD, momentum=0.9, nesterov=True),
}


class CellModule(lightning.LightningModule):
    """Trains a network of the catalogue by a recipe.

    Training batches hold wider frames than the network sees, so that turning and shrinking a cell shows its real
    surroundings; validation batches hold exactly what the runtime will see.
    """

    def __init__(
        self, network: nn.Module, spec: ModelSpec, config: TrainConfig, preparation: Preparation, zoom: float
    ) -> None:
        """Takes the share of a training frame's side that the network sees unscaled as `zoom`."""
        super().__init__()
        self.network = network.to(memory_format=torch.channels_last)
        if not torch.cuda.is_available():
            keep_depthwise_in_float32(self.network)
        self._spec = spec
        self._config = config
        self._size = (preparation.height_px, preparation.width_px)
        self._zoom = zoom
        background = preparation.background
        centre = (
            torch.zeros(1, 3, 1, 1)
            if background is None
            else torch.from_numpy(background.copy()).permute(2, 0, 1)[None] / 255
        )
        self.register_buffer("background", centre, persistent=False)
        self.register_buffer("mean", torch.tensor(preparation.mean).reshape(1, 3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(preparation.std).reshape(1, 3, 1, 1), persistent=False)
        classes = self._classes()
        self.training_accuracy = MulticlassAccuracy(classes, average="micro")
        self.validation_accuracy = MulticlassAccuracy(classes, average="micro")
        self.validation_balanced = MulticlassAccuracy(classes, average="macro")

    def _classes(self) -> int:
        with torch.no_grad():
            self.network.eval()
            classes = int(self.network(torch.zeros(1, 3, *self._size)).shape[1])
            self.network.train()
            return classes

    def forward(self, images: Tensor) -> Tensor:
        """Logits of `(n, 3, h, w)` float32 images in 0..1."""
        background = self.background
        if background.shape[2:] not in ((1, 1), images.shape[2:]):
            background = functional.interpolate(background, images.shape[2:], mode="bilinear", antialias=True)
        centred = ((images - background) - self.mean) / self.std
        logits: Tensor = self.network(centred.contiguous(memory_format=torch.channels_last))
        return logits

    def current_round(self) -> RoundConfig:
        """The round that the current epoch belongs to."""
        start = 0
        for part in self._config.rounds:
            start += part.epochs
            if self.current_epoch < start:
                return part
        return self._config.rounds[-1]

    def on_train_epoch_start(self) -> None:
        """Freezes what the round freezes, and seeds dropout by epoch so that a resumed run repeats it."""
        torch.manual_seed(self._config.seed * 100_003 + self.current_epoch)
        self.network.eval()
        self.network.requires_grad_(False)
        for part in trained_modules(self.network, self._spec, self.current_round().trainable):
            part.train()
            part.requires_grad_(True)

    def look_anew(self, images: Tensor) -> Tensor:
        """Logits of training frames `(n, h, w, 3)` uint8, augmented."""
        scale = self.current_round().scale
        side = (round(self._size[0] * scale), round(self._size[1] * scale))
        random = torch.Generator().manual_seed(self._config.seed * 1_000_003 + self.global_step)
        frames = images.permute(0, 3, 1, 2).float().div_(255)
        with torch.autocast(frames.device.type, enabled=False):
            frames = augment_batch(frames, side, self._zoom, self._config.augment, random)
        logits: Tensor = self(frames).float()
        return logits

    def look(self, images: Tensor) -> Tensor:
        """Logits of prepared images `(n, h, w, 3)` uint8."""
        logits: Tensor = self(images.permute(0, 3, 1, 2).float().div_(255)).float()
        return logits

    def training_step(self, batch: tuple[Tensor, Tensor], index: int) -> Tensor:
        """Loss of one augmented batch."""
        images, targets = batch
        logits = self.look_anew(images)
        loss = functional.cross_entropy(logits, targets, label_smoothing=self._config.optimiser.label_smoothing)
        self.training_accuracy(logits, targets)
        self.log("train_loss", loss, on_step=False, on_epoch=True, batch_size=len(targets))
        self.log(
            "train_accuracy",
            self.training_accuracy,
            on_step=False,
            on_epoch=True,
            batch_size=len(targets),
            prog_bar=True,
        )
        return loss

    def validation_step(self, batch: tuple[Tensor, Tensor], index: int) -> None:
        """Loss and accuracy of one prepared batch."""
        images, targets = batch
        logits = self.look(images)
        self.validation_accuracy(logits, targets)
        self.validation_balanced(logits, targets)
        values: dict[str, Any] = {
            "validation_loss": functional.cross_entropy(logits, targets),
            "validation_accuracy": self.validation_accuracy,
            "validation_balanced_accuracy": self.validation_balanced,
        }
        self.log_dict(values, on_step=False, on_epoch=True, batch_size=len(targets), prog_bar=True)

    def configure_optimizers(self) -> Any:
        """Adam or its kin without decay on biases and norms; the rate follows the rounds."""
        steps = int(self.trainer.estimated_stepping_batches) // max(1, self._config.epochs)
        return build_optimiser(self.network, self._config, steps)


class FrozenModule(CellModule):
    """Trains the head alone, on features that were computed once: its batches hold feature maps, not pictures."""

    def look_anew(self, images: Tensor) -> Tensor:
        """Logits of feature maps `(n, c, h', w')` float16."""
        return self.look(images)

    def look(self, images: Tensor) -> Tensor:
        """Logits of feature maps `(n, c, h', w')` float16."""
        network: Any = self.network  # forward_head is the catalogue's contract, not nn.Module's
        logits: Tensor = network.forward_head(images.float()).float()
        return logits


def build_optimiser(network: nn.Module, plan: Plan, steps_per_epoch: int) -> Any:
    """What Lightning asks of `configure_optimizers`: the recipe's optimiser and its rate, step by step."""
    decayed = [parameter for parameter in network.parameters() if parameter.ndim > 1]
    free = [parameter for parameter in network.parameters() if parameter.ndim <= 1]
    groups = [
        {"params": decayed, "weight_decay": plan.optimiser.weight_decay},
        {"params": free, "weight_decay": 0.0},
    ]
    optimiser = _OPTIMISERS[plan.optimiser.method](groups, lr=1.0)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimiser, lambda step: learning_rate(plan, step, steps_per_epoch))
    return {"optimizer": optimiser, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}


def keep_depthwise_in_float32(network: nn.Module) -> None:
    """Takes wide or strided depthwise convolutions out of autocast: on CPU their bfloat16 gradient is many times slower.

    Measured on an AMX processor with torch 2.15 (64 x 672 x 8 x 8, 5x5, stride 2): 138 ms in bfloat16, 12 in float32.
    """
    for layer in network.modules():
        if not isinstance(layer, nn.Conv2d) or not layer.groups == layer.in_channels > 1:
            continue
        if layer.kernel_size[0] > 3 or layer.stride[0] > 1:
            # One instance changes its ways; a subclass would lose the pretrained layer.
            layer.forward = functools.partial(_without_autocast, layer.forward)  # type: ignore[method-assign]


def _without_autocast(forward: Callable[[Tensor], Tensor], images: Tensor) -> Tensor:
    if not torch.is_grad_enabled():
        return forward(images)
    with torch.autocast("cpu", enabled=False):
        return forward(images.float())


def learning_rate(plan: Plan, step: int, steps_per_epoch: int) -> float:
    """The rate at a step: each round warms up, then falls by a cosine or stays."""
    start = 0
    for part in plan.rounds:
        length = part.epochs * steps_per_epoch
        if step < start + length:
            break
        start += length
    else:
        start -= length
    done = min(1.0, (step - start + 1) / max(1, length))
    if done < part.warmup:
        return part.learning_rate * done / part.warmup
    if part.schedule == "constant":
        return part.learning_rate
    along = (done - part.warmup) / max(1e-9, 1 - part.warmup)
    return part.learning_rate * max(0.01, 0.5 * (1 + math.cos(math.pi * along)))
