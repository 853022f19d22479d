"""Datasets of one's own in each label format: what is read, what is refused, and what the preview says."""

import io
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from leukolens.core.errors import DataError, UsageError
from leukolens.core.results import Box
from leukolens.core.taxonomy import CellKind
from leukolens.datasets.formats.own import read_own
from leukolens.datasets.formats.reading import Reading
from leukolens.datasets.registry import add_dataset, interpret_dataset, open_dataset
from leukolens.images.decoding import read_image

Tree = dict[str, str | bytes]
Plant = Callable[[Tree], Path]


def png(width: int = 20, height: int = 10) -> bytes:
    stream = io.BytesIO()
    Image.new("RGB", (width, height), "pink").save(stream, "PNG")
    return stream.getvalue()


def reasons(reading: Reading) -> dict[str, str]:
    return {refusal.image: refusal.why for refusal in reading.manifest.refused}


def classes(reading: Reading) -> dict[str, str | None]:
    return {record.id: record.label for record in reading.manifest.records}


def test_folders_that_are_numbers_have_the_names_of_the_list(plant: Plant) -> None:
    tree: Tree = {"0/a.png": png(), "1/slide 2/b.png": png(), "classes.txt": "Lymphocyte\r\nBand-Neutrophil\r\n"}
    reading = read_own(plant(tree))
    assert classes(reading) == {"a": "lymphocyte", "b": "neutrophil"}
    assert reading.meanings == {"Lymphocyte": "lymphocyte", "Band-Neutrophil": "neutrophil (band)"}
    assert reading.layout == "class folders"


def test_folders_numbered_from_one_are_never_shifted(plant: Plant) -> None:
    tree: Tree = {"1/a.png": png(), "2/b.png": png()}
    with pytest.raises(DataError, match="The folder 2 has no name"):
        read_own(plant(tree | {"classes.txt": "Lymphocyte\nMonocyte\n"}))
    reading = read_own(plant(tree | {"classes.txt": "1 Lymphocyte\n2: Monocyte\n"}))
    assert classes(reading) == {"a": "lymphocyte", "b": "monocyte"}


TABLE = (
    "File Name;Cell-Type;Patient;Split\r\na.png;Lymphocytes;p1;train\r\nb;MONO ;p1;test\r\nimages/c.png;wheel;p2;\r\n"
)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "cp1252"])
def test_a_flat_folder_with_a_table(encoding: str, plant: Plant) -> None:
    table = TABLE + "gone.png;Monocyte;p3;\r\nd.png;Monocyte;p3;\r\nd.png;Lymphocyte;p3;\r\n"
    tree: Tree = {f"images/{name}.png": png() for name in "abcde"}
    reading = read_own(plant(tree | {"labels.csv": table.encode(encoding)}))
    assert {record.id: (record.label, record.group, record.part) for record in reading.manifest.records} == {
        "a": ("lymphocyte", "p1", "train"),
        "b": ("monocyte", "p1", "test"),
    }
    assert "'wheel'" in reasons(reading)["c"] and "several classes" in reasons(reading)["d"]
    assert "no such image" in reasons(reading)["gone.png"] and reasons(reading)["images/e.png"] == "stands in no table"
    assert reading.meanings["wheel"] == "" and reading.meanings["MONO"] == "monocyte"


def test_a_table_whose_names_are_not_clear(plant: Plant) -> None:
    tree: Tree = {"x/a.png": png(), "y/a.png": png(), "x/b.png": png()}
    table = "image,label\na.png,Lymphocyte\ny\\a.png,Monocyte\nb.png,Monocyte\nb.png,Monocyte\n"
    reading = read_own(plant(tree | {"labels.csv": table}))
    assert classes(reading) == {"a": "monocyte", "b": "monocyte"}
    assert "2 images" in reasons(reading)["a.png"] and "2 rows of one class" in reasons(reading)["b"]


def test_a_table_of_boxes_is_no_table_of_single_cells(plant: Plant) -> None:
    rows = "a.png,WBC,1,2,5,6\na.png,Platelets,3,3,8,9\na.png,wheel,1,1,2,2\n"
    reading = read_own(plant({"a.png": png(), "b.csv": "filename,class,xmin,ymin,xmax,ymax\n" + rows}))
    (record,) = reading.manifest.records
    assert record.boxes == (
        Box(1, 2, 5, 6, CellKind.LEUKOCYTE, None),
        Box(3, 3, 8, 9, CellKind.PLATELET, "platelet"),
    )
    assert "wheel" in reasons(reading)["a"] and record.label is None


def test_coco(plant: Plant) -> None:
    found = {
        "images": [{"id": n, "file_name": f"{name}.png"} for n, name in enumerate(("a", "b", "c", "gone"))],
        "categories": [{"id": 7, "name": "Neutrophil"}, {"id": 8, "name": "wheel"}, {"id": 0, "name": "cells"}],
        "annotations": [
            {"id": 1, "image_id": 0, "category_id": 7, "bbox": [1, 2, 3, 4]},
            {"id": 2, "image_id": 0, "category_id": 8, "bbox": [1, 2, 3, 4]},
            {"id": 3, "image_id": 1, "category_id": 7, "bbox": [1, 2, 0, 4]},
        ],
    }
    tree: Tree = {f"train/{name}.png": png() for name in "abcd"}
    reading = read_own(plant(tree | {"train/_annotations.coco.json": json.dumps(found)}))
    assert {record.id: record.boxes for record in reading.manifest.records} == {
        "a": (Box(1, 2, 4, 6, CellKind.LEUKOCYTE, "neutrophil"),),
        "c": (),  # listed without a box: an image without cells
    }
    assert {record.part for record in reading.manifest.records} == {"train"}
    assert set(reasons(reading)) == {"a", "b", "gone.png", "train/d.png"} and "wheel" in reasons(reading)["a"]
    assert reading.meanings == {"Neutrophil": "neutrophil", "wheel": ""}
    with pytest.raises(DataError, match="COCO"):
        read_own(plant({"x.png": png(), "x.json": '{"images": 3, "annotations": [], "categories": []}'}))


@pytest.mark.parametrize("names", [("images/a.png", "labels/a.txt"), ("a.png", "a.txt")])
def test_yolo_of_ones_own_needs_the_names_of_its_classes(names: tuple[str, str], plant: Plant) -> None:
    tree: Tree = {names[0]: png(), names[1]: "1 .5 .5 .2 .2"}
    with pytest.raises(DataError, match="names: "):
        read_own(plant(tree))
    reading = read_own(plant(tree | {"classes.txt": "RBC\nEosinophil"}))
    (record,) = reading.manifest.records
    assert record.boxes == (Box(8, 4, 12, 6, CellKind.LEUKOCYTE, "eosinophil"),)
    assert reading.meanings == {"RBC": "red_cell", "Eosinophil": "eosinophil"} and reading.layout == "YOLO"


def test_voc_of_ones_own(plant: Plant) -> None:
    def box(name: str) -> str:
        sides = "<xmin>1</xmin><ymin>2</ymin><xmax>5</xmax><ymax>6</ymax>"
        return f"<object><name>{name}</name><bndbox>{sides}</bndbox></object>"

    tree: Tree = {f"fields/{name}.png": png() for name in "ab"}
    tree |= {"xml/a.xml": f"<annotation>{box('Basophil')}{box('wheel')}</annotation>", "xml/x.xml": "<annotation/>"}
    reading = read_own(plant(tree))
    (record,) = reading.manifest.records
    assert record.boxes == (Box(1, 2, 5, 6, CellKind.LEUKOCYTE, "basophil"),)
    assert set(reasons(reading)) == {"a", "fields/b.png", "xml/x.xml"}
    assert reading.meanings == {"Basophil": "basophil", "wheel": ""}


def save_npz(path: Path, names: tuple[str, ...] = ("train", "val", "test")) -> None:
    arrays = {}
    for number, name in enumerate(names):
        arrays[f"{name}_images"] = np.full((2, 28, 28, 3), 40 * number, np.uint8)
        arrays[f"{name}_labels"] = np.array([[number], [6]], np.uint8)
    np.savez_compressed(path, **arrays)


def test_medmnist_is_kept_as_pictures(tmp_path: Path, home: Path) -> None:
    save_npz(tmp_path / "bloodmnist.npz")
    shown = interpret_dataset("mine", tmp_path / "bloodmnist.npz")
    assert shown.layout == "MedMNIST" and list(home.iterdir()) == []
    added = add_dataset("mine", tmp_path / "bloodmnist.npz")
    assert {record.id: (record.label, record.part) for record in added.records} == {
        "train_00000": ("basophil", "train"),
        "train_00001": ("neutrophil", "train"),
        "val_00000": ("eosinophil", "validation"),
        "val_00001": ("neutrophil", "validation"),
        "test_00000": ("erythroblast", "test"),
        "test_00001": ("neutrophil", "test"),
    }
    assert open_dataset("mine").records == added.records
    pixels = read_image(added.records[2].image).pixels
    assert pixels.shape == (28, 28, 3) and (pixels == 40).all()


def test_another_npz_needs_the_names_of_its_classes(tmp_path: Path) -> None:
    save_npz(tmp_path / "cells.npz")
    with pytest.raises(DataError, match=r"classes\.txt"):
        add_dataset("mine", tmp_path / "cells.npz")
    (tmp_path / "classes.txt").write_text("\n".join(["Monocyte", "wheel", "Eosinophil", *"abc", "Basophil"]))
    added = add_dataset("mine", tmp_path / "cells.npz")
    assert [record.label for record in added.records].count("basophil") == 3 and len(added.records) == 5
    assert [refusal.image for refusal in added.refused] == ["val_00000"]
    np.savez(tmp_path / "bad.npz", train_images=np.zeros((2, 4, 4, 3)), train_labels=np.zeros((2, 1), np.int64))
    (tmp_path / "cut.npz").write_bytes((tmp_path / "cells.npz").read_bytes()[:100])
    for name in ("bad", "cut"):
        with pytest.raises(DataError):
            add_dataset(name, tmp_path / f"{name}.npz")


def test_a_table_may_be_given_itself(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(png())
    (tmp_path / "one.csv").write_text("image,label\na.png,Monocyte\n")
    (tmp_path / "other.csv").write_text("image,label\na.png,Basophil\n")
    assert [record.label for record in add_dataset("mine", tmp_path / "one.csv").records] == ["monocyte"]
    (tmp_path / "none.csv").write_text("a,b\n1,2\n")
    with pytest.raises(DataError, match="neither a manifest nor a table"):
        add_dataset("none", tmp_path / "none.csv")


def test_a_folder_without_labels_is_told_the_formats(plant: Plant) -> None:
    with pytest.raises(DataError, match=r"COCO, Pascal VOC, YOLO .* a\.png: no folder above"):
        read_own(plant({"a.png": png(), "t.csv": "x,y\n1,2\n"}))


@pytest.mark.parametrize("pattern", [r"(P\d+)_", r"P\d+(?=_)"])
def test_groups_from_the_names_of_images(pattern: str, plant: Plant) -> None:
    names = ("Basophil/P1_a.png", "Basophil/P1_b.png", "Monocyte/P2_x/c.png", "Monocyte/d.png")
    added = add_dataset("mine", plant({name: png() for name in names}), group_pattern=pattern)
    assert {record.id: record.group for record in added.records} == {
        "P1_a": "P1",
        "P1_b": "P1",
        "c": "P2",
        "d": "unmapped/d",
    }
    assert [doubt.image for doubt in added.doubts] == ["d"]
    assert open_dataset("mine") == added


def test_patterns_that_cannot_be_used(tmp_path: Path) -> None:
    (tmp_path / "Basophil").mkdir()
    (tmp_path / "Basophil/a.png").write_bytes(png())
    with pytest.raises(UsageError, match="no regular expression"):
        add_dataset("mine", tmp_path, group_pattern="(")
    with pytest.raises(UsageError, match="are known"):
        add_dataset("pbc", tmp_path, group_pattern="a")
