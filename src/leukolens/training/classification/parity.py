"""Proof that a bundle says what its run says: the same labels, probabilities within a stated distance."""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from leukolens.core.acceptance import softmax
from leukolens.core.card import ClassifierCard
from leukolens.core.errors import TrainingError
from leukolens.core.pixels import Pixels, normalise_batch
from leukolens.inference.bundles import Bundle
from leukolens.inference.classifier import Classifier

TOLERANCE = 1e-4
"""Largest allowed difference of a probability between torch and ONNX Runtime, both in float32."""


@dataclass(frozen=True)
class Parity:
    """How far two runtimes differ on the same images."""

    images: int
    same_labels: int
    largest_difference: float

    def __str__(self) -> str:
        """One line for people."""
        return f"{self.same_labels} of {self.images} labels alike, probabilities at most {self.largest_difference:.1e} apart"


def compare_bundle(network: nn.Module, bundle: Bundle[ClassifierCard], images: Pixels) -> Parity:
    """Runs the torch network and the bundle on prepared images.

    Args:
        network: The run's network, in evaluation mode.
        bundle: What was exported from it.
        images: `(n, h, w, 3)` uint8, prepared as the card says.

    Raises:
        TrainingError: a label differs, or a probability by more than `TOLERANCE`.
    """
    classifier = Classifier(bundle)
    ours, theirs = [], []
    for start in range(0, len(images), 64):
        batch = images[start : start + 64]
        with torch.inference_mode():
            logits = network(torch.from_numpy(normalise_batch(batch, bundle.card.preparation))).numpy()
        ours.append(softmax(logits, bundle.card.temperature))
        theirs.append(classifier.classify_batch(batch).probabilities)
    parity = _measure(np.concatenate(ours), np.concatenate(theirs))
    if parity.same_labels < parity.images or parity.largest_difference > TOLERANCE:
        raise TrainingError(
            f"The exported model differs from the run: {parity}. Expected all labels alike and {TOLERANCE}."
        )
    return parity


def _measure(ours: NDArray[np.float64], theirs: NDArray[np.float64]) -> Parity:
    same = int((ours.argmax(1) == theirs.argmax(1)).sum())
    return Parity(len(ours), same, float(np.abs(ours - theirs).max()))
