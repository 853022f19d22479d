"""Each source reads its own tiny tree, as a folder and as a zip."""

import io
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from leukolens.core.errors import DataError
from leukolens.core.results import Box
from leukolens.datasets.manifest import Manifest, Record
from leukolens.datasets.sources import SOURCES, read_source

Tree = dict[str, str | bytes]


def png(width: int = 20, height: int = 10) -> bytes:
    stream = io.BytesIO()
    Image.new("RGB", (width, height), "pink").save(stream, "PNG")
    return stream.getvalue()


def by_id(manifest: Manifest) -> dict[str, Record]:
    return {record.id: record for record in manifest.records}


def reasons(manifest: Manifest) -> dict[str, str]:
    return {refusal.image: refusal.why for refusal in manifest.refused}


Plant = Callable[[Tree], Path]


def test_folder(plant: Plant) -> None:
    names = ["TRAIN/Neutrophils/a.png", "TRAIN/1_EOSINOPHIL/slide 3/b.png", "val/band/c.png", "smudge/d.png", "e.png"]
    manifest = read_source("mine", plant({name: png() for name in names} | {"TRAIN/notes.txt": "x"}))
    assert manifest.name == "mine"
    records = by_id(manifest)
    assert {name: (r.label, r.sub_label, r.original_label, r.part, r.group) for name, r in records.items()} == {
        "a": ("neutrophil", None, "Neutrophils", "train", "a"),
        "b": ("eosinophil", None, "1_EOSINOPHIL", "train", "b"),
        "c": ("neutrophil", "band", "band", "validation", "c"),
    }
    assert set(reasons(manifest)) == {"smudge/d.png", "e.png"}
    assert {record.source for record in manifest.records} == {"mine"}  # whatever its folder is called


def test_the_class_of_a_picture_is_spelled_out_above_folders_of_patients(plant: Plant) -> None:
    lymphocytes = [f"lymphocyte/{folder}/{folder}.png" for folder in ("BA_12", "MO_3", "NE-7", "Smear_1")]
    bands = ["MO_4/Neutrophils/BNE/b1.png", "BA_12/BNE/b2.png"]
    contradicting = ["monocyte/neutrophil/c1.png", "EO/BA/c2.png", "BA_12/MO_3/c3.png"]
    names = [*lymphocytes, *bands, *contradicting]
    manifest = read_source("mine", plant({name: png() for name in names}))
    classes = {record.id: (record.label, record.sub_label) for record in manifest.records}
    assert classes == dict.fromkeys(("BA_12", "MO_3", "NE-7", "Smear_1"), ("lymphocyte", None)) | dict.fromkeys(
        ("b1", "b2"), ("neutrophil", "band")
    )
    assert set(reasons(manifest)) == set(contradicting)
    assert reasons(manifest)["EO/BA/c2.png"] == "lies in folders of several classes: EO, BA"


def test_masks_are_no_photographs(plant: Plant) -> None:
    masks = ["seg/a.png", "lymphocyte/seg/b_mask.png", "lymphocyte/masks/b.png", "monocyte_mask/c.png"]
    names = ["lymphocyte/a.png", "lymphocyte/b.png", "seg/d.png", *masks]
    manifest = read_source("mine", plant({name: png() for name in names}))
    assert {record.label for record in manifest.records} == {"lymphocyte", "neutrophil"}
    assert len(manifest.records) == 3 and set(reasons(manifest)) == set(masks)


def test_pbc(plant: Plant) -> None:
    names = [
        "neutrophil/BNE_1.jpg",
        "neutrophil/SNE_2.jpg",
        "ig/PMY_3.jpg",
        "ig/IG_4.jpg",
        "eosinophil/EO_246684.jpg",
        "eosinophil/EO_409717.jpg",
        "eosinophil/BNE_9.jpg",
    ]
    records = by_id(read_source("pbc", plant({f"PBC_dataset_normal_DIB/{name}": png() for name in names})))
    assert [records[name].sub_label for name in ("BNE_1", "SNE_2", "PMY_3", "IG_4", "BNE_9")] == [
        "band",
        "segmented",
        "promyelocyte",
        None,
        None,  # its folder says eosinophil
    ]
    assert records["EO_246684"].group == records["EO_409717"].group
    assert records["BNE_1"].group == "BNE_1"
    assert records["IG_4"].label == "immature_granulocyte"


@pytest.mark.parametrize("top", ["", "dataset2-master/dataset2-master/images/"])
def test_kaggle(top: str, plant: Plant) -> None:
    names = [
        "TEST/EOSINOPHIL/_0_2183",
        "TEST/EOSINOPHIL/_0_9763",
        "TRAIN/MONOCYTE/_6_3666",
        "TEST_SIMPLE/EOSINOPHIL/_0_5239",
    ]
    tree: Tree = {f"{top}{name}.jpeg": png() for name in names} | {
        "dataset-master/JPEGImages/BloodImage_00000.jpg": png()
    }
    manifest = read_source("kaggle", plant(tree))
    assert {name: (r.group, r.part, r.label) for name, r in by_id(manifest).items()} == {
        "TEST/EOSINOPHIL/_0_2183": ("BloodImage_00387", "test", "eosinophil"),
        "TEST/EOSINOPHIL/_0_9763": ("BloodImage_00204", "test", "eosinophil"),
        "TRAIN/MONOCYTE/_6_3666": ("unmapped/TRAIN/MONOCYTE/_6_3666", "train", "monocyte"),
    }
    assert {doubt.image: doubt.why.split(": ")[0] for doubt in manifest.doubts} == {
        "TEST/EOSINOPHIL/_0_9763": "its source field is unsure",
        "TRAIN/MONOCYTE/_6_3666": "its source field is unknown",
    }
    assert set(reasons(manifest)) == {"TEST_SIMPLE/EOSINOPHIL/_0_5239", "dataset-master"}


def voc(*boxes: tuple[str, int, int, int, int]) -> str:
    parts = [
        f"<object><name>{n}</name><bndbox><xmin>{a}</xmin><ymin>{b}</ymin><xmax>{c}</xmax><ymax>{d}</ymax></bndbox></object>"
        for n, a, b, c, d in boxes
    ]
    return f"<annotation>{''.join(parts)}</annotation>"


WBC, RBC = ("WBC", 1, 2, 8, 9), ("RBC", 10, 2, 14, 6)


def test_bccd(plant: Plant) -> None:
    top = "BCCD_Dataset/BCCD"
    tree: Tree = {f"{top}/JPEGImages/BloodImage_0000{number}.jpg": png() for number in range(5)}
    tree |= {
        f"{top}/Annotations/BloodImage_00000.xml": voc(WBC, RBC, ("Platelets", 15, 0, 18, 3)),
        f"{top}/Annotations/BloodImage_00001.xml": voc(RBC, ("RBC", 5, 5, 5, 7), ("Dirt", 1, 1, 3, 3)),
        f"{top}/Annotations/BloodImage_00002.xml": "<annotation><object>",
        f"{top}/Annotations/BloodImage_00003.xml": '<!DOCTYPE a [<!ENTITY b "bbbb">]><annotation>&b;</annotation>',
        f"{top}/ImageSets/Main/train.txt": "BloodImage_00000\nBloodImage_00001\n",
        f"{top}/ImageSets/Main/val.txt": "BloodImage_00002\nBloodImage_00099\n",
        f"{top}/ImageSets/Main/trainval.txt": "BloodImage_00003\n",
    }
    manifest = read_source("bccd", plant(tree))
    records = by_id(manifest)
    assert records["BloodImage_00000"].boxes == (
        Box(1, 2, 8, 9, "leukocyte"),
        Box(10, 2, 14, 6, "red_cell"),
        Box(15, 0, 18, 3, "platelet", "platelet"),
    )
    assert [records[f"BloodImage_0000{number}"].part for number in range(5)] == ["train", "train", "validation", "", ""]
    assert len(records["BloodImage_00001"].boxes) == 1
    whys = [(refusal.image[-2:], refusal.why) for refusal in manifest.refused]
    for image, what in (
        ("01", "no area"),
        ("01", "called 'Dirt'"),
        ("02", "not XML"),
        ("03", "entities"),
        ("04", "no annotation"),
        ("99", "no image"),
    ):
        assert any(image == number and what in why for number, why in whys), what


def test_kaggle_fields(plant: Plant) -> None:
    top = "dataset-master/dataset-master"
    rows = {
        0: "NEUTROPHIL",
        1: '"NEUTROPHIL, EOSINOPHIL"',
        2: '"EOSINOPHIL, EOSINOPHIL"',
        3: "MONOCYTE",
        4: "",
        9: "LYMPHOCYTE",
    }
    tree: Tree = {
        f"{top}/labels.csv": ",Image,Category\n" + "".join(f",{number},{word}\n" for number, word in rows.items())
    }
    for number, boxes in enumerate([(WBC, RBC), (WBC, WBC), (WBC, WBC), (WBC, WBC), (WBC,), (WBC,)]):
        tree[f"{top}/JPEGImages/BloodImage_0000{number}.jpg"] = png()
        tree[f"{top}/Annotations/BloodImage_0000{number}.xml"] = voc(*boxes)
    manifest = read_source("kaggle-fields", plant(tree))
    cells = manifest.cells().labelled().records
    assert [(cell.id, cell.label, cell.group) for cell in cells] == [
        ("BloodImage_00000#0", "neutrophil", "BloodImage_00000"),
        ("BloodImage_00002#0", "eosinophil", "BloodImage_00002"),
        ("BloodImage_00002#1", "eosinophil", "BloodImage_00002"),
    ]
    # Of these Kaggle's TEST holds copies of the second, by our map.
    assert [record.part for record in manifest.records[:3]] == ["train", "test", "train"]
    why = reasons(manifest)
    for number, what in (
        (1, "which is which"),
        (3, "names 1 leukocytes"),
        (4, "no class"),
        (5, "does not name it"),
        (9, "no image"),
    ):
        assert what in why[f"BloodImage_0000{number}"]


def test_chula(plant: Plant) -> None:
    tree: Tree = {
        f"WBC_Samples/train/images/{stem}.webp": png(100, 50)
        for stem in ("N-5Bb_0001", "E-8_0002", "HF-M-8_0003", "M-8_0004", "odd")
    }
    lines = {
        "N-5Bb_0001": "0 0.5 0.5 0.2 0.4\n\n",
        "E-8_0002": "3 0.5 0.5 0.2 0.4\n",
        "HF-M-8_0003": "4 0.1 0.1 0.1 0.1\nx y\n7 .5 .5 .1 .1",
        "odd": "1 .5 .5 .1 .1",
        "M-8_0009": "4 .5 .5 .1 .1",
    }
    tree |= {f"WBC_Samples/train/labels/{stem}.txt": text for stem, text in lines.items()}
    manifest = read_source("chula", plant(tree))
    records = by_id(manifest)
    assert {name: record.group for name, record in records.items()} == {
        "N-5Bb_0001": "slide 5B",
        "E-8_0002": "slide 8",
        "HF-M-8_0003": "slide 8",
        "odd": "odd",
    }
    box = records["N-5Bb_0001"].boxes[0]
    assert (box.x0, box.y0, box.x1, box.y1) == pytest.approx((40, 15, 60, 35))
    assert (box.kind, box.label) == ("leukocyte", "neutrophil")
    assert {doubt.image for doubt in manifest.doubts} == {"E-8_0002", "odd"}
    assert records["E-8_0002"].boxes[0].label == "lymphocyte"  # kept as the dataset says
    why = [(refusal.image, refusal.why) for refusal in manifest.refused]
    assert ("M-8_0004", "has no label file of its name") in why
    assert any("M-8_0009.txt" in image and "without an image" in what for image, what in why)
    assert sum(image == "HF-M-8_0003" for image, _ in why) == 2  # a line that does not read, an unknown number


def test_txl(plant: Plant) -> None:
    known = "0184a270-648e-5e6d-bc61-a9e8f7b0f6e4"  # uuid5 of MO_2733.jpg
    tree: Tree = {f"TXL_PBC/images/val/{stem}.webp": png() for stem in (known, "another")}
    tree |= {
        f"TXL_PBC/labels/val/{stem}.txt": "0 .5 .5 .2 .2\n1 .2 .2 .1 .1\n2 .8 .8 .1 .1\n" for stem in (known, "another")
    }
    records = by_id(read_source("txl", plant(tree)))
    assert {name: record.group for name, record in records.items()} == {known: "MO_2733", "another": "another"}
    assert [(box.kind, box.label) for box in records[known].boxes] == [
        ("leukocyte", None),
        ("red_cell", None),
        ("platelet", "platelet"),
    ]
    assert records[known].part == "validation"


NAMES = {
    "classes.txt": "Platelets\nRBC\nWBC\n",
    "labels/classes.txt": "Platelets\nRBC\nWBC\n",
    "data.yaml": "path: .\nnc: 3\nnames: ['Platelets', \"RBC\", WBC] # all\nval: images/val\n",
    "block/data.yaml": "names:\n  - Platelets\n  # red\n  - 'RBC'  # red\n  - WBC\nnc: 3\n",
    "mapping/data.yml": "names:\n  0: Platelets\n  1: RBC\n  2: WBC\n\ntrain: x\n",
    "inline/data.yml": "names: {0: Platelets, 1: RBC,\n 2: 'WBC'}\n",
}


@pytest.mark.parametrize("name", NAMES)
def test_yolo_follows_the_order_of_classes_that_the_dataset_gives(name: str, plant: Plant) -> None:
    tree: Tree = {"images/a.png": png(), "labels/a.txt": "0 .5 .5 .2 .2\n1 .2 .2 .1 .1\n2 .8 .8 .1 .1\n"}
    manifest = read_source("txl", plant(tree | {name: NAMES[name]}))
    boxes = by_id(manifest)["a"].boxes
    assert not manifest.refused
    assert [box.kind for box in boxes] == ["platelet", "red_cell", "leukocyte"]


def test_yolo_files_with_other_classes_are_refused(plant: Plant) -> None:
    tree: Tree = {"images/a.png": png(), "labels/a.txt": "0 .5 .5 .2 .2\n1 .5 .5 .2 .2\n"}
    root = plant(tree | {"classes.txt": "WBC\nwheel\n"})
    manifest = read_source("txl", root)
    assert len(manifest.records[0].boxes) == 1 and "'1'" in reasons(manifest)["a"]
    with pytest.raises(DataError, match="wheel"):
        read_source("txl", plant(tree | {"classes.txt": "wheel\ncar\n"}))
    with pytest.raises(DataError, match="differ"):
        read_source("txl", plant(tree | {"classes.txt": "WBC\nRBC\n", "data.yaml": "names: [RBC, WBC]"}))


def test_yolo_polygons_become_the_box_around_them(plant: Plant) -> None:
    lines = "0 .1 .2 .5 .2 .5 .8\n1 .5 .5 .2 .2 .97\n1 .1 .2 .3 .4 .5 .6 .7\n"
    manifest = read_source("txl", plant({"images/a.png": png(100, 10), "labels/a.txt": lines}))
    assert [(box.x0, box.y0, box.x1, box.y1) for box in manifest.records[0].boxes] == [(10, 2, 50, 8), (40, 4, 60, 6)]
    assert "polygon" in reasons(manifest)["a"]


@pytest.mark.parametrize(
    "line", ["0 50 5 20 2", "0 50 50 20 20", "0 .5 .5 1.5 .2", "0 .5 nan .2 .2", "0 10 2 50 2 50 8"]
)
def test_yolo_numbers_that_are_no_shares_are_refused_with_their_picture(line: str, plant: Plant) -> None:
    tree: Tree = {"images/a.png": png(100, 10), "images/b.png": png(), "labels/b.txt": "0 .5 .5 .2 .2"}
    manifest = read_source("txl", plant(tree | {"labels/a.txt": f"{line}\n{line}\n"}))
    assert [record.id for record in manifest.records] == ["b"]
    assert "pixels or percent" in manifest.refused[0].why and reasons(manifest)["a"].startswith("left out")


def test_a_comment_in_a_voc_file_is_no_declaration(plant: Plant) -> None:
    box = "<object><name>WBC</name><bndbox><xmin>1</xmin><ymin>2</ymin><xmax>5</xmax><ymax>6</ymax></bndbox></object>"
    files = {
        "a": f"<!-- made by hand <b> --><annotation>{box}<!-- end --></annotation>",
        "b": f'<?x <!-- ?><!DOCTYPE a [<!ENTITY b "c">]><!-- --><annotation>{box}</annotation>',
        "c": f'<!-- a --><!DOCTYPE a [<!ENTITY b "c">]><annotation>{box}</annotation>',
    }
    tree: Tree = {f"JPEGImages/{stem}.png": png() for stem in files}
    manifest = read_source("bccd", plant(tree | {f"Annotations/{stem}.xml": text for stem, text in files.items()}))
    assert [len(record.boxes) for record in manifest.records] == [1, 0, 0]
    assert set(reasons(manifest)) == {"b", "c"}


@pytest.mark.parametrize("name", [name for name in SOURCES if name != "pbc"])
def test_another_tree_is_said_to_be_another(name: str, plant: Plant) -> None:
    with pytest.raises(DataError, match="as it came"):
        read_source(name, plant({"neutrophil/a.png": png()}))


def test_each_public_source_names_its_home() -> None:
    for source in SOURCES.values():
        origin = source.origin
        assert origin.home.startswith("https://") and origin.licence and origin.credit
        assert origin.download or origin.kaggle
