"""The whole story on drawn cells, by the words a user types: draw, add, split, train, export, evaluate, classify."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from leukolens.core.errors import UsageError
from leukolens.core.files import read_rows

RECIPE = Path(__file__).parents[2] / "recipes" / "ladder" / "conv-batchnorm.toml"
SMALL = ("preparation.height_px=32", "preparation.width_px=32", "rounds.0.epochs=1", "optimiser.batch_size=8")


@pytest.mark.filterwarnings("ignore")
def test_from_drawn_cells_to_calls(
    leukolens: Callable[..., int], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cells, split, run, bundle = (tmp_path / name for name in ("cells", "split.json", "run", "bundle"))
    assert leukolens("data", "synth", "--cells", 48, "--seed", 2, "--out", cells) == 0
    assert leukolens("data", "add", "drawn", cells) == 0
    assert leukolens("data", "synth", "--cells", 40, "--seed", 4, "--out", tmp_path / "there") == 0
    assert leukolens("data", "add", "there", tmp_path / "there") == 0
    assert leukolens("data", "split", "drawn", "--kind", "grouped", "--fractions", "50/25/25", "--out", split) == 0
    assert leukolens("data", "audit", "drawn", "--split", split) == 0
    words = ["--set", 'data.sites=[{data="there",share=0.3}]']
    words += [word for change in SMALL for word in ("--set", change)]
    assert leukolens("train", RECIPE, "--data", "drawn", "--split", split, "--out", run, *words) == 0
    with pytest.raises(UsageError, match="--force"):
        leukolens("train", RECIPE, "--data", "drawn", "--split", split, "--out", run, *words)
    capsys.readouterr()
    assert leukolens("export", run, "--out", bundle) == 0
    assert "labels alike" in capsys.readouterr().out
    assert leukolens("export", run, "--out", tmp_path / "small", "--int8") == 0
    assert "8-bit" in capsys.readouterr().out
    assert leukolens("classify", cells, "--bundle", tmp_path / "small", "--out", tmp_path / "small.csv") == 0
    report = tmp_path / "report"
    assert leukolens("evaluate", bundle, "--data", "drawn", "--whole", "--out", report) == 0
    metrics = json.loads((report / "metrics.json").read_text())
    assert metrics["n"] == len(json.loads(split.read_text())["parts"]["test"]) and not metrics["leaky"]
    assert leukolens("evaluate", bundle, "--data", "there", "--whole", "--out", tmp_path / "of-there") == 0
    there = json.loads((tmp_path / "of-there" / "metrics.json").read_text())
    kept = json.loads((bundle / "split-there.json").read_text())["parts"]
    assert there["n"] == len(kept["test"]) == 40 - len(kept["train"]) > 0 and there["split"].startswith("test of")
    assert leukolens("evaluate", run, "--data", "drawn", "--out", tmp_path / "of-run") == 0
    again = json.loads((tmp_path / "of-run" / "metrics.json").read_text())
    assert again["accuracy"] == metrics["accuracy"] < 1
    pages = [(folder / "report.html").read_text() for folder in (tmp_path / "of-run", report)]
    assert "Grad-CAM" in pages[0] and "mean activity" in pages[1] and all('class="bad pair"' in page for page in pages)
    assert again["cross_entropy"] == pytest.approx(metrics["cross_entropy"], abs=1e-4)
    out = tmp_path / "calls.csv"
    assert leukolens("classify", cells, "--bundle", bundle, "--out", out) == 0
    assert len(read_rows(out)) == 48
    judged = tmp_path / "judged"
    assert leukolens("evaluate", "--predictions", report / "predictions.csv", "--out", judged) == 0
    assert json.loads((judged / "metrics.json").read_text())["accuracy"] == metrics["accuracy"]


def test_words_that_cannot_be_meant(leukolens: Callable[..., int], tmp_path: Path, toy_bundle: Path) -> None:
    with pytest.raises(UsageError, match="--predictions"):
        leukolens("evaluate", "--out", tmp_path / "x")
    with pytest.raises(UsageError, match="no part"):
        leukolens("evaluate", toy_bundle, "--data", "synth", "--split", "test", "--out", tmp_path / "x")
    assert not (tmp_path / "x").exists()
