"""Matching, average precision and thresholds, against hand-worked cases and a slow second implementation."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from leukolens.core.results import Box, Detection
from leukolens.evaluation.detection.matching import (
    FALSE_DETECTION,
    SET_ASIDE,
    JudgedField,
    average_precision,
    include_doubtful,
    leave_slivers,
    match_cells,
    match_kind,
)
from leukolens.evaluation.detection.metrics import count_by_field, measure_detections

KIND = "red_cell"


def box(x: float, y: float = 0, side: float = 10, kind: str = KIND) -> Box:
    return Box(x, y, x + side, y + side, kind)


def find(x: float, score: float, y: float = 0, kind: str = KIND) -> Detection:
    return Detection(box(x, y, kind=kind), score)


def test_the_surest_find_takes_its_best_box_and_none_is_taken_twice() -> None:
    truths = [box(0), box(20)]
    # The first find shares 9 of 11, so the second, which shares all, comes too late.
    assert match_cells(truths, [find(1, 0.9), find(0, 0.8), find(22, 0.7)]).tolist() == [0, FALSE_DETECTION, 1]
    # Half-overlap is a hit: 7.5 of 12.5 shared is .6, 6 of 14 is .43.
    assert match_cells(truths, [find(2.5, 0.9)]).tolist() == [0]
    assert match_cells(truths, [find(4, 0.9)]).tolist() == [FALSE_DETECTION]
    assert match_cells([], [find(0, 0.9)]).tolist() == [FALSE_DETECTION]
    assert match_cells(truths, []).tolist() == []


def test_a_find_on_a_doubtful_box_is_neither_right_nor_wrong() -> None:
    finds = [find(0, 0.9), find(1, 0.8), find(40, 0.7)]
    assert match_cells([box(0)], finds, [box(0), box(39)]).tolist() == [0, SET_ASIDE, SET_ASIDE]
    field = JudgedField("a", "a", (box(0),), (find(0, 0.9), find(40, 0.95)), (box(39), box(80)))
    assert match_kind([field], KIND).average_precision() == 1.0
    # Counted, it is a hit, and the other doubtful box is a miss.
    assert match_kind([include_doubtful(field)], KIND).average_precision() == pytest.approx(67 / 101)


def test_a_cell_of_which_too_little_shows_at_the_border_is_left_out_found_or_not() -> None:
    whole, half, sliver = box(40, 40, 30), Box(0, 50, 15, 80, KIND), Box(60, 96, 90, 100, KIND)
    thin_inside = Box(10, 10, 40, 14, KIND)
    finds = (find(40, 0.9, 40), *(Detection(item, 0.8) for item in (sliver, thin_inside)), Detection(half, 0.7))
    field = JudgedField("a", "a", (whole, half), finds, (sliver,))
    (judged,) = leave_slivers([field], KIND, 100, 100, 1 / 3)
    assert judged.truths == (whole, half) and judged.doubtful == () and set(judged.left_out) == {sliver}
    assert judged.detections == field.detections
    counted = include_doubtful(judged)
    assert counted.truths == (whole, half)
    partners = match_cells(counted.truths, [found for found in finds if found.box != whole], counted.aside).tolist()
    assert partners[1:] == [SET_ASIDE, FALSE_DETECTION, 1]
    assert count_by_field([counted], KIND, 0.75) == ([2], [2], ["a"])


def test_without_a_whole_cell_nothing_is_left_out() -> None:
    field = JudgedField("a", "a", (Box(0, 50, 4, 80, KIND),), ())
    assert leave_slivers([field], KIND, 100, 100, 1 / 3) == [field]


def test_average_precision_worked_by_hand() -> None:
    # Four cells; by score: hit, false, hit, false, false, hit. Recall .25, .5, .75 at precisions 1, 2/3, 3/6.
    truths = [[box(0), box(20)], [box(0), box(20)]]
    finds = [[find(0, 0.9), find(60, 0.8), find(60, 0.6, 30)], [find(0, 0.7), find(60, 0.5), find(20, 0.4)]]
    # Recalls 0 to .25 are 26 points, .26 to .5 and .51 to .75 are 25 each, the rest is never reached.
    expected = (26 * 1 + 25 * 2 / 3 + 25 / 2) / 101
    assert average_precision(truths, finds, KIND) == pytest.approx(expected)
    assert average_precision(truths, finds, KIND, iou=0.99) == pytest.approx(expected)
    assert np.isnan(average_precision(truths, finds, "platelet"))
    assert average_precision(truths, [[], []], KIND) == 0.0


def test_kinds_do_not_match_each_other() -> None:
    assert average_precision([[box(0)]], [[find(0, 0.9, kind="platelet")]], KIND) == 0.0


def slow_average_precision(truths: list[list[Box]], detections: list[list[Detection]]) -> float:
    """The same from its definition, with loops: for each recall, the best precision of any threshold reaching it."""
    finds = [(found.score, number, found.box) for number, field in enumerate(detections) for found in field]
    finds.sort(key=lambda row: -row[0])
    taken: set[tuple[int, int]] = set()
    points, hits = [], 0
    for rank, (_, number, found) in enumerate(finds, start=1):
        best, partner = 0.0, None
        for index, truth in enumerate(truths[number]):
            wide = min(found.x1, truth.x1) - max(found.x0, truth.x0)
            high = min(found.y1, truth.y1) - max(found.y0, truth.y0)
            shared = max(0.0, wide) * max(0.0, high)
            overlap = shared / (200 - shared)
            if (number, index) not in taken and overlap > best:
                best, partner = overlap, index
        if partner is not None and best >= 0.5:
            taken.add((number, partner))
            hits += 1
        points.append((hits / sum(map(len, truths)), hits / rank))
    reached = [[precision for recall, precision in points if recall >= least] for least in np.linspace(0, 1, 101)]
    return float(np.mean([max(values, default=0.0) for values in reached]))


seeds = st.integers(0, 2**32 - 1)


def draw_fields(seed: int) -> list[JudgedField]:
    generator = np.random.default_rng(seed)
    fields = []
    for number in range(4):
        truths = tuple(box(*place) for place in generator.uniform(0, 60, (generator.integers(1, 6), 2)))
        near = [(one.x0 + generator.normal(0, 3), one.y0 + generator.normal(0, 3)) for one in truths]
        places = [*near, *generator.uniform(0, 60, (3, 2)).tolist()]
        finds = tuple(find(x, float(generator.random()), y) for x, y in places)
        fields.append(JudgedField(str(number), str(number // 2), truths, finds))
    return fields


@given(seeds)
def test_average_precision_is_as_its_definition_says(seed: int) -> None:
    fields = draw_fields(seed)
    truths, finds = [list(field.truths) for field in fields], [list(field.detections) for field in fields]
    assert average_precision(truths, finds, KIND) == pytest.approx(slow_average_precision(truths, finds))


@given(seeds)
def test_a_weighed_field_is_a_repeated_field(seed: int) -> None:
    fields = draw_fields(seed)
    weights = np.random.default_rng(seed).integers(0, 3, len(fields))
    weights[0] += 1
    repeated = [field for field, count in zip(fields, weights, strict=True) for _ in range(count)]
    one, other = match_kind(fields, KIND), match_kind(repeated, KIND)
    assert one.average_precision(weights) == pytest.approx(other.average_precision())
    assert one.rates_at(0.4, weights) == pytest.approx(other.rates_at(0.4))


def test_the_best_threshold_lies_between_the_finds_it_parts() -> None:
    def threshold(*finds: Detection) -> float:
        return match_kind([JudgedField("a", "a", (box(0), box(20)), finds)], KIND).best_threshold()

    assert threshold(find(0, 0.9), find(20, 0.64), find(60, 0.25), find(60, 0.25, 30)) == pytest.approx(0.4)
    assert threshold() == 0.5
    # A false detection of the same score cannot be left out without the hit: F1 is 2/3 with both, 2/3 with one of two.
    assert threshold(find(0, 0.9), find(20, 0.6), find(60, 0.6)) == 0.6


@given(seeds)
def test_no_other_threshold_gives_a_better_f1(seed: int) -> None:
    matched = match_kind(draw_fields(seed), KIND)
    best = matched.rates_at(matched.best_threshold()).f1
    assert best == pytest.approx(max(matched.rates_at(score).f1 for score in matched.scores))


def test_the_lowest_threshold_is_within_chance_of_the_best() -> None:
    # Of 100 cells 90 are found surely; then comes a false detection for every right one, three times.
    truths = tuple(box(30 * place) for place in range(100))
    finds = [find(30 * place, 0.9) for place in range(90)]
    for number in range(6):
        found = (
            find(30 * (90 + number // 2), 0.8 - 0.1 * number)
            if number % 2 == 0
            else find(9000 + 30 * number, 0.8 - 0.1 * number)
        )
        finds.append(found)
    matched = match_kind([JudgedField("a", "a", truths, tuple(finds))], KIND)
    best = max(matched.rates_at(score).f1 for score in matched.scores)
    low = matched.lowest_threshold()
    assert low <= matched.best_threshold()
    assert matched.rates_at(low).f1 >= best - np.sqrt(best * (1 - best) / 100)
    assert match_kind([JudgedField("a", "a", truths, ())], KIND).lowest_threshold() == 0.5


def test_the_whole_judgement_holds_together() -> None:
    fields = [field for seed in range(6) for field in draw_fields(seed)]
    fields = [JudgedField(f"{n}", f"{n // 2}", field.truths, field.detections) for n, field in enumerate(fields)]
    judged = measure_detections(fields, [KIND], {KIND: 0.3}, draws=200)
    values = judged.per_kind[KIND]
    assert judged.map50 == values.ap50
    assert values.hits / values.true == pytest.approx(values.recall)
    assert values.hits / values.counted == pytest.approx(values.precision)
    assert values.f1 == pytest.approx(2 * values.hits / (values.true + values.counted))
    for name in ("ap50", "precision", "recall", "f1"):
        interval = getattr(values, f"{name}_ci")
        assert interval.low <= getattr(values, name) <= interval.high
    assert "12 groups" in values.ap50_ci.method
