"""Every network LeukoLens can train, in one dict written by hand.

Each network gives `forward(images)` -> logits, `forward_features(images)` -> last feature map and
`forward_head(features)` -> logits, as timm's do; `head_parameters` says which weights a frozen round still moves.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import timm
from torch import nn

from leukolens.core.errors import UsageError
from leukolens.models.ladder import ConvBatchnorm
from leukolens.models.light import Balanced

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)
# EfficientNet-Lite was trained on (x - 127) / 128, in 0..1: 127/255 and 128/255.
LITE_MEAN = (127 / 255,) * 3
LITE_STD = (128 / 255,) * 3
UNIT_MEAN = (0.0,) * 3
UNIT_STD = (1.0,) * 3


@dataclass(frozen=True)
class ModelSpec:
    """A row of the catalogue.

    Attributes:
        build: Makes the network from the number of classes and the dropout before the last layer.
        mean: Per channel, in 0..1, that its weights expect.
        std: Likewise.
        head: Name of the submodule that answers for the classes.
        stride_px: How many input pixels one place of the feature map stands for; least sensible input.
    """

    build: Callable[[int, float], nn.Module]
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    head: str
    stride_px: int = 32


def _timm(name: str, **settings: Any) -> Callable[[int, float], nn.Module]:
    def build(classes: int, dropout: float) -> nn.Module:
        # Any, since timm's networks have more than nn.Module promises.
        model: Any = timm.create_model(name, pretrained=False, num_classes=classes, drop_rate=dropout, **settings)
        head = model.get_submodule(model.default_cfg["classifier"])
        # timm starts some heads so wide that the first loss is three times chance and shakes the pretrained layers.
        nn.init.normal_(head.weight, std=0.01)
        nn.init.zeros_(head.bias)
        network: nn.Module = model
        return network

    return build


def _balanced_lite0(classes: int, dropout: float) -> nn.Module:
    return Balanced(_timm("tf_efficientnet_lite0")(classes, dropout), LITE_MEAN, LITE_STD)


CATALOGUE: dict[str, ModelSpec] = {
    "conv-batchnorm": ModelSpec(ConvBatchnorm, UNIT_MEAN, UNIT_STD, "head", stride_px=16),
    "mobilenetv2_100": ModelSpec(_timm("mobilenetv2_100"), IMAGENET_MEAN, IMAGENET_STD, "classifier"),
    "resnet18": ModelSpec(_timm("resnet18"), IMAGENET_MEAN, IMAGENET_STD, "fc"),
    "tf_efficientnet_lite0": ModelSpec(_timm("tf_efficientnet_lite0"), LITE_MEAN, LITE_STD, "classifier"),
    "tf_efficientnet_lite0_balanced": ModelSpec(_balanced_lite0, LITE_MEAN, LITE_STD, "backbone.classifier"),
    "tf_efficientnet_lite1": ModelSpec(_timm("tf_efficientnet_lite1"), LITE_MEAN, LITE_STD, "classifier"),
    "tf_efficientnet_lite2": ModelSpec(_timm("tf_efficientnet_lite2"), LITE_MEAN, LITE_STD, "classifier"),
}


def find_model(name: str) -> ModelSpec:
    """The catalogue's row of that name.

    Raises:
        UsageError: there is none.
    """
    if name not in CATALOGUE:
        raise UsageError(f"No model is called {name!r}. The catalogue has: {', '.join(CATALOGUE)}.")
    return CATALOGUE[name]


def head_parameters(model: nn.Module, spec: ModelSpec) -> Iterator[nn.Parameter]:
    """The weights that a frozen round still trains."""
    return model.get_submodule(spec.head).parameters()
