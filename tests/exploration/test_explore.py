"""`explore` as Python users call it."""

from pathlib import Path

import numpy as np
import pytest

from leukolens.core.errors import DataError, UsageError
from leukolens.core.predictions import Predictions
from leukolens.core.results import CellStatus, Prediction
from leukolens.datasets.formats.class_folders import read_class_folders
from leukolens.datasets.manifest import Manifest
from leukolens.datasets.synthetic import write_cells
from leukolens.exploration.explore import explore


@pytest.fixture(scope="module")
def manifest(tmp_path_factory: pytest.TempPathFactory) -> Manifest:
    folder = tmp_path_factory.mktemp("cells") / "cells"
    write_cells(folder, 16, seed=1)
    return Manifest("toy", read_class_folders(folder).records)


def predict(names: list[str]) -> Predictions:
    shares = np.array([0.9, 0.1])
    items = tuple(Prediction(name, "monocyte", 0.9, shares, CellStatus.ACCEPTED) for name in names)
    return Predictions(("monocyte", "basophil"), items)


def test_a_manifest_is_explored_and_progress_is_reported(manifest: Manifest, tmp_path: Path) -> None:
    steps: list[tuple[str, int, int]] = []
    found = explore(manifest, tmp_path / "out", report=lambda *step: steps.append(step))
    assert (found.data, len(found.scan.rows), found.refused, found.scores) == ("toy", 16, (), ())
    assert set(found.classes) == {record.label for record in manifest.records}
    assert found.report == tmp_path / "out" / "report.html" and found.report.is_file()
    assert steps[-1] == ("images measured", 16, 16)
    assert "toy: 16 images in" in repr(found)


def test_predictions_in_memory_are_scored_by_three_gates(manifest: Manifest, tmp_path: Path) -> None:
    names = [record.id for record in manifest.records if record.label in ("monocyte", "basophil")]
    wrong = sum(record.label == "basophil" for record in manifest.records)
    found = explore(manifest, tmp_path / "out", predictions=predict(names))
    assert [score.gate for score in found.scores] == ["pieces", "outliers of clusters", "detector"]
    assert {(score.judged, score.errors) for score in found.scores} == {(len(names), wrong)} and wrong > 0


def test_nothing_is_written_where_the_input_is_refused(manifest: Manifest, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="made on it"):
        explore(manifest, tmp_path / "out", predictions=predict(["elsewhere"]))
    assert not (tmp_path / "out").exists()
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine.txt").write_text("mine")
    with pytest.raises(UsageError, match="exists already"):
        explore(manifest, tmp_path / "out")
