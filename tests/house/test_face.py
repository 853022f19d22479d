"""The public face: the names, their types as mypy reads them, and the example of the README."""

import ast
import os
import re
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

import leukolens

ROOT = Path(__file__).parents[2]
STUB = ROOT / "src" / "leukolens" / "__init__.pyi"

GOOD = """\
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

import leukolens as ll

predictions = ll.classify([Path("a.png"), np.zeros((40, 40, 3), np.uint8)], whole=True)
proba: NDArray[np.float64] = predictions.proba
review: ll.Predictions = predictions[predictions.status == "review"]
first: ll.Prediction = predictions[0]
status: ll.CellStatus = first.status
why: str = predictions.refused[0].why
shares: dict[str, float] = predictions.to_dict()["predictions"][0]["probabilities"]
box: ll.Box | None = first.box
classes: tuple[str, ...] = ll.CELL_CLASSES
smear: ll.SmearResult = ll.count("fields/", pixel_size_um=0.1)
cells: NDArray[np.float64] = smear.cells.xyxy
parts = ll.make_split(ll.open_dataset("synth"), "grouped", seed=1).parts
train: tuple[str, ...] = parts["train"]
added: ll.Manifest = ll.add_dataset("mine", Path("folder"), force=True)
version: str = ll.__version__
model: ll.ClassifierModel = ll.load()
names: tuple[str, ...] = ll.load("pbc", threads=2).classes
by_task: NDArray[np.float64] = ll.load("mine", task="classification").predict_proba(np.zeros((2, 40, 40, 3), np.uint8))
found: ll.Detections = ll.load("cells").detect("field.png", pixel_size_um=0.1)
corners: NDArray[np.float64] = found[found.kind == "leukocyte"].xyxy
opened: ll.Predictions = ll.classify("photographs", model, detector=ll.load(task="detection"))
run = ll.train("recipes/pbc.toml", "pbc", out="runs/pbc", split="split.json", resume=True)
ll.export(run, out=Path("bundles/mine"), int8=True)
ll.evaluate("bundles/mine", ll.open_dataset("pbc"), out="report", part="test")
ll.explore("pbc", out="look")
either: ll.ClassifierModel | ll.DetectorModel = ll.load(Path("somewhere"))
try:
    ll.classify("x.png")
except ll.LeukolensError as error:
    words: str = str(error)
"""

BAD = (
    ("ll.no_such_name", "attr-defined"),
    ("ll.classify(imagse=[])", "call-arg"),
    ("ll.classify([]).probabilities", "attr-defined"),
    ("ll.classify([1.5])", "list-item"),
    ("ll.classify('x.png')[0].lable", "attr-defined"),
    ("ll.classify('x.png').to_dict()['refusd']", "typeddict-item"),
    ("ll.count('x', pixel_size=0.1)", "call-arg"),
    ("ll.load(thread=2)", "call-overload"),
    ("ll.load('cells').predict([])", "attr-defined"),
    ("ll.load('pbc').detect('x')", "attr-defined"),
    ("ll.load('mine').predict([])", "union-attr"),
    ("ll.load('mine', task='segmentation')", "call-overload"),
    ("ll.load('cells').detect(['a', 'b'])", "arg-type"),
    ("ll.classify('x', ll.load('cells'))", "arg-type"),
    ("ll.load('cells').detect('x').label", "attr-defined"),
    ("ll.train('recipe.toml', 'pbc')", "call-arg"),
    ("ll.train('recipe.toml', 'pbc', out='run', epochs=3)", "call-arg"),
    ("ll.export('run', out='bundle', in8=True)", "call-arg"),
    ("ll.evaluate('bundle', 'pbc', out='report', split='test')", "call-arg"),
    ("ll.explore('pbc', ouut='look')", "call-arg"),
    ("ll.load_bundle('pbc').card.clases", "attr-defined"),
    ("ll.count('x').sells", "attr-defined"),
    ("ll.open_dataset('synth').recrods", "attr-defined"),
    ("ll.make_split(ll.open_dataset('synth'), kind='grouped', sed=1)", "call-arg"),
)


def test_stub_and_runtime_have_the_same_names() -> None:
    imports = [node for node in ast.parse(STUB.read_text(encoding="utf-8")).body if isinstance(node, ast.ImportFrom)]
    in_stub = {alias.asname: (node.module, alias.name) for node in imports for alias in node.names}
    at_runtime = {name: (module, name) for module, names in leukolens._MODULES.items() for name in names}  # type: ignore[attr-defined]
    assert in_stub == at_runtime
    assert sorted(leukolens.__all__) == sorted({*in_stub, "__version__"}) == sorted(dir(leukolens))


def test_each_name_is_the_one_of_its_module() -> None:
    for module, names in leukolens._MODULES.items():  # type: ignore[attr-defined]
        for name in names:
            assert getattr(leukolens, name) is getattr(import_module(module), name)
    assert leukolens.__version__[0].isdigit()
    with pytest.raises(AttributeError, match="classify"):
        leukolens.nothing_of_the_kind  # noqa: B018


def test_no_public_name_is_a_package_too() -> None:
    """Python binds an imported package to its name in the parent, where it would hide the function."""
    packages = {path.parent.name for path in STUB.parent.glob("*/__init__.py")}
    assert packages & set(leukolens.__all__) == set()


def test_the_import_alone_loads_nothing() -> None:
    code = "import sys, leukolens; print([name for name in sys.modules if name.startswith(('leukolens.', 'numpy', 'onnx'))])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def check_types(folder: Path, **scripts: str) -> list[str]:
    """What mypy --strict says of scripts that import leukolens as a stranger's project does, without our settings."""
    for name, text in scripts.items():
        (folder / f"{name}.py").write_text(text, encoding="utf-8")
    words = ["--strict", "--config-file=", "--no-error-summary", "--no-pretty", "--follow-imports=silent"]
    words += ["--cache-dir", str(ROOT / ".mypy_cache" / "face")]
    done = subprocess.run(
        [sys.executable, "-m", "mypy", *words, *(f"{name}.py" for name in scripts)],
        cwd=folder,
        env={"MYPYPATH": str(ROOT / "src"), "PATH": ""},
        capture_output=True,
        text=True,
        check=False,
    )
    assert not done.stderr
    return done.stdout.splitlines()


def test_mypy_knows_the_face(tmp_path: Path) -> None:
    bad = "import leukolens as ll\n" + "".join(f"{line}\n" for line, _ in BAD)
    said = check_types(tmp_path, good=GOOD, bad=bad)
    errors = [line for line in said if ": error:" in line]
    expected = [(f"bad.py:{number}:", f"[{code}]") for number, (_, code) in enumerate(BAD, start=2)]
    assert len(errors) == len(expected), said
    for line, (start, end) in zip(errors, expected, strict=True):
        assert line.startswith(start) and line.endswith(end)


EXAMPLE = ROOT / "docs" / "examples" / "scientist.py"


def test_the_example_runs(tmp_path: Path) -> None:
    here = os.environ | {"PYTHONPATH": str(ROOT / "src"), "MPLBACKEND": "agg"}
    done = subprocess.run(
        [sys.executable, EXAMPLE], cwd=tmp_path, env=here, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "45 detections: 2 leukocytes, 37 red cells, 6 platelets" in done.stdout
    assert done.stdout.count("accepted") == 8, done.stdout
    assert (tmp_path / "cells.png").read_bytes().startswith(b"\x89PNG")


def test_the_example_type_checks_and_is_short(tmp_path: Path) -> None:
    text = EXAMPLE.read_text(encoding="utf-8")
    assert check_types(tmp_path, scientist=text) == []
    assert sum(bool(line.strip()) for line in text.splitlines()) <= 21, "20 lines and the docstring"


def test_the_readme_shows_the_example() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    shown = re.search(r"<!-- scientist\.py -->\n```python\n(.*?)```\n", readme, re.DOTALL)
    assert shown is not None and shown[1] == EXAMPLE.read_text(encoding="utf-8")
