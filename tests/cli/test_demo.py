import os
import subprocess
import sys
from pathlib import Path

import numpy as np
from PIL import Image

from leukolens.core.files import read_rows
from leukolens.core.results import Box


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


def test_ones_own_fields_are_counted_and_the_rest_refused(
    toy_finder: object, toy_bundle: Path, toy_detector: Path, tmp_path: Path
) -> None:
    boxes = [Box(x - 24, y - 24, x + 24, y + 24, "red_cell") for x in range(60, 600, 90) for y in range(60, 420, 90)]
    folder = tmp_path / "fields"
    folder.mkdir()
    Image.fromarray(np.asarray(toy_finder.draw_discs((480, 640), boxes))).save(folder / "one.png")  # type: ignore[attr-defined]
    (folder / "text.jpg").write_text("hello")
    done = run("--images", folder, "--bundle", toy_bundle, "--detector", toy_detector, "--out", tmp_path / "mine")
    assert done.returncode in (1, 3), done.stderr
    page = (tmp_path / "mine" / "report.html").read_text(encoding="utf-8")
    assert "text.jpg" in page and "Drawn and found" not in page
