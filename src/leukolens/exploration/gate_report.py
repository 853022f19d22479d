"""The parts of the exploration report on stained content and on the one-cell gate."""

from collections.abc import Callable

import numpy as np

from leukolens.core.intervals import Interval, wilson_interval
from leukolens.core.pixels import Pixels
from leukolens.exploration import figures
from leukolens.exploration.gate import (
    COUNTS_FROM,
    DETECTOR_GATE,
    ONE,
    TOGETHER_FROM,
    UNUSUAL_SHARE,
    Clusters,
    Gate,
    GateScore,
    Judged,
    count_by_boxes,
)
from leukolens.exploration.gate_tables import (
    BOXES_HEADER,
    CLUSTER_HEADER,
    GATE_HEADER,
    is_boxed,
    tabulate_clusters,
    tabulate_verdicts,
)
from leukolens.exploration.scan import Scan
from leukolens.reporting.charts import draw_bars, show_words
from leukolens.reporting.page import Picture, Section

PixelsOf = Callable[[str], Pixels | None]
"""Reads an image again by its id; None where that fails."""

_SHOWN = 14
"""Images in a gallery."""


def describe_gate(scan: Scan, gate: Gate, pixels_of: PixelsOf) -> list[Section]:
    """All parts on stained content and on the gate."""
    return [
        _describe_clusters(scan, gate.clusters),
        _describe_verdicts(scan, gate),
        *([_compare_with_boxes(scan, gate)] if is_boxed(scan.rows) else []),
        *([_describe_scores(gate.scores)] if gate.scores else []),
        _show_stopped(scan, gate, pixels_of)
        if gate.judged is None
        else _show_judged(scan, gate, gate.judged, pixels_of),
    ]


def _describe_clusters(scan: Scan, clusters: Clusters) -> Section:
    if clusters.silhouettes:
        tried = ", ".join(f"{k} clusters {score:.2f}" for k, score in clusters.silhouettes.items())
        how = (
            "The images are clustered by amount and strength with k-means, without their classes. The number of "
            f"clusters, {len(clusters.usual_piece)}, is the one with the highest mean silhouette ({tried}). A silhouette "
            "of 1 means well separated clusters, a silhouette near 0 means none."
        )
    else:
        how = "There are too few different images to cluster, so all of them are one cluster."
    text = (
        "Stained nuclei and platelets are bluish. A pixel counts as bluish if its ratio of blue to red is at least 23 % "
        "above that of the image's median pixel, and if its red is darker. This is measured on images that are reduced "
        "to 120 px, so that camera and lamp matter less.",
        "Amount is the share of the image that is bluish. Strength is the mean of log10(blue / red) of the bluish "
        "pixels, less that of the median pixel.",
        how,
        "The clusters describe how much dye an image shows. They are not cell types: the classes overlap widely.",
    )
    charts = figures.draw_stained_content(scan, clusters)
    rows = tabulate_clusters(scan, clusters)
    return Section("Stained content", text, header=CLUSTER_HEADER, rows=rows, charts=charts)


def _describe_verdicts(scan: Scan, gate: Gate) -> Section:
    rows = tabulate_verdicts(scan, gate.verdicts)
    stopped = int((gate.verdicts != ONE).sum())
    text = [
        "A student project found that its model fails on images of more than one cell. It proposes a gate: only images "
        "of one cell are given to the model. This report tries such a gate.",
        "Bluish pixels that lie close together form a piece. A piece counts as a cell if it has at least "
        f"{COUNTS_FROM:.0%} of the area that the largest piece usually has in the image's cluster. Several such pieces "
        f"are several cells if they have at least {TOGETHER_FROM:.0%} of that area together; otherwise they are taken "
        "for lobes of one nucleus. Images of several cells and images without a bluish piece are stopped.",
        f"The gate stops {stopped} of {len(scan.rows)} images ({stopped / len(scan.rows):.1%}). It is known to fail where "
        "large lobes of one nucleus lie apart, where cells touch, where dirt or colour fringes are bluish, and where one "
        "cell fills the image.",
    ]
    if not gate.scores:
        text.append("To see whether the gate would help a model, give the model's predictions: --predictions FILE.")
    bars = [(row[0], float(row[5]), float(row[6]), float(row[7])) for row in rows]
    chart = draw_bars(bars, "Share of each class that the gate stops", "share, 95 % Wilson interval over images")
    return Section("One-cell gate", tuple(text), header=GATE_HEADER, rows=rows, charts=(chart,))


def _compare_with_boxes(scan: Scan, gate: Gate) -> Section:
    counted = count_by_boxes(scan.rows, gate.verdicts)
    text = ["People marked the leukocytes of these images with boxes. The table compares the gate with their number."]
    for name, _, several, none in counted[-1:]:
        if name.startswith("2"):
            whole = sum(counted[-1][1:])
            share = wilson_interval(several, whole)
            text.append(
                f"Of {whole} images with two or more leukocytes, the gate stops {several} as more than one cell "
                f"({_show_share(several, whole, share)}, 95 % Wilson interval) and {none} as none. Platelets are not "
                "boxed as leukocytes, and some cells have no box."
            )
    rows = tuple((name, *map(str, counts)) for name, *counts in counted)
    return Section("Gate compared with boxes", tuple(text), header=BOXES_HEADER, rows=rows)


def _describe_scores(scores: tuple[GateScore, ...]) -> Section:
    rows = tuple(
        (
            score.gate,
            f"{score.stopped} of {score.judged}",
            f"{score.caught} of {score.errors} ({_show_share(score.caught, score.errors, score.caught_share)})",
            f"{score.lost} ({_show_share(score.lost, score.judged - score.errors, score.lost_share)})",
            f"{score.by_chance:.1f}",
            f"{score.p:.2g}",
            str(score.by_probability),
            f"{score.accepted_caught} of {score.accepted_errors}",
        )
        for score in scores
    )
    header = (
        "gate",
        "images stopped",
        "errors caught",
        "right predictions lost",
        "errors caught by a random gate",
        "p against a random gate",
        "errors caught by low probability",
        "accepted errors caught",
    )
    text = [
        *_judge_pieces(scores[0]),
        f"The second gate stops the {UNUSUAL_SHARE:.0%} of the images that lie farthest from the centre of their cluster.",
        "Two columns say what else would have stopped as many images: a random gate, and the model's own lowest "
        "probabilities. Accepted errors are those that the model does not send to review; only there does a gate help.",
        "The intervals are Wilson's. They take images as independent. The limits of the first gate were chosen on images "
        "with counted cells, not on these errors.",
    ]
    if any(score.gate == DETECTOR_GATE for score in scores):
        text.append(
            "The last gate is the detector, which finds leukocytes instead of stained pieces. It stops images in which "
            "it finds no leukocyte, or a second one of similar size. It lets an image of one platelet pass."
        )
    return Section("Would the gate help a model?", tuple(text), header=header, rows=rows)


def _judge_pieces(score: GateScore) -> tuple[str, str]:
    verdict = (
        "It catches more errors than a random gate."
        if score.p < 0.05
        else "It is not shown to catch more errors than a random gate."
    )
    compared = (
        "fewer" if score.caught < score.by_probability else "more" if score.caught > score.by_probability else "as many"
    )
    than = "as" if compared == "as many" else "than"
    return (
        f"{score.judged} of the images have a prediction, of which {score.errors} are wrong. The gate of pieces stops "
        f"{score.caught} wrong and {score.lost} right predictions. {verdict}",
        f"It catches {compared} errors {than} the model's own probabilities would: stopping as many images of lowest "
        f"probability catches {score.by_probability}.",
    )


def _show_share(part: int, whole: int, interval: Interval) -> str:
    return f"{part / whole if whole else 0:.1%}, {interval.low:.1%} to {interval.high:.1%}"


def _show_stopped(scan: Scan, gate: Gate, pixels_of: PixelsOf) -> Section:
    ids = [row.id for row in scan.rows]
    drawn = np.random.default_rng(0).permutation(np.flatnonzero(gate.verdicts != ONE))[:_SHOWN]
    lines = {ids[index]: str(gate.verdicts[index]) for index in drawn}
    if not lines:
        return Section("Images that the gate stops", ("The gate stops no image.",))
    pictures = figures.draw_gallery(list(lines), scan, pixels_of, "unsure", lines)
    text = ("Drawn at random. The green line surrounds the bluish pixels.",)
    return Section("Images that the gate stops", text, pictures=pictures)


def _show_judged(scan: Scan, gate: Gate, judged: Judged, pixels_of: PixelsOf) -> Section:
    ids = [row.id for row in scan.rows]
    halts = (gate.verdicts != ONE)[judged.row]
    pictures: tuple[Picture, ...] = ()
    parts = (("error caught", judged.wrong & halts, "good"), ("error missed", judged.wrong & ~halts, "bad"))
    for what, chosen, mark in (*parts, ("right prediction lost", ~judged.wrong & halts, "unsure")):
        lines = {
            ids[judged.row[index]]: f"{what}: predicted {show_words(judged.predicted[index])}"
            for index in np.flatnonzero(chosen)[:_SHOWN]
        }
        pictures += figures.draw_gallery(list(lines), scan, pixels_of, mark, lines)
    text = (
        "Errors that the gate catches, errors that it misses, and right predictions that it stops, up to "
        f"{_SHOWN} of each. The green line surrounds the bluish pixels. Are the missed errors images of one cell?",
    )
    return Section("What the gate of pieces stops and misses", text, pictures=pictures)
