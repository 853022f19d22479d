"""The words of `leukolens ladder`; what they do is tested in tests/study."""

from collections.abc import Callable
from pathlib import Path

import pytest

from leukolens.core.errors import UsageError


def test_a_plan_runs_nothing(leukolens: Callable[..., int], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert leukolens("ladder", "run", "conv1", "--plan", "--out", tmp_path) == 0
    assert capsys.readouterr().out.splitlines() == [
        f"conv1 {variant}: to do" for variant in ("provided-20", "provided-20@seed1", "provided-20@seed2", "fields")
    ]
    assert list(tmp_path.iterdir()) == []


def test_an_unknown_rung_and_a_missing_dataset(
    leukolens: Callable[..., int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("LEUKOLENS_HOME", str(tmp_path / "home"))
    with pytest.raises(UsageError, match="No rung"):
        leukolens("ladder", "run", "transformer", "--out", tmp_path)
    assert leukolens("ladder", "run", "conv1", "--out", tmp_path) == 3
    assert "leukolens data add kaggle" in capsys.readouterr().out


def test_an_empty_table_says_what_is_still_to_be_run(leukolens: Callable[..., int], tmp_path: Path) -> None:
    folder = tmp_path / "ladder"
    folder.mkdir()
    assert leukolens("ladder", "table", "--out", folder) == 0
    assert "Not run yet: dense pbc" in (tmp_path / "ladder.md").read_text()
