"""Commands start without heavy libraries, and explain themselves with an example."""

import subprocess
import sys

import pytest

from leukolens.cli.main import COMMANDS

HEAVY = ("torch", "timm", "lightning", "pandas", "scipy", "sklearn", "skimage", "statsmodels", "matplotlib")
LIGHT_WORDS = [["--version"], ["--help"], *([name, "--help"] for name in COMMANDS)]


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
