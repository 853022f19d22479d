"""The rules of the house that can be checked: sizes, names, manners, links."""

import ast
import re
import statistics
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "src" / "leukolens"
MODULES = sorted(SOURCE.rglob("*.py"))
FULL_PATH = [str(path.relative_to(SOURCE)) for path in MODULES]


def tracked() -> list[Path]:
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=False)
    if listed.returncode:
        pytest.skip("not a git checkout")
    return [ROOT / name for name in listed.stdout.decode().split("\0") if name and (ROOT / name).is_file()]


def test_modules_are_short() -> None:
    sizes = {
        name: len(path.read_text(encoding="utf-8").splitlines()) for name, path in zip(FULL_PATH, MODULES, strict=True)
    }
    assert {name: size for name, size in sizes.items() if size > 600} == {}
    assert statistics.median(size for size in sizes.values() if size > 10) < 200


@pytest.mark.parametrize("path", MODULES, ids=FULL_PATH)
def test_a_module_keeps_the_manners(path: Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    assert ast.get_docstring(tree), "a module says what it is for"
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            assert (node.end_lineno or 0) - node.lineno < 60, f"{node.name} is 60 lines or longer"
            # `ll.count` takes by name all that the command `count` takes as options.
            if "cli" not in path.parts and node.name != "count":
                assert len(node.args.args) + len(node.args.kwonlyargs) <= 7, (
                    f"{node.name} has over 6 parameters and self"
                )
        if isinstance(node, ast.ExceptHandler):
            assert node.type is not None, "no bare except"
        if isinstance(node, ast.Call) and "cli" not in path.parts and path.name != "__main__.py":
            name = ast.unparse(node.func)
            assert name not in ("print", "sys.exit", "exit", "pickle.load", "pickle.loads", "eval", "exec"), name


def test_no_room_without_a_name_of_its_own() -> None:
    assert [name for name in FULL_PATH if re.search(r"(^|/)_?(utils?|common|helpers?|misc|base)(/|\.py$)", name)] == []


def test_contracts_hold() -> None:
    done = subprocess.run(
        [Path(sys.executable).parent / "lint-imports"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout


HEAVY = ("torch", "timm", "lightning", "pandas", "scipy", "sklearn", "skimage", "statsmodels", "matplotlib")
LIGHT_WORDS = [
    ["--version"],
    ["--help"],
    *(
        [name, "--help"]
        for name in ("classify", "count", "data", "explore", "train", "evaluate", "ladder", "export", "demo", "doctor")
    ),
]


@pytest.mark.parametrize("words", LIGHT_WORDS, ids=" ".join)
def test_light_commands_load_nothing_heavy_and_explain_themselves(words: list[str]) -> None:
    code = (
        "import sys\nsys.argv = ['leukolens', *%r]\nfrom leukolens.cli.main import main\n"
        "try:\n    main()\nexcept SystemExit as end:\n    assert not end.code, end.code\n"
        "print('LOADED', [name for name in %r if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code % (words, HEAVY)], capture_output=True, text=True, check=True)
    assert "LOADED []" in done.stdout
    if len(words) == 2:
        assert "Example" in done.stdout


def test_links_of_the_documents_lead_somewhere() -> None:
    missing = []
    for page in [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").rglob("*.md")]:
        for target in re.findall(r"\]\(([^)#]+)[^)]*\)", page.read_text(encoding="utf-8")):
            if "://" not in target and not (page.parent / target).exists():
                missing.append(f"{page.name}: {target}")
    assert missing == []


def test_no_photographs_and_nothing_large_is_tracked() -> None:
    files = tracked()
    assert [
        path.name for path in files if path.suffix.lower() in (".jpg", ".jpeg", ".tif", ".tiff", ".webp", ".bmp")
    ] == []
    assert [path.name for path in files if path.stat().st_size > 15 << 20] == []
