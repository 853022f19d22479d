"""A bundle as a classifier: prepared images in, calibrated probabilities out."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from leukolens.core.card import ClassifierCard
from leukolens.core.errors import BundleError
from leukolens.core.pixels import Pixels, normalise_batch
from leukolens.core.tasks import Task
from leukolens.inference.bundles import Bundle, load_bundle
from leukolens.inference.session import Session


@dataclass(frozen=True)
class ClassifierOutput:
    """What a model says of `n` images.

    Attributes:
        logits: `(n, k)` float32, as the model gives them.
        probabilities: `(n, k)` float64, softmax of the logits over the card's temperature.
    """

    logits: NDArray[np.float32]
    probabilities: NDArray[np.float64]


class Classifier:
    """Runs a bundle's model."""

    def __init__(self, bundle: Bundle[ClassifierCard], threads: int | None = None) -> None:
        """Opens the model on `threads` processors, or as many as ONNX Runtime thinks right.

        Raises:
            BundleError: the bundle is not a classifier's, or the model is not what the card says.
        """
        bundle = load_bundle(bundle, Task.CLASSIFICATION)
        self.card = bundle.card
        self._session = Session(bundle.folder, bundle.card, threads)

    def classify_batch(self, batch: Pixels) -> ClassifierOutput:
        """Names `n` cells.

        Args:
            batch: `(n, height_px, width_px, 3)` uint8 RGB, prepared as the card says.

        Raises:
            BundleError: the model gives numbers that are none.
        """
        logits = self._session.run(normalise_batch(batch, self.card.preparation))
        if not np.isfinite(logits).all():
            raise BundleError(f"The model of {self.card.name} gives numbers that are not finite: do not use it.")
        scaled = logits.astype(np.float64) / self.card.temperature
        shares = np.exp(scaled - scaled.max(axis=1, keepdims=True))
        return ClassifierOutput(logits, shares / shares.sum(axis=1, keepdims=True))
