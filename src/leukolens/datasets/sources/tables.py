"""Reads the CSV files beside the sources: facts about public datasets, found by comparing pictures."""

import csv
from importlib.resources import files


def read_table(name: str) -> list[dict[str, str]]:
    """The rows of one of the CSV files in this folder."""
    text = files("leukolens.datasets.sources").joinpath(name).read_text(encoding="utf-8")
    return list(csv.DictReader(text.splitlines()))
