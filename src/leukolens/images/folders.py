"""The files below a folder. Datasets, `classify` and `count` all walk folders by these rules."""

import os
from pathlib import Path, PurePath

from leukolens.core.results import Refusal


def list_files(root: str | Path) -> tuple[list[str], list[Refusal]]:
    """Paths of all files below a folder, and the folders that cannot be listed.

    Links to folders are followed. A folder that is reached twice, as in a loop of links, is listed once. Names in a
    folder are sorted; its files stand before those of its folders. Hidden files and folders are left out.

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
        folders[:] = sorted(name for name in folders if not is_hidden(PurePath(name)))
        files += [os.path.join(folder, name) for name in sorted(names) if not is_hidden(PurePath(name))]
    return files, refused


def is_hidden(path: PurePath) -> bool:
    """True if a part of a path begins with a dot, or is the folder `__MACOSX` that macOS adds to zips."""
    return any(part.startswith(".") or part == "__MACOSX" for part in path.parts)
