"""A run folder holds one training, and its figures are shown for the data that they were measured on alone."""

import dataclasses
from pathlib import Path

import pytest
from filelock import FileLock

from leukolens.core.card import read_card
from leukolens.core.errors import DataError, TrainingError, UsageError
from leukolens.core.folders import hold_folder
from leukolens.core.runs import RunFolder
from leukolens.datasets.manifest import Manifest, save_manifest
from leukolens.datasets.registry import manifest_path
from leukolens.datasets.splits import Split, make_split, write_split
from leukolens.training.classification.recipe import ClassificationRecipe
from leukolens.training.run import evaluate, export, train
from leukolens.training.task import Reporter
from leukolens.training.trainer import WholeCheckpoints

pytestmark = pytest.mark.filterwarnings("ignore")


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


def test_an_export_that_fails_leaves_the_old_bundle(
    run: RunFolder, tmp_path: Path, cells: Manifest, monkeypatch: pytest.MonkeyPatch
) -> None:
    save_manifest(manifest_path("toy"), cells)
    out = tmp_path / "bundle"
    assert export(run, out=out).card.name == read_card(out).name == "bundle"
    (out / "notes.txt").write_text("mine")
    before = {path.name: path.read_bytes() for path in out.iterdir()}
    with pytest.raises(UsageError, match="--force"):
        export(run, out=out)

    def fail(*_: object) -> None:
        raise RuntimeError("killed")

    with monkeypatch.context() as patch:
        patch.setattr("leukolens.training.classification.export.compare_bundle", fail)
        with pytest.raises(RuntimeError, match="killed"):
            export(run, out=out, force=True)
    assert {path.name: path.read_bytes() for path in out.iterdir()} == before
    export(run, out=out, force=True)
    assert (out / "notes.txt").read_text() == "mine" and read_card(out).name == "bundle"
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".bundle")] == []


def test_a_second_export_into_one_folder_is_told(run: RunFolder, tmp_path: Path, cells: Manifest) -> None:
    save_manifest(manifest_path("toy"), cells)
    with hold_folder(tmp_path / "bundle", False), pytest.raises(UsageError, match="in use"):
        export(run, out=tmp_path / "bundle")


@pytest.mark.parametrize("length", [0, 1000])
def test_a_cut_checkpoint_is_told(
    run: RunFolder, cells: Manifest, split: Split, short: ClassificationRecipe, length: int
) -> None:
    last = run.checkpoints / "last.ckpt"
    last.write_bytes(last.read_bytes()[:length])
    with pytest.raises(TrainingError, match=r"last.ckpt is damaged.*--force"):
        train(short, cells, split=split, out=run.path, resume=True)


def test_a_checkpoint_on_a_full_disk_leaves_the_one_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "last.ckpt"
    WholeCheckpoints().save_checkpoint({"epoch": 1}, path)
    before = path.read_bytes()

    def fill(self: Path, content: bytes) -> None:
        with self.open("wb") as stream:
            stream.write(content[:10])
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", fill)
    with pytest.raises(DataError, match="No space left"):
        WholeCheckpoints().save_checkpoint({"epoch": 2}, path)
    assert path.read_bytes() == before and list(tmp_path.iterdir()) == [path]


def test_cut_files_of_the_cache_are_made_anew(
    cells: Manifest, split: Split, short: ClassificationRecipe, home: Path, tmp_path: Path
) -> None:
    first = train(short, cells, split=split, out=tmp_path / "first")
    kept = [path for path in (home / "cache").iterdir() if path.is_file()]
    assert {path.suffix for path in kept} == {".npy", ".json"}
    for path in kept:
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    again = train(short, cells, split=split, out=tmp_path / "again")
    assert again.weights.read_bytes() == first.weights.read_bytes()
