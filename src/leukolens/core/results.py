"""The frozen results that rooms hand to one another: boxes, calls on cells, and what became of an input."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Box:
    """Where a cell lies in its field, in pixels of the field as decoded; `x1` and `y1` are exclusive.

    `kind` is `leukocyte`, `red_cell` or `platelet`; `label` is a class of the taxonomy where one is known.
    """

    x0: float
    y0: float
    x1: float
    y1: float
    kind: str
    label: str | None = None


@dataclass(frozen=True)
class CellCall:
    """What LeukoLens says of one cell.

    Attributes:
        image: Name of the input that the cell stands in.
        label: The most probable class, empty when rejected before it was named.
        probability: Calibrated probability of `label`, 0..1.
        probabilities: One per class of the bundle, `(k,)` float64 summing to 1; empty when never named.
        status: `accepted`, `review` or `rejected`.
        reason: Why it is not accepted, in plain words; empty otherwise.
        warnings: What was odd about the input though it could be read.
    """

    image: str
    label: str
    probability: float
    probabilities: NDArray[np.float64]
    status: str
    reason: str = ""
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True)
class Refusal:
    """An input that could not be used, and why."""

    image: str
    why: str
