"""Records of figures: each committed `metrics.json` survives reading and writing to the byte."""

from pathlib import Path

import pytest

from leukolens.core.errors import DataError
from leukolens.evaluation.classification.records import Metrics
from leukolens.evaluation.detection.records import DetectionMetrics
from leukolens.evaluation.records import read_record, write_record

RESULTS = Path(__file__).parents[2] / "docs" / "results"
COMMITTED = sorted(RESULTS.glob("*/metrics.json"))


def test_there_are_committed_figures_of_both_tasks() -> None:
    assert {"pbc-test", "cells-bccd"} <= {path.parent.name for path in COMMITTED}


@pytest.mark.parametrize("path", COMMITTED, ids=lambda path: path.parent.name)
def test_a_committed_file_is_read_and_written_to_the_byte(path: Path, tmp_path: Path) -> None:
    of_detector = b'"truths"' in path.read_bytes()
    record: Metrics | DetectionMetrics = read_record(path, DetectionMetrics if of_detector else Metrics)
    write_record(tmp_path / "metrics.json", record)
    assert (tmp_path / "metrics.json").read_bytes() == path.read_bytes()


def test_the_worst_class_is_one_that_is_present() -> None:
    assert read_record(RESULTS / "kaggle-fields" / "metrics.json", Metrics).worst_class() == ("monocyte", 0.75)


@pytest.mark.parametrize("text", ["", "[]", '{"n": 3}', '{"n": "three"}'])
def test_a_file_of_another_kind_is_refused_by_its_reason(text: str, tmp_path: Path) -> None:
    path = tmp_path / "metrics.json"
    path.write_text(text)
    with pytest.raises(DataError, match=r"cannot be read as Metrics: .+"):
        read_record(path, Metrics)
