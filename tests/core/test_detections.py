import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from leukolens.core.detections import Detections
from leukolens.core.errors import UsageError
from leukolens.core.files import read_rows
from leukolens.core.results import Box, Detection
from leukolens.core.taxonomy import CellKind

ITEMS = (
    Detection(Box(1, 2, 11, 22, CellKind.LEUKOCYTE), 0.9, 0.25),
    Detection(Box(30, 5, 37.5, 12, CellKind.RED_CELL), 0.8),
    Detection(Box(0, 40, 4, 43, CellKind.PLATELET), 0.5),
    Detection(Box(50, 5, 57, 12, CellKind.RED_CELL), 0.4),
)


@pytest.fixture
def four() -> Detections:
    return Detections.from_items(ITEMS, 7.25, 7.5 / 7.25, "red cells")


@pytest.fixture
def none() -> Detections:
    return Detections.from_items([])


def test_arrays_and_items_say_the_same(four: Detections) -> None:
    assert tuple(four) == ITEMS
    assert four.xyxy.tolist() == [[1, 2, 11, 22], [30, 5, 37.5, 12], [0, 40, 4, 43], [50, 5, 57, 12]]
    assert four.kind.tolist() == ["leukocyte", "red_cell", "platelet", "red_cell"]
    assert four.score.tolist() == [0.9, 0.8, 0.5, 0.4] and four.smudge.tolist() == [0.25, 0, 0, 0]
    assert (four.xyxy.dtype, four.score.dtype, four.smudge.dtype) == (np.float64,) * 3
    assert repr(four) == "4 detections: 1 leukocytes, 2 red cells, 1 platelets"


def test_rows_are_chosen_as_in_an_array(four: Detections) -> None:
    assert four[1] == ITEMS[1] and four[-1] == ITEMS[3] and four[np.int64(2)] == ITEMS[2]
    assert tuple(four[1:3]) == ITEMS[1:3]
    red = four[four.kind == "red_cell"]
    assert tuple(red) == (ITEMS[1], ITEMS[3]) and red.red_cell_px == 7.25 and red.scale_origin == "red cells"
    assert tuple(four[[2, 0]]) == (ITEMS[2], ITEMS[0]) and len(four[[]]) == len(four[four.score > 1]) == 0
    with pytest.raises(IndexError):
        four[4]
    for wrong in (["leukocyte"], [True, False], [0.5], [9]):
        with pytest.raises(UsageError, match="4 rows take"):
            four[wrong]


def test_no_cells_are_arrays_too(none: Detections, tmp_path: Path) -> None:
    assert none.xyxy.shape == (0, 4) and none.kind.dtype.kind == "U" and len(none[none.kind == "leukocyte"]) == 0
    assert none.to_pandas().columns.tolist() == ["x0", "y0", "x1", "y1", "kind", "score", "smudge"]
    assert len(none.to_supervision()) == 0
    none.save(tmp_path / "none.csv")
    assert (tmp_path / "none.csv").read_text() == "x0,y0,x1,y1,kind,score,smudge\n"
    assert len(none.plot(np.zeros((8, 8, 3), np.uint8)).collections) == 0


def test_a_table_holds_the_numbers(four: Detections) -> None:
    table = four.to_pandas()
    np.testing.assert_array_equal(table[["x0", "y0", "x1", "y1"]].to_numpy(), four.xyxy)
    assert table["kind"].tolist() == four.kind.tolist() and table["score"].dtype == np.float64


def test_supervision_takes_them(four: Detections) -> None:
    theirs = four.to_supervision()
    np.testing.assert_array_equal(theirs.xyxy, four.xyxy)
    np.testing.assert_array_equal(theirs.confidence, four.score)
    assert theirs.class_id.tolist() == [0, 1, 2, 1]
    assert theirs["class_name"].tolist() == four.kind.tolist() and theirs["smudge"].tolist() == four.smudge.tolist()
    assert len(theirs[theirs.class_id == 1]) == 2


def test_what_is_saved_can_be_read(four: Detections, tmp_path: Path) -> None:
    four.save(tmp_path / "cells.csv")
    rows = read_rows(tmp_path / "cells.csv")
    assert rows[1] == {
        "x0": "30.0",
        "y0": "5.0",
        "x1": "37.5",
        "y1": "12.0",
        "kind": "red_cell",
        "score": "0.8",
        "smudge": "0.0",
    }
    four.save(str(tmp_path / "cells.JSON"))
    assert json.loads((tmp_path / "cells.JSON").read_text()) == four.to_dict()
    assert four.to_dict()["detections"][0] == {"kind": "leukocyte", "score": 0.9, "smudge": 0.25, "box": [1, 2, 11, 22]}
    with pytest.raises(UsageError, match=re.escape(".csv or .json; received cells.xlsx")):
        four.save(tmp_path / "cells.xlsx")
    assert not (tmp_path / "cells.xlsx").exists()


def test_a_plot_has_a_box_for_each_cell(four: Detections, tmp_path: Path) -> None:
    from matplotlib import pyplot

    image = np.full((60, 60, 3), 200, np.uint8)
    axes = four.plot(image)
    paths = [path.get_extents() for part in axes.collections for path in part.get_paths()]
    # Pixel 0 is drawn from -0.5 to 0.5, so a box from 1 to 11 has its sides at 0.5 and 10.5.
    found = sorted(
        (round(p.x0 + 0.5, 6), round(p.y0 + 0.5, 6), round(p.x1 + 0.5, 6), round(p.y1 + 0.5, 6)) for p in paths
    )
    assert found == sorted(map(tuple, four.xyxy.tolist()))
    assert {text.get_text() for text in axes.get_legend().get_texts()} == {
        "leukocyte (1)",
        "red cell (2)",
        "platelet (1)",
    }
    axes.figure.savefig(tmp_path / "field.png")
    assert four[:1].plot(image, ax=axes) is axes
    pyplot.close(axes.figure)


@pytest.mark.parametrize(
    ("package", "use"),
    [
        ("pandas", lambda cells: cells.to_pandas()),
        ("supervision", lambda cells: cells.to_supervision()),
        ("matplotlib", lambda cells: cells.plot(np.zeros((8, 8, 3), np.uint8))),
    ],
)
def test_a_package_that_is_missing_is_named(
    four: Detections, monkeypatch: pytest.MonkeyPatch, package: str, use: Any
) -> None:
    monkeypatch.setitem(__import__("sys").modules, package, None)
    with pytest.raises(UsageError, match=f"pip install {package}"):
        use(four)
