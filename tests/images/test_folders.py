"""How folders are walked: by datasets, `classify` and `count` alike."""

import zipfile
from pathlib import Path

import pytest

from leukolens.datasets.tree import open_tree
from leukolens.images.folders import list_files, list_images
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


def test_what_an_operating_system_or_an_earlier_count_left_is_no_input(tmp_path: Path) -> None:
    leftovers = ("._f1.jpg", "__MACOSX/._f1.jpg", ".ipynb_checkpoints/f1-checkpoint.jpg", "Thumbs.db", "@eaDir/f1.jpg")
    own = ("count/overlay/f1.png", "count/cells.csv", "count/fields.csv", "count/differential.json", "cells.csv")
    theirs = ("f1.jpg", "overlay/f2.jpg")
    archive = tmp_path / "all.zip"
    with zipfile.ZipFile(archive, "w") as packed:
        for name in (*leftovers, *own, *theirs):
            (tmp_path / "all" / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / "all" / name).touch()
            packed.writestr(name, "")
    found, refused = list_images(tmp_path / "all")
    assert [str(Path(file).relative_to(tmp_path / "all")) for file in found] == list(theirs)
    assert refused == []
    for root in (archive, tmp_path / "all"):
        tree = open_tree(root)
        assert [str(path) for path in tree.images()] == list(theirs) and not tree.refused


def test_pictures_that_are_not_read_are_named_and_companions_are_not(tmp_path: Path) -> None:
    unread = {
        "f2.jp2": b"..",
        "f3.gif": b"GIF89a",
        "f6.ZIP": b"PK",
        "slide.svs": b"II*\0",
        "f4.jpg_large": b"\xff\xd8\xff",
        "f5": b"\xff\xd8\xff",
    }
    archive = tmp_path / "all.zip"
    (tmp_path / "all").mkdir()
    with zipfile.ZipFile(archive, "w") as packed:
        for name, data in {**unread, "f1.jpg": b"", "labels.csv": b"a", "LICENSE": b"MIT"}.items():
            (tmp_path / "all" / name).write_bytes(data)
            packed.writestr(name, data)
    found, refused = find_images([str(tmp_path / "all")])
    assert found == [str(tmp_path / "all" / "f1.jpg")]
    assert {Path(refusal.image).name for refusal in refused} == set(unread)
    why = {Path(refusal.image).name: refusal.why for refusal in refused}
    assert "Unpack it" in why["f6.ZIP"]
    assert ".jp2" in why["f2.jp2"] and ".svs" in why["slide.svs"]
    assert "rename it" in why["f4.jpg_large"] and "rename it" in why["f5"]
    assert len(open_tree(archive).refused) == len(open_tree(tmp_path / "all").refused) == len(unread)
