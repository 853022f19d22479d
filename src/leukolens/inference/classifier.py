"""A classifier: prepared images in, calibrated probabilities out."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from leukolens.core.acceptance import softmax
from leukolens.core.card import ClassifierCard
from leukolens.core.errors import BundleError
from leukolens.core.pixels import Pixels, normalise_batch
from leukolens.core.tasks import Task
from leukolens.inference.bundles import Bundle, load_bundle
from leukolens.inference.session import Session


@dataclass(frozen=True)
class ClassifierOutput:
    """What a classifier gives for `n` images and `k` classes.

    Attributes:
        logits: `(n, k)` float32, as the model gives them.
        probabilities: `(n, k)` float64, the softmax of the logits divided by the card's temperature.
    """

    logits: NDArray[np.float32]
    probabilities: NDArray[np.float64]


class Classifier:
    """An opened classifier. It may be used from several threads at once.

    Attributes:
        bundle: Where it comes from.
        card: Its card.
    """

    def __init__(self, bundle: Bundle[ClassifierCard], threads: int | None = None) -> None:
        """Opens the model.

        Args:
            bundle: Folder and card.
            threads: Processors that one call uses; None leaves it to ONNX Runtime.

        Raises:
            BundleError: the bundle is not a classifier's, or the model does not agree with the card.
        """
        self.bundle = load_bundle(bundle, Task.CLASSIFICATION)
        self.card = self.bundle.card
        self._session = Session(bundle.folder, self.card, threads)

    @property
    def names_platelets(self) -> bool:
        """Whether one of its classes is the platelet."""
        return "platelet" in self.card.classes

    def classify_batch(self, batch: Pixels) -> ClassifierOutput:
        """Logits and probabilities of `n` cells, none of them for an empty batch.

        Args:
            batch: `(n, height_px, width_px, 3)` uint8 RGB, prepared as the card says.

        Raises:
            BundleError: the model gives numbers that are not finite.
        """
        if not len(batch):
            return ClassifierOutput(
                np.empty((0, len(self.card.classes)), np.float32), np.empty((0, len(self.card.classes)))
            )
        logits = self._session.run(normalise_batch(batch, self.card.preparation))
        if not np.isfinite(logits).all():
            raise BundleError(f"The model of {self.card.name} gives numbers that are not finite: do not use it.")
        return ClassifierOutput(logits, softmax(logits, self.card.temperature))

    def map_features(self, batch: Pixels) -> NDArray[np.float32]:
        """The last feature map `(n, c, fh, fw)` of prepared images `(n, height_px, width_px, 3)` uint8 RGB."""
        return self._session.run_features(normalise_batch(batch, self.card.preparation))


def open_classifier(
    model: str | Path | Bundle[ClassifierCard] | Classifier | None = None, threads: int | None = None
) -> Classifier:
    """An opened classifier, from a name, a folder or a bundle; the default one for None. An opened one is given back.

    Raises:
        BundleError: there is no such bundle, it is not a classifier's, or its card and files do not hold together.
        UsageError: something else was given.
    """
    return model if isinstance(model, Classifier) else Classifier(load_bundle(model), threads)
