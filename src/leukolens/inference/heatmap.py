"""Heat maps: which parts of an image spoke for a class. The feature map, weighted by the head (Zhou et al. 2016).

No gradients are needed, so the light install has this too. The weights stand in `head.npy`, which export writes for
heads that are one linear layer after the mean over the map. For a bundle without it, the map is the mean activity of
all features.
"""

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from leukolens.core.card import ClassifierCard
from leukolens.core.errors import BundleError
from leukolens.core.pixels import Pixels
from leukolens.inference.bundles import Bundle
from leukolens.inference.classifier import Classifier

HEAD_NAME = "head.npy"
"""`(k, c + 1)` float32: weights of each class, then its bias."""


class HeatMapper:
    """Draws the heat maps of one classifier.

    Attributes:
        method: What the maps show, in words for people.
    """

    def __init__(self, classifier: Classifier) -> None:
        """Reads the weights of the head, where the bundle has them.

        Raises:
            BundleError: they do not agree with the card.
        """
        self._classifier, self._card = classifier, classifier.card
        self._head = _read_head(classifier.bundle)
        self.method = (
            "mean activity of the model's last feature map: what it reacted to, for or against its answer"
            if self._head is None
            else "class activation map: what spoke for the predicted class"
        )

    def map_batch(self, batch: Pixels, classes: NDArray[np.intp]) -> NDArray[np.float32]:
        """Maps `(n, h, w)` float32, 0..1, of prepared images `(n, h, w, 3)` uint8 for class numbers `(n,)`.

        Raises:
            BundleError: the feature map does not have the shape that the head needs.
        """
        features = self._classifier.map_features(batch)
        if features.ndim != 4 or (self._head is not None and features.shape[1] != self._head.shape[1] - 1):
            raise BundleError(f"The model of {self._card.name} gives features of shape {features.shape}: no maps.")
        if self._head is None:
            maps = np.abs(features).mean(axis=1)
        else:
            maps = np.einsum("nc,nchw->nhw", self._head[classes, :-1], features).clip(0)
        return enlarge_maps(maps, batch.shape[1], batch.shape[2])


def enlarge_maps(maps: NDArray[np.float32], height_px: int, width_px: int) -> NDArray[np.float32]:
    """Maps `(n, fh, fw)` at or above 0 to `(n, height_px, width_px)` float32, each divided by its largest value."""
    largest = maps.max(axis=(1, 2), keepdims=True)
    shares = np.where(largest > 0, maps / np.where(largest > 0, largest, 1), 0).astype(np.float32)
    size = (width_px, height_px)
    # Pillow's bilinear filter never overshoots, so that shares stay shares.
    return np.stack([np.asarray(Image.fromarray(one).resize(size, Image.Resampling.BILINEAR)) for one in shares])


def _read_head(bundle: Bundle[ClassifierCard]) -> NDArray[np.float32] | None:
    card = bundle.card
    if HEAD_NAME not in card.files:
        return None
    try:
        head = np.load(bundle.folder / HEAD_NAME, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise BundleError(f"{HEAD_NAME} of the bundle {card.name} is no array: {error}") from error
    good = isinstance(head, np.ndarray) and head.dtype == np.float32 and head.ndim == 2
    if not good or len(head) != len(card.classes) or not np.isfinite(head).all():
        raise BundleError(f"{HEAD_NAME} of {card.name} is not ({len(card.classes)}, features + 1) finite float32.")
    weights: NDArray[np.float32] = head
    return weights
