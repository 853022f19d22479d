"""The tables of an exploration: classes, brightness, thresholds, image quality.

Each table is a list of rows, whose fields are the columns of its CSV file.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats
from skimage.filters import threshold_multiotsu, threshold_otsu

from leukolens.datasets.manifest import UNMAPPED
from leukolens.exploration.scan import CHANNELS, UNLABELLED, Measured, Scan

THRESHOLDS = (200, 180, 150)
"""Read off a histogram by a student project: below 200 is all but empty space, below 180 are all cells, below 150 is the
leukocyte."""

_LEVELS = np.arange(256)

Moments = tuple[float, float, float]
"""Number of values, their sum, and the sum of their squares."""


@dataclass(frozen=True)
class ClassCount:
    """Images and groups of one class."""

    label: str
    images: int
    share: float
    groups: int
    images_per_group: float
    images_of_unknown_group: int


def count_classes(scan: Scan) -> list[ClassCount]:
    """Images and groups of each class; an image of unknown group counts as an image only."""
    counts = []
    for label, rows in split_rows(scan.rows).items():
        known = [row.group for row in rows if not row.group.startswith(UNMAPPED)]
        groups = len(set(known))
        share = len(rows) / len(scan.rows)
        counts.append(
            ClassCount(label, len(rows), share, groups, len(known) / groups if groups else 0.0, len(rows) - len(known))
        )
    order = list(scan.tallies)
    return sorted(counts, key=lambda count: order.index(count.label))


def split_rows(rows: Iterable[Measured]) -> dict[str, list[Measured]]:
    """The rows of each class."""
    of_class: dict[str, list[Measured]] = defaultdict(list)
    for row in rows:
        of_class[row.label].append(row)
    return of_class


@dataclass(frozen=True)
class Anova:
    """One-way analysis of variance of brightness between classes (Fisher 1925).

    Attributes:
        unit: What one observation is: pixel, image or group.
        channel: Grey, red, green or blue.
        n: Observations.
        classes: Classes with observations.
        f: The F ratio; None where it is undefined, like all that follow.
        df_between: Degrees of freedom between classes.
        df_within: Degrees of freedom within classes.
        p: Probability of so large an F if all classes had the same mean and observations were independent.
        eta_squared: Share of all variance that lies between classes.
        omega_squared: The same, corrected for chance (Hays 1963); it may be slightly negative.
    """

    unit: str
    channel: str
    n: int
    classes: int
    f: float | None = None
    df_between: int | None = None
    df_within: int | None = None
    p: float | None = None
    eta_squared: float | None = None
    omega_squared: float | None = None


def compare_brightness(scan: Scan) -> list[Anova]:
    """Grey and each channel over four units: all pixels, pixels without border, means of images, means of groups."""
    tallies = {name: tally for name, tally in scan.tallies.items() if name != UNLABELLED}
    labelled = [row for row in scan.rows if row.label != UNLABELLED]
    images = [(row.label, row.means) for row in labelled]
    fields: dict[tuple[str, str], list[tuple[float, ...]]] = defaultdict(list)
    for row in labelled:
        if not row.group.startswith(UNMAPPED):
            fields[row.label, row.group].append(row.means)
    groups = [(label, tuple(np.mean(means, axis=0))) for (label, _), means in fields.items()]
    results = []
    for index, channel in enumerate(CHANNELS):
        everything = [_count_moments(tally.histogram[index] + tally.border[index]) for tally in tallies.values()]
        inside = [_count_moments(tally.histogram[index]) for tally in tallies.values()]
        results += [
            compare_moments("pixel, border included", channel, everything),
            compare_moments("pixel", channel, inside),
            compare_moments("image", channel, _value_moments(images, index)),
            compare_moments("group", channel, _value_moments(groups, index)),
        ]
    return results


def compare_moments(unit: str, channel: str, classes: Sequence[Moments]) -> Anova:
    """The analysis of variance from count, sum and sum of squares of each class; exact."""
    present = [moments for moments in classes if moments[0] > 0]
    n = sum(count for count, _, _ in present)
    k = len(present)
    if k < 2 or n <= k:
        return Anova(unit, channel, int(n), k)
    mean = sum(total for _, total, _ in present) / n
    between = sum(count * (total / count - mean) ** 2 for count, total, _ in present)
    within = sum(squares - total**2 / count for count, total, squares in present)
    if within <= 0:
        return Anova(unit, channel, int(n), k)
    df_between, df_within = k - 1, int(n) - k
    error = within / df_within
    f = between / df_between / error
    p = float(stats.f.sf(f, df_between, df_within))
    omega = (between - df_between * error) / (between + within + error)
    eta = between / (between + within)
    return Anova(unit, channel, int(n), k, f, df_between, df_within, p, eta, omega)


def _count_moments(counts: NDArray[np.int64]) -> Moments:
    # Centred on mid-grey, so that sums over a thousand million pixels keep their precision.
    values = _LEVELS - 128.0
    return float(counts.sum()), float(counts @ values), float(counts @ values**2)


def _value_moments(values: Iterable[tuple[str, tuple[float, ...]]], index: int) -> list[Moments]:
    of_class: dict[str, list[float]] = defaultdict(list)
    for label, means in values:
        of_class[label].append(means[index] - 128.0)
    return [(float(len(part)), float(np.sum(part)), float(np.square(part).sum())) for part in of_class.values()]


@dataclass(frozen=True)
class Threshold:
    """What a grey threshold takes from the images of a class.

    Attributes:
        name: The number, or the variant of Otsu.
        grey: Pixels below this are taken; None where Otsu's threshold is undefined.
        label: The class, or `all`.
        taken: Share of all pixels that is taken, border excluded.
        bluish_taken: Share of the bluish pixels that is taken.
        taken_bluish: Share of the taken pixels that is bluish.
    """

    name: str
    grey: int | None
    label: str
    taken: float | None = None
    bluish_taken: float | None = None
    taken_bluish: float | None = None


def choose_thresholds(scan: Scan) -> dict[str, int | None]:
    """The fixed thresholds, and Otsu's (1979): without border, with border, and two for three parts."""
    inside = sum_counts(tally.histogram[0] for tally in scan.tallies.values())
    border = sum_counts(tally.border[0] for tally in scan.tallies.values())
    chosen: dict[str, int | None] = {str(value): value for value in THRESHOLDS}
    chosen["Otsu"] = _otsu(inside)
    if border.any():
        chosen["Otsu, border included"] = _otsu(inside + border)
    levels = np.flatnonzero(inside)
    if len(levels) >= 3:
        low, high = threshold_multiotsu(hist=(inside[levels[0] : levels[-1] + 1], _span(levels)), classes=3)
        chosen["Otsu for three parts, lower"], chosen["Otsu for three parts, upper"] = int(low) + 1, int(high) + 1
    return chosen


def _otsu(counts: NDArray[np.int64]) -> int | None:
    levels = np.flatnonzero(counts)
    if len(levels) < 2:
        return None
    # In scikit-image a value equal to the threshold is dark; here it is not.
    return int(threshold_otsu(hist=(counts[levels[0] : levels[-1] + 1], _span(levels)))) + 1


def _span(levels: NDArray[np.intp]) -> NDArray[np.int64]:
    return np.arange(levels[0], levels[-1] + 1)


def sum_counts(counts: Iterable[NDArray[np.int64]]) -> NDArray[np.int64]:
    """Sum of histograms, `(256,)`."""
    total = np.zeros(256, np.int64)
    for part in counts:
        total = total + part
    return total


def measure_thresholds(scan: Scan, chosen: Mapping[str, int | None]) -> list[Threshold]:
    """Each threshold on all images and on each class."""
    parts = {name: tally.reduced for name, tally in scan.tallies.items()}
    parts = {"all": np.sum(list(parts.values()), axis=0), **parts}
    rows = []
    for name, grey in chosen.items():
        for label, (bluish, others) in parts.items():
            if grey is None:
                rows.append(Threshold(name, None, label))
                continue
            hit, other = float(bluish[:grey].sum()), float(others[:grey].sum())
            total, dyed = float(bluish.sum() + others.sum()), float(bluish.sum())
            taken = hit + other
            rows.append(
                Threshold(
                    name,
                    grey,
                    label,
                    taken / total if total else None,
                    hit / dyed if dyed else None,
                    hit / taken if taken else None,
                )
            )
    return rows


@dataclass(frozen=True)
class Quality:
    """Image quality of one class.

    Attributes:
        label: The class.
        images: Its images.
        focus: Median variance of the Laplacian.
        blurred: Images whose focus is below a quarter of the dataset's median.
        contrast: Median standard deviation of grey.
        dark: Mean share of pixels below 8, border excluded.
        bright: Mean share of pixels from 250 up.
        bordered: Images with a black border.
        border: Mean share of the image that is border.
    """

    label: str
    images: int
    focus: float
    blurred: int
    contrast: float
    dark: float
    bright: float
    bordered: int
    border: float


def summarise_quality(scan: Scan) -> list[Quality]:
    """Image quality of each class."""
    limit = float(np.median([row.focus for row in scan.rows])) / 4
    of_class = split_rows(scan.rows)
    return [
        Quality(
            label,
            len(of_class[label]),
            float(np.median([row.focus for row in of_class[label]])),
            sum(row.focus < limit for row in of_class[label]),
            float(np.median([row.contrast for row in of_class[label]])),
            float(np.mean([row.dark for row in of_class[label]])),
            float(np.mean([row.bright for row in of_class[label]])),
            sum(row.border > 0 for row in of_class[label]),
            float(np.mean([row.border for row in of_class[label]])),
        )
        for label in scan.tallies
    ]
