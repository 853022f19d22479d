"""Fields to counts, with a finder of discs and a namer of colours whose answers are known."""

import dataclasses
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from msgspec import structs
from PIL import Image

from leukolens.core.detections import Detections
from leukolens.core.errors import BundleError, NothingRead, UsageError
from leukolens.core.results import Advice, Box
from leukolens.core.tasks import Task
from leukolens.inference import perception, view
from leukolens.inference.bundles import load_bundle
from leukolens.inference.classify import classify
from leukolens.inference.detector import Detector
from leukolens.smear.count import count
from leukolens.smear.results import SmearResult

RED = 48


@pytest.fixture(autouse=True)
def good_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    """Discs are no blood, which the gate would rightly say."""
    monkeypatch.setattr(perception, "judge_field", lambda pixels, detected: ())


def disc(x: float, y: float, wide: float = RED, kind: str = "red_cell") -> Box:
    return Box(x - wide / 2, y - wide / 2, x + wide / 2, y + wide / 2, kind)


def red_cells(left: int = 0, top: int = 0) -> list[Box]:
    return [disc(60 + 90 * i - left, 70 + 90 * j - top) for j in range(5) for i in range(8)]


def shuffled(seed: int) -> list[Box]:
    generator = np.random.default_rng(seed)
    return [
        disc(60 + 90 * i + dx, 70 + 90 * j + dy)
        for j in range(5)
        for i in range(8)
        for dx, dy in [generator.integers(-12, 13, 2)]
    ]


class Bench:
    def __init__(self, toy_finder: Any, detector: Path, bundle: Path) -> None:
        self.draw, self.detector, self.bundle = toy_finder.draw_discs, detector, bundle

    def count(self, *fields: Any, **known: Any) -> SmearResult:
        return count(list(fields), classifier=self.bundle, detector=self.detector, **known)


@pytest.fixture
def bench(toy_finder: Any, toy_detector: Path, toy_bundle: Path) -> Bench:
    return Bench(toy_finder, toy_detector, toy_bundle)


def test_every_cell_is_counted_once_under_its_kind(bench: Bench) -> None:
    boxes = shuffled(0)
    boxes[11] = disc(330, 160, 66, "leukocyte")
    boxes[20] = disc(420, 250, 20, "platelet")
    result = bench.count(bench.draw((480, 780), boxes), name="S1")
    (field,) = result.fields
    kinds = [cell.box.kind for cell in field.cells]
    assert {kind: kinds.count(kind) for kind in set(kinds)} == {"leukocyte": 1, "red_cell": 38, "platelet": 1}
    assert {item.kind: item.count for item in result.kinds} == {"leukocyte": 1, "red_cell": 38, "platelet": 1}
    (white,) = [cell for cell in field.cells if cell.box.kind == "leukocyte"]
    assert white.box.label in result.classes and len(white.probabilities) == len(result.classes)
    assert white.status in ("accepted", "review")
    assert field.scale_origin == "red cells" and field.red_cell_px == pytest.approx(RED, rel=0.15)
    assert result.name == "S1"


@pytest.mark.parametrize(("threshold", "suspected"), [(0.7, True), (0.9, False), (None, False)])
def test_what_looks_burst_is_for_review_under_its_class_in_count_and_classify(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, threshold: float | None, suspected: bool
) -> None:
    find_cells = Detector.find_cells

    def find_burst(self: Detector, *given: Any) -> Detections:
        found = find_cells(self, *given)
        burst = np.full(len(found), 0.8)
        return dataclasses.replace(found, smudge=burst)

    boxes = shuffled(0)
    boxes[11] = disc(330, 160, 66, "leukocyte")
    field = bench.draw((480, 780), boxes)
    detector = load_bundle(bench.detector, Task.DETECTION)
    finder = Detector(detector)
    finder.card = structs.replace(detector.card, smudge_threshold=threshold)
    monkeypatch.setattr(Detector, "find_cells", find_burst)
    result = count(field, classifier=bench.bundle, detector=finder)
    (cell,) = [cell for cell in result.fields[0].cells if cell.box.kind == "leukocyte"]
    (prediction,) = classify(field, classifier=bench.bundle, detector=finder).items
    for judged, label in ((cell, cell.box.label), (prediction, prediction.label)):
        assert judged.status == "review" and label in result.classes
        assert judged.reason.startswith("perhaps a smudge cell") == suspected
    assert cell.reason == prediction.reason
    assert result.differential.apart == {"review": 1}
    assert {cell.status for cell in result.fields[0].cells if cell.box.kind == "red_cell"} <= {"accepted", "cut"}


def test_cells_on_the_border_and_in_clumps_are_set_apart(bench: Bench) -> None:
    boxes = shuffled(1)
    boxes[0] = disc(10, 70, 66, "leukocyte")
    result = bench.count(bench.draw((480, 780), boxes))
    (cell,) = [cell for cell in result.fields[0].cells if cell.box.kind == "leukocyte"]
    assert (cell.status, cell.reason) == ("cut", "lies on the field's border")
    assert result.differential.leukocytes == 0
    assert result.differential.apart["cut"] == 1


def test_a_cell_seen_in_two_overlapping_fields_counts_once(bench: Bench) -> None:
    boxes = shuffled(2)
    boxes[11] = disc(330, 160, 66, "leukocyte")
    wide = bench.draw((480, 780), boxes)
    left, right = wide[:, :600], wide[:, 180:]
    result = bench.count(left, right)
    whites = [cell.status for field in result.fields for cell in field.cells if cell.box.kind == "leukocyte"]
    assert len(whites) == 2 and whites[1] == "repeated" and whites[0] != "repeated"
    reasons = {cell.reason for cell in result.fields[1].cells if cell.status == "repeated"}
    assert reasons == {"counted in array 0, which shows the same place"}
    # Five columns of five cells lie in both; each of the 40 cells counts once.
    assert [len(field.cells) for field in result.fields] == [35, 30]
    assert sum(item.count for item in result.kinds) == 40


def test_a_field_with_an_undecodable_name_may_show_the_same_place_as_another(bench: Bench, tmp_path: Path) -> None:
    wide = bench.draw((480, 780), shuffled(2))
    names = [os.fsdecode(os.fsencode(tmp_path) + name) for name in (b"/a \xff.png", b"/b.png")]
    for name, pixels in zip(names, (wide[:, :600], wide[:, 180:]), strict=True):
        Image.fromarray(pixels).save(name)
    result = bench.count(*names)
    assert "counted in a \\xff.png, which shows the same place" in {cell.reason for cell in result.fields[1].cells}
    assert result.save(tmp_path / "out").exists()


def test_a_cell_that_was_cut_in_one_field_counts_where_it_is_whole(bench: Bench) -> None:
    boxes = shuffled(3)
    boxes[13] = disc(510, 160, 66, "leukocyte")
    wide = bench.draw((480, 780), boxes)
    result = bench.count(wide[:, :525], wide[:, 150:])
    whites = [cell.status for field in result.fields for cell in field.cells if cell.box.kind == "leukocyte"]
    assert whites[0] == "cut" and whites[1] in ("accepted", "review")


def test_boxes_lie_in_the_photograph_where_the_eyepiece_is_cut_away(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    picture = np.zeros((700, 1000, 3), np.uint8)
    picture[100:580, 150:930] = bench.draw((480, 780), shuffled(4))
    monkeypatch.setattr(view, "find_content", lambda pixels: None)
    monkeypatch.setattr(view, "find_view", lambda pixels: (150, 100, 930, 580))
    (field,) = bench.count(picture).fields
    boxes = sorted((cell.box for cell in field.cells), key=lambda box: (box.y0, box.x0))
    assert len(boxes) == 40
    assert min(box.x0 for box in boxes) > 150 and max(box.y1 for box in boxes) < 580
    assert (field.height_px, field.width_px) == (700, 1000)


@pytest.mark.parametrize("colour", [0, 114])
def test_padding_neither_makes_cells_nor_hides_that_cells_are_cut(bench: Bench, colour: int) -> None:
    boxes = shuffled(4)
    boxes[3] = disc(330, 5, 66, "leukocyte")
    plain = bench.draw((480, 780), boxes)
    padded = np.full((780, 780, 3), colour, np.uint8)
    padded[150:630] = plain
    (field,), (other,) = bench.count(plain).fields, bench.count(padded).fields
    assert other.view == (0, 151, 780, 629) and (other.height_px, other.width_px) == (780, 780)
    statuses = [sorted((cell.box.kind, cell.status) for cell in one.cells) for one in (field, other)]
    assert statuses[0] == statuses[1] and ("leukocyte", "cut") in statuses[1]
    tops = [sorted(cell.box.y0 for cell in one.cells) for one in (field, other)]
    np.testing.assert_allclose(tops[1], np.add(tops[0], 150), atol=3)


def test_a_picture_that_is_classified_whole_is_shown_without_its_padding(bench: Bench) -> None:
    padded = np.zeros((480, 480, 3), np.uint8)
    padded[90:390] = 255
    padded[90:390, ::2] = 225
    (prediction,) = classify(padded, classifier=bench.bundle, detector=bench.detector).items
    assert prediction.crop_box is not None and prediction.crop_box.xyxy.tolist() == [0, 91, 480, 389]


def test_a_field_that_may_not_be_counted_stays_out_and_is_shown(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    stop = Advice("out of focus", "Refocus.", stops=True)
    bad = bench.draw((480, 780), red_cells())
    good = bench.draw((480, 780), shuffled(5))
    monkeypatch.setattr(perception, "judge_field", lambda pixels, detected: (stop,) if (pixels == bad).all() else ())
    result = bench.count(bad, good)
    assert [field.usable for field in result.fields] == [False, True]
    assert {item.kind: item.count for item in result.kinds}["red_cell"] == 40
    assert "repeated" not in {cell.status for field in result.fields for cell in field.cells}


def test_what_cannot_be_read_is_refused_and_the_rest_goes_on(bench: Bench, tmp_path: Path) -> None:
    (tmp_path / "note.jpg").write_text("no picture")
    good = bench.draw((480, 780), shuffled(6))
    missing = tmp_path / "missing.jpg"
    result = bench.count(tmp_path / "note.jpg", np.zeros((9, 9), np.uint8), good, missing)
    assert [field.name for field in result.fields] == ["array 2"]
    assert [refusal.image for refusal in result.refused] == [str(tmp_path / "note.jpg"), "array 1", str(missing)]
    assert "does not exist" in result.refused[-1].why
    assert "inputs refused: 3" in repr(result)


@pytest.mark.parametrize("missing", ["missing.jpg", "missing-folder/", "empty"])
def test_a_path_of_which_nothing_can_be_read_raises(bench: Bench, tmp_path: Path, missing: str) -> None:
    (tmp_path / "empty").mkdir()
    for fields in (tmp_path / missing, [str(tmp_path / missing)]):
        with pytest.raises(UsageError, match=r"does not exist|No images were found"):
            count(fields, classifier=bench.bundle, detector=bench.detector)


def test_no_field_at_all_raises(bench: Bench) -> None:
    with pytest.raises(NothingRead, match="No images were found"):
        bench.count()


def test_many_unreadable_inputs_are_summed_up(bench: Bench) -> None:
    with pytest.raises(NothingRead, match=r"None of the 9 inputs could be read: array 0 .*; and 4 more\.$"):
        bench.count(*[np.zeros((9, 9), np.uint8)] * 9)


@pytest.mark.parametrize(
    ("known", "told"),
    [
        *(({"pixel_size_um": size}, "0.02 to 2 micrometres.*received") for size in (0.0, 1e-4, 2.1, -0.1)),
        ({"pixel_size_um": float("nan")}, "0.02 to 2 micrometres.*received nan"),
        ({"leukocytes_per_liter": float("inf")}, "No living person has inf"),
        ({"leukocytes_per_liter": 7.2}, "write 7.2e9"),
        ({"factors": {"platelet": -1.0}}, "the factor of platelet is -1.0"),
        ({"factors": {"wbc": 1.0}}, "'wbc'.*leukocyte, red_cell, platelet"),
        ({"classifier": 7}, "received 7"),
    ],
)
def test_arguments_that_cannot_be_meant_are_refused(bench: Bench, known: dict[str, Any], told: str) -> None:
    models = {"classifier": bench.bundle, "detector": bench.detector}
    with pytest.raises(UsageError, match=told):
        count([bench.draw((480, 780), red_cells())], **(models | known))


@pytest.mark.parametrize(("factor", "told"), [(1, False), (1.2, False), (0.5, True), (2, True), (5, True)])
def test_a_pixel_size_that_the_red_cells_contradict_is_told(bench: Bench, factor: float, told: bool) -> None:
    (field,) = bench.count(bench.draw((480, 780), shuffled(7)), pixel_size_um=factor * 7.5 / RED).fields
    assert field.scale_origin == "given" and len(field.warnings) == told
    if told:
        assert "makes the red cells" in field.warnings[0] and "they are about 7.5" in field.warnings[0]


def test_a_model_of_the_other_task_is_refused_in_words(bench: Bench) -> None:
    field = bench.draw((480, 780), red_cells())
    with pytest.raises(BundleError, match="bundle of a classifier, but a detector is needed"):
        count([field], classifier=bench.bundle, detector=load_bundle(bench.bundle))
    with pytest.raises(BundleError, match="bundle of a detector, but a classifier is needed"):
        count([field], classifier=load_bundle(bench.detector, Task.DETECTION), detector=bench.detector)


def test_progress_is_told_after_each_field(bench: Bench) -> None:
    told: list[tuple[int, int]] = []
    bench.count(
        bench.draw((200, 300), []),
        np.zeros((9, 9), np.uint8),
        progress=lambda done, fields: told.append((done, fields)),
    )
    assert told == [(1, 2), (2, 2)]


def test_nothing_to_count_is_no_error(bench: Bench) -> None:
    result = bench.count(np.full((200, 300, 3), 255, np.uint8))
    assert result.fields[0].cells == () and result.differential.leukocytes == 0
