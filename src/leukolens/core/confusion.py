"""Validation cells by true and predicted class: the table that a differential is corrected with.

A row is a true class, a column a predicted one. A second table counts the predictions that were left for review.
The table travels in the card of a classifier; `leukolens.smear.correction` uses it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

import numpy as np
from msgspec import Meta, Struct
from numpy.typing import NDArray

from leukolens.core.taxonomy import CELL_CLASSES

_Row = tuple[Annotated[int, Meta(ge=0, le=10**9)], ...]


@dataclass(frozen=True)
class Confusion:
    """Validation cells by true and predicted class.

    Attributes:
        labels: `k` classes.
        counts: `(k, k)` int64: cells of each true class, in rows, by predicted class.
        unsure: `(k, k)` int64: of these, the cells whose prediction was not accepted.
    """

    labels: tuple[str, ...]
    counts: NDArray[np.int64]
    unsure: NDArray[np.int64]

    def to_table(self) -> "ConfusionTable":
        """As a card holds it."""
        counts, unsure = (tuple(map(tuple, table.tolist())) for table in (self.counts, self.unsure))
        return ConfusionTable(self.labels, counts, unsure)


class ConfusionTable(Struct, frozen=True, forbid_unknown_fields=True):
    """The same numbers as a card holds them: rows of whole numbers.

    Raises:
        ValueError: unknown or repeated classes, tables that are not square, or more unsure cells than cells.
    """

    labels: tuple[str, ...]
    counts: tuple[_Row, ...]
    unsure: tuple[_Row, ...]

    def __post_init__(self) -> None:
        """Checks what no single field can say."""
        size = len(self.labels)
        if not size or len(set(self.labels)) != size or not set(self.labels) <= set(CELL_CLASSES):
            raise ValueError(f"confusion of labels {self.labels!r}, expected distinct ones of {CELL_CLASSES}")
        for name, rows in (("counts", self.counts), ("unsure", self.unsure)):
            if len(rows) != size or any(len(row) != size for row in rows):
                raise ValueError(f"confusion {name}, expected {size} rows of as many whole numbers from 0 on")
        if any(
            few > all_
            for row, others in zip(self.unsure, self.counts, strict=True)
            for few, all_ in zip(row, others, strict=True)
        ):
            raise ValueError("confusion with more unsure cells than cells, expected at most as many")

    def to_confusion(self) -> Confusion:
        """As arrays."""
        return Confusion(self.labels, np.array(self.counts, np.int64), np.array(self.unsure, np.int64))


def count_confusion(
    classes: Sequence[str], truths: Sequence[str], predicted: Sequence[str], accepted: Sequence[bool]
) -> Confusion:
    """Counts the predictions of cells whose class is known.

    Args:
        classes: Of the classifier, in its order.
        truths: Known class of each cell. Cells of a class that the classifier does not have are left out.
        predicted: Predicted class of each cell. Cells without a class are left out.
        accepted: Whether each prediction was accepted.
    """
    number = {name: index for index, name in enumerate(classes)}
    counts, unsure = np.zeros((2, len(classes), len(classes)), np.int64)
    for truth, label, sure in zip(truths, predicted, accepted, strict=True):
        if truth in number and label in number:
            counts[number[truth], number[label]] += 1
            unsure[number[truth], number[label]] += not sure
    return Confusion(tuple(classes), counts, unsure)
