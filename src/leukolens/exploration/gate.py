"""Clusters of stained content, the one-cell gate that uses them, and what the gate would do for a model.

A student project proposes the gate: group images by amount and strength of their bluish pixels, and give only images of
one cell to the classifier. The gate uses no labels, so it could stand before any model.
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
from leukolens.core.pixels import Pixels, Preparation
from leukolens.core.predictions import Predictions
from leukolens.core.results import CellStatus
from leukolens.exploration.scan import Measured
from leukolens.inference.bundles import Bundle
from leukolens.inference.detector import open_detector
from leukolens.inference.subject import choose_subject
from leukolens.inference.view import detect_cells

ONE, SEVERAL, NONE = "one cell", "more than one", "none"
COUNTS_FROM = 0.25
"""A piece counts as a cell from this share of the largest piece usual in the image's cluster."""

TOGETHER_FROM = 1.2
"""Several such pieces are several cells if their areas sum to at least so many times the usual piece; otherwise they are
lobes of one nucleus. Both limits were chosen on counted leukocytes (boxes of TXL-PBC and BCCD), not on errors."""

UNUSUAL_SHARE = 0.05
"""The gate of outliers stops this share of the images: those farthest from the centre of their cluster."""

PIECES_GATE, UNUSUAL_GATE, DETECTOR_GATE = "pieces", "outliers of clusters", "detector"
"""Names of the gates in tables."""

_MOST_CLUSTERS = 6
_FEWEST_IMAGES = 30  # with fewer, clusters would describe single images
_SAMPLE = 2000  # the silhouette compares every pair
_FLOOR = 1e-4  # share of an image; images without any bluish pixel need a logarithm too


@dataclass(frozen=True)
class Clusters:
    """Images clustered by their stained content.

    Attributes:
        of_image: `(n,)` int, the cluster of each image, 0 the one with the least dye.
        distance: `(n,)` from the cluster's centre, in standard deviations of the dataset.
        usual_piece: `(k,)` median area of the largest piece in each cluster, as a share of the image.
        silhouettes: Mean silhouette (Rousseeuw 1987) by number of clusters; empty where images are too few to cluster.
    """

    of_image: NDArray[np.int64]
    distance: NDArray[np.float64]
    usual_piece: NDArray[np.float64]
    silhouettes: Mapping[int, float]


def find_clusters(rows: Sequence[Measured], seed: int = 0) -> Clusters:
    """K-means clusters on log amount and strength, both standardised; the k of the highest silhouette."""
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
    """Verdicts on the images with boxed leukocytes, by their number: `(number of boxes, one, several, none)`."""
    table = []
    for name, low, high in (("0", 0, 0), ("1", 1, 1), ("2 or more", 2, 1 << 30)):
        chosen = [
            v for row, v in zip(rows, verdicts, strict=True) if row.boxed is not None and low <= row.boxed <= high
        ]
        if chosen:
            table.append((name, chosen.count(ONE), chosen.count(SEVERAL), chosen.count(NONE)))
    return table


def find_unusual(clusters: Clusters) -> NDArray[np.bool_]:
    """`(n,)` whether an image is among the `UNUSUAL_SHARE` farthest from the centre of their cluster."""
    limit = np.quantile(clusters.distance, 1 - UNUSUAL_SHARE)
    return np.asarray(clusters.distance > limit)


@dataclass(frozen=True)
class GateScore:
    """What stopping some images does to a model's predictions.

    Attributes:
        gate: Its name.
        judged: Images with a prediction and a known ground truth.
        errors: Wrong predictions among them.
        stopped: Images that the gate stops.
        caught: Errors among the stopped.
        lost: Right predictions among the stopped.
        caught_share: Wilson's 95 % interval of the share of all errors that is caught.
        lost_share: Wilson's 95 % interval of the share of all right predictions that is lost.
        by_chance: Errors that a random gate catches on average when it stops as many images.
        p: Probability that a random gate catches as many (hypergeometric).
        by_probability: Errors that are caught by stopping as many images of lowest probability.
        accepted_errors: Errors among the accepted predictions.
        accepted_caught: Of those, stopped by the gate.
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
    by_probability: int
    accepted_errors: int
    accepted_caught: int


@dataclass(frozen=True)
class Judged:
    """Predictions on images of a scan.

    Attributes:
        row: `(m,)` int, number of the row.
        wrong: `(m,)` bool.
        probability: `(m,)` of the predicted class.
        accepted: `(m,)` bool, the prediction is accepted.
        predicted: `m` predicted classes.
    """

    row: NDArray[np.int64]
    wrong: NDArray[np.bool_]
    probability: NDArray[np.float64]
    accepted: NDArray[np.bool_]
    predicted: tuple[str, ...]


def match_predictions(predictions: Predictions, rows: Sequence[Measured]) -> Judged:
    """The predictions on images of a scan; ground truth is that of the predictions, else that of the dataset.

    Raises:
        DataError: no prediction is of an image of the dataset with a known class.
    """
    number = {row.id: index for index, row in enumerate(rows)}
    truths = predictions.truths or ("",) * len(predictions.items)
    found = []
    for item, truth in zip(predictions.items, truths, strict=True):
        index = number.get(item.image)
        if index is None or not item.label:
            continue
        known = truth or rows[index].label
        if known in predictions.classes:
            is_accepted = item.status == CellStatus.ACCEPTED
            found.append((index, item.label != known, item.probability, is_accepted, item.label))
    if not found:
        raise DataError(
            f"None of the {len(predictions.items)} predictions is of a labelled image of this dataset. Expected image "
            "names as in the dataset; give predictions that were made on it."
        )
    row, wrong, probability, accepted, predicted = zip(*found, strict=True)
    return Judged(np.array(row), np.array(wrong), np.array(probability), np.array(accepted), predicted)


def find_doubtful(
    rows: Sequence[Measured],
    judged: Judged,
    pixels_of: Callable[[str], Pixels | None],
    detector: Bundle[DetectorCard],
    report: Callable[[int], None] = lambda done: None,
) -> NDArray[np.bool_]:
    """The images in which the detector does not find exactly one cell to classify, `(n,)` bool.

    Only images with a prediction are searched. `leukolens classify` sends such images to review.

    Args:
        rows: Of the scan.
        judged: The predictions on them.
        pixels_of: Reads an image again by its id; None where that fails.
        detector: A detector.
        report: Called with how many more images are done.
    """
    opened = open_detector(detector, threads=1)

    def doubts(row: int) -> bool:
        pixels = pixels_of(rows[row].id)
        return pixels is not None and bool(choose_subject(detect_cells(pixels, opened), Preparation.frame_um).reason)

    stops = np.zeros(len(rows), bool)
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for row, stop in zip(judged.row, pool.map(doubts, judged.row), strict=True):
            stops[row] = stop
            report(1)
    return stops


def score_gate(gate: str, stops: NDArray[np.bool_], judged: Judged) -> GateScore:
    """The errors that a gate catches, and the right predictions that it loses.

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


@dataclass(frozen=True)
class Gate:
    """Verdicts of the one-cell gate on a scan.

    Attributes:
        clusters: Of stained content.
        verdicts: `(n,)` text, one per image.
        judged: Predictions on the images; None without predictions.
        scores: What each gate would do to them.
    """

    clusters: Clusters
    verdicts: NDArray[np.str_]
    judged: Judged | None
    scores: tuple[GateScore, ...]


def build_gate(
    rows: Sequence[Measured],
    predictions: Predictions | None,
    ask_detector: Callable[[Judged], NDArray[np.bool_]] | None = None,
) -> Gate:
    """Clusters the images, judges each, and scores the gates on predictions where there are some.

    Args:
        rows: Of the scan.
        predictions: A model's predictions on images of the dataset.
        ask_detector: Gives `(n,)` bool, the images in which a detector does not find exactly one cell to classify.
            It is scored as a third gate.

    Raises:
        DataError: the predictions are not of this dataset.
    """
    clusters = find_clusters(rows)
    verdicts = judge_content(rows, clusters)
    if predictions is None:
        return Gate(clusters, verdicts, None, ())
    judged = match_predictions(predictions, rows)
    scores = [
        score_gate(PIECES_GATE, np.asarray(verdicts != ONE), judged),
        score_gate(UNUSUAL_GATE, find_unusual(clusters), judged),
    ]
    if ask_detector is not None:
        scores.append(score_gate(DETECTOR_GATE, ask_detector(judged), judged))
    return Gate(clusters, verdicts, judged, tuple(scores))
