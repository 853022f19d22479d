import csv
import json
import re
import xml.etree.ElementTree as ElementTree
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from leukolens.core.files import read_rows
from leukolens.smear import files
from leukolens.smear.differential import make_differential
from leukolens.smear.files import name_safely, write_smear
from leukolens.smear.results import SmearResult
from leukolens.smear.tables import CELL_COLUMNS, SHARE_COLUMNS

HOSTILE = ("=2+2 <b>.jpg", "a/same.png", "b/SAME.png", "line\nbreak \udcff/../x.tif")


@pytest.fixture(scope="module")
def smear(fake_smear: Any) -> Any:
    return fake_smear.make_smear(4, names=HOSTILE)


@pytest.fixture(scope="module")
def folder(smear: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("smear") / "count"
    write_smear(out, smear.result, lambda field: smear.pictures[field.name])
    return out


def test_every_file_of_the_contract_is_there_and_nothing_else(folder: Path) -> None:
    names = {
        "cells.csv",
        "fields.csv",
        "differential.csv",
        "differential.json",
        "report.html",
        "fhir.json",
        "refused.csv",
    }
    assert {path.name for path in folder.iterdir()} == names | {"overlay"}


def test_cells_come_back_from_csv_as_they_were(folder: Path, smear: Any) -> None:
    rows = read_rows(folder / "cells.csv")
    cells = [(field.name, cell) for field in smear.result.fields for cell in field.cells]
    assert len(rows) == len(cells) and tuple(rows[0]) == CELL_COLUMNS
    for row, (name, cell) in zip(rows, cells, strict=True):
        assert row["field"] == name and row["status"] == cell.status and row["reason"] == cell.reason
        assert row["kind"] == {"leukocyte": "wbc", "red_cell": "rbc", "platelet": "platelet"}[cell.box.kind]
        assert row["label"] == (cell.box.label or "") and float(row["x1"]) == cell.box.x1
        assert float(row["probability"]) == pytest.approx(cell.probability, abs=1e-6)
    raw = (folder / "cells.csv").read_text(encoding="utf-8")
    assert "\n=2+2" not in raw and "'=2+2" in raw


def test_fields_are_counted_by_kind_and_name_their_overlay(folder: Path, smear: Any) -> None:
    rows = read_rows(folder / "fields.csv")
    assert [row["field"] for row in rows] == list(HOSTILE)
    assert [row["status"] for row in rows] == ["counted", "counted", "left out", "counted"]
    for row, field in zip(rows, smear.result.fields, strict=True):
        assert int(row["wbc"]) == sum(
            cell.box.kind == "leukocyte" and cell.status == "accepted" for cell in field.cells
        )
        assert int(row["wbc_cut"]) == sum(cell.status == "cut" for cell in field.cells)
        with Image.open(folder / "overlay" / row["overlay"]) as overlay:
            assert overlay.size == (field.width_px, field.height_px)
    assert len({row["overlay"].lower() for row in rows}) == len(rows)
    assert "refocus" in rows[2]["advice"]


def test_the_differential_says_the_same_in_csv_and_json(folder: Path, smear: Any) -> None:
    rows = read_rows(folder / "differential.csv")
    fields = json.loads((folder / "differential.json").read_text(encoding="utf-8"))
    assert tuple(rows[0]) == SHARE_COLUMNS and SHARE_COLUMNS[:6] == (
        "class",
        "count",
        "percent",
        "ci_low",
        "ci_high",
        "method",
    )
    assert [row["class"] for row in rows] == [share.label for share in smear.result.differential.shares]
    assert sum(float(row["percent"]) for row in rows) == pytest.approx(100, abs=0.01)
    for row, entry in zip(rows, fields["differential"], strict=True):
        assert float(row["ci_low"]) == entry["ci_low"] <= entry["percent"] <= entry["ci_high"]
        assert row["method"] == entry["method"] == "Wilson"
    assert fields["leukocytes"] == smear.result.differential.leukocytes == sum(int(row["count"]) for row in rows)
    assert fields["classifier"] == "pbc" and "not a medical device" in fields["caution"]


def test_a_second_count_takes_the_first_ones_overlays_away(fake_smear: Any, tmp_path: Path) -> None:
    first, second = (
        fake_smear.make_smear(2, 160, names=("a.png", "b.png")),
        fake_smear.make_smear(1, 160, names=("c.png",)),
    )
    pictures = first.pictures | second.pictures
    for smear in (first, second):
        (tmp_path / "overlay").mkdir(exist_ok=True)
        (tmp_path / "overlay" / "mine.png").write_bytes(b"")
        write_smear(tmp_path, smear.result, lambda field: pictures[field.name])
    assert {path.name for path in (tmp_path / "overlay").iterdir()} == {"c.png", "mine.png"}


def test_a_count_that_ends_while_it_draws_leaves_the_earlier_one_whole(
    fake_smear: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = fake_smear.make_smear(2, 160), fake_smear.make_smear(1, 160, seed=1, names=["other.png"])
    write_smear(tmp_path / "out", first.result, lambda field: first.pictures[field.name])
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    written: list[set[str]] = []

    def end(*drawn: Any) -> Any:
        written.append({path.name for path in (tmp_path / ".out.unfinished").iterdir()})
        raise KeyboardInterrupt

    monkeypatch.setattr(files, "draw_overlay", end)
    with pytest.raises(KeyboardInterrupt):
        write_smear(tmp_path / "out", second.result, lambda field: second.pictures[field.name])
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before
    # What was counted was written before anything was drawn.
    assert written[0] >= {"cells.csv", "fields.csv", "differential.csv", "differential.json", "fhir.json"}


def test_an_earlier_table_cannot_name_a_file_elsewhere_for_removal(fake_smear: Any, tmp_path: Path) -> None:
    precious = tmp_path / "precious.png"
    precious.write_bytes(b"")
    (tmp_path / "out").mkdir()
    with (tmp_path / "out" / "fields.csv").open("w", newline="") as stream:
        csv.writer(stream).writerows([["overlay"], ["../../precious.png"], [str(precious)]])
    smear = fake_smear.make_smear(1, 160)
    write_smear(tmp_path / "out", smear.result, lambda field: smear.pictures[field.name])
    assert precious.exists()


def test_a_picture_that_went_away_or_changed_costs_the_picture_alone(fake_smear: Any, tmp_path: Path) -> None:
    gone, other = str(tmp_path / "gone.png"), str(tmp_path / "other.png")
    smear = fake_smear.make_smear(2, 160, names=(gone, other))
    Image.fromarray(np.zeros((9, 9, 3), np.uint8)).save(other)
    page = write_smear(tmp_path, smear.result).read_text(encoding="utf-8")
    assert "The picture cannot be shown: it does not exist" in page and "is not the picture that was counted" in page
    assert [row["overlay"] for row in read_rows(tmp_path / "fields.csv")] == ["", ""]
    assert len(read_rows(tmp_path / "cells.csv")) == sum(len(field.cells) for field in smear.result.fields)


@given(st.lists(st.text(max_size=90), max_size=12))
def test_any_names_give_distinct_safe_file_names(names: list[str]) -> None:
    stems = list(name_safely(names))
    assert len({stem.casefold() for stem in stems}) == len(names)
    for stem in stems:
        assert stem and len(stem.encode()) < 250 and not re.search(r'[\x00-\x1f<>:"/\\|?*\ud800-\udfff]', stem)
        assert stem == stem.strip(" .") and not re.fullmatch(r"(con|nul|com\d)(\..*)?", stem, re.IGNORECASE)


def test_ordinary_names_stay_as_they_are() -> None:
    names = ["/x/BloodImage_00001.jpg", "slides.zip::in/field 2.webp", "c:\\photo\\image.1.JPG", "CON.png", "كريات.png"]
    assert list(name_safely(names)) == ["BloodImage_00001", "field 2", "image.1", "field_CON", "كريات"]


def page_of(result: SmearResult, tmp_path: Path, pictures: dict[str, Any]) -> str:
    return write_smear(tmp_path, result, lambda field: pictures[field.name]).read_text(encoding="utf-8")


def test_the_report_needs_no_network_and_shows_what_was_counted(folder: Path, smear: Any) -> None:
    page = (folder / "report.html").read_text(encoding="utf-8")
    assert "http://" not in page.replace("http://www.w3.org", "") and "https://" not in page and "<script" not in page
    differential = smear.result.differential
    assert f"<b>{differential.leukocytes}</b>" in page and "3 of 4" in page
    assert page.count("not a medical device") == 1, "the caution stands once"
    assert "refocus" in page and "1 field was not counted" in page
    assert "S-12 &lt;i&gt;" in page and "notes &lt;b&gt;.txt" in page and "<b>.jpg" not in page
    assert re.search(r"Count \d+ more leukocytes to reach ±\d+ points", page)
    assert "trained" in page and "balanced accuracy 0.99" in page
    for drawing in re.findall(r"<svg.*?</svg>", page, re.DOTALL):
        ElementTree.fromstring(drawing)


def test_a_picture_leads_to_its_field_and_the_report_to_its_tables(folder: Path, smear: Any, tmp_path: Path) -> None:
    page = (folder / "report.html").read_text(encoding="utf-8")
    anchors = set(re.findall(r'id="(field-\d+)"', page))
    pictured = re.findall(r'<figure[^>]*><div><a href="#(field-\d+)"><img', page)
    assert pictured and len(pictured) == page.count("<figure") and set(pictured) <= anchors
    told = re.findall(r"</a></div><figcaption>.*?(field \d+)<br>", page)
    assert [words.replace(" ", "-") for words in told] == pictured
    linked = re.findall(r'<a href="([^#"]+)">', page)
    assert set(linked) == {path.name for path in folder.iterdir() if path.suffix in (".csv", ".json")}
    assert "Swipe the table sideways" in page
    smear.result.report(tmp_path / "alone.html", [smear.pictures[field.name] for field in smear.result.fields])
    assert 'cells.csv"' not in (tmp_path / "alone.html").read_text(encoding="utf-8")


def test_a_field_left_out_gives_no_cell_to_the_galleries(folder: Path, smear: Any) -> None:
    page = (folder / "report.html").read_text(encoding="utf-8")
    used = [
        cell for field in smear.result.fields if field.usable for cell in field.cells if cell.box.kind == "leukocyte"
    ]
    assert 'alt="neutrophil of field 1"' in page
    assert page.count("<figure") == len(used) and page.count('class="plate"') == 4
    unsure = page.find('<figure class="unsure"')
    gallery = page.rfind('<div class="gallery small">', 0, unsure)
    assert unsure < 0 or "<figure" not in page[gallery:unsure], "unsure cells come first"


def test_nothing_counted_is_said_plainly(fake_smear: Any, tmp_path: Path) -> None:
    smear = fake_smear.make_smear(1, 160)
    empty = replace(smear.result, fields=(), differential=make_differential([], None, None, None), kinds=())
    page = page_of(empty, tmp_path, {})
    assert "No field could be counted" in page and "nan" not in re.sub(r"base64,[^\"']*", "", page)
    bare = replace(smear.result.fields[0], cells=())
    page = page_of(replace(empty, fields=(bare,)), tmp_path, smear.pictures)
    assert "No leukocyte was counted" in page
    assert json.loads((tmp_path / "differential.json").read_text())["leukocytes"] == 0


def test_an_unknown_scale_is_said(fake_smear: Any, tmp_path: Path) -> None:
    smear = fake_smear.make_smear(1, 160, seed=4)
    blind = replace(smear.result.fields[0], red_cell_px=None, pixel_size_um=None, scale_origin="unknown")
    page = page_of(replace(smear.result, fields=(blind,)), tmp_path, smear.pictures)
    assert "unknown" in page and "µm wide" not in page


def test_burst_cells_are_summed_up_and_a_doubt_that_is_not_of_the_class_is_said(
    fake_smear: Any, tmp_path: Path
) -> None:
    smear = fake_smear.make_smear(2, 480, seed=2)
    field = smear.result.fields[0]
    whites = [cell for cell in field.cells if cell.box.kind == "leukocyte"]
    told = [
        ("review", "perhaps a smudge cell: it looks burst", 0.97),
        ("cut", "lies on the border", 0.97),
        ("review", "found as a leukocyte, but classified as a platelet", 0.97),
        ("review", "probability below 0.900", 0.5),
    ]
    changed = [
        replace(cell, status=status, reason=reason, probability=sure)
        for cell, (status, reason, sure) in zip((whites * 2)[:4], told, strict=True)
    ]
    field = replace(field, cells=tuple(changed), advice=())
    result = replace(smear.result, fields=(field,), differential=make_differential(changed, None, None, None))
    words = re.sub(r"(<[^>]+>|\s)+", " ", re.sub(r"base64,[^\"']*", "", page_of(result, tmp_path, smear.pictures)))
    assert (
        "1 of those for review: perhaps smudge cells" in words
        and "1 leukocytes set apart: cut by the border, clumped or repeated" in words
    )
    assert (
        "for review perhaps a smudge cell: it looks burst" in words
        and "classified as a platelet" in words
        and "below 0.900" not in words
    )
    assert re.search(r"50% for review or [a-z ]+ \d+%", words)
