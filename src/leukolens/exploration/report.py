"""The exploration report: the tables of a scan as CSV, its figures and words as one HTML page.

`leukolens explore` calls it. Every part says what is seen and what that does not prove.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from leukolens.core.files import write_rows, write_text
from leukolens.core.intervals import Interval, wilson_interval
from leukolens.core.pixels import Pixels
from leukolens.core.predictions import Predictions
from leukolens.exploration import figures
from leukolens.exploration.figures import show_class
from leukolens.exploration.gate import (
    COUNTS_FROM,
    NONE,
    ONE,
    SEVERAL,
    TOGETHER_FROM,
    UNUSUAL_SHARE,
    Clusters,
    GateScore,
    Judged,
    count_by_boxes,
    find_clusters,
    find_unusual,
    judge_content,
    match_predictions,
    score_gate,
)
from leukolens.exploration.scan import CHANNELS, EXAMPLES_PER_CLASS, UNLABELLED, Example, Scan
from leukolens.exploration.tables import (
    Anova,
    ClassCount,
    choose_thresholds,
    compare_brightness,
    count_classes,
    measure_thresholds,
    sum_counts,
    summarise_quality,
)
from leukolens.reporting.charts import draw_bars
from leukolens.reporting.page import Picture, Section, render_page

PixelsOf = Callable[[str], Pixels | None]

_SHOWN = 14
_PIECES_GATE, _UNUSUAL_GATE, _FINDER_GATE = "pieces", "outliers of clusters", "finder of cells"


@dataclass(frozen=True)
class Gate:
    """The one-cell gate's findings on a scan.

    Attributes:
        clusters: Of stained content.
        verdicts: `(n,)` text, one per image.
        judged: Predictions beside the images, where there are some.
        scores: What each gate would have been worth on them.
    """

    clusters: Clusters
    verdicts: NDArray[np.str_]
    judged: Judged | None
    scores: tuple[GateScore, ...]


_NEARLY_ONE = 1.1
"""Images per source below which a dataset is not one of copies."""


def build_gate(
    scan: Scan,
    predictions: Predictions | None,
    ask_finder: Callable[[Judged], NDArray[np.bool_]] | None = None,
) -> Gate:
    """Clusters the images, judges each, and scores the judgement on predictions where there are some.

    Args:
        scan: What was measured.
        predictions: A model's, on images of the dataset.
        ask_finder: Gives `(n,)` bool, the images in which a finder of cells sees not one cell to name; its verdict is
            scored beside the gate's.

    Raises:
        DataError: the predictions are not of this dataset.
    """
    clusters = find_clusters(scan.rows)
    verdicts = judge_content(scan.rows, clusters)
    if predictions is None:
        return Gate(clusters, verdicts, None, ())
    judged = match_predictions(predictions, scan.rows)
    scores = [
        score_gate(_PIECES_GATE, np.asarray(verdicts != ONE), judged),
        score_gate(_UNUSUAL_GATE, find_unusual(clusters), judged),
    ]
    if ask_finder is not None:
        scores.append(score_gate(_FINDER_GATE, ask_finder(judged), judged))
    return Gate(clusters, verdicts, judged, tuple(scores))


def write_exploration(out: Path, name: str, scan: Scan, gate: Gate, pixels_of: PixelsOf, synthetic: bool) -> Path:
    """Writes everything into a folder.

    Args:
        out: The folder.
        name: Of the dataset.
        scan: What was measured.
        gate: From `build_gate`.
        pixels_of: Reads an image again by its id; None where that fails.
        synthetic: The images were drawn by a program.

    Returns:
        Path of `report.html`.
    """
    counts, compared = count_classes(scan), compare_brightness(scan)
    _write_tables(out, scan, gate)
    sections = [
        _overview(scan, counts, synthetic),
        _classes(counts),
        Section("What do they look like?", charts=(figures.draw_examples(scan),)),
        _intensities(scan),
        _brightness(compared),
        _grey(scan),
        _means(scan),
        _quality(scan, pixels_of),
        _stained(scan, gate.clusters),
        _gate(scan, gate),
        *([_gate_boxes(scan, gate)] if any(row.boxed is not None for row in scan.rows) else []),
        *([_gate_score(gate)] if gate.scores else []),
        _gate_pictures(scan, gate, pixels_of),
    ]
    page = render_page(f"What does {name} look like?", "Looked at before any training", sections)
    write_text(out / "report.html", page)
    return out / "report.html"


def _write_tables(out: Path, scan: Scan, gate: Gate) -> None:
    header = ["id", "label", "group", "width_px", "height_px", *(f"mean_{channel}" for channel in CHANNELS)]
    header += ["contrast", "focus", "dark", "bright", "border", "stained", "strength", "pieces", "largest_piece"]
    header += ["largest_cut", "cluster", "gate"]
    rows = []
    for row, cluster, verdict in zip(scan.rows, gate.clusters.of_image, gate.verdicts, strict=True):
        measured = [*row.means, row.contrast, row.focus, row.dark, row.bright, row.border, row.stained, row.strength]
        pieces = [len(row.pieces), f"{row.pieces[0] if row.pieces else 0:.5g}", int(row.cut), int(cluster) + 1]
        given = [row.id, row.label, row.group, row.width, row.height]
        rows.append([*given, *(f"{value:.5g}" for value in measured), *pieces, verdict])
    write_rows(out / "images.csv", header, rows)
    _write_records(out / "classes.csv", count_classes(scan))
    _write_records(out / "brightness-anova.csv", compare_brightness(scan))
    _write_records(out / "thresholds.csv", measure_thresholds(scan, choose_thresholds(scan)))
    _write_records(out / "quality.csv", summarise_quality(scan))
    write_rows(out / "clusters.csv", _CLUSTER_HEADER, _cluster_rows(scan, gate.clusters))
    write_rows(out / "gate-by-class.csv", _GATE_HEADER, _gate_rows(scan, gate))
    if any(row.boxed is not None for row in scan.rows):
        write_rows(out / "gate-by-boxes.csv", _BOXES_HEADER, count_by_boxes(scan.rows, gate.verdicts))
    histograms = [
        (name, channel, value, int(tally.histogram[index, value]), int(tally.border[index, value]))
        for name, tally in scan.tallies.items()
        for index, channel in enumerate(CHANNELS)
        for value in range(256)
    ]
    write_rows(out / "histograms.csv", ("label", "channel", "value", "pixels", "border_pixels"), histograms)
    if gate.scores:
        _write_records(out / "gate.csv", gate.scores)


def _write_records(path: Path, records: Sequence[Any]) -> None:
    header: list[str] = []
    for column in fields(records[0]):
        is_interval = isinstance(getattr(records[0], column.name), Interval)
        header += [f"{column.name}_low", f"{column.name}_high"] if is_interval else [column.name]
    rows = []
    for record in records:
        values = [getattr(record, column.name) for column in fields(record)]
        row: list[object] = []
        for value in values:
            row += [value.low, value.high] if isinstance(value, Interval) else [value]
        rows.append(row)
    write_rows(path, header, rows)


def _overview(scan: Scan, counts: Sequence[ClassCount], synthetic: bool) -> Section:
    sizes = {(row.width, row.height) for row in scan.rows}
    low, high = _range(scan)
    groups = len({row.group for row in scan.rows})
    shown = [(f"{len(scan.rows)}", "images looked at"), (f"{len(counts)}", "classes")]
    if groups < len(scan.rows):
        shown.append((f"{groups}", "source fields or slides behind them: so many are independent"))
    size = "{} x {}".format(*next(iter(sizes))) if len(sizes) == 1 else f"{len(sizes)} sizes"
    shown += [(f"{low} to {high}", "pixel values, darkest to brightest of any channel"), (size, "pixels wide and high")]
    text = [
        "Files here are read as whole numbers from 0 to 255. Whoever resizes first averages neighbours, and may report a range that starts higher, at a fraction."
    ]
    text += [f"{len(scan.refused)} images could not be read and are in no figure."] if scan.refused else []
    text += (
        [f"{sum(c.images for c in counts if c.label == UNLABELLED)} images have no class."]
        if any(c.label == UNLABELLED for c in counts)
        else []
    )
    warning = (
        "SYNTHETIC: these images were drawn by a program. Nothing here says anything about real blood."
        if synthetic
        else ""
    )
    return Section("In short", tuple(text), warning, tuple(shown))


def _range(scan: Scan) -> tuple[int, int]:
    total = sum_counts(
        (tally.histogram + tally.border)[index] for tally in scan.tallies.values() for index in (1, 2, 3)
    )
    levels = np.flatnonzero(total)
    return int(levels[0]), int(levels[-1])


def _classes(counts: Sequence[ClassCount]) -> Section:
    rows = [
        (
            show_class(count.label),
            str(count.images),
            f"{count.share:.1%}",
            str(count.groups),
            f"{count.images_per_group:.1f}",
            str(count.images_of_unknown_group),
        )
        for count in counts
    ]
    header = ("class", "images", "share", "source fields or slides", "images per field or slide", "of unknown field")
    repeated = any(0 < count.groups < count.images_per_group * count.groups for count in counts)
    mostly_single = all(count.images_per_group < _NEARLY_ONE for count in counts)
    text = (
        "Some images show the field or cell of another; the others stand alone, as far as is known. Whether they come from different patients or slides is not known from that."
        if repeated and mostly_single
        else "The images were made from fewer source fields or slides, by turning and mirroring or by cutting out several cells. "
        "Classes that look balanced in images can rest on very few independent fields: those decide how much can be learned, and how sure a test can be."
        if repeated
        else "No image is known to share a field or slide with another. Whether they come from different patients is not known from that."
    )
    return Section(
        "How many of each class?", (text,), header=header, rows=tuple(rows), charts=(figures.draw_class_counts(counts),)
    )


def _intensities(scan: Scan) -> Section:
    text = (
        "How often each pixel value occurs in each class, in grey and in red, green and blue; black borders are left out. "
        "Most pixels are background and red cells, so these curves show the lamp and the slide at least as much as the cell. "
        "A class that stands apart may have been photographed on other days.",
    )
    return Section("How bright are the pixels of each class?", text, charts=figures.draw_intensities(scan))


_UNITS = {
    "pixel, border included": "every pixel, border included",
    "pixel": "every pixel, border left out",
    "image": "mean of each image",
    "group": "mean of each source field or slide",
}


def _brightness(compared: Sequence[Anova]) -> Section:
    rows = []
    for result in compared:
        if result.f is None or result.p is None:
            numbers = ("not defined", "", "", "")
        else:
            p = _tell_p(result.p)
            numbers = (f"{result.f:,.1f}", p, f"{result.eta_squared:.4f}", f"{result.omega_squared:.4f}")
        rows.append((result.channel, _UNITS[result.unit], f"{result.n:,}", *numbers))
    text = [
        "One-way analysis of variance: is the mean brightness the same in all classes? F compares the variance between classes with that within them; "
        "p is the chance of so large an F if it were the same. Eta squared and omega squared say how much of all variance the classes explain: 0 nothing, 1 everything.",
        "Pixels of one image are no independent observations, nor are images made from one field. Counting pixels makes p vanish whatever the effect; "
        "only the last row of each channel counts what is independent, and only as far as fields differ in patient and slide.",
    ]
    by_unit = {result.unit: result for result in compared if result.channel == "grey"}
    pixel, group = by_unit["pixel, border included"], by_unit["group"]
    if pixel.f is not None and group.f is not None and group.p is not None:
        text.append(
            f"Here, in grey: counted by pixels F is {pixel.f:,.0f} while classes explain {pixel.eta_squared:.2%} of the variance; "
            f"counted by fields or slides F is {group.f:.2f}, p {_tell_p(group.p)}, and classes explain {group.eta_squared:.1%} of the variance between fields."
        )
    else:
        text.append("Not defined where fewer than two classes have images, or where nothing varies within them.")
    header = ("channel", "what counts as one observation", "observations", "F", "p", "eta squared", "omega squared")
    return Section("Do the classes differ in mean brightness?", tuple(text), header=header, rows=tuple(rows))


def _tell_p(p: float) -> str:
    return "below 1e-300" if p < 1e-300 else f"{p:.2g}"


def _grey(scan: Scan) -> Section:
    chosen = choose_thresholds(scan)
    rows = [
        (
            row.name,
            "not defined" if row.grey is None else str(row.grey),
            _percent(row.taken),
            _percent(row.bluish_taken),
            _percent(row.taken_bluish),
        )
        for row in measure_thresholds(scan, chosen)
        if row.label == "all"
    ]
    bordered = [row.border for row in scan.rows if row.border]
    if bordered:
        spike = (
            f"The spike at 0 is no cell: {len(bordered)} of {len(scan.rows)} images have a black border, on average {np.mean(bordered):.1%} of the image, "
            "as turning an image leaves in its corners. Left out, the spike goes (second line)."
        )
    else:
        spike = "No image has a black border; a spike at 0, as turned images show, is not to be expected here."
    text = (
        spike,
        "A threshold takes what is darker than it. A student project on the Kaggle images read three of them off such a histogram by eye: above 200 lie the spaces between cells, below 180 all cells, "
        "below 150 the cell looked for. Otsu's method (1979) chooses by itself the one that parts the values into the two most uniform halves; for three parts, two.",
        "Judged against the bluish pixels (defined further down; a rule of colour, not the truth): a threshold that finds the stained cell takes most bluish pixels, and little else.",
    )
    header = ("threshold", "grey value", "of all pixels, taken", "of bluish pixels, taken", "of what is taken, bluish")
    charts = (*figures.draw_grey_histograms(scan), figures.draw_threshold_masks(scan, chosen))
    return Section("Grey values and thresholds", text, header=header, rows=tuple(rows), charts=charts)


def _means(scan: Scan) -> Section:
    text = (
        "Each class's mean image, of whole images reduced to one size: a dark centre shows that cells stand in the middle, a flat image that they stand anywhere. "
        "On the right, the mean of the whole dataset subtracted from an example, grey meaning no difference: one student project prepares its images so. "
        "It takes away uneven light that all images share. Where cells stand in the middle, the mean holds the ghost of a cell, and subtracting it leaves a pale halo in every image. "
        "Mean images show where cells stand and how dark they are on average, not what a cell of the class looks like.",
    )
    return Section(
        "Mean image of each class, and background subtracted", text, charts=(figures.draw_mean_images(scan),)
    )


def _quality(scan: Scan, pixels_of: PixelsOf) -> Section:
    rows = [
        (
            show_class(row.label),
            f"{row.focus:.0f}",
            f"{row.blurred} of {row.images}",
            f"{row.contrast:.1f}",
            f"{row.dark:.2%}",
            f"{row.bright:.2%}",
            f"{row.bordered} ({row.border:.1%} of the image)",
        )
        for row in summarise_quality(scan)
    ]
    order = sorted(scan.rows, key=lambda row: row.focus)
    shown = []
    for part in (order[:EXAMPLES_PER_CLASS], order[::-1][:EXAMPLES_PER_CLASS]):
        read = [(row.id, pixels_of(row.id)) for row in part]
        shown.append([Example(name, pixels) for name, pixels in read if pixels is not None])
    text = (
        "Focus is the variance of the Laplacian of grey, high where edges are sharp; it also rises with texture and dye, so compare it within a class only. "
        "Blurred means under a quarter of the dataset's median. Too dark and too bright are pixels below 8 and from 250 up, border left out. No limit here was tested against a reader's eye.",
    )
    header = ("class", "median focus", "blurred", "median contrast", "too dark", "too bright", "with black border")
    chart = figures.draw_quality_examples(shown[0], shown[1], scan)
    return Section("Image quality", text, header=header, rows=tuple(rows), charts=(chart,))


_CLUSTER_HEADER = (
    "cluster",
    "images",
    "median amount",
    "median strength",
    "usual largest piece",
    "most common classes",
)


def _cluster_rows(scan: Scan, clusters: Clusters) -> list[tuple[str, ...]]:
    rows: list[tuple[str, ...]] = []
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
                ", ".join(f"{show_class(name)} {counts[name]}" for name in common if counts[name]),
            )
        )
    return rows


def _stained(scan: Scan, clusters: Clusters) -> Section:
    if clusters.silhouettes:
        tried = ", ".join(f"{k}: {score:.2f}" for k, score in clusters.silhouettes.items())
        how = (
            f"Clusters by k-means on the two, without looking at classes. {len(clusters.usual_piece)} clusters were taken because their mean silhouette is highest "
            f"({tried}; 1 is perfectly apart, about 0 no clusters at all)."
        )
    else:
        how = "There are too few different images to cluster: all are taken as one cluster."
    text = (
        "Dye of nuclei and platelets is bluish. A pixel counts as bluish when blue over red lies at least 23 % above that of the image's middle pixel, and it is darker in red; "
        "measured on images reduced to 120 px, so that cameras and lamps matter less. Amount is the share of the image that is bluish, strength the mean of log10(blue / red) above the middle pixel.",
        how,
        "Clusters describe the amount of dye. They are no cell types: classes overlap widely.",
    )
    charts = figures.draw_stained_content(scan, clusters)
    return Section(
        "Stained content, and its clusters",
        text,
        header=_CLUSTER_HEADER,
        rows=tuple(_cluster_rows(scan, clusters)),
        charts=charts,
    )


_GATE_HEADER = ("class", "images", ONE, SEVERAL, NONE, "share stopped", "95 % interval low", "95 % interval high")


def _gate_rows(scan: Scan, gate: Gate) -> list[tuple[str, ...]]:
    labels = np.array([row.label for row in scan.rows])
    rows: list[tuple[str, ...]] = []
    for name in scan.tallies:
        verdicts = gate.verdicts[labels == name]
        counts = [int((verdicts == verdict).sum()) for verdict in (ONE, SEVERAL, NONE)]
        stopped = len(verdicts) - counts[0]
        interval = wilson_interval(stopped, len(verdicts))
        shares = [f"{share:.4f}" for share in (stopped / len(verdicts), interval.low, interval.high)]
        rows.append((show_class(name), str(len(verdicts)), *map(str, counts), *shares))
    return rows


def _gate(scan: Scan, gate: Gate) -> Section:
    rows = _gate_rows(scan, gate)
    stopped = int((gate.verdicts != ONE).sum())
    text = [
        "A student project saw its model fail on images of more than one cell, and proposes to let only images of one cell reach the model. Here: bluish pixels that lie close together form a piece; "
        f"a piece counts as a cell from {COUNTS_FROM:.0%} of the largest piece usual in the image's cluster. Several that together make up {TOGETHER_FROM:.0%} of the usual piece or more mean more than one cell; "
        "less than that, they are taken for lobes of one nucleus. Images of more than one cell, and those with no bluish piece at all, are stopped.",
        f"It stops {stopped} of {len(scan.rows)} images ({stopped / len(scan.rows):.1%}). Known weak points: large lobes of one nucleus that lie apart count as two cells, touching cells count as one, "
        "coloured fringes and dirt count as dye, and a crop filled by one cell may show no dye at all.",
    ]
    if not gate.scores:
        text.append(
            "Whether that would help a model is not known until it is judged on a model's errors: give --predictions FILE."
        )
    bars = [(row[0], float(row[5]), float(row[6]), float(row[7])) for row in rows]
    chart = draw_bars(bars, "Share of each class that the gate would stop", "share, 95 % Wilson interval over images")
    return Section(
        "One cell in the image? A gate before any model",
        tuple(text),
        header=_GATE_HEADER,
        rows=tuple(rows),
        charts=(chart,),
    )


_BOXES_HEADER = ("leukocytes boxed", ONE, SEVERAL, NONE)


def _gate_boxes(scan: Scan, gate: Gate) -> Section:
    counted = count_by_boxes(scan.rows, gate.verdicts)
    rows = tuple((name, *map(str, counts)) for name, *counts in counted)
    text = [
        "In these images people marked the leukocytes with boxes, so the gate's verdict can be laid beside their number."
    ]
    for name, *counts in counted[-1:]:
        if name.startswith("2"):
            share = wilson_interval(counts[1], sum(counts))
            text.append(
                f"Of {sum(counts)} images with two or more, the gate sees {counts[1]} as more than one cell "
                f"({_spell(counts[1], sum(counts), share)}, Wilson 95 %). Platelets are not boxed as leukocytes, and boxes miss some cells."
            )
    return Section("Does the gate count right?", tuple(text), header=_BOXES_HEADER, rows=rows)


def _gate_score(gate: Gate) -> Section:
    rows = []
    for score in gate.scores:
        rows.append(
            (
                score.gate,
                f"{score.stopped} of {score.judged}",
                f"{score.caught} of {score.errors} ({_spell(score.caught, score.errors, score.caught_share)})",
                f"{score.lost} ({_spell(score.lost, score.judged - score.errors, score.lost_share)})",
                f"{score.by_chance:.1f}",
                f"{score.p:.2g}",
                str(score.by_doubt),
                f"{score.sure_caught} of {score.sure_errors}",
            )
        )
    header = (
        "gate",
        "stopped",
        "errors caught",
        "right ones lost",
        "errors, at random",
        "p against random",
        "errors, least sure instead",
        "accepted errors caught",
    )
    best = gate.scores[0]
    verdict = (
        "catches more errors than stopping at random would"
        if best.p < 0.05
        else "is not shown to catch more errors than stopping at random"
    )
    doubt = (
        "fewer than" if best.caught < best.by_doubt else "more than" if best.caught > best.by_doubt else "as many as"
    )
    text = [
        f"Predictions on {best.judged} of these images, {best.errors} of them wrong. The gate of pieces {verdict}: errors stopped {best.caught}, right predictions stopped with them {best.lost}. "
        f"That is {doubt} stopping the same number of images by the model's own doubt would ({best.by_doubt}). Look at the pictures below: are the missed errors images of one cell?",
        f"The second gate is the proposal taken literally: stop the {UNUSUAL_SHARE:.0%} of images farthest from their cluster's centre. "
        "At random and least sure: what stopping the same number of images would have caught, drawn blindly, or by the model's own probability. "
        "Accepted errors are those that the model did not send to review itself: only there does a gate add anything.",
        "The intervals are Wilson's and take images as independent. The gate's limits were chosen on images whose cells were counted by people, not on these errors.",
    ]
    if any(score.gate == _FINDER_GATE for score in gate.scores):
        text.append(
            "The last gate is the finder of cells, which counts leukocytes instead of stained pieces: it stops images in which it sees none, or a second one as large. "
            "A platelet in the middle of an image without leukocytes passes."
        )
    return Section("Is the gate worth its cost?", tuple(text), header=header, rows=tuple(rows))


def _spell(part: int, whole: int, interval: Interval) -> str:
    return f"{part / whole if whole else 0:.1%}, {interval.low:.1%} to {interval.high:.1%}"


def _gate_pictures(scan: Scan, gate: Gate, pixels_of: PixelsOf) -> Section:
    stopped = gate.verdicts != ONE
    ids = [row.id for row in scan.rows]
    pictures: tuple[Picture, ...] = ()
    if gate.judged is None:
        drawn = np.random.default_rng(0).permutation(np.flatnonzero(stopped))[:_SHOWN]
        lines = {ids[index]: str(gate.verdicts[index]) for index in drawn}
        pictures = figures.draw_gallery(list(lines), scan, pixels_of, "unsure", lines)
        return Section("Some that the gate stops", ("Outlined in green: the bluish pixels.",), pictures=pictures)
    judged = gate.judged
    halts = stopped[judged.row]
    parts = (("error caught", judged.wrong & halts, "good"), ("error missed", judged.wrong & ~halts, "bad"))
    for what, chosen, mark in (*parts, ("right one lost", ~judged.wrong & halts, "unsure")):
        lines = {}
        for index in np.flatnonzero(chosen)[:_SHOWN]:
            lines[ids[judged.row[index]]] = f"{what}: called {show_class(judged.called[index])}"
        pictures += figures.draw_gallery(list(lines), scan, pixels_of, mark, lines)
    text = (
        "Outlined in green: the bluish pixels. Each picture says whether it is an error caught, an error missed, or a right prediction lost.",
    )
    return Section("What the gate stops, and what it misses", text, pictures=pictures)


def _percent(value: float | None) -> str:
    return "not defined" if value is None else f"{value:.1%}"
