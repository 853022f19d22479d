import io
import threading
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from leukolens.core.errors import DataError, InputRefused, LeukolensError
from leukolens.core.pixels import Pixels
from leukolens.datasets.formats.class_folders import read_class_folders
from leukolens.datasets.tree import open_tree
from leukolens.images import archives
from leukolens.images.archives import open_archive, read_member
from leukolens.images.decoding import read_image

Draw = Callable[..., Pixels]


def png(pixels: Pixels) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "PNG")
    return stream.getvalue()


def write_zip(path: Path, members: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> Path:
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return path


def test_a_picture_inside_a_zip(tmp_path: Path, picture: Draw) -> None:
    path = write_zip(tmp_path / "a.zip", {"cells/one two.png": png(picture(1))})
    assert np.array_equal(read_image(f"{path}::cells/one two.png").pixels, picture(1))
    with pytest.raises(InputRefused, match="not in the zip"):
        read_image(f"{path}::cells/absent.png")


@pytest.mark.parametrize("name", ["../x.png", "a/../../x.png", "/etc/x.png", "a\\..\\x.png", "C:\\x.png"])
def test_members_that_point_outside_are_refused_and_the_rest_is_read(name: str, tmp_path: Path, picture: Draw) -> None:
    path = write_zip(tmp_path / "a.zip", {name: png(picture(1)), "neutrophil/fine.png": png(picture(2))})
    with pytest.raises(InputRefused, match="outside"):
        read_member(path, name, 1 << 20)
    manifest = read_class_folders(path)
    assert [record.id for record in manifest.records] == ["fine"]
    assert [refusal.image for refusal in manifest.refused] == [name]
    assert sorted(item.name for item in tmp_path.iterdir()) == ["a.zip"]


def test_a_bomb_does_not_go_off(tmp_path: Path) -> None:
    path = write_zip(tmp_path / "a.zip", {"neutrophil/bomb.png": b"\0" * (80 << 20)})
    with pytest.raises(InputRefused, match="bomb"):
        read_image(f"{path}::neutrophil/bomb.png")


def test_a_member_over_the_limit(tmp_path: Path) -> None:
    path = write_zip(tmp_path / "a.zip", {"x.png": bytes(range(256)) * 10})
    with pytest.raises(InputRefused, match="would unpack"):
        read_member(path, "x.png", 2559)
    assert len(read_member(path, "x.png", 2560)) == 2560


def test_a_member_that_lies_about_its_size(tmp_path: Path) -> None:
    path = write_zip(tmp_path / "a.zip", {"x.png": b"abc" * 1000})
    data = bytearray(path.read_bytes())
    entry = data.index(b"PK\x01\x02")
    data[entry + 24 : entry + 28] = (100).to_bytes(4, "little")  # the size in the directory: 100, not 3000
    path.write_bytes(data)
    with pytest.raises(InputRefused):
        read_member(path, "x.png", 1 << 20)


def test_too_many_members(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archives, "LARGEST_MEMBERS", 2)
    with pytest.raises(DataError, match="3 members"):
        open_tree(write_zip(tmp_path / "a.zip", {f"{number}.png": b"x" for number in range(3)}))


def test_what_is_no_zip(tmp_path: Path) -> None:
    (tmp_path / "a.zip").write_text("not a zip")
    with pytest.raises(DataError, match="cannot be opened as a zip"):
        open_tree(tmp_path / "a.zip")
    with pytest.raises(InputRefused, match="cannot be opened as a zip"):
        read_image(f"{tmp_path / 'a.zip'}::x.png")


def test_handles_are_kept_and_few(tmp_path: Path) -> None:
    paths = [write_zip(tmp_path / f"{number}.zip", {"x": b"data"}) for number in range(6)]
    first = open_archive(paths[0])
    assert open_archive(paths[0]) is first
    for path in paths[1:]:
        open_archive(path)
    assert first.fp is None  # closed when it was the oldest of too many
    assert read_member(paths[0], "x", 100) == b"data"


def test_a_replaced_zip_is_read_anew(tmp_path: Path) -> None:
    path = write_zip(tmp_path / "a.zip", {"x": b"old"})
    assert read_member(path, "x", 100) == b"old"
    write_zip(path, {"x": b"newer"})
    assert read_member(path, "x", 100) == b"newer"


def test_many_threads_read_the_right_members(tmp_path: Path) -> None:
    members = {f"{number}": str(number).encode() * 5000 for number in range(40)}
    path = write_zip(tmp_path / "a.zip", members)
    wrong: list[str] = []

    def check() -> None:
        wrong.extend(name for name, data in members.items() if read_member(path, name, 1 << 20) != data)

    threads = [threading.Thread(target=check) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


@given(
    edits=st.lists(st.tuples(st.integers(0, 5000), st.binary(min_size=1, max_size=4)), max_size=8),
    end=st.integers(0, 1000),
)
def test_mutated_zips_are_read_or_refused(
    edits: list[tuple[int, bytes]], end: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = write_zip(
        tmp_path_factory.mktemp("fuzz") / "a.zip",
        {"neutrophil/x.png": png(np.zeros((4, 4, 3), np.uint8)), "y.txt": b"1"},
    )
    data = bytearray(path.read_bytes())
    for place, value in edits:
        data[place % len(data) : place % len(data) + len(value)] = value
    path.write_bytes(data[: len(data) - end % 40])
    try:
        for record in read_class_folders(path).records:
            read_image(record.image)
    except LeukolensError as error:
        assert str(error)


def test_names_as_the_tools_of_each_system_write_them(tmp_path: Path, picture: Draw) -> None:
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("Neutrophils\\slide 1\\w.png", png(picture(1)))  # .NET on Windows
        archive.writestr("Neutrophils\\", b"")
        archive.writestr("Eosinophile-M\N{LATIN SMALL LETTER A WITH DIAERESIS}rz/x.png", png(picture(2)))
        archive.writestr("neutrophil/Färbung.png", png(picture(3)))
    # The same bytes without the mark for UTF-8, as macOS writes them.
    path.write_bytes(path.read_bytes().replace(b"\x14\x00\x00\x08", b"\x14\x00\x00\x00"))
    tree = open_tree(path)
    assert [str(name) for name in tree.images()] == [
        "Eosinophile-März/x.png",
        "Neutrophils/slide 1/w.png",
        "neutrophil/Färbung.png",
    ]
    records = {record.id: record for record in read_class_folders(path).records}
    assert {name: record.label for name, record in records.items()} == {"w": "neutrophil", "Färbung": "neutrophil"}
    assert np.array_equal(read_image(records["w"].image).pixels, picture(1))
    assert np.array_equal(read_image(records["Färbung"].image).pixels, picture(3))


def test_a_name_in_an_old_code_page_is_kept(tmp_path: Path, picture: Draw) -> None:
    path = write_zip(tmp_path / "a.zip", {"neutrophil/F?rbung.png": png(picture(1))})
    path.write_bytes(path.read_bytes().replace(b"F?rbung", b"F\x84rbung"))  # code page 437 or 850
    (record,) = read_class_folders(path).records
    assert record.id == "Färbung"
    assert np.array_equal(read_image(record.image).pixels, picture(1))


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_name_that_stands_twice_is_said(tmp_path: Path, picture: Draw) -> None:
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for name in ("neutrophil/a.png", "neutrophil/a.png", "neutrophil/b.png", "neutrophil\\b.png"):
            archive.writestr(name, png(picture(len(archive.namelist()))))
    manifest = read_class_folders(path)
    assert [record.id for record in manifest.records] == ["a", "b"]
    assert [(refusal.image, "twice" in refusal.why) for refusal in manifest.refused] == [
        ("neutrophil/a.png", True),
        ("neutrophil/b.png", True),
    ]
    assert [
        np.array_equal(read_image(record.image).pixels, picture(seed))
        for record, seed in zip(manifest.records, (1, 3), strict=True)
    ] == [True, True]
