"""A run folder holds one training, and its figures are shown for the data that they were measured on alone."""

import dataclasses
from pathlib import Path

import pytest
from filelock import FileLock

from leukolens.core.errors import DataError, TrainingError, UsageError
from leukolens.core.runs import RunFolder
from leukolens.datasets.manifest import Manifest
from leukolens.datasets.splits import Split, make_split, write_split
from leukolens.training.classification.recipe import ClassificationRecipe, ModelConfig, PreparationConfig
from leukolens.training.recipe import OptimiserConfig, RoundConfig
from leukolens.training.run import evaluate, export, train
from leukolens.training.task import Reporter

pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture
def short() -> ClassificationRecipe:
    return ClassificationRecipe(
        name="short",
        model=ModelConfig("conv-batchnorm", weights="none"),
        preparation=PreparationConfig(32, 32),
        rounds=(RoundConfig(1, 1e-2),),
        optimiser=OptimiserConfig(batch_size=4),
    )


@pytest.fixture
def run(cells: Manifest, split: Split, short: ClassificationRecipe, tmp_path: Path) -> RunFolder:
    return train(short, cells, split=split, out=tmp_path / "run")


def swap(split: Split) -> Split:
    parts = {**split.parts, "train": split.parts["test"], "test": split.parts["train"]}
    return dataclasses.replace(split, parts=parts)


def test_figures_of_a_run_are_not_shown_for_other_data(run: RunFolder, cells: Manifest, tmp_path: Path) -> None:
    other = dataclasses.replace(cells, name="elsewhere")
    with pytest.raises(UsageError, match=r"was trained on toy .* received --data elsewhere.*leukolens export"):
        evaluate(run.path, other, out=tmp_path / "report")
    assert not (tmp_path / "report").exists()


def test_an_evaluation_names_data_split_and_count(
    run: RunFolder, cells: Manifest, split: Split, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "test").mkdir()  # a folder that is called as a part is no part
    found = evaluate(run.path, cells, part="test", out=tmp_path / "report")
    assert found.lines[0] == f"data toy, split: test of grouped, {len(split.parts['test'])} images"
    with pytest.raises(UsageError, match="Received 'tset'"):
        evaluate(run.path, cells, part="tset", out=tmp_path / "report")


def test_another_version_of_the_data_is_told(run: RunFolder, cells: Manifest, tmp_path: Path) -> None:
    records = tuple(dataclasses.replace(record, group="all") for record in cells.records)
    told: list[str] = []
    evaluate(run.path, Manifest("toy", records), out=tmp_path / "report", reporter=Reporter(tell=told.append))
    assert any("not the same version" in line for line in told)


def test_a_refused_training_leaves_the_first_as_it_is(
    run: RunFolder, cells: Manifest, split: Split, short: ClassificationRecipe
) -> None:
    before = {path.name: path.read_bytes() for path in run.path.iterdir() if path.is_file()}
    with (
        FileLock(run.path / ".training", is_singleton=False),
        pytest.raises(TrainingError, match="by another process"),
    ):
        train(short, cells, split=swap(split), out=run.path)
    after = {path.name: path.read_bytes() for path in run.path.iterdir() if path.is_file()}
    assert {name: after.get(name) for name in before} == before


def test_a_split_that_is_not_the_runs_is_refused(run: RunFolder, cells: Manifest, split: Split, tmp_path: Path) -> None:
    write_split(run.split, swap(split))
    for use in (
        lambda: evaluate(run.path, cells, out=tmp_path / "report"),
        lambda: export(run, out=tmp_path / "bundle"),
    ):
        with pytest.raises(TrainingError, match="not the split that the run was trained with"):
            use()
    assert not (tmp_path / "report").exists() and not (tmp_path / "bundle").exists()


def test_a_training_does_not_go_on_with_another_split(
    run: RunFolder, cells: Manifest, split: Split, short: ClassificationRecipe
) -> None:
    before = run.split.read_bytes()
    with pytest.raises(TrainingError, match="begun with another split"):
        train(short, cells, split=swap(split), out=run.path, resume=True)
    assert run.split.read_bytes() == before


def test_a_training_into_an_old_run_leaves_nothing_of_it_when_it_is_killed(
    run: RunFolder, cells: Manifest, short: ClassificationRecipe, monkeypatch: pytest.MonkeyPatch
) -> None:
    def kill(*_: object) -> None:
        raise RuntimeError("killed")

    monkeypatch.setattr("leukolens.training.trainer.fit_module", kill)
    with pytest.raises(RuntimeError, match="killed"):
        train(short, cells, split=make_split(cells, "grouped", (0.5, 0.25, 0.25), seed=5), out=run.path)
    assert not run.environment.exists() and not run.weights.exists() and not run.checkpoints.exists()
    with pytest.raises(TrainingError, match="not a finished run"):
        evaluate(run.path, cells, out=run.path.parent / "report")


def test_a_training_that_is_refused_leaves_no_folder(
    cells: Manifest, split: Split, short: ClassificationRecipe, tmp_path: Path
) -> None:
    folder = tmp_path / "none"
    strange = dataclasses.replace(split, parts={**split.parts, "train": ("nobody",)})
    with pytest.raises(DataError, match="lacks"):
        train(short, cells, split=strange, out=folder)
    assert not folder.exists()
