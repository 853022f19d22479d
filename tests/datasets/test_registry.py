"""Datasets by name, and manifests from before they held what is known of single images."""

import csv
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from leukolens.core.errors import DataError, UsageError
from leukolens.core.results import Refusal
from leukolens.datasets import registry
from leukolens.datasets.manifest import Manifest, Record, save_manifest
from leukolens.datasets.registry import add_dataset, added_names, manifest_path, open_dataset
from leukolens.datasets.sources import SOURCES
from leukolens.images.decoding import read_image

RECORD = Record("c1", "/data/c1.png", "neutrophil", "BNE", "mine", "c1")


def test_datasets_by_name() -> None:
    with pytest.raises(DataError, match="data add mine PATH"):
        open_dataset("mine")
    save_manifest(manifest_path("mine"), Manifest("mine", (RECORD,), (Refusal("x", "y"),)))
    assert added_names() == ["mine"]
    assert open_dataset("mine").name == "mine"
    for name in ("../mine", "", "a b", "mine.notes"):
        with pytest.raises(UsageError):
            open_dataset(name)


def test_a_dataset_is_replaced_only_by_force() -> None:
    """The message names no option that `leukolens data add` lacks."""
    save_manifest(manifest_path("mine"), Manifest("mine", (RECORD,)))
    with pytest.raises(UsageError, match="'mine' was added already") as caught:
        add_dataset("mine", "anywhere")
    assert "--force" in str(caught.value) and "--out" not in str(caught.value)


def test_synth_always_exists(monkeypatch: pytest.MonkeyPatch, home: Path) -> None:
    monkeypatch.setattr(registry, "SYNTHETIC_CELLS", 8)
    drawn = open_dataset("synth")
    assert len(drawn.records) == 8
    assert {record.source for record in drawn.records} == {"synth"}
    assert len({record.label for record in drawn.records}) == 8
    assert read_image(drawn.records[0].image).pixels.ndim == 3
    assert open_dataset("synth") == drawn
    assert [item.name for item in (home / "synth").iterdir()] == ["cells-8"]


def test_synth_drawn_half_is_not_kept(monkeypatch: pytest.MonkeyPatch, home: Path) -> None:
    def fail(out: Path, count: int, seed: int) -> None:
        (out / "neutrophil").mkdir(parents=True)
        raise DataError("the disk is full")

    monkeypatch.setattr("leukolens.datasets.registry.write_cells", fail)
    with pytest.raises(DataError):
        open_dataset("synth")
    assert list((home / "synth").iterdir()) == []


def save_as_before(path: Path, manifest: Manifest) -> None:
    """Writes a manifest without the columns that came later."""
    save_manifest(path, manifest)
    with path.open(newline="") as stream:
        rows = [row[:10] for row in csv.reader(stream)]
    with path.open("w", newline="") as stream:
        csv.writer(stream).writerows(rows)


TWINS = tuple(
    Record(name, f"/data/{name}.png", "basophil", "", "pbc", "BA_20201") for name in ("BA_20201", "BA_809918")
)


def test_an_old_manifest_of_a_public_dataset_gets_what_its_source_knows() -> None:
    save_as_before(manifest_path("pbc"), Manifest("pbc", TWINS))
    assert open_dataset("pbc").records == SOURCES["pbc"].mark(TWINS)
    assert {record.same_picture for record in open_dataset("pbc").records} == {"BA_20201"}


def test_an_old_manifest_of_a_public_dataset_under_another_name_is_refused_with_what_to_do() -> None:
    save_as_before(manifest_path("mine"), Manifest("mine", TWINS))
    with pytest.raises(DataError, match="leukolens data add mine PATH --force"):
        open_dataset("mine")
    with pytest.raises(DataError, match="leukolens data add other PATH --force"):
        add_dataset("other", manifest_path("mine"))


def test_any_other_old_manifest_is_used_as_it_is(tmp_path: Path) -> None:
    own = (Record("BA_20201", str(tmp_path / "x.png"), "basophil", "", "mine", "g"),)
    Image.new("RGB", (4, 4)).save(tmp_path / "x.png")
    save_as_before(manifest_path("mine"), Manifest("mine", own))
    assert open_dataset("mine").records == own
    assert add_dataset("copy", manifest_path("mine")).records == own
    assert open_dataset("copy").name == "copy"


def test_a_public_dataset_under_another_name_keeps_what_is_known(tmp_path: Path) -> None:
    marked = tuple(SOURCES["pbc"].mark(TWINS))
    save_manifest(manifest_path("part"), Manifest("part", marked))
    assert open_dataset("part").records == marked


def test_of_two_that_add_one_name_at_once_the_second_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("first", "second"):
        (tmp_path / name / "Basophil").mkdir(parents=True)
        Image.new("RGB", (4, 4)).save(tmp_path / name / "Basophil" / f"{name}.png")
    interpret = registry.interpret_dataset

    def be_overtaken(*given: Any) -> Any:
        monkeypatch.setattr(registry, "interpret_dataset", interpret)
        reading = interpret(*given)
        add_dataset("mine", tmp_path / "first")  # what another process does in the meantime
        return reading

    monkeypatch.setattr(registry, "interpret_dataset", be_overtaken)
    with pytest.raises(UsageError, match="another process"):
        add_dataset("mine", tmp_path / "second")
    assert [record.id for record in open_dataset("mine").records] == ["first"]
    with pytest.raises(UsageError, match="called 'mine' was added already"):
        add_dataset("mine", tmp_path / "second")
    assert add_dataset("mine", tmp_path / "second", force=True).records[0].id == "second"
