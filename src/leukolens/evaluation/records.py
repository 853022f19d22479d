"""What every record of an evaluation shares: where its figures come from, and its way to a JSON file and back."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import msgspec

from leukolens.core.errors import DataError
from leukolens.core.files import write_text

Record = TypeVar("Record")


@dataclass(frozen=True)
class Provenance:
    """What was evaluated, and on which data.

    Attributes:
        model: Name of the model.
        data: Name of the dataset.
        split: Which part of it, and of which split.
        leaky: Whether the split leaks: a group stands on both sides.
        why_leaky: How it leaks; empty where it does not.
    """

    model: str = ""
    data: str = ""
    split: str = ""
    leaky: bool = False
    why_leaky: str = ""


def write_record(path: Path, record: object) -> None:
    """Writes a record as JSON, whole or not at all; keys stand in the order of its fields.

    Raises:
        DataError: the file cannot be written.
        ValueError: a figure is not finite.
    """
    fields = msgspec.to_builtins(record)
    write_text(path, json.dumps(fields, indent=1, ensure_ascii=False, allow_nan=False) + "\n")


def read_record(path: Path, kind: type[Record]) -> Record:
    """A record from its JSON file.

    Args:
        path: The file.
        kind: The record's type, such as `Metrics`.

    Raises:
        DataError: the file is not JSON, or its fields are not those of the record.
    """
    try:
        return msgspec.json.decode(path.read_bytes(), type=kind)
    except (OSError, msgspec.MsgspecError) as error:
        raise DataError(
            f"{path} cannot be read as {kind.__name__}: {error}. Write it again with `leukolens evaluate`."
        ) from error
