"""Untrusted bytes to pixels: every odd format read rightly or refused with a reason, before much memory is spent.

An image reference is a file's path, or `archive.zip::member` for a picture inside a zip, which is never unpacked to
disk. Resizing and cropping are `leukolens.core.pixels`.
"""

import io
import threading
import warnings
import zipfile
from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from leukolens.core.errors import DataError, InputRefused
from leukolens.core.files import show_name
from leukolens.core.pixels import Pixels

IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".tif", ".tiff", ".bmp")
LARGEST_PIXELS = 200_000_000
LARGEST_FILE_BYTES = 1 << 30
LARGEST_MEMBERS = 2_000_000
_FORMATS = ("JPEG", "PNG", "WEBP", "TIFF", "BMP", "MPO")
_SEPARATOR = "::"
_OPEN_ARCHIVES = 4


@dataclass(frozen=True)
class DecodedImage:
    """A picture as `(h, w, 3)` uint8 RGB, upright, and what was odd about it."""

    pixels: Pixels
    warnings: tuple[str, ...] = ()


def split_reference(reference: str | Path) -> tuple[Path, str | None]:
    """The file of a reference, and the member inside it where the file is a zip."""
    text = str(reference)
    archive, separator, member = text.partition(".zip" + _SEPARATOR)
    return (Path(archive + ".zip"), member) if separator else (Path(text), None)


def join_reference(archive: Path, member: str) -> str:
    """The reference of a zip's member."""
    return f"{archive}{_SEPARATOR}{member}"


def read_image(reference: str | Path) -> DecodedImage:
    """Reads and decodes one picture.

    Raises:
        InputRefused: it cannot be read or is no picture that we take.
    """
    return decode_image(read_bytes(reference))


def read_bytes(reference: str | Path) -> bytes:
    """The bytes behind a reference.

    Raises:
        InputRefused: there is no such regular file or member, it is not readable, empty, or over 1 GiB.
    """
    path, member = split_reference(reference)
    try:
        data = _read_member(path, member) if member is not None else _read_file(path)
    except (OSError, DataError, zipfile.BadZipFile, NotImplementedError, RuntimeError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise InputRefused(f"cannot be read: {why}") from error
    if not data:
        raise InputRefused("is empty: zero bytes. Copy it again from where it came from.")
    return data


def _read_file(path: Path) -> bytes:
    if not path.is_file():
        raise InputRefused("is not a file." if path.exists() else "does not exist or its link leads nowhere.")
    if path.stat().st_size > LARGEST_FILE_BYTES:
        raise InputRefused(f"is over {LARGEST_FILE_BYTES >> 20} MiB, too large for a picture.")
    return path.read_bytes()


def _read_member(path: Path, member: str) -> bytes:
    archive = open_archive(path)
    try:
        entry = archive.getinfo(member)
    except KeyError as error:
        raise InputRefused(f"the zip {show_name(path.name)} has no such member.") from error
    if entry.file_size > LARGEST_FILE_BYTES:
        raise InputRefused(f"would unpack to over {LARGEST_FILE_BYTES >> 20} MiB.")
    with archive.open(entry) as stream:
        data = stream.read(entry.file_size + 1)
    if len(data) != entry.file_size:
        raise InputRefused("unpacks to another size than the zip says.")
    return data


_archives = threading.local()


def open_archive(path: Path) -> zipfile.ZipFile:
    """A zip opened for reading, kept open per thread; its members are checked once.

    Raises:
        DataError: it is not a zip, has too many members, or one of them points outside the archive.
    """
    if not hasattr(_archives, "opened"):
        _archives.opened = OrderedDict()
    opened: OrderedDict[tuple[str, int], zipfile.ZipFile] = _archives.opened
    try:
        key = (str(path.resolve()), path.stat().st_mtime_ns)
        if key in opened:
            opened.move_to_end(key)
            return opened[key]
        archive = zipfile.ZipFile(path)
    except (OSError, zipfile.BadZipFile, NotImplementedError, ValueError) as error:
        raise DataError(f"{show_name(str(path))} cannot be opened as a zip: {error}") from error
    _check_members(path, archive)
    opened[key] = archive
    while len(opened) > _OPEN_ARCHIVES:
        opened.popitem(last=False)[1].close()
    return archive


def _check_members(path: Path, archive: zipfile.ZipFile) -> None:
    entries = archive.infolist()
    if len(entries) > LARGEST_MEMBERS:
        archive.close()
        raise DataError(f"{show_name(path.name)} has {len(entries)} members, more than {LARGEST_MEMBERS}: not opened.")
    for entry in entries:
        name = PurePosixPath(entry.filename.replace("\\", "/"))
        if name.is_absolute() or ".." in name.parts or ":" in (name.parts or ("",))[0]:
            archive.close()
            raise DataError(f"{show_name(path.name)} holds {entry.filename!r}, which points outside the archive: not opened.")


def read_size(reference: str | Path) -> tuple[int, int]:
    """Width and height of a picture as decoded, from its header.

    Raises:
        InputRefused: it cannot be read or is no picture that we take.
    """
    data = read_bytes(reference)
    try:
        with Image.open(io.BytesIO(data), formats=_FORMATS) as image:
            turned = image.getexif().get(0x0112, 1) >= 5  # EXIF orientations 5 to 8 lie on their side
            return (image.height, image.width) if turned else image.size
    except Exception as error:  # As in decode_image: hostile headers raise almost anything.
        raise InputRefused("is not a picture we read (JPEG, PNG, WebP, TIFF, BMP).") from error


def decode_image(data: bytes) -> DecodedImage:
    """Decodes one picture: first frame, upright, 8-bit RGB over white.

    Raises:
        InputRefused: not a JPEG, PNG, WebP, TIFF or BMP, damaged or truncated, or over 200 megapixels.
    """
    notes: list[str] = []
    try:
        with warnings.catch_warnings():
            # The size is checked below, before anything is decoded.
            warnings.simplefilter("ignore")
            with Image.open(io.BytesIO(data), formats=_FORMATS) as image:
                width, height = image.size
                if width * height > LARGEST_PIXELS:
                    raise InputRefused(
                        f"has {width} x {height} pixels, more than {LARGEST_PIXELS // 1_000_000} megapixels. Cut it into fields."
                    )
                if image.format != "MPO" and getattr(image, "n_frames", 1) > 1:
                    notes.append(f"{getattr(image, 'n_frames', 1)} frames: only the first was read")
                image.load()
                pixels = _to_rgb(ImageOps.exif_transpose(image))
    except InputRefused:
        raise
    except UnidentifiedImageError as error:
        raise InputRefused("is not a picture we read (JPEG, PNG, WebP, TIFF, BMP).") from error
    except (MemoryError, Image.DecompressionBombError) as error:
        raise InputRefused("needs more memory than a picture should.") from error
    except Exception as error:  # Pillow's decoders raise almost anything on hostile bytes; all of it means: damaged.
        raise InputRefused(f"is damaged or cut short: {error}") from error
    return DecodedImage(pixels, tuple(notes))


def _to_rgb(image: Image.Image) -> Pixels:
    if image.mode in ("I;16", "I;16L", "I;16B", "I;16N", "I", "F"):
        values = np.asarray(image, np.float64)
        # Full scale is 16 bits, unless the numbers show that the file holds 8 bits or shares of one.
        top = 65535.0 if values.max(initial=0) > 255 else 255.0 if values.max(initial=0) > 1 else 1.0
        grey = np.clip(np.nan_to_num(values) * (255 / top) + 0.5, 0, 255).astype(np.uint8)
        return np.repeat(grey[:, :, None], 3, axis=2)
    has_alpha = image.mode in ("RGBA", "LA", "PA", "La", "RGBa") or "transparency" in image.info
    if has_alpha:
        over: Any = image.convert("RGBA")
        white = Image.new("RGBA", over.size, "white")
        image = Image.alpha_composite(white, over)
    return np.asarray(image.convert("RGB"))
