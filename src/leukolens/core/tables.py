"""What results that are tables share: choosing rows, saving, and packages that only one method needs."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray

from leukolens.core.errors import UsageError
from leukolens.core.files import show_name, write_rows, write_text

BOX_COLUMNS = ("x0", "y0", "x1", "y1")
"""Columns of a box, in pixels; x1 and y1 are exclusive."""


@contextmanager
def needs_package(name: str, purpose: str) -> Iterator[None]:
    """Turns a failed import inside the `with` block into an error that says what to install.

    Args:
        name: What `pip install` calls the package.
        purpose: What needs it, as the message says it: `to_pandas()`.

    Raises:
        UsageError: the package is not installed.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        raise UsageError(f"{purpose} needs the package {name} ({error}). Install it: pip install {name}") from error


def pick_rows(length: int, index: slice | ArrayLike) -> NDArray[np.intp]:
    """The row numbers that an index means: a slice, row numbers or a mask of `length` truth values.

    Raises:
        UsageError: the index is none of these, or does not fit.
    """
    every = np.arange(length)
    if isinstance(index, slice):
        return every[index]
    rows = np.asarray(index)
    try:
        # numpy makes an empty list one of floats, which index nothing.
        return np.atleast_1d(every[rows if rows.size else rows.astype(np.intp)])
    except (IndexError, ValueError) as error:
        raise UsageError(
            f"These {length} rows take a slice, row numbers or a mask of {length} truth values; received an index of shape "
            f"{rows.shape} and type {rows.dtype} ({error})."
        ) from error


def save_table(
    path: str | Path, header: Sequence[str], rows: Iterable[Sequence[object]], fields: Mapping[str, object]
) -> None:
    """Writes a CSV file of the rows under a name that ends in .csv, a JSON file of the fields under one in .json.

    Raises:
        UsageError: the name ends in neither.
        DataError: the file cannot be written.
    """
    path = Path(path)
    if path.suffix.lower() == ".json":
        write_text(path, json.dumps(fields, indent=1) + "\n")
    elif path.suffix.lower() == ".csv":
        write_rows(path, header, rows)
    else:
        raise UsageError(f"A table is saved under a name that ends in .csv or .json; received {show_name(path.name)}.")
