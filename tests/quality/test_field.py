import functools
import re

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from leukolens.core.detections import Detections
from leukolens.core.results import Box, Detection
from leukolens.datasets.synthetic.fields import SyntheticField, draw_field
from leukolens.quality.field import judge_field
from leukolens.quality.field_measures import measure_field

Pixels = NDArray[np.uint8]
PIXEL_UM = 0.13
RED_CELL_PX = 7.5 / PIXEL_UM


@functools.cache
def draw(seed: int) -> SyntheticField:
    return draw_field(np.random.default_rng(seed), leukocytes=["neutrophil", "lymphocyte"], pixel_size_um=PIXEL_UM)


def see(boxes: list[Box], red_cell_px: float | None = RED_CELL_PX) -> Detections:
    """The detections of a detector without errors."""
    return Detections.from_items((Detection(box, 0.9) for box in boxes), red_cell_px, None, "red cells")


def see_all(field: SyntheticField) -> Detections:
    return see([Box(cell.x0, cell.y0, cell.x1, cell.y1, cell.kind) for cell in field.cells])


def faults(pixels: Pixels, detected: Detections | None) -> set[str]:
    return {advice.fault for advice in judge_field(pixels, detected)}


def blur(pixels: Pixels, cells: float) -> Pixels:
    return np.asarray(Image.fromarray(pixels).filter(ImageFilter.GaussianBlur(cells * RED_CELL_PX)))


def expose(pixels: Pixels, times: float) -> Pixels:
    return (pixels * times).clip(0, 255).astype(np.uint8)


def restain(pixels: Pixels, share: float, blue: float = 0.0) -> Pixels:
    """The field with that share of its stain, part of it turned from pink to blue."""
    ground = np.percentile(pixels, 90, axis=(0, 1)) + 1
    density = np.log10(ground / (pixels + 1.0))
    mean = np.maximum(density.mean(axis=2, keepdims=True), 0) * np.array([1.4, 1.0, 0.6])
    mixed = (1 - blue) * density + blue * mean
    return (ground * 10 ** (-share * mixed) - 1).clip(0, 255).astype(np.uint8)


@pytest.mark.parametrize("seed", [1, 4])
def test_good_fields_are_left_alone(seed: int) -> None:
    field = draw(seed)
    assert judge_field(field.image, see_all(field)) == ()
    assert judge_field(field.image, None) == ()


@pytest.mark.parametrize("seed", [1, 6])
@pytest.mark.parametrize(
    ("spoil", "fault"),
    [
        (lambda pixels: blur(pixels, 0.12), "out of focus"),
        (lambda pixels: expose(pixels, 0.3), "underexposed"),
        (lambda pixels: expose(pixels, 1.35), "overexposed"),
        (lambda pixels: restain(pixels, 0.25), "pale|hardly darker"),
        (lambda pixels: restain(pixels, 1, blue=1), "too blue"),
    ],
)
def test_a_spoilt_picture_is_told_and_may_still_be_counted(seed: int, spoil: object, fault: str) -> None:
    field = draw(seed)
    advice = judge_field(spoil(field.image), see_all(field))  # type: ignore[operator]
    assert any(re.search(fault, item.fault) for item in advice)
    assert not any(item.stops for item in advice)
    assert all(item.action for item in advice)


def test_a_black_bar_is_no_cell() -> None:
    barred = draw(1).image.copy()
    barred[:40] = 0
    assert judge_field(barred, see_all(draw(1))) == ()


def test_blur_without_any_edge_stops() -> None:
    field = draw(0)
    advice = judge_field(blur(field.image, 0.4), see_all(field))
    assert [(item.fault, item.stops) for item in advice] == [("far out of focus", True)]


def test_layers_of_cells_are_too_thick_and_strewn_ones_too_thin() -> None:
    field = draw(1)
    boxes = [found.box for found in see_all(field)]
    side = field.image.shape[1]
    mirrored = [Box(side - box.x1, box.y0, side - box.x0, box.y1, box.kind) for box in boxes]
    through = field.image / np.percentile(field.image, 95, axis=(0, 1))
    layers = (through * through[:, ::-1] * 230).clip(0, 255).astype(np.uint8)
    pile = see([*boxes, *mirrored, *(Box(box.x0 + 15, box.y0, box.x1 + 15, box.y1, box.kind) for box in boxes)])
    assert any("too thick" in fault for fault in faults(layers, pile))
    lonely, few = paint_discs([(100, 100), (400, 120), (300, 300), (520, 400)])
    assert {item.fault for item in judge_field(lonely, see(few, 60))} == {"too thin: few cells with wide gaps"}


def paint_discs(middles: list[tuple[int, int]]) -> tuple[Pixels, list[Box]]:
    """Pink discs 60 px wide on even ground."""
    rows, columns = np.mgrid[:480, :640]
    picture = np.full((480, 640, 3), 200, np.uint8)
    for x, y in middles:
        picture[(rows - y) ** 2 + (columns - x) ** 2 < 30**2] = (180, 92, 120)
    return picture, [Box(x - 30, y - 30, x + 30, y + 30, "red_cell") for x, y in middles]


def test_magnification_is_told_from_the_red_cells() -> None:
    field = draw(2)
    boxes = [found.box for found in see_all(field)]

    def shrink(times: float) -> tuple[Pixels, Detections]:
        image = Image.fromarray(field.image)
        small = image.resize((round(image.width / times), round(image.height / times)), Image.Resampling.BOX)
        cells = [Box(b.x0 / times, b.y0 / times, b.x1 / times, b.y1 / times, b.kind) for b in boxes]
        return np.asarray(small), see(cells, RED_CELL_PX / times)

    assert "magnification too low" in faults(*shrink(5))
    assert [item.stops for item in judge_field(*shrink(9))] == [True]
    zoomed = field.image[100:250, 100:250]
    assert "magnification too high" in faults(zoomed, see([Box(10, 10, 60, 60, "red_cell")]))


def paint_page() -> Pixels:
    page = np.full((300, 400, 3), 240, np.uint8)
    page[20::24, 30:370:3] = 30
    page[23::24, 31:370:4] = 30
    return page


def paint_fur() -> Pixels:
    """Brown stripes: they take away blue light first, which nothing in stained blood does."""
    rng = np.random.default_rng(0)
    stripes = 60 * np.sin(np.linspace(0, 60, 400))[None, :] + rng.normal(0, 15, (300, 400))
    return (np.array([200, 150, 95]) + stripes[..., None] * np.array([0.7, 0.9, 1.0])).clip(0, 255).astype(np.uint8)


@pytest.mark.parametrize(
    "pixels",
    [
        paint_page(),
        paint_fur(),
        np.full((480, 640, 3), 255, np.uint8),
        np.zeros((480, 640, 3), np.uint8),
        (190 + np.random.default_rng(0).normal(0, 2, (480, 640, 3))).astype(np.uint8),
        np.repeat(draw(0).image[:, :, :1], 3, axis=2),
    ],
    ids=["page", "fur", "white", "black", "empty", "grey"],
)
@pytest.mark.parametrize("looked", [True, False])
def test_what_is_no_blood_stops_with_one_reason(pixels: Pixels, looked: bool) -> None:
    advice = judge_field(pixels, see([Box(10, 10, 80, 80, "red_cell")], None) if looked else None)
    assert len(advice) == 1 and advice[0].stops


def test_a_field_in_which_nothing_was_found_stops() -> None:
    assert [item.stops for item in judge_field(draw(0).image, see([], None))] == [True]
    only_platelets = see([Box(5, 5, 20, 20, "platelet")], None)
    assert faults(draw(0).image, only_platelets) == {"no cells found"}
    assert judge_field(draw(0).image, see([Box(5, 5, 60, 60, "red_cell")], None)) == ()


def test_measures_of_a_field_drawn_by_hand() -> None:
    picture, boxes = paint_discs([(x, y) for y in range(60, 480, 120) for x in range(60, 640, 120)])
    cells = measure_field(picture, see(boxes, 60)).cells
    assert cells is not None and cells.crowded_share == 0 and cells.nucleus_density is None
    assert (cells.leukocytes, cells.red_cells, cells.red_cells_across) == (0, 20, 8)
    assert cells.red_cell_share == pytest.approx(20 * np.pi * 30**2 / (480 * 640))
    by_hand = np.log10([208 / 188, 208 / 100, 208 / 128])
    assert cells.red_cell_density == pytest.approx(by_hand.mean(), rel=0.03)
    quality = measure_field(picture, see(boxes, 60))
    assert quality.cover == pytest.approx(cells.red_cell_share, rel=0.15)
    assert quality.brightness == pytest.approx(200 / 255, rel=0.01) and quality.tint < 0.01
    assert quality.pinkness == pytest.approx((by_hand[1] - by_hand[0]) / by_hand.mean(), rel=0.1)
    leaning = [*boxes, Box(40, 30, 100, 90, "red_cell")]  # 50 of 60 columns shared with the first: .71
    assert measure_field(picture, see(leaning, 60)).cells.crowded_share == pytest.approx(2 / 21)  # type: ignore[union-attr]


@pytest.mark.parametrize("size", [(1, 1), (3, 200), (24, 24), (700, 90)])
@pytest.mark.parametrize("red_cell_px", [None, 0.5, 12.0, 4000.0])
def test_any_picture_and_any_scale_are_answered(size: tuple[int, int], red_cell_px: float | None) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (*size, 3), np.uint8)
    outside = [Box(-50, -50, -10, -10, "leukocyte"), Box(0, 0, 1e5, 1e5, "red_cell"), Box(5, 5, 5, 5, "red_cell")]
    for advice in judge_field(pixels, see(outside, red_cell_px)):
        assert advice.fault and advice.action


def test_a_scan_is_measured_on_its_middle() -> None:
    field = draw(3)
    tiled = np.tile(field.image, (8, 8, 1))
    boxes = [found.box for found in see_all(field)]
    everywhere = [
        Box(box.x0 + x, box.y0 + y, box.x1 + x, box.y1 + y, box.kind)
        for box in boxes
        for x in range(0, 8 * 640, 640)
        for y in range(0, 8 * 480, 480)
    ]
    assert judge_field(tiled, see(everywhere)) == ()
