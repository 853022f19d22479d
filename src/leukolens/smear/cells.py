"""All cells of a smear as one table of arrays."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from leukolens.core.overlaps import stack_corners
from leukolens.core.results import FieldCell
from leukolens.core.tables import BOX_COLUMNS, pick_rows
from leukolens.core.taxonomy import DETECTED_KINDS
from leukolens.smear.records import FieldResult


@dataclass(frozen=True, eq=False)
class SmearCells:
    """The `n` cells of all fields, one entry per cell in each array, in the order of the fields.

    `cells[...]` takes what indexes an array: `cells[cells.kind == "leukocyte"]`, `cells[:10]`.

    Attributes:
        field: `(n,)` int64, place of the cell's field in `SmearResult.fields`, from 0.
        xyxy: `(n, 4)` float64, left, top, right and bottom in pixels of the field.
        kind: `(n,)` text: `leukocyte`, `red_cell` or `platelet`.
        label: `(n,)` text, the class; empty where the cell was not classified.
        probability: `(n,)` float64, calibrated probability of the class; the score where not classified. 0..1.
        score: `(n,)` float64, how sure the detector is of the cell, 0..1.
        status: `(n,)` text, a `CellStatus`; only cells with `accepted` are counted.
        reason: `(n,)` text, why the cell is not accepted; empty where it is.
        image: `(n,)` text, name of the cell's field.
    """

    field: NDArray[np.int64]
    xyxy: NDArray[np.float64]
    kind: NDArray[np.str_]
    label: NDArray[np.str_]
    probability: NDArray[np.float64]
    score: NDArray[np.float64]
    status: NDArray[np.str_]
    reason: NDArray[np.str_]
    image: NDArray[np.str_]

    def __len__(self) -> int:
        return len(self.field)

    def __repr__(self) -> str:
        counts = ", ".join(
            f"{np.count_nonzero(self.kind == kind)} {kind.replace('_', ' ')}s" for kind in DETECTED_KINDS
        )
        return f"{len(self)} cells: {counts}"

    def __getitem__(self, index: slice | ArrayLike) -> "SmearCells":
        rows = pick_rows(len(self), index)
        return SmearCells(*(getattr(self, column.name)[rows] for column in fields(self)))

    def columns(self) -> dict[str, NDArray[Any]]:
        """The arrays by name, the corners as four columns `x0`, `y0`, `x1` and `y1`; as a DataFrame takes them."""
        corners = dict(zip(BOX_COLUMNS, self.xyxy.T, strict=True))
        names = ("kind", "label", "probability", "score", "status", "reason")
        return {"field": self.field, "image": self.image, **corners} | {name: getattr(self, name) for name in names}


def stack_cells(results: Sequence[FieldResult]) -> SmearCells:
    """The cells of all fields, counted or not."""
    placed: list[tuple[int, FieldCell]] = [(place, cell) for place, field in enumerate(results) for cell in field.cells]
    cells = [cell for _, cell in placed]
    return SmearCells(
        field=np.array([place for place, _ in placed], np.int64),
        xyxy=stack_corners([cell.box for cell in cells]),
        kind=np.array([cell.box.kind for cell in cells], np.str_),
        label=np.array([cell.box.label or "" for cell in cells], np.str_),
        probability=np.array([cell.probability for cell in cells], np.float64),
        score=np.array([cell.score for cell in cells], np.float64),
        status=np.array([cell.status for cell in cells], np.str_),
        reason=np.array([cell.reason for cell in cells], np.str_),
        image=np.array([results[place].name for place, _ in placed], np.str_),
    )
