import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result
from PIL import Image

from leukolens.cli.data import command
from leukolens.core.errors import DataError, UsageError
from leukolens.core.files import home_folder
from leukolens.datasets.registry import open_dataset
from leukolens.datasets.splits import read_split


def run(*words: object) -> Result:
    return CliRunner().invoke(command, [str(word) for word in words], standalone_mode=True)


@pytest.fixture
def cells(tmp_path: Path) -> Path:
    root = tmp_path / "cells"
    for number, label in enumerate(("neutrophil", "eosinophil")):
        (root / label).mkdir(parents=True)
        for index in range(20):
            # a smooth picture of its own, so that no two look alike
            coarse = np.random.default_rng([number, index]).integers(0, 256, (6, 6, 3), dtype=np.uint8)
            picture = Image.fromarray(coarse).resize((40, 40), Image.Resampling.BICUBIC)
            picture.save(root / label / f"{label[:3]}{index}.png")
    return root


def test_each_command_explains_itself_with_an_example() -> None:
    for words in ([], ["list"], ["get"], ["add"], ["audit"], ["split"], ["synth"]):
        shown = run(*words, "--help")
        assert shown.exit_code == 0
        assert "Example: leukolens data" in shown.output
        assert "\\b" not in shown.output
        assert words != ["add"] or "\n    COCO  " in shown.output  # the list of formats keeps its lines


def test_list_names_what_is_known_and_what_was_added(cells: Path) -> None:
    before = run("list").output
    for word in ("pbc", "kaggle", "kaggle-fields", "bccd", "chula", "txl", "synth", "CC BY 4.0", "Acevedo"):
        assert word in before
    run("add", "mine", cells)
    assert "mine: 40 images; 40 groups; 40 cells with a class: neutrophil 20, eosinophil 20" in run("list").output


def test_add_points_at_the_pictures_and_copies_none(cells: Path) -> None:
    added = run("add", "mine", cells)
    assert added.exit_code == 0, added.output
    assert open_dataset("mine").records[0].image.startswith(str(cells))
    assert not [path for path in home_folder().rglob("*") if path.suffix == ".png"]


def test_add_says_what_it_refused_and_exits_1(cells: Path) -> None:
    (cells / "basket cells").mkdir()
    os.rename(cells / "neutrophil/neu0.png", os.fsencode(cells / "basket cells") + b"/\xff\n.png")
    added = run("add", "mine", cells)
    assert added.exit_code == 1
    assert "basket cells/\\\\xff\\\\x0a.png" in added.stderr.replace("\\x", "\\\\x")
    assert "mine: 39 images" in added.stdout
    assert len(open_dataset("mine").refused) == 1


def test_a_broken_picture_is_refused_on_adding(cells: Path) -> None:
    whole = (cells / "neutrophil/neu0.png").read_bytes()
    (cells / "neutrophil/broken.png").write_bytes(whole[: len(whole) // 2])
    added = run("add", "mine", cells)
    assert added.exit_code == 1 and "mine: 40 images" in added.stdout
    assert "broken: is damaged or cut short" in added.stderr
    assert "broken" not in {record.id for record in open_dataset("mine").records}


def test_a_dry_run_says_what_was_understood_and_writes_nothing(cells: Path) -> None:
    (cells / "eosinophil/broken.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    (cells / "Wheel").mkdir()
    (cells / "neutrophil/neu0.png").rename(cells / "Wheel/w.png")
    shown = run("add", "mine", cells, "--dry-run")
    assert shown.exit_code == 1
    for line in (
        "layout: class folders",
        "  eosinophil -> eosinophil",
        "images: 39",
        "groups: 39 (each image is a group of its own: give patients or slides by --groups, or by a column of a CSV)",
        "boxes: none",
        "cells with a class: eosinophil 20, neutrophil 19",
        "refused: 2",
        "  Wheel/w.png: no folder above it is named after a known cell type",
        "Nothing was written",
    ):
        assert line in shown.stdout
    assert not (home_folder() / "datasets").exists()


def test_add_refuses_what_is_of_no_use(tmp_path: Path, cells: Path) -> None:
    (tmp_path / "empty").mkdir()
    for path in (tmp_path / "empty", cells / "neutrophil"):
        assert isinstance(run("add", "mine", path).exception, DataError)
    for name in ("synth", "../x", "a b"):
        assert isinstance(run("add", name, cells).exception, UsageError)
    assert run("add", "mine", tmp_path / "absent").exit_code == 2
    assert not (home_folder() / "datasets").exists()


def test_nothing_is_overwritten_unasked(cells: Path) -> None:
    run("add", "mine", cells)
    assert isinstance(run("add", "mine", cells).exception, UsageError)
    assert run("add", "mine", cells, "--force").exit_code == 0
    assert run("split", "mine").exit_code == 0
    assert isinstance(run("split", "mine").exception, UsageError)
    assert run("split", "mine", "--force").exit_code == 0


def test_add_a_manifest_with_missing_files(tmp_path: Path, cells: Path) -> None:
    run("add", "mine", cells)
    (cells / "neutrophil/neu3.png").unlink()
    again = run("add", "other", home_folder() / "datasets" / "mine.csv")
    assert again.exit_code == 1
    assert "neu3: " in again.stderr and "does not exist" in again.stderr
    assert len(open_dataset("other").records) == 39
    assert open_dataset("other").name == "other"


def test_split_writes_a_file_that_holds(cells: Path, tmp_path: Path) -> None:
    run("add", "mine", cells)
    made = run("split", "mine", "--fractions", "60/20/20", "--seed", 3, "--out", tmp_path / "s.json")
    assert made.exit_code == 0, made.output
    split = read_split(tmp_path / "s.json")
    assert {part: len(ids) for part, ids in split.parts.items()} == {"train": 24, "validation": 8, "test": 8}
    assert split.hash[:16] in made.output
    assert split.dataset_hash == open_dataset("mine").hash


def test_split_finds_identical_files(cells: Path, tmp_path: Path) -> None:
    (cells / "eosinophil/copy.png").write_bytes((cells / "eosinophil/eos1.png").read_bytes())
    (cells / "eosinophil/wrong.png").write_bytes((cells / "neutrophil/neu1.png").read_bytes())
    run("add", "mine", cells)
    run("split", "mine", "--out", tmp_path / "s.json")
    assert set(read_split(tmp_path / "s.json").left_out) == {"eos1", "wrong", "neu1"}  # copy is kept


def test_folds(cells: Path, tmp_path: Path) -> None:
    run("add", "mine", cells)
    made = run("split", "mine", "--kind", "random", "--folds", 4, "--out", tmp_path / "s.json")
    assert made.exit_code == 0
    tests = [name for number in range(1, 5) for name in read_split(tmp_path / f"s-fold{number}.json").parts["test"]]
    assert len(set(tests)) == len(tests) == 40
    assert run("split", "mine", "--folds", 2).exit_code == 2


@pytest.mark.parametrize(
    "words",
    [*(["--fractions", text] for text in ("50/50", "64/16/21", "0/50/50", "a/b/c", "")), ["--kind", "provided"]],
)
def test_split_that_cannot_be_meant(words: list[str], cells: Path) -> None:
    run("add", "mine", cells)
    assert isinstance(run("split", "mine", *words).exception, UsageError)


def test_audit_exits_1_where_it_leaks(cells: Path, tmp_path: Path) -> None:
    for part, numbers in (("train", range(10)), ("test", range(10, 20))):
        for label in ("neutrophil", "eosinophil"):
            (cells / part / label).mkdir(parents=True)
            for number in numbers:
                name = f"{label[:3]}{number}.png"
                (cells / label / name).rename(cells / part / label / name)
    run("add", "mine", cells)
    clean = run("audit", "mine")
    assert clean.exit_code == 0, clean.output
    assert "no leak found" in clean.output and "train: 20 images of 20 groups" in clean.output
    Image.open(cells / "train/neutrophil/neu4.png").transpose(Image.Transpose.ROTATE_90).save(
        cells / "test/eosinophil/planted.png"
    )
    run("add", "mine", cells, "--force")
    leaky = run("audit", "mine")
    assert leaky.exit_code == 1
    assert "IT LEAKS" in leaky.output
    assert "planted ~ neu4, correlation 0.996, eosinophil but neutrophil, test and train" in leaky.output
    run("split", "mine", "--kind", "random", "--seed", 1, "--out", tmp_path / "s.json")
    judged = run("audit", "mine", "--split", tmp_path / "s.json")
    apart = read_split(tmp_path / "s.json")
    assert judged.exit_code == int(apart.part_of("neu4") != apart.part_of("planted"))


def test_audit_of_two_datasets(cells: Path) -> None:
    run("add", "mine", cells)
    run("add", "other", cells)
    found = run("audit", "mine", "--with", "other")
    assert found.exit_code == 1
    assert "identical or near-identical pairs in different parts: 40" in found.output
    assert isinstance(run("audit", "mine", "--with", "other", "--split", __file__).exception, UsageError)


def test_get_names_licence_and_way_by_hand(monkeypatch: pytest.MonkeyPatch, cells: Path) -> None:
    assert isinstance(run("get", "unheard-of").exception, UsageError)

    def fetch(name: str, origin: object, report: Callable[[int, int], None]) -> Path:
        report(1, 2)
        report(2, 2)
        return cells

    monkeypatch.setattr("leukolens.datasets.download.fetch_dataset", fetch)
    got = run("get", "pbc")
    assert got.exit_code == 0, got.output
    assert "CC BY 4.0" in got.stderr
    assert len(open_dataset("pbc").records) == 40


def test_synth(tmp_path: Path) -> None:
    drawn = run("synth", "--cells", 8, "--seed", 1, "--out", tmp_path / "drawn")
    assert drawn.exit_code == 0, drawn.output
    assert len(list((tmp_path / "drawn").rglob("*.png"))) == 8
    assert "SYNTHETIC" in (tmp_path / "drawn/README.txt").read_text()
    assert run("add", "drawn", tmp_path / "drawn").exit_code == 0
    assert isinstance(run("synth", "--out", tmp_path / "none").exception, UsageError)
    assert isinstance(run("synth", "--cells", 8, "--out", tmp_path / "drawn").exception, UsageError)
