"""The files of a dataset, in a folder or a zip. Nothing is unpacked."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from leukolens.core.errors import DataError, InputRefused
from leukolens.core.files import show_name
from leukolens.core.results import Refusal
from leukolens.images.archives import open_archive, why_outside
from leukolens.images.decoding import IMAGE_SUFFIXES, join_reference, read_bytes
from leukolens.images.folders import is_hidden, list_files

_LARGEST_TEXT_BYTES = 1 << 26


@dataclass(frozen=True)
class Tree:
    """The files of a dataset.

    Attributes:
        root: The folder or zip.
        files: Reference of each file for reading, by its path in the dataset.
        refused: Folders that cannot be listed, and members of a zip that point outside it.
    """

    root: Path
    files: dict[PurePosixPath, str]
    refused: tuple[Refusal, ...] = ()

    def images(self) -> list[PurePosixPath]:
        """Paths of images, sorted."""
        return self.with_suffixes(IMAGE_SUFFIXES)

    def with_suffixes(self, suffixes: tuple[str, ...]) -> list[PurePosixPath]:
        """Paths of files with one of the given suffixes (lower case), sorted."""
        return sorted(path for path in self.files if path.suffix.lower() in suffixes)

    def read_text(self, path: PurePosixPath) -> str:
        """The text of a small file.

        Raises:
            InputRefused: it cannot be read or is not text in UTF-8.
        """
        try:
            return read_bytes(self.files[path], _LARGEST_TEXT_BYTES).decode("utf-8-sig")
        except UnicodeDecodeError as error:
            raise InputRefused("is not text in UTF-8.") from error


def open_tree(root: Path) -> Tree:
    """Lists the files of a folder or a zip. Hidden files are left out.

    Raises:
        DataError: there is no such folder or zip, or it holds no file.
    """
    root = root.absolute()
    where = show_name(str(root))
    if root.is_dir():
        files, refused = _list_folder(root)
    elif root.is_file() and root.suffix.lower() == ".zip":
        files, refused = _list_archive(root)
    else:
        raise DataError(f"{where} is neither a folder nor a file that ends in .zip. Unpack other archives first.")
    visible = {path: reference for path, reference in files.items() if not is_hidden(path)}
    if not visible:
        raise DataError(f"{where} holds no files that can be read. Is it the folder that was meant?")
    return Tree(root, visible, tuple(refused))


def _list_archive(root: Path) -> tuple[dict[PurePosixPath, str], list[Refusal]]:
    files: dict[PurePosixPath, str] = {}
    refused: list[Refusal] = []
    for entry in open_archive(root).infolist():
        outside = why_outside(entry.filename)
        if outside:
            refused.append(Refusal(entry.filename, outside))
        elif not entry.is_dir():
            files[PurePosixPath(entry.filename)] = join_reference(root, entry.filename)
    return files, refused


def _list_folder(root: Path) -> tuple[dict[PurePosixPath, str], list[Refusal]]:
    paths, refused = list_files(root)
    return {PurePosixPath(Path(path).relative_to(root).as_posix()): path for path in paths}, refused


def unique_ids(paths: Iterable[PurePosixPath]) -> dict[PurePosixPath, str]:
    """The id of each image: its stem, its path without extension if stems repeat, else its path."""
    names = {path: path.stem for path in paths}
    for longer in (lambda path: str(path.with_suffix("")), str):
        counts: dict[str, int] = {}
        for name in names.values():
            counts[name] = counts.get(name, 0) + 1
        names = {path: name if counts[name] == 1 else longer(path) for path, name in names.items()}
    return names
