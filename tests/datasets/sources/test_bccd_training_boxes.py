"""Relabelled BCCD fields: those for training, and the test fields whose boxes were drawn twice."""

import pytest

from leukolens.datasets.sources.bccd_relabelled import (
    list_relabelled_test,
    list_relabelled_training,
    list_second_look,
    list_second_platelets,
    list_training_platelets,
)
from leukolens.datasets.sources.tables import read_table

WIDTH, HEIGHT = 640, 480


@pytest.mark.parametrize(
    "name",
    [
        "bccd-training-relabelled.csv",
        "bccd-test-second-look.csv",
        "bccd-training-platelets.csv",
        "bccd-test-platelets.csv",
    ],
)
def test_every_box_is_a_box_and_none_stands_twice(name: str) -> None:
    rows = [row for row in read_table(name) if row["x0"]]
    boxes = [tuple(float(row[side]) for side in ("x0", "y0", "x1", "y1")) for row in rows]
    assert all(0 <= x0 < x1 <= WIDTH and 0 <= y0 < y1 <= HEIGHT for x0, y0, x1, y1 in boxes)
    places = [(row["field"], row["kind"], box) for row, box in zip(rows, boxes, strict=True)]
    assert len(set(places)) == len(places)


def test_what_is_learned_from_is_not_what_is_judged_on() -> None:
    judged = set(list_relabelled_test())
    assert not {*list_relabelled_training(), *list_training_platelets()} & judged
    assert not set(list_relabelled_training()) & set(list_training_platelets())
    assert {row["field"] for row in read_table("bccd-test-second-look.csv")} < judged


def test_platelets_of_every_test_field_were_boxed_twice_and_some_fields_have_none() -> None:
    second = list_second_platelets()
    assert set(second) == set(list_relabelled_test())
    for field, (sure, doubtful) in list_second_look().items():
        assert len(second[field]) == sum(box.kind == "platelet" for box in (*sure, *doubtful))
    for platelets in (second, list_training_platelets()):
        counts = {len(boxes) for boxes in platelets.values()}
        assert 0 in counts and max(counts) > 3
        assert all(box.kind == "platelet" for boxes in platelets.values() for box in boxes)


def test_a_cut_or_hidden_cell_is_a_cell_a_likely_platelet_too_and_a_pile_is_a_doubt() -> None:
    rows = read_table("bccd-training-relabelled.csv")
    cells = sum(len(sure) for sure, _ in list_relabelled_training().values())
    doubtful = sum(len(unsure) for _, unsure in list_relabelled_training().values())
    assert cells == sum(row["doubt"] in ("", "cut", "hidden") or row["kind"] == "platelet" for row in rows)
    assert doubtful == len(rows) - cells > 0
