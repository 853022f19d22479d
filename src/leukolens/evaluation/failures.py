"""Why it failed: which measured faults stand beside errors more often than beside right calls, and maps of errors.

Faults and maps come in as plain words and arrays (`leukolens.analysis.failures` has them measured and drawn); nothing
here knows a model or measures a picture. `leukolens.evaluation.report` shows what is counted here.
"""

from collections.abc import Callable, Mapping
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
        compared: Names of right ones that errors are compared with: none that told what is usual.
        heat_of: Where the model looked.
        method: What the maps are; empty where there are none.
    """

    words: tuple[str, ...]
    faults: Mapping[str, tuple[str, ...]]
    compared: frozenset[str]
    heat_of: HeatOf = lambda name: None
    method: str = ""


@dataclass(frozen=True)
class FaultRow:
    """How often one fault stands beside errors and beside right calls."""

    word: str
    wrong: int
    wrong_of: int
    right: int
    right_of: int

    @cached_property
    def wrong_interval(self) -> Interval:
        """Wilson interval of its share of the errors."""
        return wilson_interval(self.wrong, self.wrong_of)

    @cached_property
    def right_interval(self) -> Interval:
        """Wilson interval of its share of the right calls."""
        return wilson_interval(self.right, self.right_of)

    @property
    def verdict(self) -> str:
        """What the two shares say; intervals that do not meet are stricter than 95 %, as ten faults are looked for."""
        if not self.wrong_of or not self.right_of:
            return "cannot be told"
        if self.wrong_interval.low > self.right_interval.high:
            return "more often beside errors"
        if self.wrong_interval.high < self.right_interval.low:
            return "more often beside right calls"
        return "no difference shown"

    @property
    def is_reason(self) -> bool:
        """Whether it may be offered as a reason."""
        return self.verdict == "more often beside errors"


def tabulate_faults(predictions: Predictions, findings: Findings) -> list[FaultRow]:
    """One row per fault, and a last one for `any of these`."""
    wrong = [
        findings.faults[call.image]
        for call, truth in zip(predictions.calls, predictions.truths, strict=bool(predictions.truths))
        if truth and call.label != truth and call.image in findings.faults
    ]
    right = [findings.faults[name] for name in findings.compared]

    def row(word: str, here: Callable[[tuple[str, ...]], bool]) -> FaultRow:
        return FaultRow(word, sum(map(here, wrong)), len(wrong), sum(map(here, right)), len(right))

    rows = [row(word, lambda faults, word=word: word in faults) for word in findings.words]  # type: ignore[misc]
    return [*rows, row("any of these", bool)]


def lay_heat(pixels: NDArray[np.uint8], heat: NDArray[np.float32]) -> NDArray[np.uint8]:
    """The picture in grey, tinted from orange to yellow where the model looked; both `(h, w)`, and so is the result."""
    grey = np.repeat(pixels.mean(axis=2, keepdims=True), 3, axis=2)
    share = np.clip(heat, 0, 1)[:, :, None]
    tint = np.array([213, 94, 0]) * (1 - share) + np.array([255, 235, 60]) * share
    weight = 0.75 * np.sqrt(share)
    laid: NDArray[np.uint8] = np.round(grey * (1 - weight) + tint * weight).astype(np.uint8)
    return laid
