"""Every network that LeukoLens can train, for every task, in one table.

A classifier gives `forward(images)` -> logits, `forward_features(images)` -> last feature map and
`forward_head(features)` -> logits, as timm's networks do. A detector gives `forward(images)` -> logits of centres and
sides of boxes. To add a network, write its module and add a row here.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import timm
from torch import nn

from leukolens.core.errors import UsageError
from leukolens.core.tasks import Task
from leukolens.models import ladder
from leukolens.models.colours import HALF, IMAGENET_MEAN, IMAGENET_STD, LITE_MEAN, LITE_STD, UNIT_MEAN, UNIT_STD
from leukolens.models.detector import SMUDGE_TAPS, STRIDE_PX, TRUNK, CellDetector
from leukolens.models.light import Balanced
from leukolens.models.shape import NetworkShape


@dataclass(frozen=True)
class ModelSpec:
    """A row of the catalogue.

    Attributes:
        build: Makes the network with random weights.
        mean: Per channel, in 0..1, that its weights expect.
        std: Likewise.
        head: Of a classifier, name of the submodule that answers for the classes.
        last_block: Of a classifier, names of the submodules that a `last_block` round trains besides the head.
        stride_px: Input pixels per place of the feature map, or of a detector's output grid; least sensible input.
        task: What the network is for.
        smudge_taps: Of a detector, the weights that read the maps of its smudge head, and how many times coarser than the
            output grid each map is; empty for a detector without a smudge head.
        trunk: Submodule that ImageNet's weights fill, and its name in timm; None where they fill the whole network.
    """

    build: Callable[[NetworkShape], nn.Module]
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    head: str = ""
    last_block: tuple[str, ...] = ()
    stride_px: int = 32
    task: Task = Task.CLASSIFICATION
    trunk: tuple[str, str] | None = None
    smudge_taps: Mapping[str, int] = field(default_factory=dict)


def _timm(name: str) -> Callable[[NetworkShape], nn.Module]:
    def build(shape: NetworkShape) -> nn.Module:
        # Any, since timm's networks have more than nn.Module promises.
        model: Any = timm.create_model(name, pretrained=False, num_classes=shape.classes, drop_rate=shape.dropout)
        head = model.get_submodule(model.default_cfg["classifier"])
        # timm starts some heads so wide that the first loss is three times chance and shakes the pretrained layers.
        nn.init.normal_(head.weight, std=0.01)
        nn.init.zeros_(head.bias)
        network: nn.Module = model
        return network

    return build


def _balanced_lite0(shape: NetworkShape) -> nn.Module:
    return Balanced(_timm("tf_efficientnet_lite0")(shape), LITE_MEAN, LITE_STD)


def _xception(shape: NetworkShape) -> nn.Module:
    """Xception under text 004's head of dense layers."""
    model: Any = timm.create_model("legacy_xception", pretrained=False, num_classes=shape.classes)
    model.fc = ladder.dense_head(2048, (1024, 512, 128, 64, 8), shape)
    network: nn.Module = model
    return network


CATALOGUE: dict[str, ModelSpec] = {
    "dense": ModelSpec(ladder.dense, UNIT_MEAN, UNIT_STD, "head.12", stride_px=1),
    "conv1": ModelSpec(ladder.conv1, UNIT_MEAN, UNIT_STD, "head", stride_px=2),
    "conv3": ModelSpec(ladder.conv3, UNIT_MEAN, UNIT_STD, "head", stride_px=8),
    "conv-tuned": ModelSpec(ladder.conv_tuned, UNIT_MEAN, UNIT_STD, "head", stride_px=8),
    "conv-batchnorm": ModelSpec(ladder.conv_batchnorm, UNIT_MEAN, UNIT_STD, "head", stride_px=16),
    "conv5": ModelSpec(ladder.conv5, UNIT_MEAN, UNIT_STD, "head"),
    "mobilenetv2_100": ModelSpec(
        _timm("mobilenetv2_100"), IMAGENET_MEAN, IMAGENET_STD, "classifier", ("blocks.6", "conv_head", "bn2")
    ),
    "resnet18": ModelSpec(_timm("resnet18"), IMAGENET_MEAN, IMAGENET_STD, "fc", ("layer4",)),
    "resnet50": ModelSpec(_timm("resnet50"), IMAGENET_MEAN, IMAGENET_STD, "fc", ("layer4",)),
    "densenet201": ModelSpec(
        _timm("densenet201"), IMAGENET_MEAN, IMAGENET_STD, "classifier", ("features.denseblock4", "features.norm5")
    ),
    "vgg16": ModelSpec(
        ladder.vgg16, IMAGENET_MEAN, IMAGENET_STD, "head", ("features.24", "features.26", "features.28")
    ),
    "inception_v3": ModelSpec(_timm("inception_v3"), HALF, HALF, "fc", ("Mixed_7a", "Mixed_7b", "Mixed_7c")),
    "legacy_xception": ModelSpec(_xception, HALF, HALF, "fc", ("block12", "conv3", "bn3", "conv4", "bn4")),
    "tf_efficientnet_lite0": ModelSpec(
        _timm("tf_efficientnet_lite0"), LITE_MEAN, LITE_STD, "classifier", ("blocks.6", "conv_head", "bn2")
    ),
    "tf_efficientnet_lite0_balanced": ModelSpec(
        _balanced_lite0,
        LITE_MEAN,
        LITE_STD,
        "backbone.classifier",
        ("backbone.blocks.6", "backbone.conv_head", "backbone.bn2"),
    ),
    "tf_efficientnet_lite1": ModelSpec(
        _timm("tf_efficientnet_lite1"), LITE_MEAN, LITE_STD, "classifier", ("blocks.6", "conv_head", "bn2")
    ),
    "tf_efficientnet_lite2": ModelSpec(
        _timm("tf_efficientnet_lite2"), LITE_MEAN, LITE_STD, "classifier", ("blocks.6", "conv_head", "bn2")
    ),
    "tf_efficientnet_lite0_detector": ModelSpec(
        lambda shape: CellDetector(),
        LITE_MEAN,
        LITE_STD,
        stride_px=STRIDE_PX,
        task=Task.DETECTION,
        trunk=("trunk", TRUNK),
        smudge_taps=SMUDGE_TAPS,
    ),
}


def find_model(name: str, task: Task = Task.CLASSIFICATION) -> ModelSpec:
    """The catalogue's row of a network for a task.

    Raises:
        UsageError: there is no such network for the task.
    """
    known = {name: spec for name, spec in CATALOGUE.items() if spec.task is task}
    if name not in known:
        raise UsageError(f"No {task.model} is called {name!r}. The catalogue has: {', '.join(known)}.")
    return known[name]


def trained_modules(model: nn.Module, spec: ModelSpec, trainable: str) -> list[nn.Module]:
    """The parts of a classifier that a round trains; the rest stays as it is, batch-norm statistics too.

    Args:
        model: A network of the catalogue.
        spec: Its row.
        trainable: `head`, `last_block` (and the head) or `all`.

    Raises:
        UsageError: the network has no block that could be told from the rest.
    """
    if trainable == "all":
        return [model]
    if trainable == "last_block" and not spec.last_block:
        raise UsageError("This small network has no last block to train apart: use trainable = 'head' or 'all'.")
    names = (spec.head, *(spec.last_block if trainable == "last_block" else ()))
    return [model.get_submodule(name) for name in names]
