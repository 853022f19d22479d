import errno
import os
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leukolens.core.errors import DataError, LeukolensError
from leukolens.core.results import Box, Refusal
from leukolens.datasets.manifest import Manifest, Record, load_manifest, save_manifest

BOXES = (
    Box(10, 20, 30, 44, "leukocyte", "eosinophil"),
    Box(1, 2, 3.5, 4, "red_cell"),
    Box(50, 20, 60, 40, "platelet", "platelet"),
    Box(5, 5, 9, 9, "leukocyte", "monocyte"),
)
FIELD = Record("f1", "/data/f1.png", None, "", "made", "slide 1", "train", boxes=BOXES)
CELL = Record("c1", "/data/z.zip::c 1.png", "neutrophil", "BNE", "made", "c1", "", "band")


def test_round_trip(tmp_path: Path) -> None:
    odd = [
        replace(CELL, id=name, image=f"/data/{name}")
        for name in ("line\nbreak", "=1+1", "back\\slash", "'quote", 'é, "x"', os.fsdecode(b"\xff\xfe"))
    ]
    manifest = Manifest("m", (FIELD, CELL, *odd), (Refusal("a\nb", "empty"),), (Refusal("c1", "unsure"),))
    save_manifest(tmp_path / "m.csv", manifest)
    assert load_manifest(tmp_path / "m.csv") == manifest


def test_a_dense_field_round_trips(tmp_path: Path) -> None:
    boxes = tuple(Box(x, 0, x + 1, 1, "red_cell") for x in range(4000))
    manifest = Manifest("m", (replace(FIELD, boxes=boxes),))
    save_manifest(tmp_path / "m.csv", manifest)
    assert load_manifest(tmp_path / "m.csv") == manifest


def test_cells_are_the_named_leukocytes_of_fields() -> None:
    cells = Manifest("m", (FIELD, CELL)).cells().records
    assert [(cell.id, cell.label, cell.cell, cell.group, cell.part) for cell in cells[:2]] == [
        ("f1#0", "eosinophil", BOXES[0], "slide 1", "train"),
        ("f1#1", "monocyte", BOXES[3], "slide 1", "train"),
    ]
    assert cells[2:] == (CELL,)
    assert Manifest("m", cells).cells().records == cells


def test_select_and_labelled() -> None:
    manifest = Manifest("m", (FIELD, CELL))
    assert manifest.select(["c1"]).records == (CELL,)
    assert manifest.labelled().records == (CELL,)
    with pytest.raises(DataError, match="not in the dataset m"):
        manifest.select(["c1", "c2"])


def test_the_hash_sees_what_decides_a_result_and_nothing_else() -> None:
    manifest = Manifest("m", (FIELD, CELL))
    moved = Manifest("n", (replace(CELL, image="/elsewhere/c.png"), FIELD))
    assert moved.hash == manifest.hash
    for change in ({"id": "c2"}, {"label": "monocyte"}, {"group": "g"}, {"cell": BOXES[0]}):
        assert Manifest("m", (FIELD, replace(CELL, **change))).hash != manifest.hash


def test_relative_paths_lie_beside_the_manifest(tmp_path: Path) -> None:
    save_manifest(tmp_path / "m.csv", Manifest("m", (replace(CELL, image="cells/x.png"),)))
    assert load_manifest(tmp_path / "m.csv").records[0].image == str(tmp_path / "cells/x.png")


@pytest.mark.parametrize(
    ("change", "what"),
    [
        ({"label": "leukocyte"}, "label"),
        ({"boxes": (replace(BOXES[0], x1=10),)}, "box"),
        ({"boxes": (replace(BOXES[0], x1=float("nan")),)}, "box"),
        ({"boxes": (replace(BOXES[0], kind="wbc"),)}, "kind"),
        ({"boxes": (replace(BOXES[0], label="cell"),)}, "box label"),
        ({"id": ""}, "without an id"),
    ],
)
def test_what_does_not_hold_together_is_named_with_its_line(
    change: dict[str, object], what: str, tmp_path: Path
) -> None:
    save_manifest(tmp_path / "m.csv", Manifest("m", (CELL, replace(FIELD, **change))))
    with pytest.raises(DataError, match=f"line 3 .*{what}"):
        load_manifest(tmp_path / "m.csv")


def test_one_id_for_two_images(tmp_path: Path) -> None:
    save_manifest(tmp_path / "m.csv", Manifest("m", (CELL, CELL)))
    with pytest.raises(DataError, match="one id for several"):
        load_manifest(tmp_path / "m.csv")


@pytest.mark.parametrize("text", ["", "a,b\n1,2\n", "id,image\nx,y\n"])
def test_what_is_no_manifest(text: str, tmp_path: Path) -> None:
    (tmp_path / "m.csv").write_text(text)
    with pytest.raises(DataError, match="not a manifest"):
        load_manifest(tmp_path / "m.csv")


def test_a_full_disk_leaves_the_old_manifest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "m.csv"
    save_manifest(path, Manifest("m", (CELL,)))
    before = path.read_bytes()

    def full(*arguments: object, **options: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("leukolens.core.files.csv.writer", full)
    with pytest.raises(DataError, match="No space left"):
        save_manifest(path, Manifest("m", (FIELD,)))
    assert path.read_bytes() == before
    assert sorted(item.name for item in tmp_path.iterdir()) == ["m.csv", "m.notes.csv"]


HEADER = "id,image,label,original_label,sub_label,source,group,part,cell,boxes\n"
GOOD = "c1,/x.png,neutrophil,neu,,made,g,,,\n"


@given(
    data=st.one_of(
        st.binary(max_size=300),
        st.text(max_size=200).map(lambda text: (HEADER + GOOD + text).encode("utf-8", "replace")),
        st.tuples(st.text(max_size=80), st.text(max_size=80)).map(
            lambda pair: (HEADER + f'c2,/y.png,,,,made,g,,"{pair[0]}","{pair[1]}"\n').encode("utf-8", "replace")
        ),
        st.sampled_from(["null", "[]", "[1]", "[[]]", "[{}]", '{"x0": 1}', "[" * 5000, '[{"x0": "nan"}]', "1e999"]).map(
            lambda text: (HEADER + 'c3,/z.png,,,,made,g,,,"' + text.replace('"', '""') + '"\n').encode()
        ),
    )
)
def test_any_file_is_a_manifest_or_an_error_of_ours(data: bytes, tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.mktemp("fuzz") / "m.csv"
    path.write_bytes(data)
    try:
        assert load_manifest(path).records
    except LeukolensError as error:
        assert "m.csv" in str(error)
