"""Which image faults are more frequent in errors than in right predictions, and maps of where a model looked.

Faults and maps come in as words and arrays, from `leukolens.inference.failures`. Nothing here opens a model or measures
an image.
"""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from leukolens.core.intervals import Interval, wilson_interval
from leukolens.core.pixels import Pixels
from leukolens.core.predictions import Predictions

HeatOf = Callable[[str], tuple[Pixels, NDArray[np.float32]] | None]
"""Gives, by the image's name, the crop `(h, w, 3)` that the model was shown and the map `(h, w)`, 0..1, of where it
looked; None where there is none."""

_MORE_IN_ERRORS, _MORE_IN_RIGHT = "more frequent in errors", "more frequent in right predictions"


@dataclass(frozen=True)
class Findings:
    """What was measured on images with a prediction.

    Attributes:
        words: Each fault that was looked for.
        faults: The faults of each measured image, by its name.
        heat_of: Gives the map of an image.
        method: What the maps are; empty where there are none.
    """

    words: tuple[str, ...]
    faults: Mapping[str, tuple[str, ...]]
    heat_of: HeatOf = lambda name: None
    method: str = ""


@dataclass(frozen=True)
class Share:
    """How many of some images have a fault.

    Attributes:
        count: Images that have it.
        images: All of them.
        groups: Independent groups that they come from.
    """

    count: int
    images: int
    groups: int

    @cached_property
    def interval(self) -> Interval:
        """Wilson's 95 % interval of the share, as if each group were one image: the widest that groups can make it."""
        trials = min(self.groups, self.images)
        return wilson_interval(self.count / max(1, self.images) * trials, trials)


@dataclass(frozen=True)
class FaultRow:
    """How frequent one fault is in errors and in right predictions."""

    word: str
    wrong: Share
    right: Share

    @property
    def verdict(self) -> str:
        """Where the fault is more frequent. Intervals must not meet: stricter than 95 %, as ten faults are compared."""
        if self.wrong.interval.low > self.right.interval.high:
            return _MORE_IN_ERRORS
        if self.wrong.interval.high < self.right.interval.low:
            return _MORE_IN_RIGHT
        return "no difference shown"

    @property
    def is_reason(self) -> bool:
        """Whether the fault is a possible reason of errors."""
        return self.verdict == _MORE_IN_ERRORS


def tabulate_faults(predictions: Predictions, findings: Findings) -> list[FaultRow]:
    """One row per fault, and a last one for `any of these`."""
    groups = predictions.groups or ("",) * len(predictions.items)
    wrong: list[tuple[str, tuple[str, ...]]] = []
    right: list[tuple[str, tuple[str, ...]]] = []
    for prediction, truth, group in zip(predictions.items, predictions.truths, groups, strict=True):
        if truth and prediction.image in findings.faults:
            part = right if prediction.label == truth else wrong
            part.append((group or prediction.image, findings.faults[prediction.image]))

    def share(part: list[tuple[str, tuple[str, ...]]], wanted: Collection[str]) -> Share:
        count = sum(not set(wanted).isdisjoint(faults) for _, faults in part)
        return Share(count, len(part), len({group for group, _ in part}))

    words = [(word, (word,)) for word in findings.words]
    return [
        FaultRow(word, share(wrong, wanted), share(right, wanted))
        for word, wanted in [*words, ("any of these", findings.words)]
    ]


def lay_heat(pixels: Pixels, heat: NDArray[np.float32]) -> Pixels:
    """The image in grey, tinted from orange to yellow where the model looked.

    Args:
        pixels: `(h, w, 3)` uint8 RGB.
        heat: `(h, w)` float32, 0..1.

    Returns:
        `(h, w, 3)` uint8 RGB.
    """
    grey = np.repeat(pixels.mean(axis=2, keepdims=True), 3, axis=2)
    share = np.clip(heat, 0, 1)[:, :, None]
    tint = np.array([213, 94, 0]) * (1 - share) + np.array([255, 235, 60]) * share
    weight = 0.55 * share**0.7
    laid: Pixels = np.round(grey * (1 - weight) + tint * weight).astype(np.uint8)
    return laid
