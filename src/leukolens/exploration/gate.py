"""Clusters of stained content, the one-cell gate built upon them, and what the gate would have been worth.

A student project proposes it: group images by amount and strength of their bluish pixels, and let only images of one cell
reach the classifier. Nothing here looks at labels, so the gate could stand before any model. Drawing is elsewhere.
"""

import os
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats
from sklearn.cluster import KMeans
from sklearn.metrics import silhouette_score

from leukolens.core.card import DetectorCard
from leukolens.core.errors import DataError
from leukolens.core.intervals import Interval, wilson_interval
from leukolens.core.pixels import Pixels
from leukolens.core.predictions import Predictions
from leukolens.core.results import CellStatus
from leukolens.exploration.scan import Measured
from leukolens.inference.bundles import Bundle
from leukolens.inference.detector import Detector
from leukolens.inference.subject import find_subject

ONE, SEVERAL, NONE = "one cell", "more than one", "none"
COUNTS_FROM = 0.25
"""A piece counts as a cell from this share of the largest piece usual in the image's cluster."""

TOGETHER_FROM = 1.2
"""And several such pieces are several cells only when together they are so many times the usual one: else they are
the lobes of one nucleus. Both limits were chosen on counted leukocytes (boxes of TXL-PBC and BCCD), not on errors."""

UNUSUAL_SHARE = 0.05
"""The proposal taken literally, outliers of the clusters: this share of images lies farthest from its cluster's centre."""

_MOST_CLUSTERS = 6
_FEWEST_IMAGES = 30  # below, clusters would describe single images
_SAMPLE = 2000  # the silhouette compares every pair
_FLOOR = 1e-4  # share of an image; lets images without any bluish pixel have a logarithm


@dataclass(frozen=True)
class Clusters:
    """Images grouped by their stained content.

    Attributes:
        of_image: `(n,)` int, the cluster of each image, 0 the one with the least dye.
        distance: `(n,)` from the cluster's centre, in standard deviations of the dataset.
        usual_piece: `(k,)` median area of the largest piece in each cluster, as a share of the image.
        silhouettes: Mean silhouette (Rousseeuw 1987) for each number of clusters tried; the highest was taken.
    """

    of_image: NDArray[np.int64]
    distance: NDArray[np.float64]
    usual_piece: NDArray[np.float64]
    silhouettes: Mapping[int, float]


def find_clusters(rows: Sequence[Measured], seed: int = 0) -> Clusters:
    """K-means on the logarithm of the amount and on the strength, both standardised; k by the best silhouette."""
    points = np.array([[np.log10(row.stained + _FLOOR), row.strength] for row in rows])
    points = (points - points.mean(axis=0)) / np.maximum(points.std(axis=0), 1e-9)
    fits: dict[int, KMeans] = {}
    scores: dict[int, float] = {}
    distinct = len(np.unique(points.round(6), axis=0))
    most = min(_MOST_CLUSTERS, distinct - 1) if len(rows) >= _FEWEST_IMAGES else 1
    sample = np.random.default_rng(seed).permutation(len(rows))[:_SAMPLE]
    for k in range(2, most + 1):
        fits[k] = KMeans(k, n_init=4, random_state=seed).fit(points)
        labels = fits[k].labels_[sample]
        if 1 < len(np.unique(labels)) < len(sample):
            scores[k] = float(silhouette_score(points[sample], labels))
    if scores:
        best = fits[max(scores, key=lambda k: scores[k])]
        order = np.argsort(np.argsort(best.cluster_centers_[:, 0]))
        of_image, centres = order[best.labels_], best.cluster_centers_[np.argsort(order)]
    else:
        of_image, centres = np.zeros(len(rows), np.int64), points.mean(axis=0, keepdims=True)
    distance = np.linalg.norm(points - centres[of_image], axis=1)
    largest = np.array([row.pieces[0] if row.pieces else 0.0 for row in rows])
    usual = np.array([np.median(largest[of_image == k]) for k in range(len(centres))])
    return Clusters(of_image.astype(np.int64), distance, usual, scores)


def judge_content(rows: Sequence[Measured], clusters: Clusters) -> NDArray[np.str_]:
    """`one cell`, `more than one` or `none` for each image, by its pieces against what is usual in its cluster."""
    verdicts = []
    for row, cluster in zip(rows, clusters.of_image, strict=True):
        usual = clusters.usual_piece[cluster]
        cells = [piece for piece in row.pieces if piece >= COUNTS_FROM * usual]
        several = len(cells) > 1 and sum(cells) >= TOGETHER_FROM * usual
        verdicts.append(NONE if not row.pieces else SEVERAL if several else ONE)
    return np.array(verdicts)


def count_by_boxes(rows: Sequence[Measured], verdicts: NDArray[np.str_]) -> list[tuple[str, int, int, int]]:
    """Verdicts of the images whose leukocytes somebody boxed: `(number of boxes, one, several, none)`."""
    table = []
    for name, low, high in (("0", 0, 0), ("1", 1, 1), ("2 or more", 2, 1 << 30)):
        chosen = [
            v for row, v in zip(rows, verdicts, strict=True) if row.boxed is not None and low <= row.boxed <= high
        ]
        if chosen:
            table.append((name, chosen.count(ONE), chosen.count(SEVERAL), chosen.count(NONE)))
    return table


def find_unusual(clusters: Clusters) -> NDArray[np.bool_]:
    """The images farthest from their cluster's centre, `UNUSUAL_SHARE` of all."""
    limit = np.quantile(clusters.distance, 1 - UNUSUAL_SHARE)
    return np.asarray(clusters.distance > limit)


@dataclass(frozen=True)
class GateScore:
    """What stopping some images would have done to a model's predictions.

    Attributes:
        gate: Its name.
        judged: Images with a prediction and a known truth.
        errors: Wrong predictions among them.
        stopped: Images that the gate stops.
        caught: Errors among the stopped.
        lost: Right predictions among the stopped: the cost.
        caught_share: Of all errors, Wilson 95 %.
        lost_share: Of all right predictions, Wilson 95 %.
        by_chance: Errors caught by stopping as many images at random, on average.
        p: Chance that random stopping would catch as many (hypergeometric).
        by_doubt: Errors caught by stopping as many of the images that the model is least sure of.
        sure_errors: Errors that the model's own rule accepts without review.
        sure_caught: Of those, stopped by the gate: what it adds to the model's own doubt.
    """

    gate: str
    judged: int
    errors: int
    stopped: int
    caught: int
    lost: int
    caught_share: Interval
    lost_share: Interval
    by_chance: float
    p: float
    by_doubt: int
    sure_errors: int
    sure_caught: int


@dataclass(frozen=True)
class Judged:
    """Predictions laid beside the rows of a scan.

    Attributes:
        row: `(m,)` int, number of the row.
        wrong: `(m,)` bool.
        probability: `(m,)` of the predicted class.
        accepted: `(m,)` bool, the model asks for no review.
        called: `m` predicted classes.
    """

    row: NDArray[np.int64]
    wrong: NDArray[np.bool_]
    probability: NDArray[np.float64]
    accepted: NDArray[np.bool_]
    called: tuple[str, ...]


def match_predictions(predictions: Predictions, rows: Sequence[Measured]) -> Judged:
    """Finds the image of each named prediction; the truth is the predictions file's, else the dataset's.

    Raises:
        DataError: not one prediction is of an image of the dataset with a known class.
    """
    number = {row.id: index for index, row in enumerate(rows)}
    truths = predictions.truths or ("",) * len(predictions.items)
    found = []
    for call, truth in zip(predictions.items, truths, strict=True):
        index = number.get(call.image)
        if index is None or not call.label:
            continue
        known = truth or rows[index].label
        if known in predictions.classes:
            found.append((index, call.label != known, call.probability, call.status == CellStatus.ACCEPTED, call.label))
    if not found:
        raise DataError(
            f"None of the {len(predictions.items)} predictions is of a labelled image of this dataset. Were they made on another one?"
        )
    row, wrong, probability, accepted, called = zip(*found, strict=True)
    return Judged(np.array(row), np.array(wrong), np.array(probability), np.array(accepted), called)


def find_doubtful(
    rows: Sequence[Measured],
    judged: Judged,
    pixels_of: Callable[[str], Pixels | None],
    detector: Bundle[DetectorCard],
    report: Callable[[int], None] = lambda done: None,
) -> NDArray[np.bool_]:
    """The same question put to the finder of cells: `(n,)` bool, images in which it sees not one cell to name.

    Asked are the images that a prediction is of; `leukolens classify` has the same doubts.

    Args:
        rows: Of the scan.
        judged: The predictions beside them.
        pixels_of: Reads an image again by its id; None where that fails.
        detector: The finder.
        report: Told how many more images are done.
    """
    finder = Detector(detector, threads=1)

    def doubts(row: int) -> bool:
        pixels = pixels_of(rows[row].id)
        return pixels is not None and bool(find_subject(finder.find_cells(pixels), *pixels.shape[:2]).doubt)

    stops = np.zeros(len(rows), bool)
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for row, stop in zip(judged.row, pool.map(doubts, judged.row), strict=True):
            stops[row] = stop
            report(1)
    return stops


def score_gate(gate: str, stops: NDArray[np.bool_], judged: Judged) -> GateScore:
    """Errors caught and right predictions lost by a gate.

    Args:
        gate: Its name.
        stops: `(n,)` bool over the rows of the scan.
        judged: The predictions.
    """
    stopped = stops[judged.row]
    n, count, errors = len(stopped), int(stopped.sum()), int(judged.wrong.sum())
    caught = int((stopped & judged.wrong).sum())
    doubtful = np.argsort(judged.probability, kind="stable")[:count]
    sure = judged.wrong & judged.accepted
    return GateScore(
        gate,
        n,
        errors,
        count,
        caught,
        count - caught,
        wilson_interval(caught, errors),
        wilson_interval(count - caught, n - errors),
        count * errors / n,
        float(stats.hypergeom.sf(caught - 1, n, errors, count)),
        int(judged.wrong[doubtful].sum()),
        int(sure.sum()),
        int((sure & stopped).sum()),
    )
