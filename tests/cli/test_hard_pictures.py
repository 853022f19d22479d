"""What people hand in besides good fields: each is counted rightly, or refused with what to do about it."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import leukolens
from leukolens.core.pixels import Pixels
from leukolens.datasets.manifest import Manifest
from leukolens.datasets.sources import read_source
from leukolens.datasets.synthetic import draw_field
from leukolens.evaluation.detection.matching import boxes_of_kind
from leukolens.images.decoding import read_image


@pytest.fixture
def bccd(real_data: Path) -> Manifest:
    return read_source("bccd", real_data / "bccd.zip")


def count_leukocytes(pixels: Pixels) -> tuple[int, int]:
    """Those found whole, and those that the border cuts."""
    (field,) = leukolens.count([pixels]).fields
    assert field.usable, field.advice
    found = [cell.status for cell in field.cells if cell.box.kind == "leukocyte"]
    return len(found) - found.count("cut"), found.count("cut")


def draw_background() -> Pixels:
    """A lit field between the cells: pink glass, a little noise."""
    noise = np.random.default_rng(0).normal(0, 2, (480, 640, 1))
    return np.clip(np.array([232, 214, 222]) + noise, 0, 255).astype(np.uint8)


@pytest.mark.parametrize("what", ["white", "black", "no cell", "cat"])
def test_what_is_no_field_of_blood_is_refused_with_advice(what: str) -> None:
    pictures: dict[str, Any] = {
        "white": lambda: np.full((480, 640, 3), 255, np.uint8),
        "black": lambda: np.zeros((480, 640, 3), np.uint8),
        "no cell": draw_background,
        "cat": lambda: pytest.importorskip("skimage.data").cat(),
    }
    result = leukolens.count([pictures[what]()])
    (field,) = result.fields
    assert not field.usable and all(advice.action for advice in field.advice)
    assert result.differential.leukocytes == 0 and not result.kinds


def test_a_field_of_red_cells_alone_holds_no_leukocyte() -> None:
    drawn = draw_field(np.random.default_rng(3), leukocytes=[])
    (field,) = leukolens.count([drawn.image]).fields
    kinds = [cell.box.kind for cell in field.cells]
    boxed = len(boxes_of_kind(drawn.cells, "red_cell"))
    assert field.usable and kinds.count("leukocyte") == 0
    assert kinds.count("red_cell") == pytest.approx(boxed, rel=0.1)


@pytest.mark.real
def test_a_picture_turned_by_the_telephone_is_the_same_field(bccd: Manifest, tmp_path: Path) -> None:
    upright = read_image(bccd.records[0].image).pixels
    exif = Image.Exif()
    exif[0x0112] = 6  # turn by 90 degrees clockwise to see it upright
    Image.fromarray(np.rot90(upright)).save(tmp_path / "phone.png", exif=exif)
    (turned,) = leukolens.count([tmp_path / "phone.png"]).fields
    (before,) = leukolens.count([upright]).fields
    assert (turned.height_px, turned.width_px) == upright.shape[:2]
    assert [cell.box for cell in turned.cells] == [cell.box for cell in before.cells]


@pytest.mark.real
@pytest.mark.parametrize("scale", [0.4, 2.5])
def test_cells_are_the_same_at_another_magnification(bccd: Manifest, scale: float) -> None:
    """Fields of BCCD as a lens of 40 and of 250 times would show them; nothing tells the program which."""
    boxed, found = 0, 0
    for record in bccd.records[:36:6]:
        pixels = read_image(record.image).pixels
        size = (round(pixels.shape[1] * scale), round(pixels.shape[0] * scale))
        seen = np.asarray(Image.fromarray(pixels).resize(size, Image.Resampling.LANCZOS))
        boxed += sum(count_leukocytes(pixels))
        found += sum(count_leukocytes(seen))
    assert boxed >= 6 and abs(found - boxed) <= 1


@pytest.mark.real
def test_a_scan_of_a_hundred_megapixels(real_data: Path) -> None:
    """A mosaic of 324 crops, each with one leukocyte well inside."""
    crops = [
        record
        for record in read_source("txl", real_data / "txl-pbc-part.zip").records
        if len(found := boxes_of_kind(record.boxes, "leukocyte")) == 1
        and all(100 < (low + high) / 2 < 475 for box in found for low, high in ((box.x0, box.x1), (box.y0, box.y1)))
    ]
    tiles = [pixels for record in crops if (pixels := read_image(record.image).pixels).shape == (575, 575, 3)][:81]
    assert len(tiles) == 81
    scan = np.vstack([np.hstack([tiles[(row * 18 + column) % 81] for column in range(18)]) for row in range(18)])
    whole, cut = count_leukocytes(scan)
    assert scan.shape[0] * scan.shape[1] > 10**8
    assert whole + cut == pytest.approx(324, rel=0.02)
