"""Classifier and detector are two implementations of one task: no twin names, no branch on the task in commands."""

import ast
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

import pytest

from leukolens.core.tasks import Task
from leukolens.training.task import TrainingTask, find_task

SOURCE = Path(__file__).parents[2] / "src" / "leukolens"
MODULES = {str(path.relative_to(SOURCE)): ast.parse(path.read_text(encoding="utf-8")) for path in SOURCE.rglob("*.py")}
FAMILIES = ("training/classification", "training/detection"), ("datasets/sources",), ("cli",)
"""Folders whose modules have the same verbs on purpose: tasks, sources of datasets, commands."""


def functions_of(tree: ast.Module) -> list[ast.FunctionDef]:
    return [node for node in tree.body if isinstance(node, ast.FunctionDef) and not node.name.startswith("_")]


def is_overload(function: ast.FunctionDef) -> bool:
    return any(ast.unparse(decorator) == "overload" for decorator in function.decorator_list)


def test_no_two_public_functions_share_a_name() -> None:
    places = defaultdict(list)
    for name, tree in MODULES.items():
        family = next((family[0] for family in FAMILIES if name.startswith(family)), name)
        for function in functions_of(tree):
            if not is_overload(function):
                places[function.name].append((family, name))
    shared = {name: found for name, found in places.items() if len({family for family, _ in found}) > 1}
    assert shared == {}


def test_nothing_asks_whether_a_model_is_a_detector() -> None:
    names = {function.name for tree in MODULES.values() for function in functions_of(tree)}
    assert [name for name in sorted(names) if name.startswith(("is_detector", "is_classifier"))] == []
    twins = [name for name in names if f"{name}_detector" in names or f"{name}_classifier" in names]
    assert twins == []


@pytest.mark.parametrize("name", ["cli/train.py", "cli/export.py", "cli/evaluate.py"])
def test_commands_know_no_task(name: str) -> None:
    for node in ast.walk(MODULES[name]):
        if isinstance(node, ast.ImportFrom):
            assert not (node.module or "").startswith(("leukolens.training.c", "leukolens.training.d")), node.module
        assert not (isinstance(node, ast.Attribute) and node.attr in Task.__members__)


@pytest.mark.parametrize("package", ["core", "models", "training", "inference"])
def test_no_table_of_anything_is_handed_over(package: str) -> None:
    """Public functions and fields of classes are typed."""
    found = []
    for name, tree in MODULES.items():
        if not name.startswith(f"{package}/"):
            continue
        for node in ast.walk(tree):
            hints = []
            if isinstance(node, ast.FunctionDef) and not node.name.startswith("_"):
                given = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
                hints = [one.annotation for one in given] + [node.returns]
            elif isinstance(node, ast.ClassDef):
                hints = [line.annotation for line in node.body if isinstance(line, ast.AnnAssign)]
            found += [f"{name}: {node.name}" for hint in hints if hint and "dict[str, Any]" in ast.unparse(hint)]
    assert found == []


@pytest.mark.parametrize("task", Task)
def test_every_task_has_an_implementation_of_its_own(task: Task) -> None:
    found = find_task(task)
    assert isinstance(found, TrainingTask) and found.task is task
    assert found.recipe.__struct_config__.tag == task.value


def test_the_verbs_load_no_torch_until_they_are_called() -> None:
    code = (
        "import sys\nfrom leukolens.core.tasks import Task\nimport leukolens.training.run\n"
        "from leukolens.training.task import find_task\n[find_task(task) for task in Task]\n"
        "print([name for name in ('torch', 'timm', 'lightning', 'onnx', 'pandas', 'sklearn') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
