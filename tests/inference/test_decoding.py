"""Peaks, boxes and repeats, on maps made by hand."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from leukolens.core.overlaps import measure_overlaps
from leukolens.core.taxonomy import DETECTED_KINDS
from leukolens.inference.decoding import (
    RawDetections,
    average_in_boxes,
    decode_maps,
    lift_cut,
    lift_scores,
    suppress_non_maxima,
)

LEAST = np.array([0.5, 0.5, 0.5])


def quiet(height: int = 6, width: int = 8) -> tuple[np.ndarray, np.ndarray]:
    return np.full((3, height, width), -9, np.float32), np.ones((4, height, width), np.float32)


def test_a_peak_becomes_its_box_and_its_slopes_do_not() -> None:
    centres, sides = quiet()
    centres[1, 1:4, 2:5] = 1.0
    centres[1, 2, 3] = 2.0
    sides[:, 2, 3] = (3, 5, 7, 11)
    detections = decode_maps(centres, sides, 4, LEAST)
    # The middle of the grid's cell in row 2, column 3 is (14, 10).
    np.testing.assert_allclose(detections.boxes, [[11, 5, 21, 21]])
    np.testing.assert_allclose(detections.scores, [1 / (1 + np.exp(-2))])
    assert detections.kinds.tolist() == [1]


def test_how_much_a_cell_looks_burst_is_asked_of_its_whole_box() -> None:
    centres, sides = quiet()
    centres[0, 2, 3] = centres[0, 2, 6] = 2.0
    sides[:] = 3.9  # a box of 7.8 about a middle on the grid's corner touches two cells each way
    remnants = np.zeros((1, 6, 8), np.float32)
    remnants[0, 1:4, 2:5] = [[1, 2, 3], [4, 5, 6], [7, 8, 9]]
    detections = decode_maps(centres, sides, 4, LEAST, remnants)
    np.testing.assert_allclose(detections.smudges, [1 / (1 + np.exp(-5)), 0.5])
    assert decode_maps(centres, sides, 4, LEAST).smudges.tolist() == [0, 0]


@given(st.integers(0, 1000), st.integers(1, 4))
def test_means_over_boxes_are_those_of_the_cells_they_touch(seed: int, stride: int) -> None:
    random = np.random.default_rng(seed)
    maps = random.normal(size=(3, 7, 5)).astype(np.float32)
    corners = random.uniform(-10, 10 + 7 * stride, (6, 2, 2))
    boxes = np.concatenate([corners.min(axis=1), corners.max(axis=1)], axis=1)
    means = average_in_boxes(maps, boxes, stride)
    for (x0, y0, x1, y1), mean in zip(boxes / stride, means, strict=True):
        left, top = int(np.clip(np.floor(x0), 0, 4)), int(np.clip(np.floor(y0), 0, 6))
        right, bottom = max(left + 1, int(np.clip(np.ceil(x1), 1, 5))), max(top + 1, int(np.clip(np.ceil(y1), 1, 7)))
        np.testing.assert_allclose(mean, maps[:, top:bottom, left:right].mean(axis=(1, 2)), atol=1e-6)


def test_equals_side_by_side_are_one_cell_and_corners_of_the_map_are_looked_at() -> None:
    centres, sides = quiet()
    centres[0, 2:4, 3:5] = 3.0
    centres[2, 0, 0] = centres[2, 5, 7] = 1.0
    assert decode_maps(centres, sides, 4, LEAST).kinds.tolist() == [0, 2, 2]


def test_each_kind_has_a_threshold_of_its_own() -> None:
    centres, sides = quiet()
    centres[:, 2, 2] = 0.0  # a score of one half
    assert decode_maps(centres, sides, 4, np.array([0.6, 0.4, 0.5])).kinds.tolist() == [1, 2]
    assert len(decode_maps(centres, sides, 4, np.zeros(3)).kinds) == 3 * (1 + 1)
    assert not len(decode_maps(centres, sides, 4, np.ones(3)).kinds)


def find(*rows: tuple[float, float, float, float, float, str]) -> RawDetections:
    return RawDetections(
        np.array([row[:4] for row in rows], float),
        np.array([row[4] for row in rows]),
        np.array([DETECTED_KINDS.index(row[5]) for row in rows]),
        np.zeros(len(rows)),
    )


def test_what_the_border_cuts_is_held_to_less() -> None:
    rows = [(0, 40, 20, 60, 0.3, "leukocyte"), (40, 40, 60, 60, 0.3, "leukocyte"), (0, 0, 20, 20, 0.3, "red_cell")]
    gains, least = np.array([1.0, 0.0, 0.0]), np.array([0.5, 0.2, 0.2])
    found = lift_cut(find(*rows), (100, 100), gains, least)
    # A logit more: odds of 3 to 7 become e times as good, .538.
    np.testing.assert_allclose(found.scores, [0.3 * np.e / (0.3 * np.e + 0.7), 0.3])
    assert found.boxes[:, 0].tolist() == [0, 0] and found.kinds.tolist() == [0, 1]


@given(st.floats(0, 1), st.floats(-5, 5))
def test_lifted_scores_stay_scores_and_come_back(score: float, gain: float) -> None:
    lifted = lift_scores(np.array([score]), np.array([gain]))
    assert 0 <= lifted[0] <= 1 and (lifted[0] >= score) == (gain >= 0 or lifted[0] == score)
    np.testing.assert_allclose(lift_scores(lifted, np.array([-gain])), [score], atol=1e-9)


def kept(*rows: tuple[float, float, float, float, float, str]) -> list[float]:
    return [round(score, 2) for score in suppress_non_maxima(find(*rows), 0.5, DETECTED_KINDS).scores.tolist()]


def test_a_repeat_goes_and_what_only_it_covered_stays() -> None:
    rows = [(0, 0, 40, 40, 0.9, "red_cell"), (10, 0, 50, 40, 0.8, "red_cell"), (20, 0, 60, 40, 0.7, "red_cell")]
    # Neighbours share 30 of 50; the first and the third 20 of 60, so with the second gone the third is a cell.
    assert kept(*rows) == [0.9, 0.7]
    assert kept(*reversed(rows)) == [0.9, 0.7]


def test_one_cell_named_twice_is_what_is_surer() -> None:
    assert kept((0, 0, 40, 40, 0.6, "red_cell"), (2, 0, 42, 40, 0.7, "leukocyte")) == [0.7]


def test_platelets_on_red_cells_stay_and_pieces_of_leukocytes_do_not() -> None:
    platelet = (25, 25, 35, 35, 0.6, "platelet")
    assert kept((0, 0, 60, 60, 0.9, "red_cell"), platelet) == [0.9, 0.6]
    assert kept((0, 0, 60, 60, 0.9, "leukocyte"), platelet) == [0.9]
    assert kept((0, 0, 60, 60, 0.5, "leukocyte"), platelet) == [0.6, 0.5]
    # In the corner of the leukocyte's box, where it does not reach.
    assert kept((0, 0, 60, 60, 0.9, "leukocyte"), (0, 0, 10, 10, 0.6, "platelet")) == [0.9, 0.6]


def test_nothing_found_is_nothing() -> None:
    empty = RawDetections(np.empty((0, 4)), np.empty(0), np.empty(0, np.intp), np.empty(0))
    assert len(suppress_non_maxima(empty, 0.5, DETECTED_KINDS).scores) == 0


@given(st.integers(0, 2**32 - 1), st.integers(1, 60), st.integers(10, 200))
def test_repeats_go_as_if_all_were_compared_with_all(seed: int, count: int, spread: int) -> None:
    generator = np.random.default_rng(seed)
    start = generator.uniform(-spread, spread, (count, 2))
    boxes = np.concatenate([start, start + generator.uniform(1, 30, (count, 2))], axis=1)
    scores = generator.permutation(count) / count
    detections = RawDetections(boxes, scores, np.ones(count, np.intp), np.zeros(count))
    expected: list[int] = []
    for index in np.argsort(-scores):
        if all(measure_overlaps(boxes[index], boxes[other]) < 0.3 for other in expected):
            expected.append(int(index))
    np.testing.assert_array_equal(suppress_non_maxima(detections, 0.3, DETECTED_KINDS).boxes, boxes[expected])
