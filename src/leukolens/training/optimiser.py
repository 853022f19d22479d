"""The optimiser of a recipe for every task, its learning rate step by step, and the layers that stay in float32."""

import functools
import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from leukolens.training.recipe import Recipe

_OPTIMISERS: dict[str, Callable[..., torch.optim.Optimizer]] = {
    "adamw": torch.optim.AdamW,
    "adam": torch.optim.Adam,
    "sgd": functools.partial(torch.optim.SGD, momentum=0.9, nesterov=True),
}


def build_optimiser(network: nn.Module, recipe: Recipe, steps_per_epoch: int) -> Any:
    """The value of Lightning's `configure_optimizers`: the recipe's optimiser and its rate, step by step."""
    decayed = [parameter for parameter in network.parameters() if parameter.ndim > 1]
    free = [parameter for parameter in network.parameters() if parameter.ndim <= 1]
    groups = [
        {"params": decayed, "weight_decay": recipe.optimiser.weight_decay},
        {"params": free, "weight_decay": 0.0},
    ]
    optimiser = _OPTIMISERS[recipe.optimiser.method](groups, lr=1.0)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimiser, lambda step: learning_rate(recipe, step, steps_per_epoch))
    return {"optimizer": optimiser, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}


def keep_depthwise_in_float32(network: nn.Module) -> None:
    """Takes wide or strided depthwise convolutions out of autocast: on CPU their bfloat16 gradient is far slower.

    Measured on an AMX processor with torch 2.15 (64 x 672 x 8 x 8, 5x5, stride 2): 138 ms in bfloat16, 12 in float32.
    """
    for layer in network.modules():
        if not isinstance(layer, nn.Conv2d) or not layer.groups == layer.in_channels > 1:
            continue
        if layer.kernel_size[0] > 3 or layer.stride[0] > 1:
            # The method of this one instance is replaced; a subclass would lose the pretrained layer.
            layer.forward = functools.partial(_without_autocast, layer.forward)  # type: ignore[method-assign]


def _without_autocast(forward: Callable[[Tensor], Tensor], images: Tensor) -> Tensor:
    if not torch.is_grad_enabled():
        return forward(images)
    with torch.autocast("cpu", enabled=False):
        return forward(images.float())


def learning_rate(recipe: Recipe, step: int, steps_per_epoch: int) -> float:
    """The rate at a step: each round warms up, then falls by a cosine or stays."""
    start = 0
    for part in recipe.rounds:
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
