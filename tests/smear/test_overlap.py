import numpy as np
import pytest
from PIL import Image

from leukolens.core.results import Box
from leukolens.datasets.sources.bccd import read
from leukolens.datasets.synthetic import draw_field, draw_slide
from leukolens.images.decoding import read_image
from leukolens.smear.overlap import pair_cells, remember_field


def cut(field, left, top, width=640, height=480):
    boxes = [
        Box(c.x0 - left, c.y0 - top, c.x1 - left, c.y1 - top, c.kind, c.label)
        for c in field.cells
        if left <= (c.x0 + c.x1) / 2 < left + width and top <= (c.y0 + c.y1) / 2 < top + height
    ]
    return field.image[top : top + height, left : left + width], boxes


@pytest.fixture(scope="module")
def wide():
    rng = np.random.default_rng(3)
    return draw_field(rng, width_px=1000, height_px=700)


@pytest.mark.parametrize(("left", "top"), [(0, 0), (200, 120), (300, 0), (60, 200)])
def test_shared_cells_of_overlapping_fields_are_found(wide, left, top):
    a_pixels, a = cut(wide, 0, 0)
    b_pixels, b = cut(wide, left, top)
    pairs = pair_cells(remember_field(a_pixels, a), remember_field(b_pixels, b))
    truth = {
        (i, j)
        for i, one in enumerate(a)
        for j, other in enumerate(b)
        if (one.x0, one.y0, one.x1, one.y1) == (other.x0 + left, other.y0 + top, other.x1 + left, other.y1 + top)
    }
    assert len(truth) >= 4
    assert len(set(pairs) & truth) >= 0.95 * len(truth)
    assert not set(pairs) - truth


@pytest.mark.parametrize("size", [(640, 480), (320, 240), (1000, 750), (501, 376)])
@pytest.mark.parametrize("position", range(8))
def test_a_field_saved_again_at_another_size_turned_or_mirrored_is_known(wide, position, size):
    pixels, boxes = cut(wide, 0, 0)
    again = np.asarray(Image.fromarray(pixels).resize(size, Image.Resampling.BICUBIC))
    corners = np.array([(box.x0, box.y0, box.x1, box.y1) for box in boxes]) * (size[0] / 640)
    if position & 4:
        again, corners = again.transpose(1, 0, 2), corners[:, [1, 0, 3, 2]]
    if position & 2:
        again, corners = again[::-1], corners * (1, -1, 1, -1) + (0, again.shape[0]) * 2
    if position & 1:
        again, corners = again[:, ::-1], corners * (-1, 1, -1, 1) + (again.shape[1], 0) * 2
    others = [
        Box(min(x0, x1), min(y0, y1), max(x0, x1), max(y0, y1), box.kind)
        for (x0, y0, x1, y1), box in zip(corners.tolist(), boxes, strict=True)
    ]
    pairs = pair_cells(remember_field(pixels, boxes), remember_field(np.ascontiguousarray(again), others))
    assert len(pairs) >= 0.95 * len(boxes) and all(here == there for here, there in pairs)


def test_strangers_share_nothing():
    rng = np.random.default_rng(5)
    slide = draw_slide(rng)
    fields = [draw_field(rng, slide=slide) for _ in range(8)]
    sights = [
        remember_field(field.image, [Box(c.x0, c.y0, c.x1, c.y1, c.kind) for c in field.cells]) for field in fields
    ]
    assert not [1 for i in range(8) for j in range(i) if pair_cells(sights[i], sights[j])]


def test_same_constellation_in_other_pictures_is_not_the_same_field(wide):
    pixels, boxes = cut(wide, 0, 0)
    noise = np.random.default_rng(0).integers(0, 255, pixels.shape, np.uint8)
    assert not pair_cells(remember_field(pixels, boxes), remember_field(noise, boxes))


def test_few_cells_and_none(wide):
    pixels, boxes = cut(wide, 0, 0)
    assert pair_cells(remember_field(pixels, []), remember_field(pixels, [])) == []
    assert pair_cells(remember_field(pixels, boxes[:2]), remember_field(pixels, boxes[:2])) == []


@pytest.mark.real
def test_bccd_fields_taken_twice_are_known_again_and_others_are_not(real_data):
    records = {record.id: record for record in read(real_data / "bccd.zip").records}
    sights = {}
    for name in [
        f"BloodImage_00{number}" for number in ("227", "260", "382", "395", "206", "278", "037", "047", "367", "404")
    ]:
        boxes = [box for box in records[name].boxes if box.x1 - box.x0 > 5]
        sights[name] = remember_field(read_image(records[name].image).pixels, boxes)
    found = {(a[-3:], b[-3:]) for a in sights for b in sights if a < b and pair_cells(sights[a], sights[b])}
    assert found == {("227", "260"), ("382", "395"), ("206", "278")}
