"""The files below a folder. Datasets, `classify` and `count` all walk folders by these rules."""

import os
import re
from collections.abc import Collection, Iterable
from pathlib import Path, PurePath

from leukolens.core.results import Refusal
from leukolens.images.decoding import IMAGE_SUFFIXES, is_picture

_LEFTOVERS = {"__macosx", "$recycle.bin", "system volume information", "thumbs.db", "desktop.ini", "@eadir"}
"""What operating systems and network drives leave between the files of people."""
_OVERLAYS = "overlay"
_BESIDE_OVERLAYS = {"cells.csv", "fields.csv", "differential.json"}
"""Files that `count` writes beside its folder of overlays."""
_COMPANIONS = re.compile(
    r"\.(csv|tsv|txt|text|jsonl?|geojson|xml|ya?ml|toml|ini|cfg|log|md|rst|html?|css|svg|js|pdf|docx?|odt|rtf|pptx?"
    r"|xlsx?|ods|parquet|feather|db|sqlite|names|data|cache|bib|py|pyc|ipynb|r|m|sh|bat|ps1|c|h|cpp|java|go|rs|lock"
    r"|sha256|md5|url|lnk|npy|npz|mat|pkl|pickle|h5|hdf5|onnx|pth?|ckpt|pb|tflite)"
)
"""Suffixes of tables, texts, programs and models: they may lie beside pictures without a word."""
_ARCHIVE = re.compile(r"\.(zip|gz|tgz|bz2|xz|tar|7z|rar)")
_LIKE_TIFF = re.compile(r"\.(svs|ndpi|scn|qptiff|bif|vsi|czi|lif|dng|nef|cr2|arw|orf|rw2|pef)")
"""Suffixes of slides and raw photographs. They may begin as a TIFF does, but cannot be read as one."""


def list_files(root: str | Path) -> tuple[list[str], list[Refusal]]:
    """Paths of all files below a folder, and the folders that cannot be listed.

    Links to folders are followed. A folder that is reached twice, as in a loop of links, is listed once. Names in a
    folder are sorted; its files stand before those of its folders. Hidden files and folders, and the overlays of an
    earlier `count`, are left out.

    Args:
        root: The folder. Each path begins with it as it was given. It may itself be hidden.
    """
    files: list[str] = []
    refused: list[Refusal] = []
    listed: set[tuple[int, int]] = set()

    def refuse(error: OSError) -> None:
        refused.append(Refusal(str(error.filename), f"cannot be listed: {error.strerror}"))

    for folder, folders, names in os.walk(root, followlinks=True, onerror=refuse):
        try:
            status = os.stat(folder)
        except OSError as error:
            refuse(error)
            continue
        if (status.st_dev, status.st_ino) in listed:
            folders.clear()
            continue
        listed.add((status.st_dev, status.st_ino))
        folders[:] = sorted(name for name in folders if not is_left_out(PurePath(name), names))
        files += [os.path.join(folder, name) for name in sorted(names) if not is_left_out(PurePath(name))]
    return files, refused


def list_images(root: str | Path) -> tuple[list[str], list[Refusal]]:
    """Paths of all images below a folder, as `list_files` gives them, and what is not read: folders and other pictures.

    Tables, texts and other files that usually lie beside pictures are passed over.
    """
    files, refused = list_files(root)
    return [file for file in files if is_image_name(PurePath(file))], refused + list_unread(files)


def is_image_name(path: PurePath) -> bool:
    """True if a file has the suffix of an image that can be read."""
    return path.suffix.lower() in IMAGE_SUFFIXES


def list_unread(files: Iterable[str]) -> list[Refusal]:
    """The files of a folder that may be pictures but are not read as such, and why."""
    refused = []
    for file in files:
        name = PurePath(file.rpartition("::")[2])
        suffix = name.suffix.lower()
        if is_image_name(name) or _COMPANIONS.fullmatch(suffix):
            continue
        if _ARCHIVE.fullmatch(suffix):
            why = "is an archive, and is not looked into. Unpack it if it holds pictures"
        elif not _LIKE_TIFF.fullmatch(suffix) and is_picture(file):
            why = "looks like a picture, but of a folder only files with the suffix of an image are read: rename it"
        elif suffix:
            why = f"is not read: no known image ends in {suffix}. Save it as PNG, TIFF or JPEG"
        else:
            continue
        refused.append(Refusal(file, why))
    return refused


def is_left_out(path: PurePath, beside: Collection[str] = ()) -> bool:
    """True for what is never anybody's input.

    That is what begins with a dot, what operating systems leave behind, and the overlays that `count` wrote.

    Args:
        path: Of a file or folder. Each of its parts is looked at.
        beside: Names of the files in the folder in which it lies. They tell overlays of `count` from other folders.
    """
    own = path.name == _OVERLAYS and set(beside) >= _BESIDE_OVERLAYS
    return own or any(part.startswith(".") or part.lower() in _LEFTOVERS for part in path.parts)
