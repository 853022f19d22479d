"""Clusters, the one-cell gate, and its figures."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from leukolens.core.errors import DataError
from leukolens.core.predictions import Predictions
from leukolens.core.results import Box, Prediction
from leukolens.core.tasks import Task
from leukolens.exploration.gate import (
    NONE,
    ONE,
    SEVERAL,
    Clusters,
    Judged,
    count_by_boxes,
    find_clusters,
    find_doubtful,
    find_unusual,
    judge_content,
    match_predictions,
    score_gate,
)
from leukolens.exploration.scan import Measured
from leukolens.inference.bundles import load_bundle

BLANK = Measured("", "monocyte", "g", 9, 9, (1.0,) * 4, 1.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0, (), False)


def rows_of(*pieces: tuple[float, ...]) -> list[Measured]:
    return [
        replace(BLANK, id=f"i{index}", pieces=piece, stained=sum(piece), strength=0.2)
        for index, piece in enumerate(pieces)
    ]


def two_heaps() -> list[Measured]:
    generator = np.random.default_rng(0)
    little = [(float(area),) for area in generator.normal(0.01, 0.0005, 40)]
    much = [(float(area),) for area in generator.normal(0.1, 0.005, 60)]
    return rows_of(*little, *much)


def test_clusters_are_found_and_ordered_by_amount() -> None:
    clusters = find_clusters(two_heaps())
    assert clusters.of_image.tolist() == [0] * 40 + [1] * 60
    assert clusters.usual_piece == pytest.approx([0.01, 0.1], rel=0.05)
    assert max(clusters.silhouettes, key=lambda k: clusters.silhouettes[k]) == 2


@pytest.mark.parametrize("rows", [rows_of((0.1,)), rows_of(*[(0.1,)] * 50), rows_of((), ())])
def test_too_few_or_equal_images_are_one_cluster(rows: list[Measured]) -> None:
    clusters = find_clusters(rows)
    assert set(clusters.of_image) == {0}
    assert clusters.silhouettes == {} and len(clusters.usual_piece) == 1
    assert judge_content(rows, clusters).tolist() == [ONE if row.pieces else NONE for row in rows]


def test_the_gate_counts_cells_and_not_lobes_or_platelets() -> None:
    rows = rows_of(*[(0.1,)] * 10, (0.1, 0.09), (0.055, 0.05), (0.1, 0.01), (), (0.08, 0.03, 0.03))
    verdicts = judge_content(rows, find_clusters(rows))
    assert verdicts[:10].tolist() == [ONE] * 10
    assert verdicts[10:].tolist() == [SEVERAL, ONE, ONE, NONE, SEVERAL]


def test_unusual_are_the_farthest() -> None:
    distance = np.arange(100.0)
    clusters = Clusters(np.zeros(100, np.int64), distance, np.array([0.1]), {})
    assert np.flatnonzero(find_unusual(clusters)).tolist() == [95, 96, 97, 98, 99]


def test_verdicts_beside_counted_leukocytes() -> None:
    rows = [replace(BLANK, boxed=boxed) for boxed in (None, 1, 1, 2, 3)]
    verdicts = np.array([ONE, ONE, SEVERAL, SEVERAL, ONE])
    assert count_by_boxes(rows, verdicts) == [("1", 1, 1, 0), ("2 or more", 1, 1, 0)]


def predictions_of(labels: list[str], probabilities: list[float], truths: tuple[str, ...] = ()) -> Predictions:
    calls = tuple(
        Prediction(f"i{n}", label, p, np.array([p, 1 - p]), "accepted" if p > 0.7 else "review")
        for n, (label, p) in enumerate(zip(labels, probabilities, strict=True))
    )
    return Predictions(("monocyte", "basophil"), calls, truths)


def test_the_worth_of_a_gate_by_hand() -> None:
    rows = rows_of(*[(0.1,)] * 10)
    # Truth is monocyte; images 0, 1, 2 are wrong. The gate stops 0, 1, 5, 6.
    labels = ["basophil"] * 3 + ["monocyte"] * 7
    judged = match_predictions(predictions_of(labels, [0.9, 0.6, 0.55, *[0.99] * 7]), rows)
    score = score_gate("test", np.isin(np.arange(10), [0, 1, 5, 6]), judged)
    assert (score.judged, score.errors, score.stopped, score.caught, score.lost) == (10, 3, 4, 2, 2)
    assert score.by_chance == pytest.approx(1.2)
    # (C(3,2) C(7,2) + C(3,3) C(7,1)) / C(10,4) = (63 + 7) / 210
    assert score.p == pytest.approx(1 / 3)
    assert score.by_probability == 3
    assert (score.accepted_errors, score.accepted_caught) == (1, 1)
    assert score.caught_share.low < 2 / 3 < score.caught_share.high
    # Wilson 2 of 7, computed by hand: (2/7 + 1.9208/7 +- ...) / (1 + 3.8415/7)
    assert score.lost_share.low == pytest.approx(0.0822, abs=1e-4)


def test_the_detector_stops_images_of_none_and_of_several(toy_detector: Path, toy_finder: Any) -> None:
    one, two = disc(200, 240), disc(440, 240)
    pictures = {
        f"i{index}": toy_finder.draw_discs((480, 640), boxes) for index, boxes in enumerate([[one], [], [one, two], []])
    }
    rows = rows_of(*[(0.1,)] * 5)
    judged = match_predictions(predictions_of(["monocyte"] * 5, [0.9] * 5), rows)
    asked = Judged(*(column[:4] for column in vars(judged).values()))
    stops = find_doubtful(rows, asked, pictures.get, load_bundle(toy_detector, Task.DETECTION))
    assert stops.tolist() == [False, True, True, True, False]  # the last was not asked


def disc(x: float, y: float) -> Box:
    return Box(x - 33, y - 33, x + 33, y + 33, "leukocyte")


def test_ground_truth_of_the_file_goes_before_that_of_the_dataset() -> None:
    rows = rows_of((0.1,), (0.1,))
    judged = match_predictions(predictions_of(["basophil", "basophil"], [0.9, 0.9], ("basophil", "")), rows)
    assert judged.wrong.tolist() == [False, True]
    with pytest.raises(DataError, match="None of the 2 predictions"):
        match_predictions(
            predictions_of(["basophil", "basophil"], [0.9, 0.9]), [replace(row, id="x" + row.id) for row in rows]
        )
