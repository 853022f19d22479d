"""What is known of the public datasets, found again in the real files where LEUKOLENS_DATA points."""

from collections import Counter
from pathlib import Path

import pytest

from leukolens.datasets.audit import audit_dataset
from leukolens.datasets.duplicates import find_identical_files
from leukolens.datasets.manifest import Manifest
from leukolens.datasets.sources import read_source
from leukolens.datasets.splits import make_split
from leukolens.images.decoding import read_image

pytestmark = pytest.mark.real


def quiet(done: int, total: int) -> None:
    pass


@pytest.fixture
def pbc(real_data: Path) -> Manifest:
    return read_source("pbc", real_data / "pbc-224.zip")


@pytest.fixture
def kaggle(real_data: Path) -> Manifest:
    return read_source("kaggle", real_data / "kaggle-blood-cells.zip")


def test_pbc(pbc: Manifest) -> None:
    assert Counter(record.label for record in pbc.records) == {
        "neutrophil": 3329,
        "eosinophil": 3117,
        "immature_granulocyte": 2895,
        "platelet": 2348,
        "erythroblast": 1551,
        "monocyte": 1420,
        "basophil": 1218,
        "lymphocyte": 1214,
    }
    kinds = Counter(record.sub_label for record in pbc.records if record.sub_label)
    assert kinds == {"segmented": 1646, "band": 1633, "myelocyte": 1137, "metamyelocyte": 1015, "promyelocyte": 592}
    assert pbc.refused == ()
    assert read_image(pbc.records[0].image).pixels.shape == (224, 224, 3)


def test_pbc_split(pbc: Manifest) -> None:
    split = make_split(pbc, "grouped", (0.64, 0.16, 0.20), 0, find_identical_files(pbc.records, quiet))
    # The split that the shipped bundle was trained on: it must come back.
    assert split.hash == "a0ffbbd1f3c27fa478d756069968c414b3898a8a4ce5120d99faeb310ba816f9"
    assert len(split.left_out) == 18 and {"EO_225902", "BNE_191112"} <= set(split.left_out)
    label_of = {record.id: record.label for record in pbc.records}
    everywhere = Counter(label_of[name] for ids in split.parts.values() for name in ids)
    for part, share in (("train", 0.64), ("validation", 0.16), ("test", 0.20)):
        counts = Counter(label_of[name] for name in split.parts[part])
        assert all(abs(counts[label] / everywhere[label] - share) < 0.01 for label in everywhere)


def test_pbc_duplicates_are_found_by_their_pixels(pbc: Manifest) -> None:
    # Only the four classes that hold them: the whole dataset takes a quarter of a minute.
    names = ("basophil", "eosinophil", "monocyte", "immature_granulocyte")
    records = [record for record in pbc.records if record.label in names or record.id == "BNE_191112"]
    found = audit_dataset(Manifest("pbc", tuple(records)), None, quiet)
    assert len(found.identical) == 17
    assert [{pair.first, pair.second} for pair in found.contradicting] == [{"EO_225902", "BNE_191112"}]
    near = {(pair.first, pair.second) for pair in found.near}
    assert near == {("EO_246684", "EO_409717"), ("MO_231316", "MO_415531")}


def test_kaggle_fields_of_train_and_test(kaggle: Manifest) -> None:
    fields = {
        part: {record.group for record in kaggle.records if record.part == part and "unmapped" not in record.group}
        for part in ("train", "test")
    }
    assert (len(fields["train"]), len(fields["test"]), len(fields["train"] & fields["test"])) == (277, 71, 0)
    assert Counter(record.part for record in kaggle.records) == {"train": 9957, "test": 2487}
    provided = make_split(kaggle, "provided")
    assert provided.leaky and provided.why_leaky.startswith("5 of ")  # photographed again


def test_kaggle_random_split_leaks_and_grouped_does_not(kaggle: Manifest) -> None:
    few = Manifest("kaggle", kaggle.records[::40])  # groups need no pictures; the audit looks at some
    assert audit_dataset(few, make_split(few, "random", (0.8, 0.1, 0.1)), quiet).leaks
    assert make_split(kaggle, "random", (0.8, 0.1, 0.1)).leaky
    assert not make_split(kaggle, "grouped", (0.8, 0.1, 0.1)).leaky


def test_fields(real_data: Path) -> None:
    bccd = read_source("bccd", real_data / "bccd.zip")
    assert Counter(box.kind for record in bccd.records for box in record.boxes) == {
        "red_cell": 4153,  # 4,155 less two without area, which are listed
        "leukocyte": 372,
        "platelet": 361,
    }
    assert len(bccd.records) == 364 and len(bccd.refused) == 2
    originals = read_source("kaggle-fields", real_data / "kaggle-blood-cells.zip")
    assert len(originals.records) == 367
    named = Counter(cell.label for cell in originals.cells().labelled().records)
    assert named == {"neutrophil": 210, "eosinophil": 86, "lymphocyte": 35, "monocyte": 20, "basophil": 2}


def test_chula(real_data: Path) -> None:
    chula = read_source("chula", real_data / "chula-wbc.zip")
    images = [refusal for refusal in chula.refused if refusal.why == "has no label file of its name"]
    labels = [refusal for refusal in chula.refused if "without an image" in refusal.why]
    assert (len(chula.records), len(images), len(labels)) == (488, 12, 12)
    assert len({record.group for record in chula.records}) == 19
    group_of = {record.id.rpartition("_")[0]: record.group for record in chula.records}
    assert group_of["E-8"] == group_of["L-8"] == group_of["M-8"] == group_of["HF-M-8"]
    assert group_of["M-5B"] == group_of["M-5Bb"]
    assert read_image(chula.cells().records[0].image).pixels.shape[2] == 3


def test_txl_cells_that_are_pbc_cells(real_data: Path, pbc: Manifest) -> None:
    txl = read_source("txl", real_data / "txl-pbc-part.zip")
    groups = {record.group for record in pbc.records}
    shared = [record for record in txl.records if record.group in groups]
    assert len(shared) == 500
    # By their pixels, too: those of one class, beside the rest of that class.
    same = {record.group for record in shared}
    basophils = [record for record in pbc.records if record.label == "basophil"]
    ours = [record for record in shared if record.group in {r.group for r in basophils}]
    found = audit_dataset(Manifest("both", tuple([*ours, *basophils])), None, quiet)
    pairs = {(pair.first, pair.second) for pair in found.near if pair.same_group}
    assert len(ours) > 20 and len(same) == 500
    assert {first for first, _ in pairs} >= {record.id for record in ours}
