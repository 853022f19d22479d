"""What a training does with parts that are empty or of one class, and with pictures that cannot be read."""

import dataclasses
from pathlib import Path
from typing import Any

import pytest
import torch
from msgspec import structs

from leukolens.core.errors import DataError, TrainingError, UsageError
from leukolens.core.runs import FinishedRun, read_environment
from leukolens.datasets.formats.class_folders import read_class_folders
from leukolens.datasets.manifest import Manifest
from leukolens.datasets.splits import Split, make_split
from leukolens.datasets.synthetic import write_cells
from leukolens.training.classification.module import CellModule
from leukolens.training.classification.recipe import ClassificationRecipe
from leukolens.training.run import evaluate, train
from leukolens.training.task import Reporter

pytestmark = pytest.mark.filterwarnings("ignore")


def test_a_training_without_a_test_part_says_so(cells: Manifest, short: ClassificationRecipe, tmp_path: Path) -> None:
    split = make_split(cells, "grouped", (0.8, 0.2, 0.0))
    assert split.parts["test"] == ()
    told: list[str] = []
    run = train(short, cells, split=split, out=tmp_path / "run", reporter=Reporter(tell=told.append))
    assert any("the test part has no image" in line for line in told)
    assert read_environment(run, FinishedRun).images == {
        part: len(split.parts[part]) for part in ("train", "validation")
    }
    with pytest.raises(DataError, match=r"no predictions on the part 'test'. It has: train, validation"):
        evaluate(run.path, cells, out=tmp_path / "report")
    found = evaluate(run.path, cells, part="validation", out=tmp_path / "report")
    assert "validation of grouped" in found.lines[0]


@pytest.mark.parametrize("part", ["test", "validation"])
def test_a_part_of_one_class_is_evaluated(
    cells: Manifest, split: Split, short: ClassificationRecipe, tmp_path: Path, part: str
) -> None:
    label = {record.id: record.label for record in cells.records}
    alone = tuple(name for name in split.parts[part] if label[name] == "platelet")
    assert alone
    one = dataclasses.replace(split, parts={**split.parts, part: alone})
    run = train(short, cells, split=one, out=tmp_path / "run")
    found = evaluate(run.path, cells, part=part, out=tmp_path / "report")
    assert found.lines[0].endswith(f"{len(alone)} images")


def test_a_validation_part_without_a_class_of_training_is_refused(
    cells: Manifest, split: Split, short: ClassificationRecipe, tmp_path: Path
) -> None:
    label = {record.id: record.label for record in cells.records}
    parts = {
        "train": tuple(name for name in split.parts["train"] if label[name] != "platelet"),
        "validation": tuple(name for name in split.parts["validation"] if label[name] == "platelet"),
    }
    with pytest.raises(DataError, match="No image of the part 'validation' can be used"):
        train(short, cells, split=dataclasses.replace(split, parts=parts), out=tmp_path / "run")


@pytest.mark.parametrize(("damaged", "refused"), [(1, False), (9, True)])
def test_pictures_that_cannot_be_read_are_told(
    short: ClassificationRecipe, tmp_path: Path, damaged: int, refused: bool
) -> None:
    write_cells(tmp_path / "cells", 96, seed=3)
    manifest = Manifest("drawn", read_class_folders(tmp_path / "cells").records)
    split = make_split(manifest, "grouped")
    image = {record.id: record.image for record in manifest.records}
    for name in split.parts["train"][:damaged]:
        Path(image[name]).write_bytes(b"no picture")
    told: list[str] = []
    if refused:
        with pytest.raises(DataError, match=r"9 of 96 pictures cannot be read. The first: .*At most 5%"):
            train(short, manifest, split=split, out=tmp_path / "run")
        assert not (tmp_path / "run").exists()
    else:
        train(short, manifest, split=split, out=tmp_path / "run", reporter=Reporter(tell=told.append))
        (line,) = [line for line in told if "cannot be read" in line]
        assert line.startswith("1 of 96 pictures cannot be read. The first: ") and split.parts["train"][0] in line


def test_a_loss_that_is_no_number_stops_the_training_and_keeps_the_last_epoch(
    cells: Manifest, split: Split, short: ClassificationRecipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    step = CellModule.training_step

    def break_down(self: CellModule, batch: Any, index: int) -> Any:
        return step(self, batch, index) * (float("nan") if self.current_epoch else 1.0)

    monkeypatch.setattr(CellModule, "training_step", break_down)
    longer = structs.replace(short, rounds=(structs.replace(short.rounds[0], epochs=3),))
    with pytest.raises(TrainingError, match=r"training loss is nan in epoch 1: .* lower one"):
        train(longer, cells, split=split, out=tmp_path / "run")
    kept = torch.load(tmp_path / "run" / "checkpoints" / "last.ckpt", weights_only=True)
    assert kept["epoch"] == 0 and all(value.isfinite().all() for value in kept["state_dict"].values())


@pytest.mark.parametrize("changes", [{"scale": 0.1}, {"height_px": 8}])
def test_a_network_that_cannot_take_the_input_is_refused_before_the_cells_are_prepared(
    cells: Manifest, split: Split, short: ClassificationRecipe, tmp_path: Path, home: Path, changes: dict[str, float]
) -> None:
    rounds = (structs.replace(short.rounds[0], scale=changes.get("scale", 1.0)),)
    preparation = structs.replace(short.preparation, height_px=int(changes.get("height_px", 32)))
    with pytest.raises(UsageError, match="conv-batchnorm cannot be built by this recipe"):
        train(structs.replace(short, rounds=rounds, preparation=preparation), cells, split=split, out=tmp_path / "run")
    assert not (home / "cache").exists() and not (tmp_path / "run").exists()
