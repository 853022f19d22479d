from collections.abc import Callable
from pathlib import Path

from leukolens.core.files import write_text
from leukolens.datasets.sources.tables import read_table
from leukolens.evaluation.classification.comparison import GroupTally
from leukolens.ladder.doubted_labels import compare_with_look
from leukolens.ladder.records import RunRecord
from leukolens.ladder.shared_fields import leave_shared_out

MakeRecord = Callable[..., RunRecord]
LOOK = read_table("kaggle-test-by-eye.csv")


def agree(row: dict[str, str], right: int = 10) -> GroupTally:
    return GroupTally(row["field"], row["kind"], 10, right)


def test_the_look_classifies_every_field_of_test_once() -> None:
    assert len(LOOK) == len({row["field"] for row in LOOK}) == 71
    assert sum(row["first_look"] == "doubtful" for row in LOOK) == 6


def test_a_label_that_both_looks_doubt_is_left_out_second_and_listed(make_record: MakeRecord) -> None:
    doubted = next(row for row in LOOK if row["first_look"])
    clear = [row for row in LOOK if not row["first_look"]][:9]
    other = next(kind for kind in ("monocyte", "lymphocyte") if kind != doubted["kind"])
    tallies = [agree(row) for row in clear] + [GroupTally(doubted["field"], other, 10, 0)]
    section, listed = compare_with_look({"conv5": [make_record(tallies)]})
    for row in section.rows:  # Look and network miss the same one field.
        assert row[1].startswith(".900 ") and row[2].startswith(".900 ")
        assert row[3].startswith("1.000 ") and row[4].startswith("1.000 ")
    assert [row[0] for row in section.rows] == ["one look by eye", "conv5"]
    assert listed.rows[0][:4] == (doubted["field"], other, "10", doubted["kind"])


def test_a_label_that_only_one_look_doubts_is_kept(make_record: MakeRecord) -> None:
    clear = [row for row in LOOK if not row["first_look"]][:3]
    wrong = GroupTally(clear[0]["field"], "basophil", 10, 10)
    section, listed = compare_with_look({"conv5": [make_record([wrong, *map(agree, clear[1:])])]})
    look, network = section.rows
    assert look[3].startswith(".667 ") and network[3].startswith("1.000 ")
    assert [row[0] for row in listed.rows] == [clear[0]["field"]]


def test_without_runs_by_field_there_is_nothing_to_compare(tmp_path: Path, make_record: MakeRecord) -> None:
    record = make_record([], variant="pbc")
    assert compare_with_look({"dense": [record]}) == []
    assert not leave_shared_out(tmp_path / "none.csv", {"dense": [record]}).rows


def test_shared_fields_are_left_out_of_the_runs_of_their_split_alone(tmp_path: Path, make_record: MakeRecord) -> None:
    path = tmp_path / "shared-fields.csv"
    write_text(path, "split,field\nold,a\n")
    tallies = [GroupTally("a", "monocyte", 10, 10), GroupTally("b", "monocyte", 10, 5)]
    old, new = make_record(tallies, split="old"), make_record(tallies, "conv1", split="new")
    section = leave_shared_out(path, {"conv5": [old], "conv1": [new]})
    assert [row[0] for row in section.rows] == ["conv5, fields"]
    assert section.rows[0][1] == ".750, n 20 of 2" and section.rows[0][2].startswith(".500 ")
    assert section.rows[0][3] == "-25.0"
