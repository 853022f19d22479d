"""Crops: the square of a photograph that a classifier is shown, where it lies, and its pixels.

Training, evaluation and inference get their crops here, so that all of them see the same pixels.
"""

from collections.abc import Callable, Iterable, Mapping

from leukolens.core.errors import InputRefused
from leukolens.core.pixels import Pixels, Preparation, crop_cell, square_box
from leukolens.core.results import Box
from leukolens.datasets.manifest import Record
from leukolens.images.decoding import DecodedImage, read_image

SMALLEST_SIDE_PX = 24
"""In a smaller picture a cell's nucleus is a few pixels wide, and no class can be seen."""

_USUAL = Preparation(160, 160)
"""Stands for a bundle's where a crop is only looked at."""

_LEAST_CONTRAST = 2.0
"""Standard deviation of grey, of 255. A picture below it has one colour, so no cell can be in it."""


def place_crop(cell: Box, pixel_size_um: float | None, preparation: Preparation) -> Box:
    """The crop box around a cell: a square with whole-number corners that may reach beyond the photograph.

    Where the scale is known, the square is `frame_um` wide whatever the cell's size: size tells classes apart, so it
    must stay visible. Without a scale it is `cell_context` times as wide as the cell's longer side.
    """
    if pixel_size_um is None:
        return square_box(cell, max(cell.width, cell.height) * preparation.cell_context)
    return square_box(cell, preparation.frame_um / pixel_size_um)


def cut_crop(photograph: Pixels, crop_box: Box | None) -> Pixels:
    """The pixels in a crop box, mirrored beyond the photograph's border; all of the photograph where the box is None.

    An eyepiece's black rim is left in: of 86 leukocytes near a drawn rim, crops with it kept all 86 labels, crops that
    were mirrored at the view's border instead kept 80.
    """
    return photograph if crop_box is None else crop_cell(photograph, crop_box)


def find_fault(image: Pixels) -> str:
    """Why a picture `(h, w, 3)` uint8 cannot show a cell; empty where it can."""
    height, width = image.shape[:2]
    if min(height, width) < SMALLEST_SIDE_PX:
        return f"only {width} x {height} pixels: a cell needs at least {SMALLEST_SIDE_PX}"
    # Every fourth pixel is enough to tell one colour from a picture.
    if float(image[::4, ::4].std(axis=(0, 1)).max()) < _LEAST_CONTRAST:
        return "the picture is of one colour: there is no cell in it"
    return ""


def place_own_crop(record: Record, preparation: Preparation | None = None) -> Box | None:
    """The crop box of a record's own cell where no scale is known; None for a record of a whole picture."""
    return None if record.cell is None else place_crop(record.cell, None, preparation or _USUAL)


def read_crop(image: str, crop_box: Box | None) -> DecodedImage:
    """Decodes an image, by path or `archive.zip::member`, and cuts the crop; all of it where the box is None.

    Raises:
        InputRefused: the image cannot be read.
    """
    decoded = read_image(image)
    return DecodedImage(cut_crop(decoded.pixels, crop_box), decoded.warnings)


def find_crops(
    records: Iterable[Record], crop_boxes: Mapping[str, Box | None] | None = None
) -> Callable[[str], Pixels | None]:
    """Gives the crop of a record by its id; None where the id is unknown or the image cannot be read.

    Args:
        records: Of one dataset.
        crop_boxes: By id; a record that is not among them or whose box is None is cut around its own cell.
    """
    by_id = {record.id: record for record in records}
    known = crop_boxes or {}

    def crop(name: str) -> Pixels | None:
        try:
            record = by_id[name]
            return read_crop(record.image, known.get(name) or place_own_crop(record)).pixels
        except (InputRefused, KeyError):
            return None

    return crop
