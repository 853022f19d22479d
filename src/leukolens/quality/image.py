"""Measures what can spoil the image of a cell (blur, light, other cells, residue, a border), and names what is unusual.

There are no fixed limits. Unusual is what hardly any image shows that a model classified correctly
(`QualityReference`). `leukolens.inference.failures` brings images and predictions together.
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
"""Light and focus are measured with this shorter side, so that images of different cameras can be compared."""

LUMA = np.array([0.299, 0.587, 0.114], np.float32)
"""Weights of red, green and blue in grey (ITU-R BT.601)."""

_WHITE = 254
"""Of 255: a pixel is overexposed if its darkest channel is at least this."""

_EDGE_PX = 6
"""Width of the soft edge of an unlit corner, in pixels at `STANDARD_PX`."""

_BIG_PART = 0.25
"""A stained piece of at least this share of the largest one's area is a cell; a smaller one is residue."""


@dataclass(frozen=True)
class ImageQuality:
    """The measures of one image. Shares are of its lit pixels unless stated otherwise.

    Attributes:
        focus: Variance of the Laplacian over the variance of grey: the part of the contrast that is in fine edges.
        contrast: Standard deviation of grey, 0..1.
        brightness: Median of grey, 0..1.
        black_share: Share of all pixels that are not lit.
        white_share: Share that is overexposed.
        stained_share: Share stained like a nucleus.
        stained_cells: Number of stained pieces at least a quarter as large as the largest.
        largest_share: Share of all stain that is in the largest piece.
        border_share: Share of the largest piece that lies on the image's border.
        residue_share: Share stained in smaller pieces: residue, platelets, the edge of another cell.
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
    """The limits between which almost all images of a reference lie.

    Attributes:
        limits: Low and high quantile, by name of the measure.
        images: Number of images that they were fitted on.
    """

    limits: Mapping[str, tuple[float, float]]
    images: int


TAIL = 0.025
"""Share of the reference's images beyond each limit."""

LEAST_IMAGES = round(1 / TAIL)
"""With fewer images, none of the reference could lie beyond a limit."""

# Words, measure, and which end of it spoils an image.
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
"""All words that `name_faults` gives."""


def measure_image(pixels: Pixels) -> ImageQuality:
    """The measures of one image, `(h, w, 3)` uint8 RGB."""
    standard = resize_by(pixels, STANDARD_PX / min(pixels.shape[:2]))
    black = standard.max(axis=2) < BLACK_UP_TO
    # The edge of an unlit corner is sharp even in a blurred image.
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
    """The limits beyond which a share of `TAIL` of these images lies at each end.

    Raises:
        DataError: there are fewer than `LEAST_IMAGES`.
    """
    if len(qualities) < LEAST_IMAGES:
        raise DataError(f"Limits cannot be fitted on {len(qualities)} images. Expected at least {LEAST_IMAGES}.")
    limits = {}
    for name in {measure for _, measure, _ in _FAULTS}:
        values = np.array([getattr(quality, name) for quality in qualities], np.float64)
        # Values that occur, not values between them: a limit of 1.5 cells would make two cells unusual.
        low = np.quantile(values, TAIL, method="lower")
        limits[name] = (float(low), float(np.quantile(values, 1 - TAIL, method="higher")))
    return QualityReference(limits, len(qualities))


def name_faults(quality: ImageQuality, reference: QualityReference) -> tuple[str, ...]:
    """Words for the measures beyond the limits of the reference, in the order of `FAULTS`."""
    found = []
    for word, measure, end in _FAULTS:
        low, high = reference.limits[measure]
        value = getattr(quality, measure)
        if value < low if end == "low" else value > high:
            found.append(word)
    return tuple(found)


def resize_by(pixels: Pixels, scale: float) -> Pixels:
    """The image `(h, w, 3)` uint8 at another scale, filtered so that shrinking does not alias."""
    image = Image.fromarray(pixels)
    size = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
    # Pillow's bilinear filter gets wider with the reduction.
    return pixels if size == image.size else np.asarray(image.resize(size, Image.Resampling.BILINEAR, reducing_gap=3.0))


def find_edges(grey: NDArray[Any]) -> NDArray[Any]:
    """The Laplacian, four times a pixel minus its four neighbours: `(h - 2, w - 2)` in the type of `grey`."""
    sides = grey[:-2, 1:-1] + grey[2:, 1:-1] + grey[1:-1, :-2] + grey[1:-1, 2:]
    return np.asarray(4 * grey[1:-1, 1:-1] - sides)


def _measure_focus(grey: NDArray[np.float32], lit: NDArray[np.bool_]) -> float:
    """Pech-Pacheco et al. 2000, divided by contrast, so that a faint cell does not count as blurred."""
    around = ~grow(~lit, 1)[1:-1, 1:-1]
    spread = float(grey[1:-1, 1:-1][around].var()) if around.any() else 0.0
    return float(find_edges(grey)[around].var()) / spread if spread > 0 else 0.0


def _measure_stain(stained: Stained) -> tuple[float, int, float, float, float]:
    """Stained share, number of cells, share of the largest, its share on the border, share in small pieces."""
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
