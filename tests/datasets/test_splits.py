import json
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from leukolens.core.errors import DataError, LeukolensError, UsageError
from leukolens.core.results import Box
from leukolens.datasets.groups import merge_sets
from leukolens.datasets.manifest import Manifest, Record
from leukolens.datasets.sources import blood_images, pbc
from leukolens.datasets.splits import make_folds, make_split, read_split, write_split

Make = Callable[[dict[str, int], int], Manifest]
COUNTS = {"neutrophil": 900, "eosinophil": 500, "monocyte": 200}


def groups_by_part(manifest: Manifest, parts: dict[str, tuple[str, ...]]) -> dict[str, set[str]]:
    group_of = {record.id: record.group for record in manifest.records}
    return {part: {group_of[name] for name in names} for part, names in parts.items()}


@pytest.mark.parametrize("seed", range(4))
def test_grouped_keeps_groups_together_and_classes_in_proportion(seed: int, make_manifest: Make) -> None:
    manifest = make_manifest(COUNTS, 3)
    split = make_split(manifest, "grouped", (0.64, 0.16, 0.20), seed)
    groups = groups_by_part(manifest, dict(split.parts))
    assert not groups["train"] & groups["test"] and not groups["train"] & groups["validation"]
    assert not groups["validation"] & groups["test"]
    assert sum(map(len, split.parts.values())) == len(manifest.records)
    assert not split.leaky
    for part, share in (("train", 0.64), ("validation", 0.16), ("test", 0.20)):
        counts = Counter(name.split("_")[0] for name in split.parts[part])
        for label, count in COUNTS.items():
            assert abs(counts[label] / count - share) <= 0.015  # a group is 1.5 % of the smallest class


def test_random_is_in_proportion_and_marked_leaky(make_manifest: Make) -> None:
    manifest = make_manifest(COUNTS, 3)
    split = make_split(manifest, "random", (0.8, 0.1, 0.1), 0)
    assert split.leaky and "groups stand in more than one part" in split.why_leaky
    for part, share in (("train", 0.8), ("validation", 0.1), ("test", 0.1)):
        counts = Counter(name.split("_")[0] for name in split.parts[part])
        assert all(abs(counts[label] / count - share) < 0.01 for label, count in COUNTS.items())
    assert not make_split(make_manifest(COUNTS, 1), "random").leaky


def test_the_same_seed_gives_the_same_split_in_any_order(make_manifest: Make) -> None:
    manifest = make_manifest(COUNTS, 3)
    order = np.random.default_rng(1).permutation(len(manifest.records))
    shuffled = replace(manifest, records=tuple(manifest.records[index] for index in order))
    for kind in ("grouped", "random"):
        split = make_split(manifest, kind, seed=5)
        assert make_split(shuffled, kind, seed=5) == split
        assert make_split(manifest, kind, seed=6).hash != split.hash


def test_one_picture_twice_is_kept_once_and_with_two_labels_never(make_manifest: Make) -> None:
    manifest = make_manifest({"neutrophil": 20, "eosinophil": 20}, 1)
    same = [["neutrophil_1", "neutrophil_2"], ["neutrophil_2", "neutrophil_3"], ["neutrophil_5", "eosinophil_5"]]
    split = make_split(manifest, "grouped", duplicates=same)
    assert split.left_out == {
        "neutrophil_2": "the same picture as neutrophil_1",
        "neutrophil_3": "the same picture as neutrophil_1",
        "eosinophil_5": "one picture with two labels: eosinophil_5 = neutrophil_5",
        "neutrophil_5": "one picture with two labels: eosinophil_5 = neutrophil_5",
    }
    assert split.part_of("neutrophil_1") and not split.part_of("neutrophil_2") and not split.part_of("neutrophil_5")


NAMES_OF_PBC = {"BA_20201": "basophil", "BA_809918": "basophil", "EO_225902": "eosinophil", "BNE_191112": "neutrophil"}


def test_pictures_of_pbc_that_are_one_are_kept_once() -> None:
    records = [Record(name, "x", label, label, "pbc", name) for name, label in NAMES_OF_PBC.items()]
    records += [Record(f"BA_{number}", "x", "basophil", "", "pbc", f"BA_{number}") for number in range(9)]
    assert set(make_split(Manifest("pbc", pbc.mark(records)), "grouped").left_out) == {
        "BA_809918",
        "EO_225902",
        "BNE_191112",
    }


def test_a_dataset_of_ones_own_loses_nothing_for_its_names() -> None:
    """Names as in PBC and BCCD say nothing about other people's pictures."""
    cells = [Record(name, "x", label, label, "mine", name) for name, label in NAMES_OF_PBC.items()]
    assert make_split(Manifest("mine", tuple(cells)), "grouped").left_out == {}
    reshot = [
        Record(f"{name}/0", "x", "neutrophil", "", "mine", name) for name in ("BloodImage_00230", "BloodImage_00257")
    ]
    split = make_split(Manifest("mine", tuple(reshot)), "grouped", (0.5, 0, 0.5))
    assert split.part_of("BloodImage_00230/0") != split.part_of("BloodImage_00257/0")


def test_two_photographs_of_one_field_stay_together() -> None:
    records = [
        Record(f"{number}/{index}", "x", "neutrophil", "", "kaggle", f"BloodImage_{number:05d}", part)
        for number, part in ((230, "train"), (257, "test"), (300, "train"), (301, "test"), (302, "train"))
        for index in range(4)
    ]
    manifest = Manifest("kaggle", blood_images.unite_photographs(records))
    for seed in range(8):
        split = make_split(manifest, "grouped", (0.4, 0.2, 0.4), seed)
        assert split.part_of("230/0") == split.part_of("257/0")
    assert make_split(manifest, "provided").leaky


def test_provided_parts_are_taken_and_validation_drawn_from_training(make_manifest: Make) -> None:
    manifest = make_manifest({"neutrophil": 100, "eosinophil": 100}, 2)
    parts = ["test" if int(record.group.split("/")[1]) < 10 else "train" for record in manifest.records]
    records = [replace(record, part=part) for record, part in zip(manifest.records, parts, strict=True)]
    split = make_split(Manifest("made", tuple(records)), "provided", (0.6, 0.2, 0.2))
    assert set(split.parts["test"]) == {record.id for record in records if record.part == "test"}
    assert len(split.parts["validation"]) == 40  # a quarter of the 160 for training
    assert not split.leaky
    with pytest.raises(UsageError, match="without a split"):
        make_split(manifest, "provided")


def test_folds_cover_each_image_once(make_manifest: Make) -> None:
    manifest = make_manifest(COUNTS, 4)
    for kind in ("grouped", "random"):
        folds = make_folds(manifest, kind, 5, 3)
        tests = [name for fold in folds for name in fold.parts["test"]]
        assert sorted(tests) == sorted(record.id for record in manifest.records)
        assert all(fold.leaky == (kind == "random") for fold in folds)
        assert all(
            set(fold.parts["validation"]) == set(folds[(index + 1) % 5].parts["test"])
            for index, fold in enumerate(folds)
        )
    with pytest.raises(UsageError):
        make_folds(manifest, "provided", 5)


@pytest.mark.parametrize("counts", [{"neutrophil": 40}, {"neutrophil": 40, "basophil": 1}, {"neutrophil": 1}])
def test_one_class_or_one_image_is_split_all_the_same(counts: dict[str, int], make_manifest: Make) -> None:
    split = make_split(make_manifest(counts, 1), "grouped")
    assert sum(map(len, split.parts.values())) == sum(counts.values())
    assert split.part_of("basophil_0") == ("train" if "basophil" in counts else "")


def test_images_without_a_class_are_left_out_unless_none_has_one(make_manifest: Make) -> None:
    field = Record("f", "f.png", None, "", "made", "f", boxes=(Box(0, 0, 9, 9, "leukocyte"),))
    mixed = replace(make_manifest({"neutrophil": 9}, 1), records=(*make_manifest({"neutrophil": 9}, 1).records, field))
    assert make_split(mixed, "grouped").left_out == {"f": "no class"}
    fields = Manifest("fields", tuple(replace(field, id=f"f{number}", group=f"f{number}") for number in range(10)))
    assert {part: len(ids) for part, ids in make_split(fields, "grouped", (0.6, 0.2, 0.2)).parts.items()} == {
        "train": 6,
        "validation": 2,
        "test": 2,
    }


def test_merge_sets() -> None:
    assert merge_sets([["a", "b"], ["c", "d"], ["b", "c"], ["e"]]) == [["a", "b", "c", "d"], ["e"]]


def test_files_round_trip_and_are_sealed(tmp_path: Path, make_manifest: Make) -> None:
    manifest = make_manifest({"neutrophil": 30}, 1)
    odd = [replace(record, id=f"{record.id}\n\udcff é") for record in manifest.records]
    split = make_split(Manifest("made", tuple(odd)), "grouped")
    path = tmp_path / "split.json"
    write_split(path, split)
    again = read_split(path)
    assert again == split and again.hash == split.hash
    fields = json.loads(path.read_text())
    fields["parts"]["test"], fields["parts"]["train"] = fields["parts"]["train"], fields["parts"]["test"]
    path.write_text(json.dumps(fields))
    with pytest.raises(DataError, match="changed after it was made"):
        read_split(path)


GOOD = {"dataset": "d", "dataset_hash": "h", "kind": "grouped", "seed": 0, "leaky": False, "why_leaky": "", "hash": "x"}
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["train", "test", "x"]), inner, max_size=3)
    ),
    max_leaves=8,
)


@given(
    data=st.one_of(
        st.binary(max_size=200),
        JSON.map(lambda value: json.dumps(value).encode()),
        st.dictionaries(st.sampled_from([*GOOD, "parts", "left_out"]), JSON).map(
            lambda changes: json.dumps(GOOD | {"parts": {"train": ["a"]}, "left_out": {}} | changes).encode()
        ),
        st.just(b"[" * 100_000),
    )
)
def test_any_file_is_a_split_or_an_error_of_ours(data: bytes, tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.mktemp("fuzz") / "split.json"
    path.write_bytes(data)
    try:
        read_split(path)
    except LeukolensError as error:
        assert "split.json" in str(error)
