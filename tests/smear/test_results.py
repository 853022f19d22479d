"""A counted smear in Python: arrays, tables, pictures, files."""

import builtins
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
import pytest
from PIL import Image

from leukolens.core.errors import UsageError
from leukolens.core.files import read_rows
from leukolens.smear.overlay import draw_overlay
from leukolens.smear.results import SmearResult

matplotlib.use("agg")


@pytest.fixture(scope="module")
def smear(fake_smear: Any, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Three fields whose pictures lie in files."""
    folder = tmp_path_factory.mktemp("fields")
    made = fake_smear.make_smear(3, 200, names=[str(folder / f"f{number}.png") for number in range(3)])
    for name, pixels in made.pictures.items():
        Image.fromarray(pixels).save(name)
    return made


@pytest.fixture
def result(smear: Any) -> SmearResult:
    made: SmearResult = smear.result
    return made


def as_arrays(smear: Any) -> tuple[SmearResult, list[Any]]:
    """The same smear, counted from arrays."""
    fields = tuple(replace(field, name=f"array {number}") for number, field in enumerate(smear.result.fields))
    return replace(smear.result, fields=fields), list(smear.pictures.values())


def test_cells_are_arrays_with_one_entry_for_each_cell(result: SmearResult) -> None:
    cells = result.cells
    every = [(place, cell) for place, field in enumerate(result.fields) for cell in field.cells]
    assert len(cells) == len(every) > 20 and cells is result.cells
    assert cells.xyxy.shape == (len(every), 4) and cells.xyxy.dtype == np.float64
    for index in range(0, len(every), 7):
        place, cell = every[index]
        assert cells.field[index] == place and cells.image[index] == result.fields[place].name
        assert cells.xyxy[index].tolist() == [cell.box.x0, cell.box.y0, cell.box.x1, cell.box.y1]
        told = (cells.kind[index], cells.label[index], cells.status[index], cells.reason[index])
        assert told == (cell.box.kind, cell.box.label or "", cell.status, cell.reason)
        assert (cells.probability[index], cells.score[index]) == (cell.probability, cell.score)
    usable = np.isin(cells.field, [place for place, field in enumerate(result.fields) if field.usable])
    counted = (cells.kind == "leukocyte") & (cells.status == "accepted") & (cells.label != "erythroblast") & usable
    assert counted.sum() == result.differential.leukocytes


def test_cells_are_chosen_as_an_array_is_indexed(result: SmearResult) -> None:
    cells = result.cells
    red = cells[cells.kind == "red_cell"]
    assert 0 < len(red) < len(cells) and set(red.kind.tolist()) == {"red_cell"}
    assert (red.xyxy == cells.xyxy[cells.kind == "red_cell"]).all()
    assert cells[2:4].image.tolist() == cells.image[2:4].tolist()
    with pytest.raises(UsageError, match="mask"):
        cells[np.ones(3, bool)]


def test_a_smear_without_cells_has_empty_arrays(result: SmearResult) -> None:
    cells = replace(result, fields=()).cells
    assert len(cells) == 0 and cells.xyxy.shape == (0, 4) and cells.field.dtype == np.int64
    assert not (cells.status == "accepted").any()


def test_tables_hold_what_the_arrays_and_the_file_hold(result: SmearResult, tmp_path: Path) -> None:
    table = result.to_pandas()
    assert list(table.columns[:6]) == ["field", "image", "x0", "y0", "x1", "y1"]
    assert (table[["x0", "y0", "x1", "y1"]].to_numpy() == result.cells.xyxy).all()
    assert table["status"].tolist() == result.cells.status.tolist()
    result.save(tmp_path)
    shares = result.to_pandas("differential")
    rows = read_rows(tmp_path / "differential.csv")
    assert list(shares.columns) == list(rows[0]) and [row["class"] for row in rows] == shares["class"].tolist()
    assert [float(row["ci_high"]) for row in rows] == shares["ci_high"].tolist()
    assert result.to_dict() == json.loads((tmp_path / "differential.json").read_text(encoding="utf-8"))
    with pytest.raises(UsageError, match=r"'fields'.*'cells' or 'differential'"):
        result.to_pandas("fields")  # type: ignore[arg-type]


def test_an_overlay_reads_the_field_again(result: SmearResult, smear: Any) -> None:
    field = result.fields[1]
    drawn = result.overlay(1)
    assert drawn.dtype == np.uint8 and (drawn == draw_overlay(smear.pictures[field.name], field.cells)).all()
    assert (drawn != smear.pictures[field.name]).any()
    with pytest.raises(IndexError):
        result.overlay(9)


def test_a_field_that_was_an_array_is_drawn_on_the_array_given_again(smear: Any) -> None:
    result, pictures = as_arrays(smear)
    with pytest.raises(UsageError, match=r"arrays are not kept.*`picture`"):
        result.overlay(0)
    assert (result.overlay(0, pictures[0]) == smear.result.overlay(0)).all()
    with pytest.raises(UsageError, match="not the picture that was counted"):
        result.overlay(0, pictures[0][:-1])


def test_a_folder_holds_the_same_files_from_arrays(smear: Any, tmp_path: Path) -> None:
    result, pictures = as_arrays(smear)
    told: list[tuple[int, int]] = []
    report = result.save(tmp_path / "a", pictures, progress=lambda done, fields: told.append((done, fields)))
    smear.result.save(tmp_path / "f")
    assert told == [(1, 3), (2, 3), (3, 3)] and report == tmp_path / "a" / "report.html"
    assert {path.name for path in (tmp_path / "a").iterdir()} == {path.name for path in (tmp_path / "f").iterdir()}
    assert (tmp_path / "a" / "overlay" / "array 0.png").read_bytes() == (
        tmp_path / "f" / "overlay" / "f0.png"
    ).read_bytes()
    with pytest.raises(UsageError, match=r"2 pictures were given. Expected 3"):
        result.save(tmp_path / "b", pictures[:2])
    with pytest.raises(UsageError, match="not the picture that was counted"):
        result.save(tmp_path / "b", [*pictures[:2], pictures[2][:9]])
    assert not (tmp_path / "b").exists()


def test_without_the_arrays_the_tables_are_written_and_the_report_says_why_it_shows_no_picture(
    smear: Any, tmp_path: Path
) -> None:
    as_arrays(smear)[0].save(tmp_path)
    assert "arrays are not kept" in (tmp_path / "report.html").read_text(encoding="utf-8")
    assert not (tmp_path / "overlay").exists() and len(read_rows(tmp_path / "cells.csv")) > 20


def test_save_writes_over_nothing_unasked(result: SmearResult, tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    for taken in (tmp_path, tmp_path / "mine.txt"):
        with pytest.raises(UsageError, match="force=True"):
            result.save(taken)
    result.save(tmp_path, force=True)
    assert (tmp_path / "mine.txt").read_text() == "mine" and (tmp_path / "cells.csv").exists()


def test_the_report_is_one_file(result: SmearResult, tmp_path: Path) -> None:
    result.report(tmp_path / "smear.html")
    assert [path.name for path in tmp_path.iterdir()] == ["smear.html"]
    page = (tmp_path / "smear.html").read_text(encoding="utf-8")
    assert "not a medical device" in page and page.count('class="plate"') == 3


def test_the_plot_shows_each_share_with_its_interval(result: SmearResult) -> None:
    axes = result.plot()
    shares = result.differential.shares
    assert [label.get_text() for label in axes.get_yticklabels()] == [share.label.replace("_", " ") for share in shares]
    assert [bar.get_width() for bar in axes.patches] == pytest.approx([share.percent for share in shares])
    (lines,) = axes.collections
    ends = [segment[:, 0].tolist() for segment in lines.get_segments()]  # type: ignore[attr-defined]
    assert ends == [pytest.approx([share.interval.low, share.interval.high]) for share in shares]
    assert result.plot(axes) is axes


@pytest.mark.parametrize(("package", "call"), [("pandas", "to_pandas"), ("matplotlib", "plot")])
def test_a_missing_package_is_named_with_its_command(
    result: SmearResult, monkeypatch: pytest.MonkeyPatch, package: str, call: str
) -> None:
    real = builtins.__import__

    def refuse(name: str, *rest: Any) -> Any:
        if name.partition(".")[0] == package:
            raise ModuleNotFoundError(name)
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", refuse)
    with pytest.raises(UsageError, match=rf"{call}\(\) needs the package {package}.*pip install {package}"):
        getattr(result, call)()


def test_a_result_is_shown_in_one_line_and_in_notebooks_as_a_table(result: SmearResult) -> None:
    shown = repr(result)
    assert shown.startswith(f"smear S-12 <i>: {result.differential.leukocytes} leukocytes on 2 of 3 fields")
    assert "\n" not in shown and len(shown) < 300 and "inputs refused: 1" in shown
    page = result._repr_html_()
    assert page.count("<tr>") == 1 + len(result.differential.shares) and "S-12 &lt;i&gt;" in page
    assert "not a medical device" in page and repr(result.cells).startswith(f"{len(result.cells)} cells: ")
