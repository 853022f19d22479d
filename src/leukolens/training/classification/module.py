"""The Lightning module of a classifier: network, loss, learning rate over rounds, augmentation."""

from typing import Any

import lightning
import torch
import torch.nn.functional as functional
from torch import Tensor, nn
from torchmetrics.classification import MulticlassAccuracy, MulticlassConfusionMatrix

from leukolens.core.pixels import Preparation
from leukolens.models.catalogue import ModelSpec, trained_modules
from leukolens.training.augment import augment_batch
from leukolens.training.classification.recipe import ClassificationRecipe
from leukolens.training.optimiser import build_optimiser, keep_depthwise_in_float32
from leukolens.training.recipe import RoundConfig


class BalancedAccuracy(MulticlassConfusionMatrix):
    """Mean recall over the classes that the data has, 0..1, as scikit-learn's `balanced_accuracy_score`.

    torchmetrics' macro average counts a class without images as 0 as soon as one image is predicted as it (version 1.9.0,
    findings/torchmetrics-absent-class.sh).
    """

    def compute(self) -> Tensor:
        """One number, from all batches since the last reset."""
        matrix = super().compute()
        support = matrix.sum(dim=1)
        return (matrix.diagonal() / support)[support > 0].mean()


class CellModule(lightning.LightningModule):
    """Trains a network of the catalogue by a recipe.

    Training batches hold wider crops than the network sees, so that turning and shrinking a cell shows its real
    surroundings. Validation batches hold exactly what the network sees in inference.
    """

    def __init__(
        self, network: nn.Module, spec: ModelSpec, recipe: ClassificationRecipe, preparation: Preparation, zoom: float
    ) -> None:
        """Takes as `zoom` the share of a training crop's side that the network sees unscaled."""
        super().__init__()
        self.network = network.to(memory_format=torch.channels_last)
        if not torch.cuda.is_available():
            keep_depthwise_in_float32(self.network)
        self._spec = spec
        self._recipe = recipe
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
        self.validation_balanced = BalancedAccuracy(classes)

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
        for part in self._recipe.rounds:
            start += part.epochs
            if self.current_epoch < start:
                return part
        return self._recipe.rounds[-1]

    def on_train_epoch_start(self) -> None:
        """Freezes what the round freezes, and seeds dropout by epoch so that a resumed run repeats it."""
        torch.manual_seed(self._recipe.seed * 100_003 + self.current_epoch)
        self.network.eval()
        self.network.requires_grad_(False)
        for part in trained_modules(self.network, self._spec, self.current_round().trainable):
            part.train()
            part.requires_grad_(True)

    def predict_augmented(self, images: Tensor) -> Tensor:
        """Logits of training crops `(n, h, w, 3)` uint8, augmented."""
        scale = self.current_round().scale
        side = (round(self._size[0] * scale), round(self._size[1] * scale))
        random = torch.Generator().manual_seed(self._recipe.seed * 1_000_003 + self.global_step)
        crops = images.permute(0, 3, 1, 2).float().div_(255)
        with torch.autocast(crops.device.type, enabled=False):
            crops = augment_batch(crops, side, self._zoom, self._recipe.augment, random)
        logits: Tensor = self(crops).float()
        return logits

    def predict(self, images: Tensor) -> Tensor:
        """Logits of prepared images `(n, h, w, 3)` uint8."""
        logits: Tensor = self(images.permute(0, 3, 1, 2).float().div_(255)).float()
        return logits

    def training_step(self, batch: tuple[Tensor, Tensor], index: int) -> Tensor:
        """Loss of one augmented batch."""
        images, targets = batch
        logits = self.predict_augmented(images)
        loss = functional.cross_entropy(logits, targets, label_smoothing=self._recipe.optimiser.label_smoothing)
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
        logits = self.predict(images)
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
        steps = int(self.trainer.estimated_stepping_batches) // max(1, self._recipe.epochs)
        return build_optimiser(self.network, self._recipe, steps)


class FrozenModule(CellModule):
    """Trains the head alone, on features that were computed once: batches hold feature maps, not pictures."""

    def predict_augmented(self, images: Tensor) -> Tensor:
        """Logits of feature maps `(n, c, h', w')` float16."""
        return self.predict(images)

    def predict(self, images: Tensor) -> Tensor:
        """Logits of feature maps `(n, c, h', w')` float16."""
        network: Any = self.network  # forward_head is the catalogue's contract, not nn.Module's
        logits: Tensor = network.forward_head(images.float()).float()
        return logits
