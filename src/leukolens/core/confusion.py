"""What a classifier makes of cells whose truth is known: the table that a differential is corrected with.

A row is a true class, a column what its cells were called, sure or not; a second table says how many of these calls
were set aside for review. The table comes from validation cells, travels in the card, and is checked like everything else in a card.
What follows from it for a smear is `leukolens.smear.correction`'s to say.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from leukolens.core.taxonomy import CELL_CLASSES

_LARGEST_COUNT = 10**9


@dataclass(frozen=True)
class Confusion:
    """Validation cells by true class and call.

    Attributes:
        labels: `k` classes.
        counts: `(k, k)` int64 cells of each true class, in rows, by the class that they were called.
        unsure: `(k, k)` int64, of these the cells whose call was not accepted.
    """

    labels: tuple[str, ...]
    counts: NDArray[np.int64]
    unsure: NDArray[np.int64]

    def to_fields(self) -> dict[str, Any]:
        """As the card spells it."""
        return {"labels": list(self.labels), "counts": self.counts.tolist(), "unsure": self.unsure.tolist()}


def count_confusion(
    classes: Sequence[str], truths: Sequence[str], calls: Sequence[str], accepted: Sequence[bool]
) -> Confusion:
    """Counts the calls of cells with a known truth.

    Args:
        classes: Of the classifier, in its order.
        truths: Of each cell; cells of a class that the classifier does not have are left out.
        calls: What each was called; a call that is no class leaves its cell out.
        accepted: Whether each call was.
    """
    number = {name: index for index, name in enumerate(classes)}
    counts, unsure = np.zeros((2, len(classes), len(classes)), np.int64)
    for truth, call, sure in zip(truths, calls, accepted, strict=True):
        if truth in number and call in number:
            counts[number[truth], number[call]] += 1
            unsure[number[truth], number[call]] += not sure
    return Confusion(tuple(classes), counts, unsure)


def parse_confusion(fields: Any) -> Confusion:
    """Reads the table as a card spells it.

    Raises:
        ValueError: it is not such a table: unknown or repeated classes, not squares of whole numbers from 0 on, or
            more unsure cells than cells.
    """
    if not isinstance(fields, Mapping) or not all(
        isinstance(fields.get(key), list) for key in ("labels", "counts", "unsure")
    ):
        raise ValueError("confusion, expected lists `labels`, `counts` and `unsure`")
    labels = tuple(fields["labels"])
    known = all(isinstance(name, str) and name in CELL_CLASSES for name in labels)
    if not labels or not known or len(set(labels)) != len(labels):
        raise ValueError(f"confusion of labels {labels!r}, expected distinct ones of {CELL_CLASSES}")
    tables = []
    for name in ("counts", "unsure"):
        rows = fields[name]
        if len(rows) != len(labels) or not all(_is_row(row, len(labels)) for row in rows):
            raise ValueError(f"confusion {name}, expected {len(labels)} rows of as many whole numbers from 0 on")
        tables.append(np.array(rows, np.int64))
    if (tables[1] > tables[0]).any():
        raise ValueError("confusion with more unsure cells than cells, expected at most as many")
    return Confusion(labels, *tables)


def _is_row(row: Any, length: int) -> bool:
    return (
        isinstance(row, list)
        and len(row) == length
        and all(type(count) is int and 0 <= count <= _LARGEST_COUNT for count in row)
    )
