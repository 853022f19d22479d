"""The exploration report: one HTML page with charts. It says what is measured, and what that does not show."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from leukolens.core.files import write_text
from leukolens.exploration import figures
from leukolens.exploration.gate import Gate
from leukolens.exploration.gate_report import PixelsOf, describe_gate
from leukolens.exploration.scan import EXAMPLES_PER_CLASS, UNLABELLED, Example, Scan
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
from leukolens.reporting.charts import show_words
from leukolens.reporting.page import Section, render_page

_NEARLY_ONE = 1.1
"""With fewer images per group than this, a dataset is not mainly one of copies."""

_UNITS = {
    "pixel, border included": "every pixel, border included",
    "pixel": "every pixel, border excluded",
    "image": "mean of each image",
    "group": "mean of each group",
}


def write_exploration(out: Path, name: str, scan: Scan, gate: Gate, pixels_of: PixelsOf, synthetic: bool) -> Path:
    """Writes `report.html` into a folder and gives its path.

    Args:
        out: The folder.
        name: Of the dataset.
        scan: What was measured.
        gate: From `build_gate`.
        pixels_of: Reads an image again by its id; None where that fails.
        synthetic: Whether the images were drawn by a program.
    """
    counts = count_classes(scan)
    sections = [
        _summarise(scan, counts, synthetic),
        _describe_classes(counts),
        Section("Examples of each class", charts=(figures.draw_examples(scan),)),
        _describe_intensities(scan),
        _describe_brightness(compare_brightness(scan)),
        _describe_thresholds(scan),
        _describe_means(scan),
        _describe_quality(scan, pixels_of),
        *describe_gate(scan, gate, pixels_of),
    ]
    page = render_page(f"The dataset {name}", "What its images look like, before any training", sections)
    write_text(out / "report.html", page)
    return out / "report.html"


def _summarise(scan: Scan, counts: Sequence[ClassCount], synthetic: bool) -> Section:
    sizes = {(row.width, row.height) for row in scan.rows}
    low, high = _find_range(scan)
    groups = len({row.group for row in scan.rows})
    shown = [(f"{len(scan.rows)}", "images"), (f"{len(counts)}", "classes")]
    if groups < len(scan.rows):
        shown.append((f"{groups}", "groups (fields of view or slides): so many images are independent"))
    size = "{} x {}".format(*next(iter(sizes))) if len(sizes) == 1 else f"{len(sizes)} sizes"
    shown += [
        (size, "width and height in pixels"),
        (f"{low} to {high}", "lowest to highest pixel value of any channel"),
    ]
    text = [
        "Pixel values are whole numbers from 0 to 255, as the files hold them. A program that resizes the images first "
        "averages pixels, so it may report a narrower range with fractions."
    ]
    if scan.refused:
        text.append(f"Images that could not be read, and are in no figure: {len(scan.refused)}.")
    if unlabelled := sum(count.images for count in counts if count.label == UNLABELLED):
        text.append(f"Images without a class: {unlabelled}.")
    warning = "SYNTHETIC: a program drew these images. This report says nothing about real blood." if synthetic else ""
    return Section("In short", tuple(text), warning, tuple(shown))


def _find_range(scan: Scan) -> tuple[int, int]:
    total = sum_counts(
        (tally.histogram + tally.border)[index] for tally in scan.tallies.values() for index in (1, 2, 3)
    )
    levels = np.flatnonzero(total)
    return int(levels[0]), int(levels[-1])


def _describe_classes(counts: Sequence[ClassCount]) -> Section:
    rows = tuple(
        (
            show_words(count.label),
            str(count.images),
            f"{count.share:.1%}",
            str(count.groups),
            f"{count.images_per_group:.1f}",
            str(count.images_of_unknown_group),
        )
        for count in counts
    )
    header = ("class", "images", "share", "groups", "images per group", "images of unknown group")
    has_copies = any(0 < count.groups < count.images_per_group * count.groups for count in counts)
    if not has_copies:
        what = "As far as is known, no two images show the same field of view or slide."
    elif all(count.images_per_group < _NEARLY_ONE for count in counts):
        what = "A few images share their field of view or cell with another. As far as is known, the others do not."
    else:
        what = (
            "The images come from fewer fields of view or slides: they were turned, mirrored, or cut out of one field. "
            "A class with many images can rest on very few groups. The number of groups decides how much a model can "
            "learn and how precise a test can be."
        )
    text = (
        "A group holds images that are not independent, such as images of one field of view or slide.",
        what,
        "Whether groups come from different patients is not known.",
    )
    chart = figures.draw_class_counts(counts)
    return Section("Images of each class", text, header=header, rows=rows, charts=(chart,))


def _describe_intensities(scan: Scan) -> Section:
    text = (
        "The curves show how often each pixel value occurs in each class, in grey and in red, green and blue. Black "
        "borders are excluded.",
        "Most pixels are background and red cells. So the curves depend on lamp and slide at least as much as on the "
        "leukocytes. If the curve of one class lies apart, its images may have been taken under other conditions.",
    )
    return Section("Pixel values of each class", text, charts=figures.draw_intensities(scan))


def _describe_brightness(compared: Sequence[Anova]) -> Section:
    rows = []
    for result in compared:
        if result.f is None or result.p is None:
            numbers = ("undefined", "", "", "")
        else:
            p = _show_p(result.p)
            numbers = (f"{result.f:,.1f}", p, f"{result.eta_squared:.4f}", f"{result.omega_squared:.4f}")
        rows.append((result.channel, _UNITS[result.unit], f"{result.n:,}", *numbers))
    text = [
        "One-way analysis of variance tests whether all classes have the same mean brightness. F compares the variance "
        "between classes with the variance within classes. p is the probability of so large an F if all classes had the "
        "same mean. Eta squared and omega squared are the share of all variance that the classes explain: 0 is none, "
        "1 is all.",
        "Pixels of one image are not independent, and neither are images of one group. If every pixel counts as an "
        "observation, p is close to 0 however small the difference is. Only the last row of each channel counts "
        "independent observations, as far as groups differ in patient and slide.",
    ]
    by_unit = {result.unit: result for result in compared if result.channel == "grey"}
    pixel, group = by_unit["pixel, border included"], by_unit["group"]
    if pixel.f is not None and group.f is not None and group.p is not None:
        text.append(
            f"In grey, over pixels: F {pixel.f:,.0f}, but the classes explain only {pixel.eta_squared:.2%} of the "
            f"variance. Over groups: F {group.f:.2f}, p {_show_p(group.p)}, and the classes explain "
            f"{group.eta_squared:.1%} of the variance between groups."
        )
    else:
        text.append("The test is undefined where fewer than two classes have images, or where nothing varies in them.")
    header = ("channel", "one observation is", "observations", "F", "p", "eta squared", "omega squared")
    return Section("Do the classes differ in mean brightness?", tuple(text), header=header, rows=tuple(rows))


def _show_p(p: float) -> str:
    return "below 1e-300" if p < 1e-300 else f"{p:.2g}"


def _describe_thresholds(scan: Scan) -> Section:
    chosen = choose_thresholds(scan)
    rows = tuple(
        (
            row.name,
            "undefined" if row.grey is None else str(row.grey),
            _show_share(row.taken),
            _show_share(row.bluish_taken),
            _show_share(row.taken_bluish),
        )
        for row in measure_thresholds(scan, chosen)
        if row.label == "all"
    )
    bordered = [row.border for row in scan.rows if row.border]
    if bordered:
        border = (
            f"{len(bordered)} of {len(scan.rows)} images have a black border, such as the corners of an image that was "
            f"turned. It takes {np.mean(bordered):.1%} of these images on average. It causes the peak at 0; the second "
            "line of the chart leaves it out."
        )
    else:
        border = "No image has a black border, as images have that were turned."
    text = (
        border,
        "A threshold takes the pixels that are darker. A student project read three thresholds off such a histogram of "
        "the Kaggle images: below 200 is everything but the space between cells, below 180 are all cells, below 150 is "
        "the leukocyte. Otsu's method (1979) chooses the threshold that separates the values into the two most uniform "
        "parts, or two thresholds for three parts.",
        "The table compares each threshold with the bluish pixels (defined below; a rule on colour, not ground truth). A "
        "threshold that finds the leukocyte takes most bluish pixels and little else.",
    )
    header = (
        "threshold",
        "grey value",
        "share of all pixels taken",
        "share of bluish pixels taken",
        "bluish share of what is taken",
    )
    charts = (*figures.draw_grey_histograms(scan), figures.draw_threshold_masks(scan, chosen))
    return Section("Grey values and thresholds", text, header=header, rows=rows, charts=charts)


def _describe_means(scan: Scan) -> Section:
    text = (
        "All images are reduced to one size and averaged by class. A dark centre means that cells lie in the middle of "
        "the images; a flat mean image means that they lie anywhere. The mean image does not show what a cell of the "
        "class looks like.",
        "The last column shows an example less the mean image of the whole dataset; grey means no difference. A student "
        "project prepares its images so. It removes uneven light that all images share. But where cells lie in the "
        "middle, it leaves a pale halo in each image.",
    )
    chart = figures.draw_mean_images(scan)
    return Section("Mean image of each class", text, charts=(chart,))


def _describe_quality(scan: Scan, pixels_of: PixelsOf) -> Section:
    rows = tuple(
        (
            show_words(row.label),
            f"{row.focus:.0f}",
            f"{row.blurred} of {row.images}",
            f"{row.contrast:.1f}",
            f"{row.dark:.2%}",
            f"{row.bright:.2%}",
            f"{row.bordered} ({row.border:.1%} of the image)",
        )
        for row in summarise_quality(scan)
    )
    order = sorted(scan.rows, key=lambda row: row.focus)
    shown = []
    for part in (order[:EXAMPLES_PER_CLASS], order[::-1][:EXAMPLES_PER_CLASS]):
        read = [(row.id, pixels_of(row.id)) for row in part]
        shown.append([Example(name, pixels) for name, pixels in read if pixels is not None])
    text = (
        "Focus is the variance of the Laplacian of grey: high where edges are sharp. Texture and dye raise it too, so "
        "compare it within one class only. An image counts as blurred if its focus is below a quarter of the dataset's "
        "median.",
        "Too dark are pixels below 8, too bright are pixels from 250 up; borders are excluded. None of these limits was "
        "checked against human judgement.",
    )
    header = (
        *("class", "median focus", "blurred images", "median contrast"),
        *("pixels too dark", "pixels too bright", "images with black border"),
    )
    chart = figures.draw_quality_examples(shown[0], shown[1], scan)
    return Section("Image quality", text, header=header, rows=rows, charts=(chart,))


def _show_share(value: float | None) -> str:
    return "undefined" if value is None else f"{value:.1%}"
