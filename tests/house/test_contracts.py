"""The contracts of import-linter hold, and leave no package out."""

import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "src" / "leukolens"
PACKAGES = {path.parent.name for path in SOURCE.glob("*/__init__.py")}
CONTRACTS: list[dict[str, Any]] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"][
    "importlinter"
]["contracts"]
FORBIDDEN = {contract["name"]: contract for contract in CONTRACTS if contract["type"] == "forbidden"}
MAY_NAME = {
    "torch": {"models", "training", "ladder"},
    "onnxruntime": {"inference", "training"},
    "jinja2": {"reporting"},
    "click": {"cli"},
    "pandas": {"models", "datasets", "evaluation", "exploration", "training", "ladder"},
}
"""Packages that may name a library; each other package must stand in the contract that forbids it."""


def test_contracts_hold() -> None:
    done = subprocess.run(
        [Path(sys.executable).parent / "lint-imports"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout


def test_every_package_stands_on_a_floor() -> None:
    (floors,) = (contract for contract in CONTRACTS if contract["type"] == "layers")
    named = [name.strip(" ()") for layer in floors["layers"] for name in layer.split("|")]
    assert len(named) == len(set(named))
    assert set(named) >= PACKAGES
    assert floors["exhaustive"] and set(floors["exhaustive_ignores"]) <= {"__main__", "bundles"}


@pytest.mark.parametrize("library", MAY_NAME)
def test_every_other_package_is_forbidden_to_name_a_library(library: str) -> None:
    (contract,) = (one for one in FORBIDDEN.values() if library in one["forbidden_modules"])
    sources = {name.removeprefix("leukolens.") for name in contract["source_modules"]}
    assert sources == PACKAGES - MAY_NAME[library]


def test_every_forbidden_contract_is_checked_here() -> None:
    assert {name for name, one in FORBIDDEN.items() if not set(one["forbidden_modules"]) & set(MAY_NAME)} == set()
