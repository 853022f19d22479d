import importlib
import resource
from pathlib import Path

import platformdirs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from leukolens.core.errors import DataError, UsageError
from leukolens.core.files import (
    find_home,
    hash_bytes,
    home_folder,
    read_rows,
    require_absent,
    spell_cell,
    unspell_cell,
    write_atomically,
    write_rows,
    write_text,
)

any_name = st.binary(min_size=1, max_size=40).map(lambda raw: raw.decode("utf-8", "surrogateescape"))


@given(any_name)
def test_any_file_name_survives_a_cell(name: str) -> None:
    cell = spell_cell(name)
    assert unspell_cell(cell) == name
    assert not cell.startswith(("=", "+", "-", "@"))
    assert cell.isprintable() or all(letter.isprintable() or ord(letter) > 0x7F for letter in cell)


@given(st.lists(any_name, min_size=1, max_size=5))
def test_any_file_name_survives_a_csv_file(tmp_path_factory: pytest.TempPathFactory, names: list[str]) -> None:
    path = tmp_path_factory.mktemp("csv") / "names.csv"
    write_rows(path, ["name", "number"], [(name, 1) for name in names])
    assert [row["name"] for row in read_rows(path)] == names


@pytest.mark.parametrize(
    "encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le with mark", "utf-16-be with mark", "cp1252"]
)
@pytest.mark.parametrize("separator", [",", ";", "\t"])
@pytest.mark.parametrize("first", ["", "sep={}\r\n"])
def test_csv_of_spreadsheets(encoding: str, separator: str, first: str, tmp_path: Path) -> None:
    text = first.format(separator) + separator.join(["name", "note"]) + "\r\n"
    text += separator.join(["Fürst", '"a, b; c\td"']) + "\r\n"
    encoding, _, marked = encoding.partition(" ")
    data = ("\ufeff" if marked else "") + text
    (tmp_path / "x.csv").write_bytes(data.encode(encoding))
    assert read_rows(tmp_path / "x.csv") == [{"name": "Fürst", "note": "a, b; c\td"}]


def test_what_is_no_text_is_refused(tmp_path: Path) -> None:
    for data in (b"name\0\n", b"name\n\x81\n"):
        (tmp_path / "x.csv").write_bytes(data)
        with pytest.raises(DataError, match="cannot be read as a CSV file"):
            read_rows(tmp_path / "x.csv")


def test_a_failure_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "kept.txt"
    write_text(path, "old")
    with pytest.raises(RuntimeError), write_atomically(path) as temporary:
        temporary.write_text("half")
        raise RuntimeError("killed")
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_file_that_another_process_wrote_meanwhile_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "kept.csv"
    write_rows(path, ["name"], [], only_new=True)
    with pytest.raises(UsageError, match="another process"):
        write_rows(path, ["name"], [("second",)], only_new=True)
    assert path.read_text() == "name\n" and list(tmp_path.iterdir()) == [path]


def test_a_full_disk_is_said_and_nothing_half_written_is_left(tmp_path: Path) -> None:
    path = tmp_path / "large.csv"
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    import signal

    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, before[1]))
    try:
        with pytest.raises(DataError, match="half-written"):
            write_rows(path, ["name"], (("x" * 100,) for _ in range(1000)))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert list(tmp_path.iterdir()) == []


def test_what_exists_is_overwritten_only_by_force(tmp_path: Path) -> None:
    path = tmp_path / "there.csv"
    require_absent(path, force=False)
    path.write_text("x")
    with pytest.raises(UsageError, match="--force"):
        require_absent(path, force=False)
    with pytest.raises(UsageError, match="--force"):
        require_absent(tmp_path, force=False)
    require_absent(path, force=True)


def test_home_is_chosen_by_the_environment_or_the_platform(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("LEUKOLENS_HOME", str(tmp_path))
    assert home_folder() == tmp_path
    monkeypatch.delenv("LEUKOLENS_HOME")
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "xdg"))
    assert home_folder() == tmp_path / "xdg" / "leukolens"
    monkeypatch.delenv("XDG_DATA_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert home_folder() == tmp_path / ".local" / "share" / "leukolens"


def test_a_user_without_a_home_is_told_what_to_set(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("LEUKOLENS_HOME", "XDG_DATA_HOME", "HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("os.path.expanduser", lambda path: path)  # what it does for a user id without an entry
    assert find_home() is None
    with pytest.raises(UsageError, match="Set LEUKOLENS_HOME"):
        home_folder()


@pytest.mark.parametrize(
    ("system", "expected"),
    [("windows.Windows", "leukolens"), ("macos.MacOS", "Library/Application Support/leukolens")],
)
def test_home_on_other_systems(system: str, expected: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("LEUKOLENS_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    module = importlib.import_module(f"platformdirs.{system.partition('.')[0]}")
    monkeypatch.setattr(platformdirs, "PlatformDirs", getattr(module, system.partition(".")[2]))
    if system.startswith("windows"):
        monkeypatch.setattr(module, "get_win_folder", lambda name: str(tmp_path))
    assert home_folder() == tmp_path / expected


def test_a_file_that_is_no_csv_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "raw.csv"
    path.write_bytes(b"\x89PNG\r\n\x1a\n\x00\x00")
    with pytest.raises(DataError):
        read_rows(path)
    with pytest.raises(DataError):
        read_rows(tmp_path / "missing.csv")


def test_known_hash() -> None:
    assert hash_bytes(b"a", b"bc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
