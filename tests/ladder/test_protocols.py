from dataclasses import replace

import pytest

from leukolens.datasets.manifest import Manifest
from leukolens.datasets.splits import Split
from leukolens.ladder.protocols import PROTOCOLS
from leukolens.ladder.rungs import RUNGS


def fields(split: Split, part: str) -> set[str]:
    return {name.rsplit("/", 1)[1].split("_")[0] for name in split.parts[part]}


def test_every_rung_names_protocols_that_exist() -> None:
    named = {name for rung in RUNGS.values() for name in (rung.as_published, *rung.honest) if name}
    assert named == set(PROTOCOLS)


def test_as_published_the_copies_of_a_field_stand_on_both_sides(kaggle: Manifest) -> None:
    (merged,) = PROTOCOLS["merged"].make(kaggle)
    assert merged.leaky and fields(merged, "train") & fields(merged, "test")
    (provided,) = PROTOCOLS["provided-20"].make(kaggle)
    assert fields(provided, "train") & fields(provided, "validation")
    assert not fields(provided, "train") & fields(provided, "test")
    assert len(provided.parts["validation"]) == pytest.approx(0.2 * 192, abs=4)


@pytest.mark.parametrize("name", ["fields", "merged-fields", "merged-70-fields", "folds"])
def test_the_honest_ones_keep_fields_together(kaggle: Manifest, name: str) -> None:
    splits = PROTOCOLS[name].make(kaggle)
    for split in splits:
        assert not split.leaky
        sets = [fields(split, part) for part in ("train", "validation", "test")]
        assert all(sets) and sum(map(len, sets)) == len(set.union(*sets))
    if name == "folds":
        assert sorted(image for split in splits for image in split.parts["test"]) == sorted(
            record.id for record in kaggle.records
        )


def test_reshots_of_the_test_fields_leave_training(kaggle: Manifest) -> None:
    reshot = ("field-0", "field-59")
    records = (replace(r, united_group="field-0") if r.group in reshot else r for r in kaggle.records)
    kaggle = replace(kaggle, records=tuple(records))
    (provided,) = PROTOCOLS["provided-20"].make(kaggle)
    assert provided.leaky
    (honest,) = PROTOCOLS["fields"].make(kaggle)
    assert not honest.leaky
    assert "0" not in fields(honest, "train") | fields(honest, "validation") and "59" in fields(honest, "test")
    assert sum("photographed again" in why for why in honest.left_out.values()) == 4
