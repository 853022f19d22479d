"""Why it failed: which measured faults stand beside errors more often than beside right calls, and maps of errors.

Faults and maps come in as plain words and arrays (`leukolens.inference.failures` has them measured and drawn); nothing
here knows a model or measures a picture. `leukolens.evaluation.classification.report` shows what is counted here.
"""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from leukolens.core.intervals import Interval, wilson_interval
from leukolens.core.predictions import Predictions

HeatOf = Callable[[str], tuple[NDArray[np.uint8], NDArray[np.float32]] | None]
"""The picture `(h, w, 3)` as the model saw it and where it looked `(h, w)` 0..1, by name; None where there is none."""


@dataclass(frozen=True)
class Findings:
    """What was measured of judged pictures.

    Attributes:
        words: Every fault that was looked for.
        faults: The faults of each measured picture, by its name.
        heat_of: Where the model looked.
        method: What the maps are; empty where there are none.
    """

    words: tuple[str, ...]
    faults: Mapping[str, tuple[str, ...]]
    heat_of: HeatOf = lambda name: None
    method: str = ""


@dataclass(frozen=True)
class Share:
    """In how many of so many images, which come from so many independent groups."""

    count: int
    images: int
    groups: int

    @cached_property
    def interval(self) -> Interval:
        """Wilson interval as if each group were one observation: the widest that shared sources can make it."""
        trials = min(self.groups, self.images)
        return wilson_interval(self.count / max(1, self.images) * trials, trials)


@dataclass(frozen=True)
class FaultRow:
    """How often one fault stands beside errors and beside right calls."""

    word: str
    wrong: Share
    right: Share

    @property
    def verdict(self) -> str:
        """What the two shares say; intervals that do not meet are stricter than 95 %, as ten faults are looked for."""
        if self.wrong.interval.low > self.right.interval.high:
            return "more often beside errors"
        if self.wrong.interval.high < self.right.interval.low:
            return "more often beside right calls"
        return "no difference shown"

    @property
    def is_reason(self) -> bool:
        """Whether it may be offered as a reason."""
        return self.verdict == "more often beside errors"


def tabulate_faults(predictions: Predictions, findings: Findings) -> list[FaultRow]:
    """One row per fault, and a last one for `any of these`."""
    groups = predictions.groups or tuple(call.image for call in predictions.items)
    wrong: list[tuple[str, tuple[str, ...]]] = []
    right: list[tuple[str, tuple[str, ...]]] = []
    for call, truth, group in zip(predictions.items, predictions.truths, groups, strict=True):
        if truth and call.image in findings.faults:
            (right if call.label == truth else wrong).append((group or call.image, findings.faults[call.image]))

    def share(part: list[tuple[str, tuple[str, ...]]], wanted: Collection[str]) -> Share:
        return Share(
            sum(not set(wanted).isdisjoint(faults) for _, faults in part), len(part), len({group for group, _ in part})
        )

    words = [(word, (word,)) for word in findings.words]
    return [
        FaultRow(word, share(wrong, wanted), share(right, wanted))
        for word, wanted in [*words, ("any of these", findings.words)]
    ]


def lay_heat(pixels: NDArray[np.uint8], heat: NDArray[np.float32]) -> NDArray[np.uint8]:
    """The picture in grey, tinted from orange to yellow where the model looked; both `(h, w)`, and so is the result."""
    grey = np.repeat(pixels.mean(axis=2, keepdims=True), 3, axis=2)
    share = np.clip(heat, 0, 1)[:, :, None]
    tint = np.array([213, 94, 0]) * (1 - share) + np.array([255, 235, 60]) * share
    weight = 0.55 * share**0.7
    laid: NDArray[np.uint8] = np.round(grey * (1 - weight) + tint * weight).astype(np.uint8)
    return laid
