"""Pictures as a caller gives them: paths, folders, lists of paths and arrays."""

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from leukolens.core.errors import InputRefused, NothingRead, UsageError
from leukolens.core.files import decode_text, show_name
from leukolens.core.pixels import Pixels
from leukolens.core.results import Refusal
from leukolens.images.decoding import DecodedImage, read_image
from leukolens.images.folders import list_images

Source = str | Path | Pixels
"""One picture, or a folder of them: a path, or an array `(h, w, 3)` uint8 RGB."""

_MOST_NAMED = 5
"""Refused inputs that an error message names."""


def gather_sources(given: Source | Iterable[Source]) -> tuple[list[Source], list[Refusal]]:
    """One or many paths, folders and arrays as a list of pictures, and the paths that could not be found.

    An array `(n, h, w, 3)` is `n` pictures.

    Raises:
        NothingRead: something was given, but folders alone, and they hold no picture.
        UsageError: something is neither a path nor an array.
    """
    if isinstance(given, np.ndarray):
        given = list(given) if given.ndim == 4 else [given]
    elif isinstance(given, str | Path):
        given = [given]
    elif not isinstance(given, Iterable):
        raise UsageError(_say_wrong(given))
    sources: list[Source] = []
    refused: list[Refusal] = []
    empty = True
    for item in given:
        empty = False
        if isinstance(item, np.ndarray):
            sources.append(item)
        elif isinstance(item, str | Path):
            found, missing = find_images([str(item)])
            sources += found
            refused += missing
        else:
            raise UsageError(_say_wrong(item))
    if not (empty or sources or refused):
        raise NothingRead(say_nothing_read(refused))
    return sources, refused


def find_images(paths: Iterable[str]) -> tuple[list[str], list[Refusal]]:
    """The images that the paths of a command line mean: files, folders, and `@list` files with one path per line.

    Folders are searched down. Each image is listed once. Of a folder, files with the suffix of an image are taken. A file
    that is named itself is taken whatever its suffix.

    Returns:
        Paths in order, a folder's files sorted; and what could not be found, opened or read.
    """
    found: dict[str, None] = {}
    refused: list[Refusal] = []
    for word in paths:
        if word.startswith("@") and not Path(word).exists():
            listed, missing = find_images(_read_list(Path(word[1:])))
            found |= dict.fromkeys(listed)
            refused += missing
        elif Path(word).is_dir():
            images, unread = list_images(word)
            found |= dict.fromkeys(images)
            refused += unread
        else:
            found[word] = None
    return list(found), refused


def name_source(number: int, source: Source) -> str:
    """What results call a picture: its path, or `array 3`."""
    return f"array {number}" if isinstance(source, np.ndarray) else str(source)


def read_picture(source: Source) -> DecodedImage:
    """The pixels of a picture.

    Raises:
        InputRefused: the file cannot be read, or the array is not `(h, w, 3)` uint8.
    """
    if not isinstance(source, np.ndarray):
        return read_image(source)
    if source.dtype != np.uint8 or source.ndim != 3 or source.shape[2] != 3:
        raise InputRefused(f"is an array {source.shape} of {source.dtype}; expected (h, w, 3) of uint8, RGB.")
    return DecodedImage(source)


def say_nothing_read(refused: Sequence[Refusal]) -> str:
    """Why nothing can be read, for `NothingRead`: the first refused inputs with their reasons, or that there were none."""
    if not refused:
        return "No images were found. Give image files, or folders with .jpg, .png, .webp, .tif or .bmp files."
    shown = [f"{show_name(refusal.image)} {refusal.why.rstrip('.')}" for refusal in refused[:_MOST_NAMED]]
    more = f"; and {len(refused) - _MOST_NAMED} more" if len(refused) > _MOST_NAMED else ""
    none = "The input could not be read" if len(refused) == 1 else f"None of the {len(refused)} inputs could be read"
    return f"{none}: {'; '.join(shown)}{more}."


def _say_wrong(item: object) -> str:
    return f"Images are paths or arrays (h, w, 3) of uint8; received a {type(item).__name__}."


def _read_list(path: Path) -> list[str]:
    try:
        text = decode_text(path.read_bytes(), are_names=True)
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else error
        raise UsageError(f"The list {show_name(str(path))} cannot be read: {why}.") from error
    return [line for line in text.splitlines() if line.strip() and not line.startswith("@")]
