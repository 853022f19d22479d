"""Charts and galleries of an exploration, drawn from what the scan measured."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

from leukolens.core.pixels import Pixels
from leukolens.exploration.gate import Clusters
from leukolens.exploration.scan import CHANNELS, EXAMPLES_PER_CLASS, Example, Scan
from leukolens.exploration.tables import ClassCount, sum_counts
from leukolens.quality.stain import find_stained
from leukolens.reporting.charts import draw_counts, draw_grid, draw_lines, draw_points, show_words
from leukolens.reporting.page import Picture

_BIN = 4  # histograms of single grey levels are jagged after JPEG
_MOST_POINTS = 1500
_OUTLINE = (0, 255, 0)
_OUTLINE_SCALE = 2
_ROW_PX = 880  # width of a row of images


def draw_class_counts(counts: Sequence[ClassCount]) -> str:
    """Images of each class, and groups where these are fewer."""
    repeated = any(0 < count.groups < count.images for count in counts)
    names = ("images", "groups") if repeated else ("images",)
    rows = [(show_words(count.label), (count.images, count.groups)[: len(names)]) for count in counts]
    title = "Images and groups of each class" if repeated else "Images of each class"
    return draw_counts(rows, names, title, "each side has its own scale" if repeated else "")


def draw_examples(scan: Scan) -> str:
    """A row of examples for each class."""
    rows = [(name, [_address(example.pixels) for example in examples]) for name, examples in scan.examples.items()]
    title = "Examples of each class, drawn at random"
    return draw_grid(rows, (), title, _cell(scan, EXAMPLES_PER_CLASS))


def draw_intensities(scan: Scan) -> tuple[str, ...]:
    """One chart for grey and each channel: the distribution of pixel values, a line for each class."""
    charts = []
    for index, channel in enumerate(CHANNELS):
        lines = {show_words(name): _percentages(tally.histogram[index]) for name, tally in scan.tallies.items()}
        charts.append(
            draw_lines(lines, f"Pixel values by class: {channel}", "pixel value (0 dark, 255 bright)", "% of pixels")
        )
    return tuple(charts)


def draw_grey_histograms(scan: Scan) -> tuple[str, ...]:
    """Grey values of all images with and without borders, and of each class with borders."""
    inside = sum_counts(tally.histogram[0] for tally in scan.tallies.values())
    border = sum_counts(tally.border[0] for tally in scan.tallies.values())
    lines = {"whole images": _percentages(inside + border)}
    if border.any():
        lines["borders excluded"] = _percentages(inside)
    per_class = {
        show_words(name): _percentages(tally.histogram[0] + tally.border[0]) for name, tally in scan.tallies.items()
    }
    labels = ("grey value (0 black, 255 white)", "% of pixels")
    return (
        draw_lines(lines, "Grey values of all images together", *labels),
        draw_lines(per_class, "Grey values by class, borders included", *labels),
    )


def _percentages(counts: NDArray[np.int64]) -> list[tuple[float, float]]:
    binned = counts.reshape(-1, _BIN).sum(axis=1)
    total = max(1, int(binned.sum()))
    # The first bin is drawn at 0 and the last at 255: at most 1.5 levels from their middles.
    return [(255 * index / (len(binned) - 1), 100 * int(count) / total) for index, count in enumerate(binned)]


def draw_threshold_masks(scan: Scan, chosen: Mapping[str, int | None]) -> str:
    """One example of each class, and in white the pixels that each threshold takes."""
    known = {name: grey for name, grey in chosen.items() if grey is not None and "parts" not in name}
    rows = []
    for label, examples in scan.examples.items():
        if examples:
            grey = np.asarray(Image.fromarray(examples[0].pixels).convert("L"))
            masks = [np.repeat(np.where(grey < limit, 255, 0)[..., None], 3, axis=2) for limit in known.values()]
            rows.append((label, [_address(pixels.astype(np.uint8)) for pixels in (examples[0].pixels, *masks)]))
    names = {"Otsu": "Otsu", "Otsu, border included": "Otsu+border"}
    columns = [
        "image",
        *(f"below {name}" if name.isdigit() else f"{names[name]}: {grey}" for name, grey in known.items()),
    ]
    return draw_grid(rows, columns, "White: pixels below each threshold", _cell(scan, len(known) + 1))


def draw_mean_images(scan: Scan) -> str:
    """Mean image of each class, an example, and the example less the mean image of the dataset; grey is no difference."""
    images = sum(tally.images for tally in scan.tallies.values())
    overall = np.sum([tally.total for tally in scan.tallies.values()], axis=0) / images
    rows = [("all classes", [_address(_to_pixels(overall))])]
    for label, tally in scan.tallies.items():
        mean = tally.total / tally.images
        pictures = [_to_pixels(mean), _to_pixels(_stretch(mean))]
        for example in scan.examples[label][:1]:
            small = resize_picture(example.pixels, scan.size)
            pictures += [small, _to_pixels(small - overall + 128)]
        rows.append((label, [_address(picture) for picture in pictures]))
    columns = ("mean image", "contrast stretched", "one example", "example less mean")
    return draw_grid(rows, columns, "Mean images, and an example less the mean", _cell(scan, 5))


def _stretch(mean: NDArray[np.float64]) -> NDArray[np.float64]:
    low, high = mean.min(), mean.max()
    stretched: NDArray[np.float64] = (mean - low) / max(float(high - low), 1e-9) * 255
    return stretched


def _to_pixels(values: NDArray[np.float64]) -> Pixels:
    return np.clip(values + 0.5, 0, 255).astype(np.uint8)


def draw_stained_content(scan: Scan, clusters: Clusters) -> tuple[str, str]:
    """Amount against strength of a sample of images, by class and by cluster."""
    sample = np.random.default_rng(0).permutation(len(scan.rows))[:_MOST_POINTS]
    by_class: dict[str, list[tuple[float, float]]] = {show_words(name): [] for name in scan.tallies}
    by_cluster: dict[str, list[tuple[float, float]]] = {
        f"cluster {index + 1}": [] for index in range(len(clusters.usual_piece))
    }
    for index in sample:
        row = scan.rows[index]
        point = (100 * row.stained, row.strength)
        by_class[show_words(row.label)].append(point)
        by_cluster[f"cluster {clusters.of_image[index] + 1}"].append(point)
    labels = ("amount: bluish share of the image, %", "strength: log10(blue / red)")
    note = f"sample of {len(sample)} images" if len(sample) < len(scan.rows) else "all images"
    return (
        draw_points(by_class, f"Stained content by class, {note}", *labels),
        draw_points(by_cluster, "The same images by cluster", *labels),
    )


def draw_gallery(
    ids: Sequence[str], scan: Scan, pixels_of: Callable[[str], Pixels | None], mark: str, lines: Mapping[str, str]
) -> tuple[Picture, ...]:
    """Images with their bluish pixels outlined.

    Args:
        ids: Images to show.
        scan: Where they were measured.
        pixels_of: Reads an image again; None where that fails.
        mark: Colour of their frames, see `Picture`.
        lines: Text below each, by id.
    """
    labels = {row.id: row.label for row in scan.rows}
    pictures = []
    for name in ids:
        pixels = pixels_of(name)
        if pixels is not None:
            outlined = outline_stained(pixels, scan.size)
            pictures.append(Picture(outlined, show_words(labels[name]), (lines.get(name, ""), name), mark))
    return tuple(pictures)


def outline_stained(pixels: Pixels, size: tuple[int, int]) -> Pixels:
    """The image at twice the reduced size; a green line surrounds the bluish pixels, which are found at the reduced size."""
    mask = find_stained(resize_picture(pixels, size)).mask
    mask = mask.repeat(_OUTLINE_SCALE, axis=0).repeat(_OUTLINE_SCALE, axis=1)
    shown = resize_picture(pixels, (size[0] * _OUTLINE_SCALE, size[1] * _OUTLINE_SCALE)).copy()
    shown[mask ^ ndimage.binary_erosion(mask)] = _OUTLINE
    return shown


def draw_quality_examples(blurred: Sequence[Example], sharp: Sequence[Example], scan: Scan) -> str:
    """The images of lowest and highest focus."""
    rows = [
        (name, [_address(example.pixels) for example in part])
        for name, part in (("lowest", blurred), ("highest", sharp))
    ]
    return draw_grid(rows, (), "Images of lowest and of highest focus", _cell(scan, EXAMPLES_PER_CLASS))


def resize_picture(pixels: Pixels, size: tuple[int, int]) -> Pixels:
    """An image at another size; each pixel is the mean of those that it replaces, as in the scan."""
    return np.asarray(Image.fromarray(pixels).resize(size, Image.Resampling.BOX, reducing_gap=2.0))


def _address(pixels: Pixels) -> str:
    return Picture(pixels, "").address


def _cell(scan: Scan, columns: int) -> tuple[int, int]:
    width = min(_ROW_PX // columns, 150)
    return width, round(width * scan.size[1] / scan.size[0])
