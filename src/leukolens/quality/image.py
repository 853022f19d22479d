"""Measures what can spoil a picture of a cell (blur, light, other cells, residue, a cut) and names what is unusual.

What is unusual is never a number of ours: it is what hardly any picture shows that a model got right
(`QualityReference`). No files and no models here; `leukolens.inference.failures` brings pictures and calls.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from leukolens.core.errors import DataError
from leukolens.core.pixels import Pixels
from leukolens.quality.stain import BLACK_UP_TO, REDUCED_PX, Stained, find_lit, find_stained, grow

STANDARD_PX = 192
"""Shorter side on which light and focus are measured, so that pictures of different cameras compare."""

LUMA = np.array([0.299, 0.587, 0.114], np.float32)
"""Weights of red, green and blue in grey (ITU-R BT.601)."""

_WHITE = 254
"""Darkest channel, of 255, from which a pixel is burnt out."""

_EDGE_PX = 6
"""Pixels at `STANDARD_PX` that an unlit corner's soft edge darkens."""

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
    standard = resize_by(pixels, STANDARD_PX / min(pixels.shape[:2]))
    black = standard.max(axis=2) < BLACK_UP_TO
    # An unlit corner's edge would be sharp in the most blurred of pictures.
    lit = find_lit(standard, _EDGE_PX)
    if not lit.any():
        return ImageQuality(0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0, 0.0, 0.0, 0.0)
    grey: NDArray[np.float32] = (standard @ LUMA / 255).astype(np.float32)
    small = resize_by(pixels, REDUCED_PX / max(pixels.shape[:2]))
    stained, cells, largest, border, residue = _measure_stain(find_stained(small))
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


def resize_by(pixels: Pixels, scale: float) -> Pixels:
    """The picture at another size, filtered so that shrinking does not alias."""
    image = Image.fromarray(pixels)
    size = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
    # Pillow's bilinear filter widens with the reduction.
    return pixels if size == image.size else np.asarray(image.resize(size, Image.Resampling.BILINEAR, reducing_gap=3.0))


def find_edges(grey: NDArray[Any]) -> NDArray[Any]:
    """The Laplacian, four times a pixel less its four neighbours: `(h - 2, w - 2)` in the type of `grey`."""
    sides = grey[:-2, 1:-1] + grey[2:, 1:-1] + grey[1:-1, :-2] + grey[1:-1, 2:]
    return np.asarray(4 * grey[1:-1, 1:-1] - sides)


def _measure_focus(grey: NDArray[np.float32], lit: NDArray[np.bool_]) -> float:
    """Pech-Pacheco et al. 2000, over contrast so that a faint cell does not count as a blurred one."""
    around = ~grow(~lit, 1)[1:-1, 1:-1]
    spread = float(grey[1:-1, 1:-1][around].var()) if around.any() else 0.0
    return float(find_edges(grey)[around].var()) / spread if spread > 0 else 0.0


def _measure_stain(stained: Stained) -> tuple[float, int, float, float, float]:
    """Stained share, cells, share of the largest, its share on the border, share in small bits."""
    areas, labels, lit = stained.areas, stained.labels, stained.ground
    if not len(areas):
        return 0.0, 0, 0.0, 0.0, 0.0
    inside = np.zeros_like(lit)
    inside[1:-1, 1:-1] = True
    inside &= ~grow(~lit, 1)
    big = areas >= _BIG_PART * areas.max()
    return (
        float(stained.mask.sum() / lit.sum()),
        int(big.sum()),
        float(areas.max() / areas.sum()),
        float(((labels == areas.argmax() + 1) & ~inside).sum() / areas.max()),
        float(areas[~big].sum() / lit.sum()),
    )
