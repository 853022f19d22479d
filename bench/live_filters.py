"""Counts how many filters of text 001's one-convolution network stay alive: `python bench/live_filters.py`.

A filter is alive if its output, after pooling and ReLU, is above zero in at least one of a thousand places of a batch of
validation images. The outermost row and column are left out: zero padding makes them differ from the rest.
A filter that is not alive gives the same answer, zero, nearly everywhere, and gets hardly any gradient.

Trains the first steps of `conv1` (8 filters, 224 x 224 px, Adam, batches of 32, pixels 0 to 1) on PBC's training part
for some learning rates, seeds and kinds of augmentation, and writes one CSV row for each. `--runs` counts the filters of
finished runs instead. PBC must have been added: `leukolens data add pbc ZIP`.
"""

import argparse
import csv
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as functional
from numpy.typing import NDArray
from safetensors.torch import load_file
from torch import Tensor, nn

from leukolens.core.pixels import Preparation, prepare_image
from leukolens.core.taxonomy import CELL_CLASSES
from leukolens.datasets.manifest import Record
from leukolens.datasets.registry import open_dataset
from leukolens.images.decoding import read_image
from leukolens.ladder.protocols import PROTOCOLS
from leukolens.models.catalogue import find_model
from leukolens.models.shape import NetworkShape
from leukolens.training.augment import augment_batch
from leukolens.training.recipe import AugmentConfig

SIDE_PX = 224
BATCH = 32
FILTERS = 8
LEAST_ACTIVE_SHARE = 0.001
AUGMENTATIONS = {
    "none": AugmentConfig(),
    "flips": AugmentConfig(flip=True),
    "flips and turns": AugmentConfig(flip=True, rotation_degrees=36.0),
}
HEADER = ("learning_rate", "augmentation", "seed", "step", "live_filters", "validation_accuracy", "validation_loss")


def decode(records: list[Record]) -> tuple[NDArray[np.uint8], Tensor]:
    """`(n, 224, 224, 3)` uint8 images and `(n,)` class numbers."""
    preparation = Preparation(SIDE_PX, SIDE_PX)
    images = [prepare_image(read_image(record.image).pixels, preparation) for record in records]
    return np.stack(images), torch.tensor([CELL_CLASSES.index(record.label or "") for record in records])


def to_inputs(images: NDArray[np.uint8]) -> Tensor:
    """`(n, 3, 224, 224)` float32, 0..1."""
    return torch.from_numpy(images).permute(0, 3, 1, 2).float().div_(255)


def build(seed: int) -> nn.Module:
    torch.manual_seed(seed)
    return find_model("conv1").build(NetworkShape(len(CELL_CLASSES), 0.0, SIDE_PX, SIDE_PX, FILTERS))


@torch.inference_mode()
def judge(network: nn.Module, images: NDArray[np.uint8], targets: Tensor) -> tuple[int, float, float]:
    """Filters alive, accuracy and cross-entropy."""
    active = torch.zeros(FILTERS)
    logits = []
    for start in range(0, len(images), 64):
        features = network.forward_features(to_inputs(images[start : start + 64]))
        active += (features[:, :, 1:-1, 1:-1] > 0).float().mean(dim=(2, 3)).sum(dim=0)
        logits.append(network.forward_head(features))
    answers = torch.cat(logits)
    accuracy = (answers.argmax(1) == targets).float().mean()
    alive = int((active / len(images) >= LEAST_ACTIVE_SHARE).sum())
    return alive, float(accuracy), float(functional.cross_entropy(answers, targets))


def train(options: argparse.Namespace, rate: float, kind: str, seed: int) -> Iterator[tuple[int, int, float, float]]:
    """Trains one network; gives step, filters alive, accuracy and loss at the start and after each pause."""
    network = build(seed)
    optimiser = torch.optim.Adam(network.parameters(), lr=rate)
    random = torch.Generator().manual_seed(seed)
    images, targets = options.training
    yield 0, *judge(network, *options.validation)
    for step in range(1, options.steps + 1):
        rows = torch.randint(len(images), (BATCH,), generator=random)
        inputs = to_inputs(images[rows.numpy()])
        if kind != "none":
            inputs = augment_batch(inputs, (SIDE_PX, SIDE_PX), 1.0, AUGMENTATIONS[kind], random)
        optimiser.zero_grad()
        functional.cross_entropy(network(inputs), targets[rows]).backward()
        optimiser.step()
        if step in options.pauses or step == options.steps:
            yield step, *judge(network, *options.validation)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--pauses", type=int, nargs="*", default=[5, 20, 50, 100], help="steps after which to count")
    parser.add_argument("--rates", type=float, nargs="+", default=[1e-3, 3e-4])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2, 3])
    parser.add_argument("--augmentations", nargs="+", default=["flips and turns"], choices=list(AUGMENTATIONS))
    parser.add_argument("--training-images", type=int, default=1600)
    parser.add_argument("--validation-images", type=int, default=256)
    parser.add_argument("--runs", type=Path, nargs="+", help="count in these finished runs instead of training")
    options = parser.parse_args()
    torch.set_num_threads(1)
    manifest = open_dataset("pbc").cells().labelled()
    (split,) = PROTOCOLS["pbc"].make(manifest)
    records = {record.id: record for record in manifest.records}
    order = np.random.default_rng(0)

    def draw(part: str, count: int) -> list[Record]:
        return [records[name] for name in order.permutation(sorted(split.parts[part]))[:count]]

    options.validation = decode(draw("validation", options.validation_images))
    writer = csv.writer(sys.stdout)
    if options.runs:
        writer.writerow(("run", *HEADER[4:]))
        for run in options.runs:
            network = build(0)
            network.load_state_dict(load_file(run / "weights.safetensors"))
            alive, accuracy, loss = judge(network, *options.validation)
            writer.writerow((f"{run.parent.name}/{run.name}", alive, f"{accuracy:.3f}", f"{loss:.3f}"))
        return
    options.training = decode(draw("train", options.training_images))
    writer.writerow(HEADER)
    for rate in options.rates:
        for kind in options.augmentations:
            for seed in options.seeds:
                for step, alive, accuracy, loss in train(options, rate, kind, seed):
                    writer.writerow((rate, kind, seed, step, alive, f"{accuracy:.3f}", f"{loss:.3f}"))
                    sys.stdout.flush()


if __name__ == "__main__":
    main()
