"""The predictions file: what passes from any predictor to evaluation and to a user's spreadsheet.

One CSV row per image: `image,label,probability,status,reason,p_<class>...`, and, where known, `truth` and `group`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from leukolens.core.errors import DataError
from leukolens.core.files import format_rows, read_rows, write_rows
from leukolens.core.results import CellStatus, Prediction
from leukolens.core.taxonomy import CELL_CLASSES


@dataclass(frozen=True)
class Predictions:
    """Predictions on many cells, and what is known of their ground truth.

    Attributes:
        classes: `k` class names, the columns of the probabilities.
        items: `n` predictions, in order.
        truths: `n` class names, empty where unknown; or empty.
        groups: `n` names of what must not be torn apart (source field, slide), empty where unknown; or empty.
    """

    classes: tuple[str, ...]
    items: tuple[Prediction, ...]
    truths: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()

    @property
    def probabilities(self) -> NDArray[np.float64]:
        """`(n, k)` calibrated probabilities; rows of rejected calls are NaN."""
        blank = np.full(len(self.classes), np.nan)
        rows = [call.probabilities if len(call.probabilities) else blank for call in self.items]
        return np.stack(rows) if rows else np.empty((0, len(self.classes)))

    def header(self) -> list[str]:
        """Names of the columns of the file."""
        extra = ["truth"] * bool(self.truths) + ["group"] * bool(self.groups)
        return ["image", "label", "probability", "status", "reason", *(f"p_{name}" for name in self.classes), *extra]

    def rows(self) -> list[list[object]]:
        """The file's rows, probabilities to six decimals."""
        rows: list[list[object]] = []
        for index, call in enumerate(self.items):
            values = [f"{value:.6f}" for value in call.probabilities] or [""] * len(self.classes)
            row: list[object] = [call.image, call.label, f"{call.probability:.6f}", call.status, call.reason, *values]
            row += [column[index] for column in (self.truths, self.groups) if column]
            rows.append(row)
        return rows

    def to_csv(self) -> str:
        """The file as text."""
        return format_rows(self.header(), self.rows())


def write_predictions(path: Path, predictions: Predictions) -> None:
    """Writes the predictions file, whole or not at all."""
    write_rows(path, predictions.header(), predictions.rows())


def read_predictions(path: Path) -> Predictions:
    """Reads a predictions file.

    Raises:
        DataError: a needed column is missing, a class is unknown, or a number does not read.
    """
    rows = read_rows(path)
    if not rows:
        raise DataError(f"{path} holds no predictions. Expected a header and one row per image.")
    columns = list(rows[0])
    classes = tuple(name[2:] for name in columns if name.startswith("p_"))
    missing = {"image", "label", "probability"} - set(columns)
    if missing or not classes or not set(classes) <= set(CELL_CLASSES):
        raise DataError(
            f"{path} is not a predictions file: columns {columns}. Expected image, label, probability and one p_<class> per class of {CELL_CLASSES}."
        )
    calls = tuple(_read_call(path, number, row, classes) for number, row in enumerate(rows, start=2))
    return Predictions(classes, calls, _column(rows, "truth"), _column(rows, "group"))


def _column(rows: Sequence[dict[str, str]], name: str) -> tuple[str, ...]:
    return tuple(row[name] for row in rows) if name in rows[0] else ()


def _read_call(path: Path, number: int, row: dict[str, str], classes: tuple[str, ...]) -> Prediction:
    try:
        texts = [row[f"p_{name}"] for name in classes]
        values = np.array([float(text) for text in texts]) if all(texts) else np.empty(0)
        probability = float(row["probability"])
    except ValueError as error:
        raise DataError(f"{path}, line {number}: {error}. Expected probabilities as numbers from 0 to 1.") from error
    if len(values) and (not np.isfinite(values).all() or values.min() < 0 or abs(values.sum() - 1) > 1e-3):
        raise DataError(f"{path}, line {number}: the probabilities sum to {values.sum():.4f}, expected 1.")
    status = _read_status(path, number, row.get("status", ""))
    return Prediction(row["image"], row["label"], probability, values, status, row.get("reason", ""))


def _read_status(path: Path, number: int, text: str) -> CellStatus:
    try:
        return CellStatus(text or CellStatus.ACCEPTED)
    except ValueError as error:
        raise DataError(f"{path}, line {number}: status {text!r}. Expected accepted, review or rejected.") from error
