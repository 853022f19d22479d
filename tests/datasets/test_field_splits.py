"""The split that a detector is trained with."""

from dataclasses import replace
from pathlib import Path

import pytest

from leukolens.core.errors import DataError
from leukolens.core.results import Box
from leukolens.datasets.field_splits import join_datasets, split_fields
from leukolens.datasets.groups import unite_groups
from leukolens.datasets.manifest import Manifest, Record
from leukolens.datasets.sources import read_source, txl
from leukolens.datasets.sources.bccd import mark as mark_bccd
from leukolens.datasets.sources.blood_images import list_kaggle_test_fields, list_same_fields, name_field
from leukolens.datasets.sources.tables import read_table

BOX = (Box(0, 0, 9, 9, "red_cell"),)


def field(number: int, part: str = "train", source: str = "bccd") -> Record:
    name = name_field(str(number))
    return Record(name, f"{name}.jpg", None, "", source, name, part, boxes=BOX)


def bccd(count: int = 411) -> Manifest:
    """All numbers of BCCD and Kaggle's originals; every fifth is on the test list."""
    return Manifest("bccd", mark_bccd(field(n, "test" if n % 5 == 0 else "train") for n in range(count)))


def chula() -> Manifest:
    frames = [
        Record(f"E-{slide}_{n}", "x", None, "", "chula", f"slide {slide}", boxes=BOX)
        for slide in range(14)
        for n in range(6)
    ]
    return Manifest("chula", tuple(frames))


def test_nothing_judged_is_learned_from_or_chosen_on() -> None:
    split = split_fields([bccd(), chula()])
    assert not split.leaky
    used = set(split.parts["train"]) | set(split.parts["validation"])
    assert set(split.parts["test"]) == {record.id for record in bccd().records if record.part == "test"}
    sources = {
        row["source_blood_image"] for row in read_table("kaggle-source-map.csv") if row["file"].startswith("TEST")
    }
    judged = {name_field(number) for number in sources if number}
    assert len(judged) == 71
    banned = judged | set(split.parts["test"])
    assert not used & banned
    for a, b in list_same_fields():
        assert a not in banned or b not in used
        assert b not in banned or a not in used
    assert used | set(split.parts["test"]) | set(split.left_out) == {
        record.id for manifest in (bccd(), chula()) for record in manifest.records
    }


def test_slides_and_photographs_of_one_field_stay_together_and_each_dataset_is_on_both_sides() -> None:
    datasets = [bccd(), chula()]
    split = split_fields(datasets)
    group_of = unite_groups(join_datasets(datasets).records)
    train, validation = ({group_of[i] for i in split.parts[part]} for part in ("train", "validation"))
    assert not train & validation
    for start, expected in (("BloodImage", 0.15), ("E-", 0.15)):
        counts = [sum(i.startswith(start) for i in split.parts[part]) for part in ("train", "validation")]
        assert counts[1] / sum(counts) == pytest.approx(expected, abs=0.06)
    assert split_fields(datasets).hash == split.hash != split_fields(datasets, seed=1).hash


def test_another_photograph_of_a_judged_field_is_left_out_by_its_own_name() -> None:
    judged = list_kaggle_test_fields(("TEST", "TEST_SIMPLE"))
    twins = [pair for pair in list_same_fields() if any(name in judged for name in pair)]
    assert twins
    split = split_fields([bccd()])
    for name in twins[0]:
        assert name in split.left_out or name in split.parts["test"]


def test_what_has_no_terms_or_no_box_or_a_name_twice_is_not_used() -> None:
    pbc = Record("uuid", "x", None, "", "txl", "BA_1", boxes=BOX)
    others = tuple(replace(pbc, id=f"uuid{n}", group=f"BA_{n}") for n in range(9))
    raabin = Record("strange", "x", None, "", "txl", "strange", boxes=BOX)
    empty = replace(pbc, id="empty", boxes=())
    split = split_fields([Manifest("txl", txl.mark((pbc, *others, raabin, empty)))])
    assert "Raabin" in split.left_out["strange"] and "no box" in split.left_out["empty"]
    with pytest.raises(DataError, match="Name each once"):
        split_fields([bccd(), bccd()])


def test_a_dataset_of_ones_own_keeps_fields_that_are_named_as_in_bccd() -> None:
    own = Manifest("mine", tuple(field(n, source="mine") for n in range(411)))
    split = split_fields([own])
    assert split.left_out == {} and split.parts["test"] == ()
    beside = split_fields(
        [bccd(), replace(own, records=tuple(replace(r, id=f"own {r.id}", group=f"own {r.id}") for r in own.records))]
    )
    assert not any(name.startswith("own") for name in beside.left_out)


def test_fields_fixed_to_validation_are_the_validation_part() -> None:
    fixed = replace(field(7), fixed_part="validation")
    reshot = replace(field(8), united_group="x")
    both = (replace(fixed, united_group="x"), reshot, *(field(n) for n in range(20, 60)))
    assert split_fields([Manifest("mine", both)]).parts["validation"] == (fixed.id, reshot.id)


@pytest.mark.real
def test_the_real_datasets_are_split_without_a_leak(real_data: Path) -> None:
    zips = {"bccd": "bccd.zip", "txl": "txl-pbc-part.zip", "chula": "chula-wbc.zip"}
    manifests = [read_source(name, real_data / file) for name, file in zips.items()]
    split = split_fields(manifests)
    assert not split.leaky and len(split.parts["test"]) == 72
    counts = [sum(split.part_of(record.id) != "" for record in manifest.records) for manifest in manifests]
    assert counts == [72 + 215, 500, 488]
