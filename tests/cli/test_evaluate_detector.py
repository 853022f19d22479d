"""A finder of cells judged by the command, on drawn fields whose cells are known."""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from leukolens.cli.main import main
from leukolens.datasets.manifest import Manifest, Record, save_manifest
from leukolens.datasets.registry import manifest_path
from leukolens.datasets.splits import Split, write_split


@pytest.fixture
def discs(toy_finder: Any, tmp_path: Path, home: Path) -> tuple[Record, ...]:
    """Three fields of discs, two of them for testing, as the dataset `discs`; and one without boxes."""
    records = []
    for number, part in enumerate(("train", "test", "test", "test")):
        boxes = toy_finder.strew_discs((300, 400), 96, 48, seed=number)
        path = tmp_path / f"field{number}.png"
        Image.fromarray(toy_finder.draw_discs((300, 400), boxes)).save(path)
        known = tuple(boxes) if number < 3 else ()
        records.append(Record(path.stem, str(path), None, "", "discs", path.stem, part, boxes=known))
    save_manifest(manifest_path("discs"), Manifest("discs", tuple(records)))
    return tuple(records)


Run = Callable[..., tuple[int, str]]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    """`leukolens evaluate` in this process: its exit code, and all that it said."""

    def evaluate(*words: object) -> tuple[int, str]:
        monkeypatch.setattr(sys, "argv", ["leukolens", "evaluate", *map(str, words)])
        with pytest.raises(SystemExit) as end:
            main()
        said = capsys.readouterr()
        return int(end.value.code or 0), said.out + said.err

    return evaluate


def test_a_finder_that_finds_all_is_told_so(
    run: Run, toy_detector: Path, discs: tuple[Record, ...], tmp_path: Path
) -> None:
    code, told = run(toy_detector, "--data", "discs", "--out", tmp_path / "out")
    assert code == 0, told
    assert "raw: mAP50 1.000" in told
    metrics = json.loads((tmp_path / "out" / "metrics.json").read_text())
    assert (metrics["n"], metrics["split"], metrics["leaky"], metrics["scales"]) == (2, "test", False, {"red cells": 2})
    assert metrics["truths"]["raw"]["counting"]["red_cell"]["bias_percent"] == 0.0
    assert (tmp_path / "out" / "report.html").is_file()
    assert run(toy_detector, "--data", "discs", "--split", "all", "--out", tmp_path / "all")[0] == 0
    assert json.loads((tmp_path / "all" / "metrics.json").read_text())["n"] == 3


def test_fields_that_it_learned_from_are_told(
    run: Run, toy_finder: Any, discs: tuple[Record, ...], tmp_path: Path
) -> None:
    folder = toy_finder.make_bundle(tmp_path / "learned")
    parts = {"train": ("field1",), "validation": (), "test": ("field2",)}
    write_split(folder / "split.json", Split("discs", "", "grouped", 0, parts))
    assert run(folder, "--data", "discs", "--out", tmp_path / "test")[0] == 0
    assert json.loads((tmp_path / "test" / "metrics.json").read_text())["leaky"] is False
    told = run(folder, "--data", "discs", "--split", "all", "--out", tmp_path / "all")[1]
    assert "1 of 3 fields were trained or chosen on" in told
    assert json.loads((tmp_path / "all" / "metrics.json").read_text())["leaky"] is True


def test_an_unreadable_field_is_refused_and_the_rest_judged(
    run: Run, toy_detector: Path, discs: tuple[Record, ...], tmp_path: Path
) -> None:
    Path(discs[1].image).write_bytes(b"no picture")
    code, told = run(toy_detector, "--data", "discs", "--out", tmp_path / "out")
    assert code == 1
    assert "refused: field1" in told
    assert json.loads((tmp_path / "out" / "metrics.json").read_text())["n_refused"] == 1


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--truth", "relabelled"), "leave --truth out"),
        (("--split", "validation"), "There are: test, train, and all"),
        (("--split", "split.json"), "Received 'split.json'. A split file is for `leukolens train --split`"),
        (("--whole",), "--whole is for classifiers"),
    ],
)
def test_words_that_cannot_be_meant_are_refused(
    run: Run, toy_detector: Path, discs: tuple[Record, ...], tmp_path: Path, words: tuple[str, ...], said: str
) -> None:
    code, told = run(toy_detector, "--data", "discs", *words, "--out", tmp_path / "out")
    assert code == 2
    assert said in told
    assert not (tmp_path / "out").exists()


def test_a_dataset_of_cells_is_nothing_to_judge_a_finder_on(
    run: Run, toy_detector: Path, toy_bundle: Path, tmp_path: Path
) -> None:
    image = tmp_path / "cell.png"
    Image.new("RGB", (32, 32)).save(image)
    save_manifest(
        manifest_path("cells"), Manifest("cells", (Record("cell", str(image), "neutrophil", "", "x", "cell"),))
    )
    code, told = run(toy_detector, "--data", "cells", "--out", tmp_path / "out")
    assert (code, "no fields with boxes" in told) == (2, True)
    code, told = run(toy_bundle, "--data", "cells", "--truth", "raw", "--out", tmp_path / "out")
    assert (code, "--truth is for detectors" in told) == (2, True)
