import os
import subprocess
import sys
from pathlib import Path

import numpy as np
from PIL import Image

from leukolens.core.files import read_rows
from leukolens.datasets.synthetic import draw_field


def run(*words: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "leukolens", "demo", *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, check=False, env=os.environ)


def test_a_drawn_smear_is_counted_beside_what_was_drawn(tmp_path: Path) -> None:
    done = run("--out", tmp_path / "demo")
    assert done.returncode == 0, done.stdout + done.stderr
    page = (tmp_path / "demo" / "report.html").read_text(encoding="utf-8")
    assert str(tmp_path / "demo" / "report.html") in done.stdout
    assert "Drawn and found" in page and "drawn by a program" in page and "not a medical device" in page
    assert "http://" not in page.replace("http://www.w3.org", "") and "https://" not in page
    truth = [row for row in read_rows(tmp_path / "demo" / "drawn" / "truth.csv") if row["kind"] == "leukocyte"]
    found = [row for row in read_rows(tmp_path / "demo" / "cells.csv") if row["kind"] == "wbc"]
    assert len(truth) > 25 and abs(len(found) - len(truth)) <= 2
    assert f"leukocyte: {len(truth)} drawn, {len(found)} found" in done.stdout


def test_ones_own_fields_are_counted_and_the_rest_refused(toy_bundle: Path, tmp_path: Path) -> None:
    folder = tmp_path / "fields"
    folder.mkdir()
    Image.fromarray(draw_field(np.random.default_rng(7), leukocytes=["neutrophil"]).image).save(folder / "one.png")
    (folder / "text.jpg").write_text("hello")
    done = run("--images", folder, "--bundle", toy_bundle, "--out", tmp_path / "mine")
    assert done.returncode == 1, done.stdout + done.stderr
    assert "refused:" in done.stderr and "text.jpg" in done.stderr and "on 1 fields" in done.stdout
    page = (tmp_path / "mine" / "report.html").read_text(encoding="utf-8")
    assert "text.jpg" in page and "Drawn and found" not in page
    (field,) = read_rows(tmp_path / "mine" / "fields.csv")
    assert field["field"].endswith("one.png") and field["status"] == "counted" and int(field["rbc"]) > 10


def test_fields_of_which_none_can_be_counted_exit_with_3(toy_bundle: Path, tmp_path: Path) -> None:
    Image.new("RGB", (640, 480), (200, 200, 200)).save(tmp_path / "grey.png")
    done = run("--images", tmp_path / "grey.png", "--bundle", toy_bundle, "--out", tmp_path / "mine")
    assert done.returncode == 3, done.stdout + done.stderr
    (field,) = read_rows(tmp_path / "mine" / "fields.csv")
    assert field["status"] == "left out" and "nothing visible" in field["advice"]
