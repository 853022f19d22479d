"""Cropping, resizing and normalising of a model's input, for training, evaluation, export and inference alike.

Arrays in, arrays out; files are decoded in `leukolens.images.decoding`. Images are `(h, w, 3)` uint8 RGB.
"""

from dataclasses import dataclass, field, replace
from typing import Annotated

import numpy as np
from msgspec import Meta
from numpy.typing import NDArray
from PIL import Image

from leukolens.core.results import Box

Pixels = NDArray[np.uint8]

_Level = Annotated[float, Meta(ge=-1e3, le=1e3)]
_Deviation = Annotated[float, Meta(gt=0, le=1e3)]
_Side = Annotated[int, Meta(ge=8, le=4096)]
Colour = tuple[_Level, _Level, _Level]
"""A number per channel."""
Spread = tuple[_Deviation, _Deviation, _Deviation]
"""A number above 0 per channel."""


@dataclass(frozen=True)
class Preparation:
    """How one image becomes a model's input. It stands in the card, so that everybody prepares images alike.

    Attributes:
        height_px: Height of the model's input.
        width_px: Width of the model's input.
        crop_fraction: Share that is kept of the largest centred rectangle of the input's shape.
        frame_um: Side of the crop around a cell where the scale is known, in micrometres.
        cell_context: Side of the crop where no scale is known, in multiples of the cell's longer side.
        mean: Per channel, subtracted after scaling to 0..1.
        std: Per channel, divided by after that.
        background: Mean training image `(height_px, width_px, 3)` uint8, subtracted from the resized image
            before anything else (as text 003 does); None for most models.
    """

    height_px: _Side
    width_px: _Side
    crop_fraction: Annotated[float, Meta(ge=0.05, le=1.0)] = 1.0
    cell_context: Annotated[float, Meta(ge=0.5, le=10.0)] = (
        2.55  # a PBC frame is 2.55 boxes wide (TXL-PBC's boxes on 474 PBC cells, median)
    )
    mean: Colour = (0.5, 0.5, 0.5)
    std: Spread = (0.5, 0.5, 0.5)
    background: Pixels | None = field(default=None, compare=False)
    frame_um: Annotated[float, Meta(ge=5.0, le=200.0)] = (
        33.4  # a PBC frame is 4.45 red cells of 7.5 um wide (TXL-PBC's boxes, median)
    )


_SMALLEST_CROP_PX, _LARGEST_CROP_PX = 8, 2048


def square_box(box: Box, side_px: float) -> Box:
    """The square about the middle of a box, its side and corners rounded to whole pixels, at least 8 px wide."""
    side = max(_SMALLEST_CROP_PX, round(side_px))
    left, top = round((box.x0 + box.x1 - side) / 2), round((box.y0 + box.y1 - side) / 2)
    return replace(box, x0=float(left), y0=float(top), x1=float(left + side), y1=float(top + side))


def crop_cell(image: Pixels, crop_box: Box) -> Pixels:
    """The pixels of an image `(h, w, 3)` in a box with whole-number corners, mirrored beyond the image's border.

    Of a crop over 2048 px only every second pixel is kept, or fewer: no model sees so many, and a hostile picture could
    ask for any number.
    """
    left, top, right, bottom = (round(side) for side in (crop_box.x0, crop_box.y0, crop_box.x1, crop_box.y1))
    step = -(-max(right - left, bottom - top) // _LARGEST_CROP_PX)
    rows = _mirror(np.arange(top, bottom, step), image.shape[0])
    columns = _mirror(np.arange(left, right, step), image.shape[1])
    return image[np.ix_(rows, columns)]


def _mirror(positions: NDArray[np.intp], length: int) -> NDArray[np.intp]:
    folded = positions % (2 * length)
    return np.where(folded < length, folded, 2 * length - 1 - folded)


def prepare_image(image: Pixels, preparation: Preparation) -> Pixels:
    """The centred part of an image that a model sees, resized: `(height_px, width_px, 3)` uint8."""
    height, width = image.shape[:2]
    aspect = preparation.width_px / preparation.height_px
    window_height = min(height, width / aspect) * preparation.crop_fraction
    window_width = window_height * aspect
    left, top = (width - window_width) / 2, (height - window_height) / 2
    window = (left, top, left + window_width, top + window_height)
    size = (preparation.width_px, preparation.height_px)
    # Pillow's bilinear filter widens with the reduction, so that shrinking does not alias.
    return np.asarray(Image.fromarray(image).resize(size, Image.Resampling.BILINEAR, box=window, reducing_gap=3.0))


def resize_window(image: Pixels, window: tuple[float, float, float, float], size: tuple[int, int]) -> Pixels:
    """Part of an image in another size, with the same pixels as if the whole image had been resized and then cut.

    Args:
        image: `(h, w, 3)` uint8 RGB.
        window: x0, y0, x1, y1 in pixels of the image, not beyond its border; fractions allowed.
        size: Height and width of the result.
    """
    x0, y0, x1, y1 = window
    # The filter reaches beyond the window by one pixel of the coarser grid; one more is for rounding.
    reach_x, reach_y = (max(1.0, long / short) + 1 for long, short in ((x1 - x0, size[1]), (y1 - y0, size[0])))
    left, top = max(0, int(x0 - reach_x)), max(0, int(y0 - reach_y))
    part = np.ascontiguousarray(image[top : int(np.ceil(y1 + reach_y)), left : int(np.ceil(x1 + reach_x))])
    box = (x0 - left, y0 - top, x1 - left, y1 - top)
    return np.asarray(Image.fromarray(part).resize((size[1], size[0]), Image.Resampling.BILINEAR, box=box))


def normalise_batch(batch: Pixels, preparation: Preparation) -> NDArray[np.float32]:
    """The model's input `(n, 3, h, w)` float32, of prepared images `(n, h, w, 3)` uint8."""
    inputs = normalise_colours(batch, preparation.mean, preparation.std)
    if preparation.background is not None:
        inputs -= preparation.background.transpose(2, 0, 1) * _scale(preparation.std)
    return inputs


def normalise_colours(
    batch: Pixels, mean: tuple[float, float, float], std: tuple[float, float, float]
) -> NDArray[np.float32]:
    """Images `(n, h, w, 3)` uint8, scaled to 0..1, less `mean`, divided by `std`: `(n, 3, h, w)` float32."""
    scale = _scale(std)
    planes = batch.transpose(0, 3, 1, 2)
    # Writing into the model's layout at once saves one pass over every pixel.
    inputs = np.empty(planes.shape, np.float32)
    np.multiply(planes, scale, out=inputs, casting="unsafe")
    inputs -= np.asarray(mean, np.float32)[:, None, None] * 255 * scale
    return inputs


def _scale(std: tuple[float, float, float]) -> NDArray[np.float32]:
    return np.asarray(1 / (255 * np.asarray(std, np.float32)[:, None, None]))
