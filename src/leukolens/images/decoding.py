"""Decodes untrusted image files. What cannot be decoded safely is refused with a reason, before much memory is used.

An image reference is the path of a file, or `archive.zip::member` for a picture in a zip.
"""

import io
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps
from PIL.BmpImagePlugin import BmpImageFile
from PIL.ImageFile import ImageFile
from PIL.JpegImagePlugin import jpeg_factory
from PIL.PngImagePlugin import PngImageFile
from PIL.TiffImagePlugin import TiffImageFile
from PIL.WebPImagePlugin import WebPImageFile

from leukolens.core.errors import DataError, InputRefused
from leukolens.core.pixels import Pixels
from leukolens.images.archives import open_archive, read_member

IMAGE_SUFFIXES = (".jpg", ".jpeg", ".jpe", ".jfif", ".mpo", ".png", ".webp", ".tif", ".tiff", ".bmp", ".heic", ".heif")
LARGEST_PIXELS = 200_000_000
LARGEST_FILE_BYTES = 1 << 30
_ZIP_REFERENCE = re.compile(r"(.*?\.zip)::(.*)", re.IGNORECASE | re.DOTALL)
_ORIENTATION = 0x0112
_SIDEWAYS = (5, 6, 7, 8)
_BITS_PER_SAMPLE, _COMPRESSION, _PHOTOMETRIC, _PLANAR_CONFIGURATION = 258, 259, 262, 284
"""Tags of TIFF 6.0."""
_UNCOMPRESSED, _WHITE_IS_ZERO, _SEPARATE_PLANES = 1, 0, 2


def _open_heif(stream: io.BytesIO) -> ImageFile:
    try:
        from pillow_heif import HeifImageFile
    except ImportError as error:
        raise InputRefused(
            "is a HEIC photograph, which needs one more library: pip install 'leukolens[phone]'. Or let the phone save JPEG."
        ) from error
    image: ImageFile = HeifImageFile(stream)
    return image


# The first bytes tell the format, and its own reader opens it. Image.open would also try other formats, and has a limit
# of its own that is far lower.
_READERS: tuple[tuple[re.Pattern[bytes], Callable[[io.BytesIO], ImageFile]], ...] = (
    (re.compile(rb"\xff\xd8\xff"), jpeg_factory),
    (re.compile(rb"\x89PNG\r\n\x1a\n"), PngImageFile),
    (re.compile(rb"RIFF.{4}WEBP", re.DOTALL), WebPImageFile),
    (re.compile(rb"II[*+]\0|MM\0[*+]"), TiffImageFile),
    (re.compile(rb"BM"), BmpImageFile),
    (re.compile(rb".{4}ftyp(hei[cmsx]|hev[cmsx]|mif1|msf1)", re.DOTALL), _open_heif),
)


@dataclass(frozen=True)
class DecodedImage:
    """A decoded picture.

    Attributes:
        pixels: `(h, w, 3)` uint8 RGB, upright.
        warnings: What was unusual about the file.
    """

    pixels: Pixels
    warnings: tuple[str, ...] = ()


def split_reference(reference: str | Path) -> tuple[Path, str | None]:
    """The file of a reference, and the member in it if the file is a zip."""
    found = _ZIP_REFERENCE.fullmatch(str(reference))
    return (Path(found[1]), found[2]) if found else (Path(reference), None)


def join_reference(archive: Path, member: str) -> str:
    """The reference of a member of a zip."""
    return f"{archive}::{member}"


def is_picture(reference: str | Path) -> bool:
    """True if the first bytes behind a reference are those of a picture that can be read."""
    path, member = split_reference(reference)
    try:
        with path.open("rb") if member is None else open_archive(path).open(member) as stream:
            start = stream.read(32)
    except Exception:  # zipfile raises many kinds of errors on hostile bytes
        return False
    return any(pattern.match(start) for pattern, _ in _READERS)


def read_image(reference: str | Path) -> DecodedImage:
    """Reads and decodes one picture.

    Raises:
        InputRefused: it cannot be read, or is not an image in a known format.
    """
    return decode_image(read_bytes(reference))


def read_bytes(reference: str | Path, largest: int = LARGEST_FILE_BYTES) -> bytes:
    """The bytes behind a reference.

    Raises:
        InputRefused: there is no such regular file or member, it is not readable, empty, or over `largest` bytes.
    """
    path, member = split_reference(reference)
    try:
        data = _read_file(path, largest) if member is None else read_member(path, member, largest)
    except (OSError, DataError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise InputRefused(f"cannot be read: {why}") from error
    if not data:
        raise InputRefused("is empty: zero bytes. Copy it again from where it came from.")
    return data


def _read_file(path: Path, largest: int) -> bytes:
    if not path.is_file():
        raise InputRefused("is not a regular file." if path.exists() else "does not exist, or its link leads nowhere.")
    with path.open("rb") as stream:
        data = stream.read(largest + 1)
    if len(data) > largest:
        raise InputRefused(f"is over {largest >> 20} MiB, too large for a picture.")
    return data


def decode_image(data: bytes) -> DecodedImage:
    """Decodes one picture. Of several frames the first is taken, transparent parts become white.

    Raises:
        InputRefused: not a JPEG, PNG, WebP, TIFF, BMP or HEIC, damaged or truncated, or over 200 megapixels.
    """
    notes: list[str] = []
    try:
        with _open_picture(data) as image:
            if getattr(image, "is_animated", False):
                notes.append("more than one frame: only the first was read")
            image.load()
            pixels = _convert_to_rgb(_turn_upright(image, notes), notes)
    except InputRefused:
        raise
    except MemoryError as error:
        raise InputRefused("needs more memory than there is. Cut it into fields.") from error
    except Exception as error:  # Pillow raises many kinds of errors on hostile bytes
        raise InputRefused(f"is damaged or cut short: {error}") from error
    return DecodedImage(pixels, tuple(notes))


def measure_size(data: bytes) -> tuple[int, int]:
    """Width and height in pixels of the decoded picture. Only the header is read.

    Raises:
        InputRefused: as `decode_image`, if the header shows it.
    """
    try:
        with _open_picture(data) as image:
            width, height = image.size
            # Pillow gives the size of a TIFF already turned, that of other formats not (findings/pillow-tiff-turned-size.sh).
            turned = not isinstance(image, TiffImageFile)
            sideways = turned and image.getexif().get(_ORIENTATION) in _SIDEWAYS
    except InputRefused:
        raise
    except Exception as error:  # as in decode_image
        raise InputRefused(f"is damaged or cut short: {error}") from error
    return (height, width) if sideways else (width, height)


def _open_picture(data: bytes) -> ImageFile:
    reader = next((reader for start, reader in _READERS if start.match(data)), None)
    if reader is None:
        raise InputRefused("is not an image in a known format: expected JPEG, PNG, WebP, TIFF, BMP or HEIC.")
    image = reader(io.BytesIO(data))
    width, height = image.size
    if width * height > LARGEST_PIXELS:
        limit = LARGEST_PIXELS // 1_000_000
        raise InputRefused(f"has {width} x {height} pixels, more than {limit} megapixels. Cut it into fields.")
    if isinstance(image, TiffImageFile) and _is_misread(image):
        raise InputRefused(
            "is a TIFF with uncompressed 16-bit colours in separate planes, which our decoder (Pillow) shows as stripes. "
            "Save it with interleaved colours, compressed, or with 8 bits a colour."
        )
    return image


def _is_misread(image: TiffImageFile) -> bool:
    """Whether Pillow would mix up the planes of a TIFF in silence (findings/pillow-planar-16-bit-tiff.sh)."""
    tags = image.tag_v2
    wide = max(np.atleast_1d(tags.get(_BITS_PER_SAMPLE, 1))) > 8
    return tags.get(_PLANAR_CONFIGURATION) == _SEPARATE_PLANES and wide and tags.get(_COMPRESSION, 1) == _UNCOMPRESSED


def _turn_upright(image: Image.Image, notes: list[str]) -> Image.Image:
    try:
        ImageOps.exif_transpose(image, in_place=True)
    except Exception:  # a damaged EXIF block is no reason to refuse the picture
        notes.append("its EXIF block is damaged: taken as upright")
    return image


def _convert_to_rgb(image: Image.Image, notes: list[str]) -> Pixels:
    if image.mode.startswith("I") or image.mode == "F":
        return _scale_grey(image, notes)
    if image.has_transparency_data:
        over = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", over.size, "white"), over)
    return np.asarray(image if image.mode == "RGB" else image.convert("RGB"))


def _scale_grey(image: Image.Image, notes: list[str]) -> Pixels:
    values = np.nan_to_num(np.asarray(image).astype(np.float32), posinf=0, neginf=0)
    inverted = isinstance(image, TiffImageFile) and image.tag_v2.get(_PHOTOMETRIC) == _WHITE_IS_ZERO
    if inverted and image.mode.startswith("I;16"):
        # Pillow turns 8-bit grey of this kind round, 16-bit grey not (findings/pillow-inverted-16-bit-grey.sh).
        values = 65535 - values
    highest = float(values.max(initial=0))
    if image.mode != "F" and highest > 255:
        top = 65535.0
    else:
        # Measuring software saves 8-bit numbers, or numbers from 0 to 1, in files of 16 or 32 bits.
        top = 1.0 if image.mode == "F" and highest <= 1 else 255.0 if highest <= 255 else 65535.0
        notes.append(f"a grey file of 16 or 32 bits with values up to {highest:g}: {top:g} was taken as white")
    grey = np.clip(values * (255 / top) + 0.5, 0, 255).astype(np.uint8)
    return np.repeat(grey[:, :, None], 3, axis=2)
