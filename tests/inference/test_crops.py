from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from leukolens.core.pixels import Preparation
from leukolens.core.results import Box
from leukolens.datasets.manifest import Record
from leukolens.inference.crops import cut_crop, find_crops, find_fault, place_crop

PREPARATION = Preparation(32, 32)


def disc(x: float, y: float, wide: float = 60) -> Box:
    return Box(x - wide / 2, y - wide / 2, x + wide / 2, y + wide / 2, "leukocyte")


@pytest.mark.parametrize("wide", [30, 90])
@pytest.mark.parametrize("frame_um", [20.0, 33.4])
def test_with_a_scale_a_crop_has_the_cards_width_whatever_the_cells(wide: float, frame_um: float) -> None:
    box = place_crop(disc(100, 80, wide), 0.1, Preparation(32, 32, frame_um=frame_um))
    assert (box.width, box.height) == (10 * frame_um, 10 * frame_um)
    assert box.centre == pytest.approx((100, 80), abs=0.5)


def test_without_a_scale_a_crop_is_a_multiple_of_the_cell() -> None:
    box = place_crop(Box(90, 60, 110, 100, "leukocyte"), None, Preparation(32, 32, cell_context=2.0))
    assert box == Box(60, 40, 140, 120, "leukocyte")


def test_the_crop_is_exactly_the_crop_box() -> None:
    image = np.random.default_rng(0).integers(0, 256, (200, 300, 3), np.uint8)
    np.testing.assert_array_equal(cut_crop(image, Box(60, 40, 140, 120, "leukocyte")), image[40:120, 60:140])
    np.testing.assert_array_equal(cut_crop(image, Box(-20, 0, 20, 40, "leukocyte"))[:, :20], image[:40, 19::-1])
    assert cut_crop(image, None) is image


def test_faults_are_named() -> None:
    noise = np.random.default_rng(0).integers(0, 255, (50, 90, 3), np.uint8)
    assert find_fault(np.zeros((50, 50, 3), np.uint8)) == "the picture is of one colour: there is no cell in it"
    assert find_fault(noise[:10]) == "only 90 x 10 pixels: a cell needs at least 24"
    assert find_fault(noise) == ""


def test_a_crop_that_was_found_goes_before_the_records_own_cell(tmp_path: Path) -> None:
    image = np.random.default_rng(0).integers(0, 256, (100, 120, 3), np.uint8)
    Image.fromarray(image).save(tmp_path / "a.png")
    own, found = Box(50, 40, 60, 50, "leukocyte"), Box(10, 20, 50, 60, "leukocyte")
    records = [
        Record("whole", str(tmp_path / "a.png"), None, "", "t", "g"),
        Record("cell", str(tmp_path / "a.png"), None, "", "t", "g", cell=own),
        Record("gone", str(tmp_path / "b.png"), None, "", "t", "g"),
    ]
    plain, placed = find_crops(records), find_crops(records, {"whole": found, "cell": None})
    np.testing.assert_array_equal(plain("whole"), image)
    np.testing.assert_array_equal(placed("whole"), image[20:60, 10:50])
    cell = place_crop(own, None, PREPARATION)
    np.testing.assert_array_equal(placed("cell"), cut_crop(image, cell))
    assert plain("gone") is None and plain("unknown") is None
