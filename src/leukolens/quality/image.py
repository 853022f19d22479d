"""Measures what can spoil a picture of a cell (blur, light, other cells, residue, a cut) and names what is unusual.

What is unusual is never a number of ours: it is what hardly any picture shows that a model got right
(`QualityReference`). No files and no models here; `leukolens.analysis.failures` brings pictures and calls.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from leukolens.core.errors import DataError
from leukolens.core.pixels import Pixels

STANDARD_PX = 192
"""Shorter side on which light and focus are measured, so that pictures of different cameras compare."""

STAIN_PX = 64
"""Shorter side on which stain is measured: a nucleus is then some ten pixels wide and grain is gone."""

_LUMA = np.array([0.299, 0.587, 0.114], np.float32)
"""Weights of red, green and blue in grey (ITU-R BT.601)."""

_BLACK = 12
"""Brightest channel, of 255, at or below which a pixel was never lit: the corners that turning a picture leaves."""

_WHITE = 254
"""Darkest channel, of 255, from which a pixel is burnt out."""

_LEAST_DENSITY = 0.05
"""Of red light beyond that of blue, below which nothing counts as stained: an eighth more of it is absorbed."""

_EDGE_PX = 2
"""Pixels at `STAIN_PX` that an unlit corner's soft edge darkens."""

_JOIN_PX = 1
"""Stained pieces that grow into one another when grown by this are one: the lobes of a nucleus."""

_BIG_PART = 0.25
"""A stained piece of at least this part of the largest one's area counts as a cell; a smaller one as residue."""


@dataclass(frozen=True)
class ImageQuality:
    """What was measured of one picture; shares are of its lit pixels unless said otherwise.

    Attributes:
        focus: Variance of the Laplacian over the variance of grey: how much of the contrast is in fine edges.
        contrast: Standard deviation of grey, 0..1.
        brightness: Median of grey, 0..1.
        black_share: Share of all pixels that were never lit.
        white_share: Share that is burnt out.
        stained_share: Share stained like a nucleus.
        stained_cells: Stained pieces at least a quarter as large as the largest.
        largest_share: The largest piece's share of all stain.
        border_share: Share of the largest piece that lies on the picture's border.
        residue_share: Share stained in pieces too small to be a cell: residue, platelets, the edge of a neighbour.
    """

    focus: float
    contrast: float
    brightness: float
    black_share: float
    white_share: float
    stained_share: float
    stained_cells: int
    largest_share: float
    border_share: float
    residue_share: float


@dataclass(frozen=True)
class QualityReference:
    """Between which values almost all pictures of a reference lie.

    Attributes:
        limits: Low and high quantile by the name of a measure.
        images: How many pictures they were fitted on.
    """

    limits: Mapping[str, tuple[float, float]]
    images: int


TAIL = 0.025
"""Share of the reference's pictures beyond each limit."""

LEAST_IMAGES = round(1 / TAIL)
"""With fewer pictures no picture of the reference can lie beyond a limit, so that it is not known."""

# Word, measure, and whether it is the low or the high end that spoils a picture.
_FAULTS = (
    ("out of focus", "focus", "low"),
    ("low contrast", "contrast", "low"),
    ("too dark", "brightness", "low"),
    ("too bright", "brightness", "high"),
    ("partly black", "black_share", "high"),
    ("partly burnt out", "white_share", "high"),
    ("little stain", "stained_share", "low"),
    ("several stained cells", "stained_cells", "high"),
    ("stray stain beside it", "residue_share", "high"),
    ("cut at the border", "border_share", "high"),
)

FAULTS = tuple(word for word, _, _ in _FAULTS)
"""Every word that `name_faults` can say."""


def measure_image(pixels: Pixels) -> ImageQuality:
    """Measures one picture, `(h, w, 3)` uint8 RGB."""
    standard = np.asarray(_reduce(pixels, STANDARD_PX))
    black = standard.max(axis=2) <= _BLACK
    # An unlit corner's edge would be sharp in the most blurred of pictures.
    lit = ~_grow(black, _EDGE_PX * STANDARD_PX // STAIN_PX)
    if not lit.any():
        return ImageQuality(0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0, 0.0, 0.0, 0.0)
    grey: NDArray[np.float32] = (standard @ _LUMA / 255).astype(np.float32)
    stained, cells, largest, border, residue = _measure_stain(np.asarray(_reduce(pixels, STAIN_PX), np.float32))
    return ImageQuality(
        focus=_measure_focus(grey, lit),
        contrast=float(grey[lit].std()),
        brightness=float(np.median(grey[lit])),
        black_share=float(black.mean()),
        white_share=float((standard.min(axis=2) >= _WHITE).sum() / lit.sum()),
        stained_share=stained,
        stained_cells=cells,
        largest_share=largest,
        border_share=border,
        residue_share=residue,
    )


def fit_reference(qualities: Sequence[ImageQuality]) -> QualityReference:
    """The limits beyond which only `TAIL` of these pictures lie at each end.

    Raises:
        DataError: there are fewer than `LEAST_IMAGES`.
    """
    if len(qualities) < LEAST_IMAGES:
        raise DataError(f"{len(qualities)} pictures tell no limits. Expected at least {LEAST_IMAGES}.")
    limits = {}
    for name in {measure for _, measure, _ in _FAULTS}:
        values = np.array([getattr(quality, name) for quality in qualities], np.float64)
        # Values that occur, not values between them: a count of 1.5 cells would make two unusual where they are not.
        low = np.quantile(values, TAIL, method="lower")
        limits[name] = (float(low), float(np.quantile(values, 1 - TAIL, method="higher")))
    return QualityReference(limits, len(qualities))


def name_faults(quality: ImageQuality, reference: QualityReference) -> tuple[str, ...]:
    """Words for what lies beyond the reference's limits, in the order of `FAULTS`."""
    found = []
    for word, measure, end in _FAULTS:
        low, high = reference.limits[measure]
        value = getattr(quality, measure)
        if value < low if end == "low" else value > high:
            found.append(word)
    return tuple(found)


def _reduce(pixels: Pixels, side_px: int) -> Image.Image:
    image = Image.fromarray(pixels)
    scale = side_px / min(image.size)
    size = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
    return image if size == image.size else image.resize(size, Image.Resampling.BILINEAR, reducing_gap=3.0)


def _measure_focus(grey: NDArray[np.float32], lit: NDArray[np.bool_]) -> float:
    """Pech-Pacheco et al. 2000, over contrast so that a faint cell does not count as a blurred one."""
    middle = grey[1:-1, 1:-1]
    edges = 4 * middle - grey[:-2, 1:-1] - grey[2:, 1:-1] - grey[1:-1, :-2] - grey[1:-1, 2:]
    around = lit[1:-1, 1:-1] & lit[:-2, 1:-1] & lit[2:, 1:-1] & lit[1:-1, :-2] & lit[1:-1, 2:]
    spread = float(middle[around].var()) if around.any() else 0.0
    return float(edges[around].var()) / spread if spread > 0 else 0.0


def _measure_stain(small: NDArray[np.float32]) -> tuple[float, int, float, float, float]:
    """Stained share, cells, share of the largest, its share on the border, share in small bits."""
    lit = ~_grow(small.max(axis=2) <= _BLACK, _EDGE_PX)
    if not lit.any():
        return 0.0, 0, 0.0, 0.0, 0.0
    # Dyes of the nucleus absorb red light and pass blue; haemoglobin and eosin do the opposite, and the dark rims of
    # red cells absorb both alike.
    densities = np.log10((np.percentile(small[lit], 90, axis=0) + 1) / (small + 1))
    purple = densities[:, :, 0] - densities[:, :, 2]
    stained = lit & (purple > max(_LEAST_DENSITY, _split_in_two(purple[lit])))
    areas, labels = _find_pieces(stained)
    if not len(areas):
        return 0.0, 0, 0.0, 0.0, 0.0
    largest = labels == int(areas.argmax()) + 1
    inside = np.zeros_like(lit)
    inside[1:-1, 1:-1] = True
    inside &= ~_grow(~lit, 1)
    big = areas >= _BIG_PART * areas.max()
    return (
        float(stained.sum() / lit.sum()),
        int(big.sum()),
        float(areas.max() / areas.sum()),
        float((largest & ~inside).sum() / areas.max()),
        float(areas[~big].sum() / lit.sum()),
    )


def _split_in_two(values: NDArray[np.float32], bins: int = 64) -> float:
    """The threshold that parts values into the two most distinct classes (Otsu 1979)."""
    counts, edges = np.histogram(values, bins)
    centres = (edges[:-1] + edges[1:]) / 2
    below = np.cumsum(counts)
    above = below[-1] - below
    total = np.cumsum(counts * centres)
    apart = (total[-1] * below - total * below[-1]) ** 2 / np.maximum(below * above, 1)
    return float(edges[1:][int(apart.argmax())])


def _find_pieces(mask: NDArray[np.bool_]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Areas of the pieces of a mask, and the number of each pixel's piece from 1; 0 beside the mask.

    Pieces that touch once the mask is grown by `_JOIN_PX` are one piece; its area is that of the mask itself.
    """
    grown = _grow(mask, _JOIN_PX)
    # Each pixel takes the least number around it, then the number which that pixel has taken meanwhile.
    count = grown.size
    numbers = np.where(grown, np.arange(count).reshape(grown.shape), count)
    while True:
        least = np.minimum.reduce(_shift(numbers, count))
        least = np.append(np.where(grown, least, count).ravel(), count)
        least = least[least][:-1].reshape(grown.shape)
        if (least == numbers).all():
            break
        numbers = least
    found, inverse = np.unique(numbers[mask], return_inverse=True)
    labels = np.zeros(mask.shape, np.intp)
    labels[mask] = inverse.reshape(-1) + 1
    return np.bincount(inverse.reshape(-1), minlength=len(found)), labels


def _grow(mask: NDArray[np.bool_], times: int) -> NDArray[np.bool_]:
    for _ in range(times if mask.any() else 0):
        mask = np.logical_or.reduce(_shift(mask, False))
    return mask


def _shift(values: NDArray[Any], beyond: int) -> list[NDArray[Any]]:
    """The array moved by at most one place in each direction."""
    around = np.pad(values, 1, constant_values=beyond)
    rows, columns = values.shape
    return [around[i : i + rows, j : j + columns] for i in range(3) for j in range(3)]
