"""What a classifier makes of cells whose truth is known: the table that a differential is corrected with.

A row is a true class, a column what became of its cells: called a class and accepted, or set aside for review, as cells of
another laboratory often are. The table comes from validation cells, travels in the card, and is checked like everything else in a card. What follows
from it for a smear is `leukolens.analysis.correction`'s to say.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from leukolens.core.taxonomy import CELL_CLASSES

REVIEW = "review"
"""The outcome of a cell whose call was not accepted."""

_LARGEST_COUNT = 10**9


@dataclass(frozen=True)
class Confusion:
    """Validation cells by true class and outcome.

    Attributes:
        labels: `k` true classes.
        outcomes: The same names in the same order, then `review`.
        counts: `(k, k + 1)` int64 cells.
    """

    labels: tuple[str, ...]
    outcomes: tuple[str, ...]
    counts: NDArray[np.int64]

    def to_fields(self) -> dict[str, Any]:
        """As the card spells it."""
        return {"labels": list(self.labels), "outcomes": list(self.outcomes), "counts": self.counts.tolist()}


def count_confusion(classes: Sequence[str], truths: Sequence[str], outcomes: Sequence[str]) -> Confusion:
    """Counts the outcomes of cells with a known truth.

    Args:
        classes: Of the classifier, in its order.
        truths: Of each cell; cells of a class that the classifier does not have are left out.
        outcomes: Of each cell: the class it was accepted as; anything else counts as `review`.
    """
    number = {name: index for index, name in enumerate(classes)}
    counts = np.zeros((len(classes), len(classes) + 1), np.int64)
    for truth, outcome in zip(truths, outcomes, strict=True):
        if truth in number:
            counts[number[truth], number.get(outcome, len(classes))] += 1
    return Confusion(tuple(classes), (*classes, REVIEW), counts)


def parse_confusion(fields: Any) -> Confusion:
    """Reads the table as a card spells it.

    Raises:
        ValueError: it is not such a table: unknown or repeated classes, other columns, or counts that are not
            whole numbers from 0 on.
    """
    if not isinstance(fields, Mapping) or not all(
        isinstance(fields.get(key), list) for key in ("labels", "outcomes", "counts")
    ):
        raise ValueError("confusion, expected lists `labels`, `outcomes` and `counts`")
    labels = tuple(fields["labels"])
    known = all(isinstance(name, str) and name in CELL_CLASSES for name in labels)
    if not labels or not known or len(set(labels)) != len(labels):
        raise ValueError(f"confusion of labels {labels!r}, expected distinct ones of {CELL_CLASSES}")
    if fields["outcomes"] != [*labels, REVIEW]:
        raise ValueError(f"confusion with outcomes {fields['outcomes']!r}, expected the labels, then {REVIEW!r}")
    rows = fields["counts"]
    if len(rows) != len(labels) or not all(_is_row(row, len(labels) + 1) for row in rows):
        raise ValueError(f"confusion counts, expected {len(labels)} rows of {len(labels) + 1} whole numbers from 0 on")
    return Confusion(labels, (*labels, REVIEW), np.array(rows, np.int64))


def _is_row(row: Any, length: int) -> bool:
    return (
        isinstance(row, list)
        and len(row) == length
        and all(type(count) is int and 0 <= count <= _LARGEST_COUNT for count in row)
    )
