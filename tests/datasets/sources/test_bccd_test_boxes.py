"""The relabelled cells of the test fields of BCCD."""

from pathlib import Path

import pytest

from leukolens.core.results import Box
from leukolens.core.taxonomy import DETECTED_KINDS
from leukolens.datasets.sources.bccd import read
from leukolens.datasets.sources.bccd_relabelled import list_relabelled_test
from leukolens.datasets.sources.tables import read_table

WIDTH, HEIGHT = 640, 480


def test_every_box_is_a_box() -> None:
    rows = read_table("bccd-test-relabelled.csv")
    boxes = [tuple(int(row[name]) for name in ("x0", "y0", "x1", "y1")) for row in rows]
    assert all(0 <= x0 < x1 <= WIDTH and 0 <= y0 < y1 <= HEIGHT for x0, y0, x1, y1 in boxes)
    assert {row["kind"] for row in rows} == set(DETECTED_KINDS)
    places = [(row["field"], row["kind"], box) for row, box in zip(rows, boxes, strict=True)]
    assert len(set(places)) == len(places)
    assert len({row["field"] for row in rows}) == 72


@pytest.mark.real
def test_the_fields_are_the_public_test_list_and_its_leukocytes_are_kept(real_data: Path) -> None:
    fields = {record.id: record for record in read(real_data / "bccd.zip").records if record.part == "test"}
    rows = read_table("bccd-test-relabelled.csv")
    assert {row["field"] for row in rows} == set(fields)
    ours = {name: [row for row in rows if row["field"] == name and row["kind"] == "leukocyte"] for name in fields}
    for name, record in fields.items():
        public = sum(box.kind == "leukocyte" for box in record.boxes)
        assert len(ours[name]) >= public, name
    # Fields with a leukocyte that nobody had labelled, or had called a platelet.
    for name in ("BloodImage_00171", "BloodImage_00178", "BloodImage_00327", "BloodImage_00135"):
        public = sum(box.kind == "leukocyte" for box in fields[name].boxes)
        assert len(ours[name]) == public + 1, name


def test_boxes_come_by_field_the_doubtful_ones_apart() -> None:
    fields = list_relabelled_test()
    rows = read_table("bccd-test-relabelled.csv")
    assert len(fields) == 72
    assert sum(len(sure) for sure, _ in fields.values()) == sum(not row["doubt"] for row in rows)
    assert sum(len(doubtful) for _, doubtful in fields.values()) == sum(bool(row["doubt"]) for row in rows)
    assert Box(208, 95, 396, 279, "leukocyte") in fields["BloodImage_00007"][0]
    assert Box(198, 4, 240, 50, "platelet", "platelet") in fields["BloodImage_00007"][1]
