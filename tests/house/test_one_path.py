"""Cells are found, cut and judged in `leukolens.inference` and nowhere else."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2] / "src" / "leukolens"

MAY_USE = {
    "find_cells": {"inference/view.py"},
    "find_content": {"inference/view.py"},
    "find_view": {"inference/view.py"},
    # The report of a detector shows an error with the cells around it: a picture for people, not a crop for a model.
    "crop_cell": {"inference/crops.py", "evaluation/detection/gallery.py"},
    "square_box": {"inference/crops.py", "evaluation/detection/gallery.py"},
    "place_crop": {"inference/crops.py", "inference/perception.py"},
    "cut_crop": {"inference/crops.py", "inference/perception.py"},
}
"""Where each function may be used; its definition does not count."""


def list_uses(tree: ast.AST) -> Iterator[str]:
    """Names that a module imports, or calls as an attribute of an object or module."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.Attribute):
            yield node.attr


@pytest.mark.parametrize("name", MAY_USE)
def test_one_path_from_pixels_to_cells(name: str) -> None:
    users = {
        path.relative_to(ROOT).as_posix()
        for path in ROOT.rglob("*.py")
        if name in list_uses(ast.parse(path.read_text(encoding="utf-8")))
    }
    # A module that defines and uses a function needs no import of it.
    defined = {"crop_cell": "core/pixels.py", "square_box": "core/pixels.py"}
    assert users - {defined.get(name, "")} <= MAY_USE[name]
    assert users, f"nothing uses {name}: mend this test"


@pytest.mark.parametrize(("name", "home"), [("softmax", "core/acceptance.py"), ("are_accepted", "core/acceptance.py")])
def test_one_softmax_and_one_rule_of_acceptance(name: str, home: str) -> None:
    homes = {
        path.relative_to(ROOT).as_posix()
        for path in ROOT.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.FunctionDef) and node.name == name
    }
    assert homes == {home}
