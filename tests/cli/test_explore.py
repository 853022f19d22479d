"""`leukolens explore` from words to files."""

import csv
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner

from leukolens.cli.explore import command
from leukolens.core.errors import DataError, UsageError
from leukolens.datasets.formats.class_folders import read_class_folders
from leukolens.datasets.manifest import Manifest, save_manifest
from leukolens.datasets.registry import manifest_path
from leukolens.datasets.synthetic import write_cells

TABLES = ("images", "classes", "brightness-anova", "thresholds", "quality", "clusters", "gate-by-class", "histograms")


@pytest.fixture(scope="module")
def cells(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("cells") / "cells"
    write_cells(folder, 40, seed=4)
    return folder


@pytest.fixture
def dataset(cells: Path, tmp_path: Path) -> Manifest:
    shutil.copytree(cells, tmp_path / "cells")
    manifest = Manifest("toy", read_class_folders(tmp_path / "cells").records)
    save_manifest(manifest_path("toy"), manifest)
    return manifest


def run(*words: object) -> tuple[int, str]:
    done = CliRunner().invoke(command, [str(word) for word in words], catch_exceptions=False)
    return done.exit_code, done.output


def read_csv(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def test_tables_and_report_are_written(dataset: Manifest, tmp_path: Path) -> None:
    code, output = run("toy", "--out", tmp_path / "out")
    assert code == 0, output
    assert all((tmp_path / "out" / f"{name}.csv").is_file() for name in TABLES)
    assert not (tmp_path / "out" / "gate.csv").exists()
    rows = read_csv(tmp_path / "out" / "images.csv")
    assert [row["id"] for row in rows] == [record.id for record in dataset.records]
    assert sum(int(row["images"]) for row in read_csv(tmp_path / "out" / "classes.csv")) == 40
    page = (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    assert "not a medical device" in page and "<script" not in page and "SYNTHETIC" not in page
    with pytest.raises(UsageError, match="exists already"):
        run("toy", "--out", tmp_path / "out")
    assert run("toy", "--out", tmp_path / "out", "--force")[0] == 0


def test_predictions_judge_the_gate(dataset: Manifest, tmp_path: Path) -> None:
    lines = ["image,label,probability,status,reason,p_monocyte,p_basophil"]
    lines += [f"{record.id},monocyte,0.9,accepted,,0.9,0.1" for record in dataset.records if record.label == "monocyte"]
    lines += [f"{record.id},monocyte,0.6,accepted,,0.6,0.4" for record in dataset.records if record.label == "basophil"]
    (tmp_path / "calls.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    code, output = run("toy", "--out", tmp_path / "out", "--predictions", tmp_path / "calls.csv")
    assert code == 0
    assert "of 5 errors" in output
    pieces, outliers, finder = read_csv(tmp_path / "out" / "gate.csv")
    assert (pieces["judged"], pieces["errors"]) == ("10", "5")
    assert int(pieces["caught"]) + int(pieces["lost"]) == int(pieces["stopped"])
    assert (outliers["gate"], finder["gate"]) == ("outliers of clusters", "detector")
    assert "Would the gate help a model?" in (tmp_path / "out" / "report.html").read_text(encoding="utf-8")


def test_an_unreadable_image_is_refused_and_the_rest_done(dataset: Manifest, tmp_path: Path) -> None:
    Path(dataset.records[0].image).write_bytes(b"\xff\xd8\xffnothing")
    code, output = run("toy", "--out", tmp_path / "out")
    assert code == 1
    assert f"refused: {dataset.records[0].id}" in output
    assert len(read_csv(tmp_path / "out" / "images.csv")) == 39


@pytest.mark.parametrize("count", [1, 5])
def test_one_image_or_one_class_survives(dataset: Manifest, tmp_path: Path, count: int) -> None:
    one_class = [record for record in dataset.records if record.label == "monocyte"][:count]
    save_manifest(manifest_path("few"), Manifest("few", tuple(one_class)))
    assert run("few", "--out", tmp_path / "out")[0] == 0
    assert {row["f"] for row in read_csv(tmp_path / "out" / "brightness-anova.csv")} == {""}
    assert "undefined" in (tmp_path / "out" / "report.html").read_text(encoding="utf-8")


def test_synthetic_images_are_declared(dataset: Manifest, tmp_path: Path) -> None:
    from dataclasses import replace

    drawn = tuple(replace(record, source="synth") for record in dataset.records[:4])
    save_manifest(manifest_path("drawn"), Manifest("drawn", drawn))
    assert run("drawn", "--out", tmp_path / "out")[0] == 0
    assert "SYNTHETIC" in (tmp_path / "out" / "report.html").read_text(encoding="utf-8")


def test_an_unknown_dataset_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="nothing-of-the-kind"):
        run("nothing-of-the-kind", "--out", tmp_path / "out")
