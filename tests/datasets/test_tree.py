import os
from pathlib import Path, PurePosixPath

import pytest

from leukolens.core.errors import DataError, InputRefused
from leukolens.datasets.tree import open_tree, unique_ids
from leukolens.images import folders


def test_files_below_a_folder_without_what_is_hidden(tmp_path: Path) -> None:
    for name in ("b/two.PNG", "a/one.jpg", "a/notes.txt", ".git/x.png", "__MACOSX/a/one.jpg"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("x")
    tree = open_tree(tmp_path)
    assert [str(path) for path in tree.images()] == ["a/one.jpg", "b/two.PNG"]
    assert tree.files[PurePosixPath("a/one.jpg")] == str(tmp_path / "a/one.jpg")
    assert tree.read_text(PurePosixPath("a/notes.txt")) == "x"


def test_loops_of_links_are_survived(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a/x.png").touch()
    (tmp_path / "a/up").symlink_to(tmp_path)
    (tmp_path / "self").symlink_to(tmp_path / "self")
    assert [str(path) for path in open_tree(tmp_path).images()] == ["a/x.png"]


@pytest.mark.parametrize("make", [Path.mkdir, lambda path: path.write_text("x"), lambda path: None])
def test_nothing_to_read(make: object, tmp_path: Path) -> None:
    make(tmp_path / "given")  # type: ignore[operator]
    with pytest.raises(DataError, match="given"):
        open_tree(tmp_path / "given")


def test_a_folder_that_cannot_be_listed_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("open", "closed"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "x.png").touch()
    scan = os.scandir

    def deny(path: str) -> object:
        if str(path).endswith("closed"):
            raise PermissionError(13, "Permission denied", str(path))
        return scan(path)

    monkeypatch.setattr(folders.os, "scandir", deny)  # root may list anything, so chmod alone proves nothing
    tree = open_tree(tmp_path)
    assert [str(path) for path in tree.images()] == ["open/x.png"]
    assert [(Path(refusal.image).name, refusal.why) for refusal in tree.refused] == [
        ("closed", "cannot be listed: Permission denied")
    ]


def test_text_as_tools_save_it(tmp_path: Path) -> None:
    for encoding in ("utf-8", "utf-8-sig", "utf-16", "cp1252"):
        (tmp_path / "x.txt").write_bytes("Färbung".encode(encoding))
        assert open_tree(tmp_path).read_text(PurePosixPath("x.txt")) == "Färbung"


def test_what_is_no_text(tmp_path: Path) -> None:
    (tmp_path / "x.txt").write_bytes(b"\x81\x00")
    with pytest.raises(InputRefused, match="is not text"):
        open_tree(tmp_path).read_text(PurePosixPath("x.txt"))


def test_ids_are_stems_where_those_are_unique() -> None:
    paths = [PurePosixPath(name) for name in ("a/x.jpg", "b/x.jpg", "b/y.jpg", "b/z.jpg", "b/z.png")]
    assert list(unique_ids(paths).values()) == ["a/x", "b/x", "y", "b/z.jpg", "b/z.png"]
