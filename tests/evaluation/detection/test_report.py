"""The report on a detector: fields drawn by hand, boxes moved and dropped at random."""

from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from leukolens.core.errors import DataError
from leukolens.core.files import read_rows
from leukolens.core.results import Box, Detection
from leukolens.core.taxonomy import DETECTED_KINDS, CellKind
from leukolens.evaluation.detection.errors import ErrorSort, FieldError
from leukolens.evaluation.detection.gallery import choose_errors, show_errors
from leukolens.evaluation.detection.matching import JudgedField
from leukolens.evaluation.detection.metrics import RAW, RELABELLED, Evidence, measure_detector
from leukolens.evaluation.detection.records import DetectionMetrics
from leukolens.evaluation.detection.report import write_detection_report
from leukolens.evaluation.records import Provenance, read_record

SIZES = {"leukocyte": 60, "red_cell": 40, "platelet": 14}
THRESHOLDS = dict.fromkeys(DETECTED_KINDS, 0.4)


@pytest.fixture(scope="module")
def evidence() -> Evidence:
    """Eight fields; the careless truth lacks half of the red cells, every seventh careful box is doubtful."""
    generator = np.random.default_rng(0)
    raw, anew = [], []
    for number in range(8):
        boxes, finds = [], []
        for place in range(12):
            kind = "leukocyte" if place == 0 else "platelet" if place == 1 else "red_cell"
            x, y = 80 * (place % 4) + 5, 80 * (place // 4) + 5
            boxes.append(Box(x, y, x + SIZES[kind], y + SIZES[kind], kind))
            shaken = generator.normal(0, 0.04 * SIZES[kind], 2)
            if generator.random() < 0.9:
                moved = (x + shaken[0], y + shaken[1])
                far = Box(*moved, moved[0] + SIZES[kind], moved[1] + SIZES[kind], kind)
                finds.append(Detection(far, float(generator.uniform(0.3, 1))))
        finds.append(Detection(Box(250, 170, 290, 210, "red_cell"), 0.6))
        name = f"field <{number}>"
        careless = [box for index, box in enumerate(boxes) if index < 2 or index % 2]
        raw.append(JudgedField(name, name, tuple(careless), tuple(finds)))
        doubtful = tuple(boxes[6::7])
        sure = tuple(box for box in boxes if box not in doubtful)
        anew.append(JudgedField(name, name, sure, tuple(finds), doubtful))
    provenance = Provenance("toy", "discs", "test")
    return Evidence({RAW: raw, RELABELLED: anew}, RELABELLED, THRESHOLDS, provenance, 1, Counter({"red cells": 8}))


def test_both_truths_stand_side_by_side_and_files_say_what_the_page_says(evidence: Evidence, tmp_path: Path) -> None:
    metrics = measure_detector(evidence, draws=40)
    report = write_detection_report(tmp_path, evidence, metrics, lambda name: np.full((260, 330, 3), 200, np.uint8))
    assert read_record(tmp_path / "metrics.json", DetectionMetrics) == metrics
    assert list(metrics.truths) == ["relabelled", "relabelled_sure", "raw"]
    anew, sure, raw = (metrics.truths[name].per_kind["red_cell"] for name in metrics.truths)
    assert (anew.true, sure.true, raw.true) == (80, 72, 40)
    assert raw.precision < 0.6 < anew.precision
    counting = metrics.truths["relabelled"].counting["red_cell"]
    assert (counting.counted, counting.true) == (anew.counted, 80)
    rows = [row for row in read_rows(tmp_path / "detections.csv") if row["kind"] == "red_cell"]
    counted = [row for row in rows if row["counted"] == "True"]
    assert len(counted) == anew.counted
    assert sum(row["relabelled"] == "cell" for row in counted) == anew.hits
    assert sum(row["raw"] == "cell" for row in counted) == raw.hits
    whose = metrics.errors_against_raw["red_cell"]["false detection"]
    assert sum(whose.values()) == raw.counted - raw.hits
    assert whose["ground truth"] > whose["detector"] > 0
    page = report.read_text()
    assert "field &lt;0&gt;" in page and "<0>" not in page
    assert (tmp_path / "agreement-red_cell.svg").is_file()
    errors = read_rows(tmp_path / "errors.csv")
    assert sum(row["truth"] == "raw" and row["cause"] == "ground truth" for row in errors) > 0


def test_one_truth_and_no_pictures_make_a_report_too(evidence: Evidence, tmp_path: Path) -> None:
    alone = Evidence({RAW: evidence.fields[RAW]}, RAW, THRESHOLDS, Provenance("toy", "discs", "all", True, "planted"))
    metrics = measure_detector(alone, draws=20)
    assert metrics.errors_against_raw == {}
    page = write_detection_report(tmp_path, alone, metrics, lambda name: None).read_text()
    assert "THIS SPLIT LEAKS" in page and "image not available" in page


def test_only_what_the_truth_knows_is_judged() -> None:
    finds = (Detection(Box(0, 0, 10, 10, "leukocyte"), 0.9), Detection(Box(20, 0, 30, 10, "red_cell"), 0.9))
    field = JudgedField("a", "a", (Box(0, 0, 10, 10, "leukocyte"),), finds)
    metrics = measure_detector(Evidence({RAW: [field]}, RAW, THRESHOLDS, Provenance()), draws=5)
    assert list(metrics.truths[RAW].per_kind) == ["leukocyte"]
    assert metrics.truths[RAW].map50 == 1.0
    nothing = JudgedField("a", "a", (), finds)
    with pytest.raises(DataError, match="No field"):
        measure_detector(Evidence({RAW: [nothing]}, RAW, THRESHOLDS, Provenance()), draws=5)


def test_rare_errors_are_shown_before_more_of_a_common_kind() -> None:
    common = [FieldError(f"f{number}", ErrorSort.FALSE, Box(0, 0, 9, 9, CellKind.RED_CELL), 0.9) for number in range(9)]
    rare = FieldError("f9", ErrorSort.MISSED, Box(0, 0, 9, 9, CellKind.PLATELET), 0.0)
    assert choose_errors([*common, rare], 3) == [*common[:2], rare]
    assert choose_errors([*common, rare], 20) == [*common, rare]


def test_an_error_at_the_border_is_drawn_at_its_place() -> None:
    black = np.zeros((400, 400, 3), np.uint8)
    box = Box(-5, 380, 35, 420, CellKind.RED_CELL)
    error = FieldError("a", ErrorSort.MISSED, box, 0.0)
    evidence = Evidence({RAW: []}, RAW, THRESHOLDS, Provenance())
    (picture,) = show_errors([error], [JudgedField("a", "a", (box,), ())], evidence, lambda name: black)
    red = np.argwhere((picture.pixels == (0xD5, 0x5E, 0x00)).all(axis=2))
    assert picture.title == "missed red cell" and picture.pixels.shape == (224, 224, 3)
    # The crop is 100 px wide (a quarter of the field) around the middle of the box, which is 40 px wide.
    assert red.min(axis=0) == pytest.approx([0.3 * 224] * 2, abs=3) and red.max(axis=0) == pytest.approx(
        [0.7 * 224] * 2, abs=3
    )
