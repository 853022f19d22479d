"""Our own maps of known leaks, by matching and hashing: see the files' columns; read with `read_map`."""

import csv
from importlib.resources import files


def read_map(name: str) -> list[dict[str, str]]:
    """The rows of one of the CSV files beside this module."""
    text = files(__name__).joinpath(name).read_text(encoding="utf-8")
    return list(csv.DictReader(text.splitlines()))
