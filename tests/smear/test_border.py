from dataclasses import replace

import numpy as np
import pytest

from leukolens.core.confusion import Confusion
from leukolens.core.results import Box, FieldCell
from leukolens.core.taxonomy import CELL_CLASSES
from leukolens.inference.borders import is_cut
from leukolens.smear.border import weigh_classes
from leukolens.smear.differential import make_differential
from leukolens.smear.records import FieldResult

SIZES = {"monocyte": 130.0, "lymphocyte": 70.0}
SURE = Confusion(CELL_CLASSES, np.eye(8, dtype=np.int64) * 1000, np.zeros((8, 8), np.int64))


def make_field(*cells: tuple[str, float, float], height: int = 480, width: int = 640) -> FieldResult:
    found = []
    for label, x, y in cells:
        half = SIZES[label] / 2
        box = Box(max(0, x - half), max(0, y - half), min(width, x + half), min(height, y + half), "leukocyte", label)
        status = "cut" if is_cut(box, height, width) else "accepted"
        found.append(FieldCell(box, 0.9, 0.9, np.empty(0), status))
    return FieldResult("f", height, width, tuple(found), None, None, "unknown")


def scatter(rng: np.random.Generator, fields: int) -> list[FieldResult]:
    """As many monocytes as lymphocytes, their middles anywhere on the fields."""
    labels = rng.choice(list(SIZES), size=(fields, 6))
    places = rng.uniform((0, 0), (640, 480), size=(fields, 6, 2))
    return [make_field(*((str(labels[i, k]), *places[i, k]) for k in range(6))) for i in range(fields)]


def test_cells_that_lie_anywhere_stand_for_those_that_the_border_cut() -> None:
    fields = scatter(np.random.default_rng(0), 2000)
    behind = weigh_classes(fields)
    # The chance of 130 px, its border 5.85 px: (640 - 141.7)(480 - 141.7) / (640 * 480) = .549; of 70 px: .751.
    assert behind["monocyte"] == pytest.approx(1 / 0.549, rel=0.03)
    assert behind["lymphocyte"] == pytest.approx(1 / 0.751, rel=0.03)
    cells = [cell for field in fields for cell in field.cells]
    raw = make_differential(cells, SURE, None, None)
    weighed = make_differential(cells, SURE, None, None, stand_for=behind)
    monocytes = [next(s for s in found.shares if s.label == "monocyte") for found in (raw, weighed)]
    assert monocytes[0].corrected == pytest.approx(43, abs=1) and monocytes[1].corrected == pytest.approx(50, abs=1)
    interval = monocytes[1].corrected_interval
    assert interval is not None and interval.low < 50 < interval.high and "border" in interval.method
    assert monocytes[0].corrected_interval is not None and monocytes[0].corrected_interval.high < 50


def test_photographs_aimed_at_cells_need_no_allowance() -> None:
    fields = [make_field(("monocyte", 320, 240)), make_field(("lymphocyte", 350, 220))]
    assert weigh_classes(fields) == {"monocyte": 1, "lymphocyte": 1}


def test_intervals_hold_where_cells_lie_anywhere() -> None:
    held = {"allowed for": 0, "left out": 0}
    for seed in range(100):
        fields = scatter(np.random.default_rng([1, seed]), 40)
        cells = [cell for field in fields for cell in field.cells]
        for name, behind in (("allowed for", weigh_classes(fields)), ("left out", None)):
            share = next(
                s for s in make_differential(cells, SURE, None, None, stand_for=behind).shares if s.label == "monocyte"
            )
            assert share.corrected_interval is not None
            held[name] += share.corrected_interval.low <= 50 <= share.corrected_interval.high
    assert held["allowed for"] >= 88 and held["left out"] <= 75


def test_a_cell_as_large_as_its_field_stands_for_five_at_most() -> None:
    fields = [make_field(("lymphocyte", 40, 40), height=80, width=80), make_field(("lymphocyte", 60, 60))]
    assert 1 < weigh_classes(fields)["lymphocyte"] <= 5


def test_the_border_is_that_of_what_the_eyepiece_shows() -> None:
    whole = make_field(("lymphocyte", 60, 60))
    assert weigh_classes([replace(whole, view=(0, 0, 120, 120))]) == {"lymphocyte": 1}
    assert weigh_classes([whole])["lymphocyte"] > 1


def test_no_counted_cell_has_no_weight() -> None:
    assert weigh_classes([]) == {} and weigh_classes([make_field(("monocyte", 5, 5))]) == {}
