import csv
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from leukolens.cli.classify import command
from leukolens.core.card import ClassifierValidation
from leukolens.core.confusion import count_confusion
from leukolens.core.files import read_rows


def run(*words: object, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "leukolens", *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd=cwd, errors="surrogateescape")


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    folder = tmp_path / "pictures"
    folder.mkdir()
    image = np.zeros((40, 40, 3), np.uint8)
    image[:20, :, 0] = 250
    Image.fromarray(image).save(folder / "red.png")
    Image.fromarray(image).save(os.fsdecode(os.fsencode(folder) + b"/=new\nline \xff.png"))
    return folder


def test_one_row_per_image_on_stdout_and_names_survive(toy_bundle: Path, pictures: Path) -> None:
    done = run("classify", pictures, "--bundle", toy_bundle)
    assert done.returncode == 0, done.stderr
    rows = list(csv.DictReader(done.stdout.splitlines()))
    assert list(rows[0]) == [
        "image",
        "label",
        "probability",
        "status",
        "reason",
        "p_eosinophil",
        "p_basophil",
        "p_lymphocyte",
    ]
    assert {row["label"] for row in rows} == {"eosinophil"} and "classifier: toy" in done.stderr
    out = pictures.parent / "calls.csv"
    assert run("classify", pictures, "--bundle", toy_bundle, "--out", out).returncode == 0
    assert {Path(row["image"]).exists() for row in read_rows(out)} == {True}


@pytest.mark.skipif(sys.platform == "win32", reason="a terminal is made with pty")
def test_on_a_terminal_no_progress_bar_is_mixed_with_the_rows(toy_bundle: Path, pictures: Path) -> None:
    ours, theirs = os.openpty()
    command = [sys.executable, "-m", "leukolens", "classify", str(pictures / "red.png"), "--bundle", str(toy_bundle)]
    done = subprocess.run(command, stdout=theirs, stderr=theirs, check=False)
    os.close(theirs)
    shown = os.read(ours, 100_000).decode()
    os.close(ours)
    assert done.returncode == 0 and "red.png,eosinophil" in shown
    assert "%" not in shown and "\x1b" not in shown and not shown.replace("\r\n", "").count("\r")


def test_any_name_can_be_redirected_where_output_is_not_utf8(
    toy_bundle: Path, pictures: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (pictures / "red.png").rename(pictures / "血涂片 1.png")
    monkeypatch.setenv("PYTHONIOENCODING", "cp1252")  # as on Windows
    words = [sys.executable, "-m", "leukolens", "classify", str(pictures), "--bundle", str(toy_bundle)]
    done = subprocess.run(words, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
    assert len(list(csv.DictReader(done.stdout.decode("utf-8").splitlines()))) == 2
    assert "血涂片 1.png" in done.stdout.decode("utf-8")


def test_without_a_home_folder_the_shipped_models_classify(pictures: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("LEUKOLENS_HOME", "XDG_DATA_HOME", "HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("os.path.expanduser", lambda path: path)  # what it does for a user id without an entry
    done = CliRunner().invoke(command, [str(pictures / "red.png"), "--whole"])
    assert done.exit_code == 0, done.output


def test_some_refused_is_exit_code_1_and_all_refused_3(toy_bundle: Path, pictures: Path, tmp_path: Path) -> None:
    (pictures / "text.jpg").write_text("hello")
    out = tmp_path / "calls.csv"
    done = run("classify", pictures, "--bundle", toy_bundle, "--out", out)
    assert done.returncode == 1
    assert len(read_rows(out)) == 2
    refused = read_rows(tmp_path / "calls.refused.csv")
    assert len(refused) == 1 and refused[0]["image"].endswith("text.jpg") and "not an image" in refused[0]["why"]
    alone = run("classify", pictures / "text.jpg", "--bundle", toy_bundle)
    assert alone.returncode == 3 and "refused" in alone.stderr
    empty = tmp_path / "empty"
    empty.mkdir()
    nothing = run("classify", empty, "--bundle", toy_bundle)
    assert nothing.returncode == 3 and "No images" in nothing.stderr


def test_nothing_is_overwritten_unasked(toy_bundle: Path, pictures: Path, tmp_path: Path) -> None:
    out = tmp_path / "calls.csv"
    out.write_text("mine")
    done = run("classify", pictures, "--bundle", toy_bundle, "--out", out)
    assert done.returncode == 2 and out.read_text() == "mine" and "--force" in done.stderr
    assert run("classify", pictures, "--bundle", toy_bundle, "--out", out, "--force").returncode == 0
    assert out.read_text() != "mine"


def test_json_lines(toy_bundle: Path, pictures: Path) -> None:
    done = run("classify", pictures, "--bundle", toy_bundle, "--json")
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(lines) == 2 and lines[0]["bundle"] == "toy" and abs(sum(lines[0]["probabilities"].values()) - 1) < 1e-5


def test_a_bundle_that_lies_is_exit_code_3_and_wrong_words_2(toy: Any, pictures: Path, tmp_path: Path) -> None:
    liar = toy.make_bundle(tmp_path / "liar", classes=("platelet", "monocyte"))
    done = run("classify", pictures, "--bundle", liar, "--out", tmp_path / "x.csv")
    assert done.returncode == 3 and "promises 2 classes" in done.stderr and "Traceback" not in done.stderr
    assert not list(tmp_path.glob("*.csv")) and not list(tmp_path.glob(".unfinished*"))
    assert run("classify").returncode == 2
    assert run("classify", "--nonsense").returncode == 2
    assert run("nonsense").returncode == 2


def test_cells_named_with_more_hesitation_than_on_validation_are_said_to_be_unlike(toy: Any, tmp_path: Path) -> None:
    confusion = count_confusion(toy.CLASSES, toy.CLASSES * 100, toy.CLASSES * 100, [True] * 100 * len(toy.CLASSES))
    bundle = toy.make_bundle(
        tmp_path / "sure",
        validation=ClassifierValidation(
            n=1, accuracy=1.0, balanced_accuracy=1.0, coverage=1.0, confusion=confusion.to_table()
        ),
    )
    for name, colour in (("clear", (250, 0, 0)), ("grey", (250, 240, 240))):
        (tmp_path / name).mkdir()
        picture = Image.new("RGB", (40, 40))
        picture.paste(colour, (0, 0, 40, 20))
        for number in range(12):
            picture.save(tmp_path / name / f"{number}.png")
    assert "warning" not in run("classify", tmp_path / "clear", "--bundle", bundle, "--whole").stderr
    grey = run("classify", tmp_path / "grey", "--bundle", bundle, "--whole")
    assert grey.returncode == 0 and "look different" in grey.stderr and "12 of 12 cells" in grey.stderr


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs Linux's /dev/full")
def test_a_full_disk_is_an_error_not_a_traceback(toy_bundle: Path, pictures: Path) -> None:
    words = [sys.executable, "-m", "leukolens", "classify", str(pictures), "--bundle", str(toy_bundle)]
    buffered = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    with open("/dev/full", "w") as full:
        done = subprocess.run(words, stdout=full, stderr=subprocess.PIPE, text=True, check=False, env=buffered)
    assert done.returncode == 3 and "Traceback" not in done.stderr


def test_the_shipped_bundle_passes_its_own_self_test() -> None:
    done = run("doctor")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "8 of 8" in done.stdout
