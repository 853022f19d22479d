"""The files of a dataset, in a folder or a zip. Nothing is unpacked."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from leukolens.core.errors import DataError, InputRefused
from leukolens.core.files import decode_text, show_name
from leukolens.core.results import Refusal
from leukolens.images.archives import open_archive, spell_member, why_outside
from leukolens.images.decoding import join_reference, read_bytes
from leukolens.images.folders import is_image_name, is_left_out, list_files, list_unread

_LARGEST_TEXT_BYTES = 1 << 26


@dataclass(frozen=True)
class Tree:
    """The files of a dataset.

    Attributes:
        root: The folder or zip.
        files: Reference of each file for reading, by its path in the dataset.
        refused: Folders that cannot be listed, members of a zip that point outside it, and pictures in formats that are
            not read.
    """

    root: Path
    files: dict[PurePosixPath, str]
    refused: tuple[Refusal, ...] = ()

    def images(self) -> list[PurePosixPath]:
        """Paths of images, sorted."""
        return sorted(filter(is_image_name, self.files))

    def with_suffixes(self, suffixes: tuple[str, ...]) -> list[PurePosixPath]:
        """Paths of files with one of the given suffixes (lower case), sorted."""
        return sorted(path for path in self.files if path.suffix.lower() in suffixes)

    def read_text(self, path: PurePosixPath) -> str:
        """The text of a small file.

        Raises:
            InputRefused: it cannot be read or is not text.
        """
        try:
            return decode_text(read_bytes(self.files[path], _LARGEST_TEXT_BYTES))
        except ValueError as error:
            raise InputRefused(f"is not text: {error}.") from error


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
    if not files:
        raise DataError(f"{where} holds no files that can be read. Is it the folder that was meant?")
    return Tree(root, files, (*refused, *list_unread(files.values())))


def _list_archive(root: Path) -> tuple[dict[PurePosixPath, str], list[Refusal]]:
    files: dict[PurePosixPath, str] = {}
    refused: list[Refusal] = []
    beside: dict[PurePosixPath, set[str]] = defaultdict(set)
    for entry in open_archive(root).infolist():
        name = spell_member(entry)
        outside = why_outside(name)
        path = PurePosixPath(name)
        if outside:
            refused.append(Refusal(entry.filename, outside))
        elif not name.endswith("/"):
            if path in files:
                refused.append(Refusal(name, "stands twice in the zip: the last one is read"))
            files[path] = join_reference(root, entry.filename)
            beside[path.parent].add(path.name)
    folders = {folder for path in files for folder in path.parents}
    left_out = {folder for folder in folders if is_left_out(folder, beside[folder.parent])}
    kept = {
        path: reference
        for path, reference in files.items()
        if not (is_left_out(path) or left_out.intersection(path.parents))
    }
    return kept, refused


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


class FileFinder:
    """Finds the images that a table or an annotation names: by path, by file name, or by stem."""

    def __init__(self, images: Iterable[PurePosixPath]) -> None:
        self._images = set(images)
        self._by_name: dict[str, list[PurePosixPath]] = defaultdict(list)
        for path in sorted(self._images):
            for name in {path.name, path.stem}:
                self._by_name[name].append(path)

    def find(self, name: str, folder: PurePosixPath) -> PurePosixPath:
        """The path of an image.

        Args:
            name: As the annotation gives it.
            folder: In which the annotation lies.

        Raises:
            InputRefused: there is no such image, or several have this name.
        """
        given = PurePosixPath(name.strip().replace("\\", "/"))
        for path in (folder / given, given):
            if path in self._images:
                return path
        found = self._by_name.get(given.name, [])
        # `train/a.png` is meant rather than `test/a.png` where the end of the path says so.
        closer = [path for path in found if path.parts[-len(given.parts) :] == given.parts]
        found = closer or found
        if len(found) != 1:
            raise InputRefused(
                f"is the name of {len(found)} images: give its path" if found else "there is no such image"
            )
        return found[0]
