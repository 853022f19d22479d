"""The finder of cells on fields whose cells are known, through a model whose answers are."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from leukolens.core.detections import Detections
from leukolens.core.errors import BundleError, InputRefused, UsageError
from leukolens.core.overlaps import measure_overlaps
from leukolens.core.results import Box
from leukolens.core.tasks import Task
from leukolens.inference.bundles import list_bundles, load_bundle
from leukolens.inference.decoding import RawDetections
from leukolens.inference.detector import Detector


def corners(boxes: list[Box]) -> np.ndarray:
    return np.array([(box.x0, box.y0, box.x1, box.y1) for box in boxes], float)


def assert_found(detections: Detections, boxes: list[Box], least_overlap: float = 0.6) -> None:
    """Each box is found once, as its kind, and nothing else is; platelets are small beside the grid of 4 pixels."""
    assert len(detections) == len(boxes)
    overlaps = measure_overlaps(corners([found.box for found in detections])[:, None], corners(boxes))
    partner = overlaps.argmax(axis=1)
    assert sorted(partner.tolist()) == list(range(len(boxes)))
    assert overlaps.max(axis=1).min() > least_overlap
    assert [found.box.kind for found in detections] == [boxes[index].kind for index in partner]


@pytest.mark.parametrize("diameter", [24, 61, 150])
def test_cells_are_found_at_any_scale_and_the_scale_is_told(toy_finder: Any, toy_detector: Path, diameter: int) -> None:
    boxes = toy_finder.strew_discs((8 * diameter, 10 * diameter), 2 * diameter, diameter)
    field = toy_finder.draw_discs((8 * diameter, 10 * diameter), boxes)
    detector = Detector(load_bundle(toy_detector, Task.DETECTION), threads=1)
    found = detector.find_cells(field)
    assert_found(found, boxes)
    scores = [detection.score for detection in found]
    assert scores == sorted(scores, reverse=True)
    assert found.scale_origin == "red cells"
    assert found.red_cell_px == pytest.approx(diameter, rel=0.03)
    assert found.pixel_size_um == pytest.approx(7.5 / diameter, rel=0.03)
    given_size = detector.find_cells(field, 7.5 / diameter)
    assert_found(given_size, boxes)
    assert (given_size.scale_origin, given_size.pixel_size_um) == ("given", 7.5 / diameter)


def test_a_field_of_many_tiles_gives_each_cell_once(toy_finder: Any, toy_detector: Path) -> None:
    # At the detector's own scale, so that several tiles are needed, with cells on all their borders.
    boxes = toy_finder.strew_discs((1300, 1700), 84, 48, seed=3)
    detector = Detector(load_bundle(toy_detector, Task.DETECTION), threads=1)
    found = detector.find_cells(toy_finder.draw_discs((1300, 1700), boxes), 7.5 / 48)
    assert_found(found, boxes)


def test_a_cell_cut_by_the_border_stays_inside_the_field(toy_finder: Any, toy_detector: Path) -> None:
    boxes = [Box(76, 70, 124, 118, "red_cell"), Box(182, 20, 230, 68, "red_cell")]
    field = toy_finder.draw_discs((150, 200), boxes)
    found = Detector(load_bundle(toy_detector, Task.DETECTION), threads=1).find_cells(field, 7.5 / 48)
    assert len(found) == 2
    assert (corners([cell.box for cell in found]).max(axis=0) <= (200, 150, 200, 150)).all()
    assert max(cell.box.x1 for cell in found) > 195


def test_only_what_counts_is_told_unless_more_is_asked_for(toy_finder: Any, tmp_path: Path) -> None:
    boxes = [Box(40, 40, 88, 88, "red_cell"), Box(160, 40, 220, 100, "red_cell")]
    field = toy_finder.draw_discs((150, 260), boxes)
    thresholds = {"leukocyte": 0.5, "red_cell": 0.995, "platelet": 0.5}
    folder = toy_finder.make_bundle(tmp_path / "strict", score_thresholds=thresholds)
    detector = Detector(load_bundle(folder, Task.DETECTION), threads=1)
    assert_found(detector.find_cells(field, 7.5 / 48), boxes[:1])
    assert_found(detector.find_cells(field, 7.5 / 48, least_score=0.1), boxes)


def test_boxes_of_a_kind_are_as_wide_as_the_card_says_about_the_same_middle(toy_finder: Any, tmp_path: Path) -> None:
    boxes = [Box(40, 40, 88, 88, "red_cell"), Box(160, 50, 180, 70, "platelet")]
    field = toy_finder.draw_discs((150, 260), boxes)
    plain, narrow = (
        Detector(load_bundle(toy_finder.make_bundle(tmp_path / name, box_scales=scales), Task.DETECTION), threads=1)
        for name, scales in (("plain", {}), ("narrow", {"platelet": 0.5}))
    )
    before, after = (
        {found.box.kind: found.box for found in detector.find_cells(field, 7.5 / 48)} for detector in (plain, narrow)
    )
    assert after["red_cell"] == before["red_cell"]
    wide, tight = before["platelet"], after["platelet"]
    assert tight.x1 - tight.x0 == pytest.approx((wide.x1 - wide.x0) / 2)
    assert tight.x0 + tight.x1 == pytest.approx(wide.x0 + wide.x1) and tight.y1 < wide.y1


def test_a_cell_cut_by_the_border_counts_from_a_lower_score_where_the_card_says_so(
    toy_finder: Any, tmp_path: Path
) -> None:
    boxes = [Box(-30, 60, 30, 120, "leukocyte"), Box(120, 60, 180, 120, "leukocyte")]
    field = toy_finder.draw_discs((180, 260), boxes)

    def scores(name: str, least: float, gains: dict[str, float]) -> list[float]:
        thresholds = {"leukocyte": least, "red_cell": 0.99, "platelet": 0.99}
        folder = toy_finder.make_bundle(tmp_path / name, score_thresholds=thresholds, cut_gains=gains)
        found = Detector(load_bundle(folder, Task.DETECTION), threads=1).find_cells(field, 7.5 / 48)
        return [cell.score for cell in sorted(found, key=lambda cell: cell.box.x0)]

    cut, whole = scores("plain", 0.01, {})
    least = (1 + max(cut, whole)) / 2  # more than either has
    assert scores("strict", least, {}) == []
    (lifted,) = scores("lenient", least, {"leukocyte": 9.0})
    assert lifted > cut and scores("other kind", least, {"red_cell": 9.0}) == []


@pytest.mark.parametrize("size", [(1, 1), (3, 40), (200, 300)])
def test_an_empty_field_has_no_cells_and_no_scale(toy_detector: Path, size: tuple[int, int]) -> None:
    found = Detector(load_bundle(toy_detector, Task.DETECTION), threads=1).find_cells(
        np.full((*size, 3), 255, np.uint8)
    )
    assert (len(found), found.red_cell_px, found.pixel_size_um, found.scale_origin) == (0, None, None, "unknown")


def test_a_field_without_red_cells_is_searched_but_its_scale_is_not_made_up(
    toy_finder: Any, toy_detector: Path
) -> None:
    boxes = [Box(60, 60, 120, 120, "leukocyte")]
    field = toy_finder.draw_discs((180, 180), boxes)
    found = Detector(load_bundle(toy_detector, Task.DETECTION), threads=1).find_cells(field)
    assert_found(found, boxes)
    assert (found.red_cell_px, found.scale_origin) == (None, "unknown")


def test_what_is_no_field_or_no_pixel_size_is_refused(toy_detector: Path) -> None:
    detector = Detector(load_bundle(toy_detector, Task.DETECTION), threads=1)
    field = np.full((64, 64, 3), 255, np.uint8)
    for wrong in (field[..., 0], field.astype(np.float32), field[:0]):
        with pytest.raises(InputRefused, match="uint8"):
            detector.find_cells(wrong)
    for size in (0.0, -0.1, float("nan"), 40.0):
        with pytest.raises(UsageError, match="pixel size"):
            detector.find_cells(field, size)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"stride": 8}, "promises maps"),
        ({"kinds": ("red_cell",), "score_thresholds": {"red_cell": 0.5}}, "promises maps"),
        ({"files": {}}, "has no hash of"),
    ],
)
def test_a_card_that_lies_about_its_model_is_found_out(
    toy_finder: Any, tmp_path: Path, changes: dict[str, Any], words: str
) -> None:
    with pytest.raises(BundleError, match=words):
        Detector(load_bundle(toy_finder.make_bundle(tmp_path / "liar", **changes), Task.DETECTION))


def test_numbers_that_are_none_are_not_passed_on(toy_finder: Any, tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="not finite"):
        Detector(
            load_bundle(toy_finder.make_bundle(tmp_path / "b", toy_finder.make_model(broken=True)), Task.DETECTION)
        )


def test_a_classifiers_model_is_no_detector(toy: Any, toy_finder: Any, tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="'centres'"):
        Detector(load_bundle(toy_finder.make_bundle(tmp_path / "b", toy.make_model()), Task.DETECTION))


def test_each_kind_of_bundle_has_a_list_of_its_own(toy: Any, toy_finder: Any, home: Path) -> None:
    toy.make_bundle(home / "bundles" / "namer")
    toy_finder.make_bundle(home / "bundles" / "finder")
    assert "finder" in list_bundles(Task.DETECTION) and "finder" not in list_bundles(Task.CLASSIFICATION)
    assert "namer" in list_bundles(Task.CLASSIFICATION) and "namer" not in list_bundles(Task.DETECTION)
    assert load_bundle("finder", Task.DETECTION).card.name == "finder"
    with pytest.raises(BundleError, match=r"bundle of a detector .*finder"):
        load_bundle("nobody", Task.DETECTION)
    with pytest.raises(BundleError, match="bundle of a classifier, but a detector"):
        load_bundle(home / "bundles" / "namer", Task.DETECTION)
    with pytest.raises(BundleError, match="bundle of a detector, but a classifier"):
        load_bundle(home / "bundles" / "finder")


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=300), st.booleans())
def test_hostile_model_bytes_only_raise_bundle_errors(
    toy_finder: Any, tmp_path_factory: pytest.TempPathFactory, raw: bytes, spliced: bool
) -> None:
    folder = toy_finder.make_bundle(tmp_path_factory.mktemp("fuzz") / "b")
    model = folder / "model.onnx"
    whole = model.read_bytes()
    model.write_bytes(whole[: len(whole) // 2] + raw + whole[len(whole) // 2 + len(raw) :] if spliced else raw)
    toy_finder.write_card(folder)
    try:
        Detector(load_bundle(folder, Task.DETECTION), threads=1).find_cells(np.zeros((64, 64, 3), np.uint8), 0.15)
    except BundleError:
        pass


def test_what_is_rather_a_platelet_than_a_leukocyte_is_no_leukocyte(
    toy_finder: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    thresholds = {"leukocyte": 0.2, "red_cell": 0.4, "platelet": 0.4}
    detector = Detector(
        load_bundle(toy_finder.make_bundle(tmp_path / "low", score_thresholds=thresholds), Task.DETECTION), threads=1
    )

    def decode(centres: object, sides: object, stride: int, least: np.ndarray) -> RawDetections:
        """A platelet by .35, a leukocyte by .3 in the same place, and a leukocyte by .25 elsewhere."""
        boxes = np.array([[20, 20, 60, 60], [22, 22, 62, 62], [90, 20, 130, 60]], float)
        detections = RawDetections(boxes, np.array([0.35, 0.3, 0.25]), np.array([2, 0, 0]), np.zeros(3))
        return detections.pick(detections.scores >= least[detections.kinds])

    monkeypatch.setattr("leukolens.inference.detector.decode_maps", decode)
    found = detector.find_cells(np.full((150, 160, 3), 255, np.uint8), 7.5 / 48)
    assert [(cell.box.kind, cell.score) for cell in found] == [("leukocyte", 0.25)]
