from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageFilter

from leukolens.core.pixels import Preparation, prepare_image
from leukolens.core.predictions import Predictions
from leukolens.core.results import Box, Prediction
from leukolens.datasets.manifest import Record
from leukolens.datasets.synthetic import write_cells
from leukolens.datasets.tree import open_tree
from leukolens.inference.failures import Mapper, find_reasons

CLASSES = ("neutrophil", "lymphocyte")


@pytest.fixture(scope="module")
def cells(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("cells")
    write_cells(folder, 90, seed=4)
    tree = open_tree(folder)
    return [Path(str(tree.files[name])) for name in tree.images()]


def judged(cells: list[Path], folder: Path, groups: int) -> tuple[Predictions, dict[str, Record]]:
    """Ten errors, all blurred, then eighty right calls."""
    records, calls, truths = {}, [], []
    for index, path in enumerate(cells):
        name = f"i{index}"
        with Image.open(path) as image:
            picture = image.convert("RGB")
        if index < 10:
            picture = picture.filter(ImageFilter.GaussianBlur(4))
        picture.save(folder / f"{name}.png")
        group = f"g{index % groups}" if groups else name
        records[name] = Record(name, str(folder / f"{name}.png"), "neutrophil", "", "toy", group)
        calls.append(Prediction(name, CLASSES[index < 10], 0.9, np.array([0.5, 0.5]), "accepted"))
        truths.append("neutrophil")
    groups_of = tuple(record.group for record in records.values())
    return Predictions(CLASSES, tuple(calls), tuple(truths), groups_of), records


def test_blurred_errors_are_told_from_sharp_right_ones(cells: list[Path], tmp_path: Path) -> None:
    predictions, records = judged(cells, tmp_path, 0)
    asked = []

    def map_batch(batch: np.ndarray, classes: np.ndarray) -> np.ndarray:
        asked.append(classes.tolist())
        return np.ones(batch.shape[:3], np.float32)

    mapper = Mapper(Preparation(32, 48, crop_fraction=0.75), map_batch, "ones")
    found = find_reasons(predictions, records, mapper)
    assert all("out of focus" in found.faults[f"i{index}"] for index in range(10))
    assert sum("out of focus" in found.faults[f"i{index}"] for index in range(10, 90)) <= 8
    assert asked == []  # maps are drawn for what is shown, and for no more
    seen = found.heat_of("i3")
    assert seen is not None and seen[0].shape == (32, 48, 3) and seen[1].shape == (32, 48)
    assert asked == [[1]] and found.heat_of("somebody else's") is None


def test_a_picture_is_never_held_against_its_own_group(cells: list[Path], tmp_path: Path) -> None:
    predictions, records = judged(cells, tmp_path, 2)
    first = find_reasons(predictions, records, None).faults
    # Spoiling the right ones of group g0 changes what is usual for g1 alone.
    for index in range(10, 90, 2):
        with Image.open(records[f"i{index}"].image) as image:
            blurred = image.filter(ImageFilter.GaussianBlur(4))
        blurred.save(records[f"i{index}"].image)
    second = find_reasons(predictions, records, None).faults
    assert "out of focus" in first["i1"] and "out of focus" not in second["i1"]
    assert "out of focus" in second["i2"]


def test_with_too_few_right_ones_nothing_is_called_unusual(cells: list[Path], tmp_path: Path) -> None:
    predictions, records = judged(cells[:30], tmp_path, 0)
    assert find_reasons(predictions, records, None).faults == {}
    (tmp_path / "i0.png").unlink()
    assert find_reasons(predictions, {}, None).faults == {}
    assert "i0" not in find_reasons(predictions, records, None).faults


def test_the_crop_that_the_model_was_shown_is_measured_and_mapped(tmp_path: Path) -> None:
    image = np.random.default_rng(0).integers(0, 256, (100, 120, 3), np.uint8)
    Image.fromarray(image).save(tmp_path / "a.png")
    own = Box(50, 40, 60, 50, "leukocyte")
    crop_box = Box(20, 30, 52, 62, "leukocyte")
    record = Record("a", str(tmp_path / "a.png"), "lymphocyte", "", "t", "a", cell=own)
    mapper = Mapper(Preparation(32, 32), lambda batch, classes: np.ones(batch.shape[:3], np.float32), "ones")

    def show(crop: Box | None) -> np.ndarray:
        item = Prediction("a", "neutrophil", 0.9, np.array([0.9, 0.1]), "accepted", box=own, crop_box=crop)
        heat_of = find_reasons(Predictions(CLASSES, (item,), ("lymphocyte",)), {"a": record}, mapper).heat_of
        assert heat_of is not None
        shown = heat_of("a")
        assert shown is not None
        return shown[0]

    np.testing.assert_array_equal(show(crop_box), image[30:62, 20:52])
    # Predictions of a file have no crop box: then the record's own cell is cut, 2.55 times its size.
    np.testing.assert_array_equal(show(None), prepare_image(image[32:58, 42:68], mapper.preparation))
