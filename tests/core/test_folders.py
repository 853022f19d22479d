import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from leukolens.core import folders
from leukolens.core.errors import DataError, UsageError
from leukolens.core.folders import build_folder, hold_folder


def names(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if not path.is_dir()}


def build(out: Path, *files: str, ours: str = "ours") -> None:
    with build_folder(out, lambda name: name.startswith(ours)) as folder:
        for name in files:
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text("new")


@pytest.mark.parametrize("swaps", [True, False])
@pytest.mark.parametrize("inside", [True, False])
def test_a_new_folder_takes_the_place_of_the_old_and_keeps_what_is_not_ours(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, inside: bool, swaps: bool
) -> None:
    out = tmp_path / "out"
    if not swaps:
        monkeypatch.setattr(folders, "_exchange", lambda first, second: False)
    if inside:
        out.mkdir()
        monkeypatch.setattr(os.path, "ismount", lambda path: Path(path) == out)
    build(out, "ours.csv", "ours/old.png")
    (out / "mine").mkdir()
    (out / "mine" / "note.txt").write_text("mine")
    (out / "mine" / "link").symlink_to("nowhere")
    build(out, "ours.csv", "ours/new.png")
    assert names(out) == {"ours.csv", "ours/new.png", "mine/note.txt", "mine/link"}
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_after_an_error_the_old_stays(tmp_path: Path) -> None:
    out = tmp_path / "out"
    build(out, "ours.csv")
    with pytest.raises(KeyboardInterrupt), build_folder(out, lambda name: True) as folder:
        (folder / "half").write_text("half")
        raise KeyboardInterrupt
    assert names(tmp_path) == {"out/ours.csv"}


def test_what_a_killed_process_left_goes_with_the_next(tmp_path: Path) -> None:
    code = (
        "import os, signal, sys; from pathlib import Path; from leukolens.core.folders import *\n"
        "with hold_folder(Path(sys.argv[1]), True), build_folder(Path(sys.argv[1]), lambda name: True) as folder:\n"
        "    (folder / 'half').write_text('half'); os.kill(os.getpid(), signal.SIGKILL)"
    )
    out = tmp_path / "out"
    build(out, "ours.csv")
    done = subprocess.run([sys.executable, "-c", code, str(out)], check=False)
    assert done.returncode == -signal.SIGKILL and names(out) == {"ours.csv"}
    with hold_folder(out, True):
        build(out, "ours-2.csv")
    assert names(tmp_path) == {"out/ours-2.csv"}


def test_a_second_process_is_told_that_the_folder_is_in_use(tmp_path: Path) -> None:
    out = tmp_path / "deep" / "out"
    code = "import sys; from pathlib import Path; from leukolens.core.folders import *\n"
    code += "with hold_folder(Path(sys.argv[1]), False): print('held')"
    with hold_folder(out, False):
        done = subprocess.run([sys.executable, "-c", code, str(out)], check=False, capture_output=True, text=True)
        assert "out is in use: another LeukoLens process writes into it" in done.stderr and not done.stdout
    done = subprocess.run([sys.executable, "-c", code, str(out)], check=False, capture_output=True, text=True)
    assert done.stdout == "held\n" and list(out.parent.iterdir()) == []


def test_a_folder_that_is_not_empty_needs_force_and_a_link_is_followed(tmp_path: Path) -> None:
    build(tmp_path / "out", "ours.csv")
    (tmp_path / "link").symlink_to("out")
    with pytest.raises(UsageError, match="exists already"), hold_folder(tmp_path / "link", False):
        pass
    with hold_folder(tmp_path / "link", True):
        build(tmp_path / "link", "ours-2.csv")
    assert (tmp_path / "link").is_symlink() and names(tmp_path / "out") == {"ours-2.csv"}


def test_a_place_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match="could not be written"), hold_folder(tmp_path / "file" / "out", False):
        pass


def test_a_new_folder_is_built_beside_its_place_whatever_the_system_says_of_rights(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # In a container a user without an entry may write by a capability that os.access does not count.
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    out = tmp_path / "out"
    with hold_folder(out, force=False), build_folder(out, lambda name: True) as staging:
        (staging / "table.csv").write_text("1")
    assert [path.name for path in tmp_path.rglob("*")] == ["out", "table.csv"]
