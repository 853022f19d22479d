"""Tables of clusters and of the one-cell gate as rows of text: the CSV files and the report show the same."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from leukolens.core.intervals import wilson_interval
from leukolens.exploration.gate import NONE, ONE, SEVERAL, Clusters
from leukolens.exploration.scan import Measured, Scan
from leukolens.reporting.charts import show_words

Rows = tuple[tuple[str, ...], ...]

CLUSTER_HEADER = (
    "cluster",
    "images",
    "median amount",
    "median strength",
    "usual largest piece",
    "most common classes",
)
GATE_HEADER = ("class", "images", ONE, SEVERAL, NONE, "share stopped", "95 % interval low", "95 % interval high")
BOXES_HEADER = ("leukocytes boxed", ONE, SEVERAL, NONE)


def tabulate_clusters(scan: Scan, clusters: Clusters) -> Rows:
    """One row a cluster, for `CLUSTER_HEADER`."""
    rows = []
    for index, usual in enumerate(clusters.usual_piece):
        members = [row for row, own in zip(scan.rows, clusters.of_image, strict=True) if own == index]
        counts = {name: sum(row.label == name for row in members) for name in scan.tallies}
        common = sorted(counts, key=lambda name: -counts[name])[:3]
        rows.append(
            (
                str(index + 1),
                str(len(members)),
                f"{np.median([row.stained for row in members]):.2%}",
                f"{np.median([row.strength for row in members]):.3f}",
                f"{usual:.2%}",
                ", ".join(f"{show_words(name)} {counts[name]}" for name in common if counts[name]),
            )
        )
    return tuple(rows)


def tabulate_verdicts(scan: Scan, verdicts: NDArray[np.str_]) -> Rows:
    """One row a class, for `GATE_HEADER`; the interval is Wilson's.

    Args:
        scan: What was measured.
        verdicts: `(n,)` verdict of the gate on each image.
    """
    labels = np.array([row.label for row in scan.rows])
    rows = []
    for name in scan.tallies:
        own = verdicts[labels == name]
        counts = [int((own == verdict).sum()) for verdict in (ONE, SEVERAL, NONE)]
        stopped = len(own) - counts[0]
        interval = wilson_interval(stopped, len(own))
        shares = [f"{share:.4f}" for share in (stopped / len(own), interval.low, interval.high)]
        rows.append((show_words(name), str(len(own)), *map(str, counts), *shares))
    return tuple(rows)


def is_boxed(rows: Sequence[Measured]) -> bool:
    """Whether people marked the leukocytes of any image with boxes."""
    return any(row.boxed is not None for row in rows)
