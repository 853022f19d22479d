"""A dataset as it was downloaded, folder or zip, seen as one tree of files. Nothing is unpacked."""

import os
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from leukolens.core.errors import DataError
from leukolens.core.files import show_name
from leukolens.data.images import IMAGE_SUFFIXES, join_reference, open_archive, read_bytes


@dataclass(frozen=True)
class Tree:
    """The files of a dataset by their path inside it, with the reference under which each is read."""

    root: Path
    files: dict[PurePosixPath, str]

    def images(self) -> list[PurePosixPath]:
        """Paths of pictures, sorted."""
        return sorted(path for path in self.files if path.suffix.lower() in IMAGE_SUFFIXES)

    def read_text(self, path: PurePosixPath) -> str:
        """A small text file of the tree.

        Raises:
            InputRefused: it cannot be read.
            DataError: it is not text in UTF-8.
        """
        try:
            return read_bytes(self.files[path]).decode("utf-8-sig")
        except UnicodeDecodeError as error:
            raise DataError(f"{show_name(str(path))} of {show_name(str(self.root))} is not text in UTF-8.") from error


def open_tree(root: Path) -> Tree:
    """Lists a folder (links to folders are followed once, loops are survived) or a zip.

    Raises:
        DataError: there is no such folder or zip, or it holds no file.
    """
    root = root.absolute()
    if root.is_dir():
        files = _list_folder(root)
    elif root.is_file():
        entries = [entry.filename for entry in open_archive(root).infolist() if not entry.is_dir()]
        files = {PurePosixPath(name): join_reference(root, name) for name in entries}
    else:
        raise DataError(f"{show_name(str(root))} is neither a folder nor a zip.")
    visible = {path: reference for path, reference in files.items() if not _is_hidden(path)}
    if not visible:
        raise DataError(f"{show_name(str(root))} holds no files.")
    return Tree(root, visible)


def _is_hidden(path: PurePosixPath) -> bool:
    return any(part.startswith(".") or part == "__MACOSX" for part in path.parts)


def _list_folder(root: Path) -> dict[PurePosixPath, str]:
    files: dict[PurePosixPath, str] = {}
    seen: set[tuple[int, int]] = set()
    for folder, folders, names in os.walk(root, followlinks=True):
        status = os.stat(folder)
        if (status.st_dev, status.st_ino) in seen:
            folders.clear()
            continue
        seen.add((status.st_dev, status.st_ino))
        folders.sort()
        for name in sorted(names):
            path = Path(folder) / name
            files[PurePosixPath(path.relative_to(root).as_posix())] = str(path)
    return files


def unique_ids(paths: list[PurePosixPath]) -> dict[PurePosixPath, str]:
    """What each picture is called: its stem, or its path without extension where stems repeat."""
    stems: dict[str, int] = {}
    for path in paths:
        stems[path.stem] = stems.get(path.stem, 0) + 1
    return {path: path.stem if stems[path.stem] == 1 else str(path.with_suffix("")) for path in paths}
