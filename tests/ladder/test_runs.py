"""The ladder on drawn cells: planned, run, killed, resumed, tabulated."""

import json
import re
import shutil
from pathlib import Path

import pytest

from leukolens.core.errors import UsageError
from leukolens.core.files import read_rows
from leukolens.datasets.splits import make_split
from leukolens.ladder import runs as ladder_module
from leukolens.ladder.protocols import PROTOCOLS, Protocol
from leukolens.ladder.records import read_run_records
from leukolens.ladder.rungs import RUNGS
from leukolens.ladder.runs import Ladder, PlannedRun, plan_runs, recipes_folder, run_all
from leukolens.ladder.table import write_pages, write_table
from leukolens.training.run import load_recipe


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("LEUKOLENS_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.fixture
def quick(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The recipe of `conv1`, small enough for a test."""
    recipe = (recipes_folder() / "conv1.toml").read_text()
    small = recipe.replace("height_px = 120", "height_px = 24").replace("width_px = 160", "width_px = 24")
    (tmp_path / "conv1.toml").write_text(small.replace("epochs = 30", "epochs = 3"))
    (tmp_path / "dense.toml").write_text(small.replace("epochs = 30", "epochs = 3").replace('"conv1"', '"dense"'))
    monkeypatch.setattr(ladder_module, "recipes_folder", lambda: tmp_path)


def ignore(what: str, done: int, total: int) -> None:
    pass


def test_every_rung_has_a_recipe_that_reads() -> None:
    for name in RUNGS:
        assert load_recipe(recipes_folder() / f"{name}.toml").name == name


def test_plans() -> None:
    seeds = ["provided-20", "provided-20@seed1", "provided-20@seed2"]
    assert [run.variant for run in plan_runs(["conv1"], None, None)] == [*seeds, "fields"]
    assert [run.seed for run in plan_runs(["conv1"], "published", None)] == [0, 1, 2]
    assert [run.variant for run in plan_runs(["dense"], None, None)] == ["pbc", "pbc@seed1", "pbc@seed2"]
    assert [run.variant for run in plan_runs(["vgg16"], "honest", None)] == ["merged-fields", "fields"]
    assert [run.seed for run in plan_runs(["found-best"], None, None)] == [*range(5)]
    assert [run.fold for run in plan_runs(["conv-batchnorm"], "honest", None) if run.protocol == "folds"] == [*range(5)]
    assert plan_runs(["conv1"], None, "synth") == [PlannedRun("conv1", "synth", "synth")]
    with pytest.raises(UsageError, match="dense"):
        plan_runs(["transformer"], None, None)


@pytest.mark.filterwarnings("ignore")
def test_a_killed_run_goes_on_and_a_recorded_one_is_left(
    quick: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs = tmp_path / "ladder" / "runs"
    planned = plan_runs(["conv1"], None, "synth")

    def die(*given: object) -> None:
        raise KeyboardInterrupt

    told: list[str] = []
    with monkeypatch.context() as patch:
        patch.setattr("leukolens.training.classification.training.finish_run", die)  # killed after its last epoch
        with pytest.raises(KeyboardInterrupt):
            run_all(Ladder(runs, 0, ignore), planned, lambda run, words: told.append(words))
    ladder = Ladder(runs, 0, ignore)
    history = ladder.run_folder(planned[0]) / "history.csv"
    before = read_rows(history)
    assert len(before) == 3 and not ladder.is_done(planned[0])
    assert run_all(ladder, planned, lambda run, words: told.append(words)) == []
    assert [row["train_loss"] for row in read_rows(history)] == [row["train_loss"] for row in before]
    assert ladder.is_done(planned[0]) and "test" in told[-1]
    assert run_all(ladder, planned, lambda run, words: told.append(words)) == [] and told[-1] == "recorded before"
    assert (ladder.run_folder(planned[0]) / "report" / "report.html").is_file()


@pytest.mark.filterwarnings("ignore")
def test_the_table_is_made_from_the_records_alone(quick: None, tmp_path: Path) -> None:
    ladder = Ladder(tmp_path / "ladder" / "runs", 1, ignore)
    (planned,) = plan_runs(["conv1"], None, "synth")
    run_all(ladder, [planned], lambda run, words: None)
    assert len(read_rows(ladder.run_folder(planned) / "history.csv")) < 4
    for variant, leaky in (("provided-20", True), ("fields", False)):
        folder = tmp_path / "ladder" / "runs" / "conv1" / variant
        shutil.copytree(ladder.record_folder(planned), folder)
        metrics = json.loads((folder / "metrics.json").read_text())
        metrics["test"] |= {"accuracy": 0.4, "leaky": leaky, "why_leaky": "a planted leak"}
        (folder / "metrics.json").write_text(json.dumps(metrics))
    text = write_table(tmp_path / "ladder").read_text()
    pages = write_pages(tmp_path / "ladder", tmp_path / "pages")
    main = text.partition("## More of each run")[0]
    lines = [line for line in main.splitlines() if line.startswith("| [conv1](ladder/runs/")]
    assert len(lines) == 2
    assert " LEAKS " in lines[1] and ".450" in lines[1] and "-5.0, see why below" in lines[1]
    assert "LEAKS" not in lines[0] and ".450" not in lines[0]
    assert len(read_run_records(tmp_path / "ladder" / "runs")) == 2
    assert all((tmp_path / link).is_file() for link in re.findall(r"\]\((ladder/[^)]+)\)", text))
    assert not list((tmp_path / "ladder").rglob("*.html"))
    linked = re.findall(r'href="(runs/[^"]+)"', pages[0].read_text())
    assert len(linked) == 4 and all((tmp_path / "pages" / link).is_file() for link in linked)
    assert len(pages) == 3 and "planted leak" in pages[-1].read_text()


def test_a_missing_dataset_fails_its_runs_and_not_the_others(quick: None, tmp_path: Path) -> None:
    told: list[str] = []
    planned = [*plan_runs(["conv1"], None, "nowhere")]
    failed = run_all(Ladder(tmp_path / "runs", 0, ignore), planned, lambda run, words: told.append(words))
    assert len(failed) == 1 and "leukolens data add" in failed[0][1]


@pytest.mark.filterwarnings("ignore")
def test_weights_that_are_not_here_are_trained_first(
    quick: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In a fresh clone the rung before stands recorded, but a record holds no weights."""
    dense = (tmp_path / "dense.toml").read_text()
    for name, start in (("small-best", "rung:lite0-balanced"), ("lite0-balanced", "rung:lite0-pbc")):
        (tmp_path / f"{name}.toml").write_text(dense.replace('weights = "none"', f'weights = "{start}"'))
    (tmp_path / "lite0-pbc.toml").write_text(dense)
    drawn = Protocol("synth", "drawn cells", lambda manifest: [make_split(manifest, "grouped", (0.6, 0.2, 0.2), 0)])
    monkeypatch.setitem(PROTOCOLS, "pbc", drawn)
    told: list[tuple[str, str]] = []
    ladder = Ladder(tmp_path / "runs", 1, ignore)
    planned = plan_runs(["small-best"], None, "synth")
    assert run_all(ladder, planned, lambda run, words: told.append((run.rung, words))) == []
    assert [rung for rung, words in told if words.startswith("begins")] == ["lite0-pbc", "lite0-balanced", "small-best"]
    start = PlannedRun("lite0-balanced", "pbc", "pbc")
    assert not ladder.is_done(start) and not ladder.list_missing_starts(planned[0])
    origin = json.loads((ladder.run_folder(planned[0]) / "environment.json").read_text())["weights_origin"]
    assert origin.count("the run pbc on") == 2
