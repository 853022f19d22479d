"""Crops of fields: what is shown and what is labelled stay together."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from leukolens.core.results import Box
from leukolens.datasets.manifest import Record
from leukolens.training.detection.crops import Crop, cut_through, cut_whole, draw_crop, turn_crop
from leukolens.training.detection.fields import TrainingField, draw_synthetic_fields, load_pictures
from leukolens.training.detection.labels import label_boxes

RED = Box(30, 40, 70, 90, "red_cell")


def quiet(done: int, total: int) -> None:
    pass


def field_of(boxes: list[Box], size: tuple[int, int] = (160, 240), red_cell_px: float = 40.0) -> TrainingField:
    """A white field whose boxes are filled with black."""
    pixels = np.full((*size, 3), 255, np.uint8)
    for box in boxes:
        pixels[int(box.y0) : int(box.y1), int(box.x0) : int(box.x1)] = 0
    return TrainingField("field", "toy", pixels, label_boxes(boxes), red_cell_px, (1, 1, 1))


def seen_box(crop: Crop) -> tuple[int, int, int, int]:
    """The box around what is black within the field."""
    rows, columns = np.nonzero((crop.pixels[:, :, 0] < 128) & crop.inside)
    return columns.min(), rows.min(), columns.max() + 1, rows.max() + 1


def test_boxes_follow_what_is_seen_through_every_scale_place_and_turn() -> None:
    random = np.random.default_rng(0)
    field = field_of([RED])
    checked = 0
    for _ in range(60):
        crop = draw_crop(field, 128, 52, 1.5, random)
        crop = turn_crop(crop, int(random.integers(4)), bool(random.integers(2)))
        if len(crop.labels.boxes):
            assert np.abs(crop.labels.boxes[0] - seen_box(crop)).max() <= 1.6
            checked += 1
    assert checked > 40


def test_a_whole_field_has_the_networks_scale_and_size() -> None:
    crop = cut_whole(field_of([RED]), 20)
    assert crop.pixels.shape == (96, 128, 3)  # 80 x 120, up to multiples of 32
    assert crop.inside.sum() == 80 * 120
    np.testing.assert_allclose(crop.labels.boxes, [[15, 20, 35, 45]])


def test_a_field_is_cut_through_its_leukocytes() -> None:
    field = field_of([Box(100, 40, 140, 90, "leukocyte"), RED])
    parts = cut_through(field, 40)
    assert len(parts) == 4 and all(set(np.array(part.pixels.shape[:2]) % 32) == {0} for part in parts)
    seen = [part.labels.boxes[part.labels.kinds == 0][0] for part in parts]
    np.testing.assert_allclose(seen, [[0, 40, 8, 90], [100, 0, 140, 10], [0, 40, 16, 90], [100, 0, 140, 20]])
    assert all(part.labels.sure[part.labels.kinds == 0].all() for part in parts)


def test_a_cell_that_hardly_shows_is_not_sure() -> None:
    field = field_of([Box(0, 0, 3, 40, "red_cell"), RED])
    assert cut_whole(field, 40).labels.sure.tolist() == [False, True]
    random = np.random.default_rng(1)
    large = field_of([Box(0, 0, 200, 200, "red_cell")], (400, 400))
    crops = [draw_crop(large, 64, 40, 1.0, random) for _ in range(10)]
    assert not any(crop.labels.sure.any() for crop in crops)


def test_a_fifth_of_a_leukocyte_is_one_and_a_fifth_of_a_red_cell_nothing() -> None:
    kinds, shown = set(), []
    random = np.random.default_rng(4)
    for kind in ("leukocyte", "red_cell"):
        whole = field_of([Box(100, 100, 140, 140, kind)], (400, 400))
        for _ in range(60):
            labels = draw_crop(whole, 64, 20, 1.0, random).labels
            for box, sure in zip(labels.boxes, labels.sure, strict=True):
                part = (box[2:] - box[:2]).prod() / (20 * 20)
                if part < 0.3 and sure:
                    kinds.add(kind)
                shown.append(part)
    assert kinds == {"leukocyte"}
    assert min(shown) < 0.3 < 0.9 < max(shown)  # crops cut cells anywhere


def test_crops_prefer_cells_and_rare_kinds() -> None:
    cells = [Box(10 * n, 0, 10 * n + 8, 8, "red_cell") for n in range(40)] + [Box(900, 900, 940, 940, "leukocyte")]
    field = field_of(cells, (1000, 1000))
    random = np.random.default_rng(2)
    kinds = [set(draw_crop(field, 64, 40, 1.0, random).labels.kinds.tolist()) for _ in range(200)]
    assert 50 < sum(0 in found for found in kinds) < 110


def test_pictures_are_decoded_once_and_broken_ones_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    records = []
    random = np.random.default_rng(3)
    for number, size in enumerate(((10, 12), (7, 9))):
        Image.fromarray(random.integers(0, 255, (*size, 3), np.uint8)).save(tmp_path / f"{number}.png")
        records.append(Record(str(number), str(tmp_path / f"{number}.png"), None, "", "toy", str(number)))
    (tmp_path / "broken.png").write_bytes(b"no picture")
    records.insert(1, Record("broken", str(tmp_path / "broken.png"), None, "", "toy", "broken"))
    pictures, refused = load_pictures(records, quiet)
    assert [pixels.shape for pixels in pictures.values()] == [(10, 12, 3), (7, 9, 3)]
    assert [refusal.image for refusal in refused] == ["broken"]
    np.testing.assert_array_equal(pictures["1"], np.asarray(Image.open(tmp_path / "1.png")))
    monkeypatch.setattr("leukolens.training.detection.fields.read_image", None)
    again, refused_again = load_pictures(records, quiet)
    np.testing.assert_array_equal(again["0"], pictures["0"])
    assert refused_again == refused


def test_synthetic_fields_are_the_same_again(monkeypatch: pytest.MonkeyPatch) -> None:
    first = draw_synthetic_fields(1, 5, quiet)
    monkeypatch.setattr("leukolens.training.detection.fields.draw_field", None)
    (again,) = draw_synthetic_fields(1, 5, quiet)
    np.testing.assert_array_equal(first[0].pixels, again.pixels)
    np.testing.assert_array_equal(first[0].labels.boxes, again.labels.boxes)
    assert first[0].labels.boxes.shape[0] > 10
