"""Research commands on the light install say what to install, in one sentence and before any work."""

import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from leukolens.cli.main import _EXTRAS

ROOT = Path(__file__).parents[2]
CODE = """
import sys

class Light:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {absent!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)

sys.meta_path.insert(0, Light())
sys.argv = ["leukolens", *{words!r}]
from leukolens.cli.main import main
main()
"""


@pytest.mark.parametrize(
    ("words", "extra"),
    [
        ("train recipes/pbc.toml --data synth --out {out}", "train"),
        ("train recipes/detector.toml --data bccd --out {out}", "train"),
        ("export {run} --out {out}", "train"),
        ("evaluate pbc --data synth --out {out}", "lab"),
        ("evaluate --predictions {run}/predictions-test.csv --out {out}", "lab"),
        ("explore synth --out {out}", "lab"),
        ("ladder run conv1 --data synth --out {out}", "train"),
        ("ladder time --out {out}", "train"),
    ],
)
def test_a_research_command_names_what_to_install(words: str, extra: str, tmp_path: Path) -> None:
    run = tmp_path / "run"
    run.mkdir()
    (run / "recipe.toml").write_text((ROOT / "recipes" / "pbc.toml").read_text())
    (run / "predictions-test.csv").write_text("image,label,truth\n")
    absent = [name for names in _EXTRAS.values() for name in names]
    given = [word.format(out=tmp_path / "out", run=run) for word in words.split()]
    code = CODE.format(absent=absent, words=given)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=False)
    assert done.returncode == 3, done.stderr
    assert "Traceback" not in done.stderr
    assert "pip install 'leukolens[" in done.stderr and f"[{extra}]" in done.stderr
    assert not (tmp_path / "out").exists()


def test_an_audit_runs_on_the_light_install() -> None:
    absent = [name for names in _EXTRAS.values() for name in names]
    code = CODE.format(absent=absent, words=["data", "audit", "synth"])
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=False)
    assert done.returncode == 0 and done.stderr == ""


def test_the_extras_that_are_named_bring_these_libraries() -> None:
    listed = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    called = {"scikit-learn": "sklearn", "scikit-image": "skimage"}
    for extra, names in _EXTRAS.items():
        words = {line.split(">=")[0].split("[")[0] for line in listed[extra]} - {"leukolens"}
        assert {called.get(word, word.replace("-", "_")) for word in words} == set(names)
