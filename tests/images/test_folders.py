"""How folders are walked: by datasets, `classify` and `count` alike."""

from pathlib import Path

import pytest

from leukolens.datasets.tree import open_tree
from leukolens.images.folders import list_files
from leukolens.inference.sources import find_images


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Files at several depths, hidden ones, what macOS leaves in zips, and links in a loop."""
    root = tmp_path / ".hidden root"
    names = ("z.png", "a/b.png", "a/B.png", "a/._b.png", ".git/x.png", "__MACOSX/z.png", "a/notes.txt")
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()
    (root / "a/up").symlink_to(root)
    (root / "self").symlink_to(root / "self")
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere/far.png").touch()
    (root / "linked").symlink_to(tmp_path / "elsewhere")
    return root


def test_files_are_listed_once_and_sorted_without_the_hidden_ones(folder: Path) -> None:
    files, refused = list_files(folder)
    visible = ["self", "z.png", "a/B.png", "a/b.png", "a/notes.txt", "linked/far.png"]
    assert files == [str(folder / name) for name in visible]
    assert refused == []


def test_datasets_and_classify_find_the_same_images(folder: Path) -> None:
    tree = open_tree(folder)
    found, refused = find_images([str(folder)])
    assert sorted(found) == sorted(tree.files[path] for path in tree.images())
    assert len(found) == 4 and refused == []
