"""The Lightning module of a detector: crops, augmentation and losses in training, detections in validation."""

from collections.abc import Sequence
from typing import Any

import lightning
import numpy as np
import torch
from msgspec import structs
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.utils.data import Dataset

from leukolens.core.results import Box, Detection
from leukolens.core.taxonomy import DETECTED_KINDS
from leukolens.evaluation.detection.matching import LEAST_SCORE, JudgedField, match_kind
from leukolens.inference.decoding import decode_maps, suppress_non_maxima
from leukolens.models.catalogue import ModelSpec
from leukolens.training.augment import augment_batch
from leukolens.training.detection.crops import Crop, cut_whole, draw_crop, turn_crop
from leukolens.training.detection.fields import TrainingField
from leukolens.training.detection.loss import detector_losses, draw_targets
from leukolens.training.detection.recipe import DetectionRecipe
from leukolens.training.optimiser import build_optimiser, keep_depthwise_in_float32

NMS_IOU = 0.6
"""Red cells that lie on one another overlap this much; detections that overlap more are one cell."""


class RowDataset(Dataset[int]):
    """Numbers of fields: the module holds the fields themselves and draws the crops, by its step."""

    def __init__(self, rows: int) -> None:
        """Takes how many there are."""
        self._rows = rows

    def __len__(self) -> int:
        """Number of rows."""
        return self._rows

    def __getitems__(self, rows: list[int]) -> Tensor:
        """`(n,)` int64: the rows as they are asked for."""
        return torch.tensor(rows)


class DetectorModule(lightning.LightningModule):
    """Trains a detector by a recipe: random crops of its fields, then whole fields of the validation part."""

    def __init__(
        self,
        network: nn.Module,
        spec: ModelSpec,
        recipe: DetectionRecipe,
        train: Sequence[TrainingField],
        validation: Sequence[TrainingField],
    ) -> None:
        """Takes the network, its row of the catalogue, the recipe, and the fields of both parts."""
        super().__init__()
        self.network = network.to(memory_format=torch.channels_last)
        if not torch.cuda.is_available():
            keep_depthwise_in_float32(self.network)
        self._recipe = recipe
        self._stride_px = spec.stride_px
        self._train = train
        self._validation = validation
        # Boxes must follow changes of geometry; `draw_crop` and `turn_crop` make these.
        self._colours = structs.replace(recipe.augment, flip=False, scale=1.0)
        self._found: list[tuple[TrainingField, JudgedField]] = []
        self.register_buffer("mean", torch.tensor(spec.mean).reshape(1, 3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(spec.std).reshape(1, 3, 1, 1), persistent=False)

    def training_step(self, rows: Tensor, index: int) -> Tensor:
        """Loss of one batch of crops, drawn by the step so that a resumed run draws the same."""
        seed = self._recipe.seed * 1_000_003 + self.global_step
        crops = [self._draw(self._train[row], np.random.default_rng([seed, place])) for place, row in enumerate(rows)]
        images, inside = _stack(crops)
        side = (self._recipe.input.crop_px, self._recipe.input.crop_px)
        with torch.autocast("cpu", enabled=False):
            images = augment_batch(images, side, 1.0, self._colours, torch.Generator().manual_seed(seed))
        losses = detector_losses(self._run(images, inside), draw_targets(crops, self._stride_px).to(self.device))
        named = {f"train_{name}": value for name, value in losses.items()}
        self.log_dict(named, on_step=False, on_epoch=True, batch_size=len(crops), prog_bar=True)
        return losses["loss"]

    def _draw(self, field: TrainingField, random: np.random.Generator) -> Crop:
        seen = self._recipe.input
        crop = draw_crop(field, seen.crop_px, seen.red_cell_px, self._recipe.augment.scale, random)
        if not self._recipe.augment.flip:
            return crop
        return turn_crop(crop, int(random.integers(4)), bool(random.integers(2)))

    def _run(self, images: Tensor, inside: Tensor) -> tuple[Tensor, Tensor]:
        """The network's output for `(n, 3, h, w)` images in 0..1; beyond a field lie zeros, as in inference."""
        images, inside = images.to(self.device), inside.to(self.device)
        normalised = (images - self.mean) / self.std * inside
        centres, sides = self.network(normalised.contiguous(memory_format=torch.channels_last))
        return centres, sides

    def validation_step(self, rows: Tensor, index: int) -> None:
        """Loss and detections of one whole field."""
        for row in rows.tolist():
            field = self._validation[row]
            crop = cut_whole(field, self._recipe.input.red_cell_px)
            answer = self._run(*_stack([crop]))
            losses = detector_losses(answer, draw_targets([crop], self._stride_px).to(self.device))
            named = {f"validation_{name}": value for name, value in losses.items()}
            self.log_dict(named, on_step=False, on_epoch=True, batch_size=1)
            self._found.append((field, pair_field(field, crop, answer, self._stride_px)))

    def on_validation_epoch_end(self) -> None:
        """Average precision at an overlap of .5 per kind, and its mean, which decides the best epoch."""
        found, self._found = self._found, []
        precisions = measure_precisions(found)
        for kind, value in precisions.items():
            self.log(f"validation_ap50_{kind}", value)
        self.log("validation_ap50", float(np.mean(list(precisions.values()))), prog_bar=True)

    def configure_optimizers(self) -> Any:
        """The recipe's optimiser; the rate follows the rounds."""
        steps = int(self.trainer.estimated_stepping_batches) // max(1, self._recipe.epochs)
        return build_optimiser(self.network, self._recipe, steps)


def measure_precisions(found: Sequence[tuple[TrainingField, JudgedField]]) -> dict[str, float]:
    """Average precision per kind over the fields whose dataset labels the kind, completely or not.

    A kind that no such field has a box of is left out.
    """
    precisions: dict[str, float] = {}
    for number, kind in enumerate(DETECTED_KINDS):
        matches = match_kind([judged for field, judged in found if field.negative_weight[number] > 0], kind)
        if matches.truths.sum():
            precisions[kind] = matches.average_precision()
    return precisions


def pair_field(field: TrainingField, crop: Crop, answer: tuple[Tensor, Tensor], stride_px: int) -> JudgedField:
    """Ground truth and detections of a whole field, in pixels of the network's input."""
    labels = crop.labels
    sure, doubtful = (list_boxes(labels.boxes[chosen], labels.kinds[chosen]) for chosen in (labels.sure, ~labels.sure))
    return JudgedField(field.id, field.id, sure, list_detections(answer, stride_px), doubtful)


def list_detections(answer: tuple[Tensor, Tensor], stride_px: int) -> tuple[Detection, ...]:
    """Detections in one picture, surest first, in pixels of the network's input, made as inference makes them."""
    centres, sides = (part[0].detach().float().cpu().numpy() for part in answer)
    found = decode_maps(centres, sides, stride_px, np.full(len(DETECTED_KINDS), LEAST_SCORE))
    found = suppress_non_maxima(found, NMS_IOU, DETECTED_KINDS)
    boxes = list_boxes(found.boxes, found.kinds)
    return tuple(Detection(box, score) for box, score in zip(boxes, found.scores.tolist(), strict=True))


def list_boxes(corners: NDArray[np.float64], kinds: NDArray[np.intp]) -> tuple[Box, ...]:
    """Boxes from `(n, 4)` corners and `(n,)` numbers of kinds."""
    rows = zip(corners.tolist(), kinds.tolist(), strict=True)
    return tuple(Box(x0, y0, x1, y1, DETECTED_KINDS[kind]) for (x0, y0, x1, y1), kind in rows)


def _stack(crops: Sequence[Crop]) -> tuple[Tensor, Tensor]:
    """`(n, 3, h, w)` float32 in 0..1, and `(n, 1, h, w)`: 1 on the field, 0 beyond."""
    pixels = torch.from_numpy(np.stack([crop.pixels for crop in crops]))
    inside = torch.from_numpy(np.stack([crop.inside for crop in crops]))[:, None].float()
    return pixels.permute(0, 3, 1, 2).float().div_(255), inside
