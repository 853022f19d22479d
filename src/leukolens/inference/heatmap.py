"""Where a bundle's model looked: its feature map weighed by the head's weights for one class (Zhou et al. 2016).

Needs no gradients, so that the light install has it too. The weights come in `head.npy`, which export writes for heads
that are one linear layer after the mean over the map; a bundle without it gives the mean activity of all features,
which says where the model saw anything at all, and is named so.
"""

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from leukolens.core.card import ClassifierCard
from leukolens.core.errors import BundleError
from leukolens.core.pixels import Pixels, normalise_batch
from leukolens.inference.bundles import Bundle
from leukolens.inference.session import Session

HEAD_NAME = "head.npy"
"""`(k, c + 1)` float32: weights of each class, then its bias."""


class HeatMapper:
    """Draws the maps of one bundle.

    Attributes:
        method: What its maps are, in words for people.
    """

    def __init__(self, bundle: Bundle[ClassifierCard]) -> None:
        """Opens the model and, where there is one, the head.

        Raises:
            BundleError: either is not what the card says.
        """
        self._card = bundle.card
        self._session = Session(bundle.folder, bundle.card)
        self._head = _read_head(bundle)
        self.method = (
            "mean activity of the model's last feature map: where it saw anything, for or against its answer"
            if self._head is None
            else "class activation map: what spoke for the class it called"
        )

    def map_batch(self, batch: Pixels, classes: NDArray[np.intp]) -> NDArray[np.float32]:
        """Maps of `n` prepared images `(n, h, w, 3)` uint8, one class number each: `(n, h, w)` float32, 0..1.

        Raises:
            BundleError: the feature map is none, or not of the head's width.
        """
        features = self._session.run_features(normalise_batch(batch, self._card.preparation))
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
