"""Predictions on many images, as arrays and as the predictions file.

The file is CSV with one row per image: `image,label,probability,status,reason,p_<class>...`, and `truth` and `group`
where they are known. Evaluation reads it, whatever program wrote it.
"""

import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypedDict, overload

import numpy as np
from numpy.typing import ArrayLike, NDArray

from leukolens.core.errors import DataError
from leukolens.core.files import format_rows, show_name, stream_rows
from leukolens.core.results import CellStatus, Prediction, Refusal
from leukolens.core.tables import BOX_COLUMNS, needs_package, pick_rows, save_table
from leukolens.core.taxonomy import CELL_CLASSES, match_class

if TYPE_CHECKING:
    import pandas

_ROUNDING = 1e-3
"""How far probabilities in a file may be off because they were rounded."""
_COLUMNS = ("image", "label", "probability", "status", "reason")


class PredictionDict(TypedDict):
    """One prediction in plain Python types; `box` is x0, y0, x1, y1 in pixels, None where the image was taken whole."""

    image: str
    label: str
    probability: float
    status: str
    reason: str
    probabilities: dict[str, float]
    warnings: list[str]
    box: list[float] | None


class RefusalDict(TypedDict):
    """One refused input in plain Python types."""

    image: str
    why: str


class PredictionsDict(TypedDict):
    """`Predictions.to_dict()`."""

    bundle: str
    classes: list[str]
    predictions: list[PredictionDict]
    refused: list[RefusalDict]


@dataclass(frozen=True, eq=False)
class Predictions:
    """Predictions on `n` images, in order.

    `len(predictions)` counts them, a loop gives each as a `Prediction`, and `predictions[...]` takes what indexes an
    array: `predictions[predictions.status == "review"]`, `predictions[:10]`. One whole number gives one `Prediction`.

    Attributes:
        classes: `k` class names, the columns of `proba`.
        items: `n` predictions.
        truths: `n` class names, empty where unknown; or no entry at all.
        groups: `n` names of what must stay on one side of a split (source field, slide), empty where unknown; or no
            entry at all.
        refused: Inputs that could not be read, and why; they are not among the `n`.
        bundle: Name of the bundle that was used; empty where unknown.
    """

    classes: tuple[str, ...]
    items: tuple[Prediction, ...]
    truths: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    refused: tuple[Refusal, ...] = ()
    bundle: str = ""

    @cached_property
    def label(self) -> NDArray[np.str_]:
        """`(n,)` str: the most probable class; empty for a rejected image."""
        return np.array([item.label for item in self.items], np.str_)

    @cached_property
    def probability(self) -> NDArray[np.float64]:
        """`(n,)` float64, 0..1: the calibrated probability of `label`; 0 for a rejected image."""
        return np.array([item.probability for item in self.items], np.float64)

    @cached_property
    def proba(self) -> NDArray[np.float64]:
        """`(n, k)` float64, 0..1: calibrated probabilities that sum to 1; NaN for a rejected image."""
        blank = np.full(len(self.classes), np.nan)
        rows = [item.probabilities if len(item.probabilities) else blank for item in self.items]
        return np.stack(rows) if rows else np.empty((0, len(self.classes)))

    @cached_property
    def status(self) -> NDArray[np.str_]:
        """`(n,)` str: `accepted`, `review` or `rejected`."""
        return np.array([item.status for item in self.items], np.str_)

    @cached_property
    def xyxy(self) -> NDArray[np.float64]:
        """`(n, 4)` float64: x0, y0, x1, y1 of the cell in pixels of its image; NaN where the image was taken whole."""
        blank = np.full(4, np.nan)
        rows = [blank if item.box is None else item.box.xyxy for item in self.items]
        return np.stack(rows) if rows else np.empty((0, 4))

    def __len__(self) -> int:
        return len(self.items)

    def __iter__(self) -> Iterator[Prediction]:
        return iter(self.items)

    @overload
    def __getitem__(self, index: int) -> Prediction: ...

    @overload
    def __getitem__(self, index: slice | ArrayLike) -> "Predictions": ...

    def __getitem__(self, index: int | slice | ArrayLike) -> "Prediction | Predictions":
        if isinstance(index, int | np.integer):
            return self.items[index]
        rows = pick_rows(len(self), index).tolist()
        truths, groups = (tuple(column[row] for row in rows) if column else () for column in (self.truths, self.groups))
        return Predictions(self.classes, tuple(self.items[row] for row in rows), truths, groups, (), self.bundle)

    def __repr__(self) -> str:
        counts = {status: int(np.count_nonzero(self.status == status)) for status in CellStatus}
        rejected = f", {counts[CellStatus.REJECTED]} rejected" * bool(counts[CellStatus.REJECTED])
        return (
            f"{len(self)} predictions{f' of {self.bundle}' * bool(self.bundle)}: {counts[CellStatus.ACCEPTED]} accepted, "
            f"{counts[CellStatus.REVIEW]} for review{rejected}; {len(self.refused)} refused"
        )

    def header(self) -> list[str]:
        """Names of the columns of the predictions file."""
        extra = ["truth"] * bool(self.truths) + ["group"] * bool(self.groups)
        return [*_COLUMNS, *(f"p_{name}" for name in self.classes), *extra]

    def rows(self) -> list[list[object]]:
        """The rows of the predictions file, probabilities to six decimals."""
        rows: list[list[object]] = []
        for index, item in enumerate(self.items):
            values = [f"{value:.6f}" for value in item.probabilities] or [""] * len(self.classes)
            row: list[object] = [item.image, item.label, f"{item.probability:.6f}", item.status, item.reason, *values]
            row += [column[index] for column in (self.truths, self.groups) if column]
            rows.append(row)
        return rows

    def to_csv(self) -> str:
        """The predictions file as text."""
        return format_rows(self.header(), self.rows())

    def to_dict(self) -> PredictionsDict:
        """The same in plain Python types, as `save` writes it to a JSON file; probabilities to six decimals."""
        return {
            "bundle": self.bundle,
            "classes": list(self.classes),
            "predictions": [self._describe(item) for item in self.items],
            "refused": [{"image": show_name(item.image), "why": item.why} for item in self.refused],
        }

    def to_pandas(self) -> "pandas.DataFrame":
        """One row per image: the columns of the predictions file, then x0, y0, x1 and y1 of the cell.

        Numbers keep their full precision and are NaN where there is none.

        Raises:
            UsageError: pandas is not installed.
        """
        with needs_package("pandas", "to_pandas()"):
            import pandas
        images, reasons = ([getattr(item, name) for item in self.items] for name in ("image", "reason"))
        known = [list(column) for column in (self.truths, self.groups) if column]
        columns: list[Any] = [images, self.label, self.probability, self.status, reasons, *self.proba.T, *known]
        names = [*self.header(), *BOX_COLUMNS]
        return pandas.DataFrame(dict(zip(names, [*columns, *self.xyxy.T], strict=True)))

    def save(self, path: str | Path) -> None:
        """Writes the predictions file or, under a name that ends in .json, what `to_dict` gives.

        Replaces a file of that name. The predictions file is CSV; it does not name what was refused.

        Raises:
            UsageError: the name ends in neither .csv nor .json.
            DataError: the file cannot be written.
        """
        save_table(path, self.header(), self.rows(), self.to_dict())

    def _describe(self, item: Prediction) -> PredictionDict:
        shares = zip(self.classes, (round(float(value), 6) for value in item.probabilities), strict=False)
        return {
            "image": show_name(item.image),
            "label": item.label,
            "probability": round(item.probability, 6),
            "status": item.status,
            "reason": item.reason,
            "probabilities": dict(shares),
            "warnings": list(item.warnings),
            "box": None if item.box is None else [round(side, 1) for side in item.box.xyxy.tolist()],
        }


def read_predictions(path: Path) -> Predictions:
    """Reads a predictions file. Class names in `label` and `truth` may be any that the taxonomy knows.

    Raises:
        DataError: a needed column is missing, a class is unknown, a number cannot be a probability, a row contradicts
            itself, or an image has several rows.
    """
    items: list[Prediction] = []
    known: dict[str, list[str]] = {"truth": [], "group": []}
    lines: dict[str, int] = {}
    classes: tuple[str, ...] = ()
    for number, row in enumerate(stream_rows(path), start=2):
        classes = classes or _find_classes(path, row)
        try:
            items.append(_read_prediction(row, classes))
        except ValueError as error:
            raise DataError(f"{path}, line {number}: {error}") from error
        if lines.setdefault(row["image"], number) != number:
            raise DataError(
                f"{path}, line {number}: {show_name(row['image'])} stands in line {lines[row['image']]} already. "
                "Expected one row per image: delete the others."
            )
        for name, column in known.items():
            if name in row:
                column.append(sys.intern(row[name]))
    if not items:
        raise DataError(f"{path} holds no predictions. Expected a header and one row per image.")
    return Predictions(classes, tuple(items), _read_truths(path, known["truth"]), tuple(known["group"]))


def _find_classes(path: Path, row: Mapping[str, str]) -> tuple[str, ...]:
    """The classes that the columns of a predictions file name.

    Raises:
        DataError: a needed column is missing, or a class is unknown.
    """
    classes = tuple(name[2:] for name in row if name.startswith("p_"))
    if {"image", "label", "probability"} - set(row) or not classes or not set(classes) <= set(CELL_CLASSES):
        raise DataError(
            f"{path} is not a predictions file: columns {list(row)}. Expected image, label, probability and one p_<class> "
            f"per class of {CELL_CLASSES}."
        )
    return classes


def _read_truths(path: Path, words: Sequence[str]) -> tuple[str, ...]:
    names = {word: match_class(word) for word in dict.fromkeys(words) if word.strip()}
    unknown = [repr(word) for word, name in names.items() if name is None]
    if unknown:
        raise DataError(
            f"{path}: no known cell type is called {', '.join(unknown)} in the column truth. Expected names such as "
            f"{', '.join(CELL_CLASSES)}, or nothing where the class is unknown."
        )
    return tuple(name.label if (name := names.get(word)) else "" for word in words)


def _read_prediction(row: dict[str, str], classes: tuple[str, ...]) -> Prediction:
    texts = [row[f"p_{name}"] for name in classes]
    values = np.array([_read_number(text) for text in texts]) if all(texts) else np.empty(0)
    probability = _read_number(row["probability"])
    if len(values) and (not np.isfinite(values).all() or values.min() < 0 or abs(values.sum() - 1) > _ROUNDING):
        raise ValueError(
            f"the probabilities sum to {values.sum():.4f}, the least is {values.min():.4f}; expected 0 to 1 each and 1 "
            "together."
        )
    if not 0 <= probability <= 1:
        raise ValueError(f"the probability is {probability}; expected 0 to 1.")
    status = _read_status(row.get("status", ""))
    label = row["label"].strip()
    if label or len(values):
        name = match_class(label)
        if name is None or name.label not in classes:
            raise ValueError(f"the label is {label!r}; expected one of {', '.join(classes)}.")
        label = name.label
    if label and len(values):
        own, most = values[classes.index(label)], classes[int(values.argmax())]
        if own < values.max() - _ROUNDING or abs(own - probability) > _ROUNDING:
            raise ValueError(
                f"the label is {label} with probability {probability:g}, but p_{label} is {own:g} and p_{most} "
                f"{values.max():g}. Are the columns in the order that the header says?"
            )
    return Prediction(row["image"], label, probability, values, status, row.get("reason", ""))


def _read_number(text: str) -> float:
    """A number. In many countries spreadsheets write it with a comma.

    Raises:
        ValueError: it is none.
    """
    try:
        return float(text.replace(",", "."))
    except ValueError as error:
        raise ValueError(f"{text!r} is no number. Expected probabilities as numbers from 0 to 1.") from error


def _read_status(text: str) -> CellStatus:
    try:
        return CellStatus(text.strip() or CellStatus.ACCEPTED)
    except ValueError as error:
        raise ValueError(f"status {text!r}. Expected accepted, review or rejected.") from error
