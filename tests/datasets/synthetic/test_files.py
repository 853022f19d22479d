import runpy
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from leukolens.core.errors import DataError, UsageError
from leukolens.core.files import read_rows
from leukolens.core.taxonomy import CELL_CLASSES
from leukolens.datasets.synthetic import write_cells, write_fields


def pixels_of(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): np.asarray(Image.open(path)).tobytes()
        for path in sorted(folder.rglob("*.png"))
    }


def test_cells_are_balanced_named_and_declared(tmp_path: Path) -> None:
    out = write_cells(tmp_path / "cells", 16, seed=2)
    names = list(pixels_of(out))
    assert Counter(name.split("/")[0] for name in names) == dict.fromkeys(CELL_CLASSES, 2)
    assert "neutrophil/synthetic_neutrophil_0008.png" in names
    assert "SYNTHETIC" in (out / "README.txt").read_text() and "seed 2" in (out / "README.txt").read_text()
    assert not list(out.rglob(".unfinished*"))


def test_more_cells_only_add_and_another_seed_changes_all(tmp_path: Path) -> None:
    few, many, other = (
        pixels_of(write_cells(tmp_path / name, count, seed))
        for name, count, seed in (("few", 5, 7), ("many", 9, 7), ("other", 5, 8))
    )
    assert len(many) == 9
    assert few == {name: many[name] for name in few}
    assert all(few[name] != other[name] for name in few)


def test_fields_come_with_their_truth(tmp_path: Path) -> None:
    out = write_fields(tmp_path / "fields", 2, seed=1)
    rows = read_rows(out / "truth.csv")
    assert list(rows[0]) == ["field", "x0", "y0", "x1", "y1", "kind", "label"]
    assert {row["field"] for row in rows} == {"field_0000", "field_0001"}
    for row in rows:
        with Image.open(out / "images" / f"{row['field']}.png") as image:
            assert 0 <= int(row["x0"]) < int(row["x1"]) <= image.width == 640
            assert 0 <= int(row["y0"]) < int(row["y1"]) <= image.height == 480
        assert (row["label"] == "") == (row["kind"] == "red_cell")
    assert "SYNTHETIC" in (out / "README.txt").read_text()


def test_more_fields_only_add(tmp_path: Path) -> None:
    one, two = (write_fields(tmp_path / str(count), count, seed=5) for count in (1, 2))
    assert pixels_of(one)["images/field_0000.png"] == pixels_of(two)["images/field_0000.png"]
    rows = [row for row in read_rows(two / "truth.csv") if row["field"] == "field_0000"]
    assert read_rows(one / "truth.csv") == rows


@pytest.mark.parametrize(("count", "seed"), [(0, 1), (-3, 1), (1, -1)])
def test_impossible_counts_and_seeds_write_nothing(tmp_path: Path, count: int, seed: int) -> None:
    for write in (write_cells, write_fields):
        with pytest.raises(UsageError, match="count of 1 or more"):
            write(tmp_path / "out", count, seed)
    assert not (tmp_path / "out").exists()


def test_a_folder_that_cannot_be_made_is_a_data_error(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("a file stands where the folder should")
    with pytest.raises(DataError):
        write_cells(tmp_path / "taken" / "cells", 1, seed=0)


def test_the_sheet_is_written_by_the_module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["synthetic", str(tmp_path / "sheet.png"), "--seed", "3"])
    runpy.run_module("leukolens.datasets.synthetic", run_name="__main__")
    with Image.open(tmp_path / "sheet.png") as image:
        sheet = np.asarray(image)
    assert sheet.ndim == 3 and sheet.shape[2] == 3 and min(sheet.shape[:2]) > 1000
    assert (sheet[:28, :400] < 128).any()  # the line that declares it synthetic
