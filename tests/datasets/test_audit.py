from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from leukolens.core.errors import DataError
from leukolens.core.pixels import Pixels
from leukolens.datasets.audit import Audit, audit_dataset, pair_datasets
from leukolens.datasets.duplicates import find_identical_files, find_near, list_pictures, take_fingerprints
from leukolens.datasets.manifest import Manifest, Record
from leukolens.datasets.sources.blood_images import unite_photographs
from leukolens.datasets.splits import Split, make_split, split_dataset

Draw = Callable[..., Pixels]


def quiet(done: int, total: int) -> None:
    pass


@pytest.fixture
def save(tmp_path: Path) -> Callable[..., Record]:
    """Writes a picture and gives its record."""

    def write(
        name: str, pixels: Pixels, label: str = "neutrophil", part: str = "", group: str = "", kind: str = "png"
    ) -> Record:
        path = tmp_path / f"{name}.{kind}"
        Image.fromarray(pixels).save(path, **({"quality": 80} if kind != "png" else {}))
        return Record(name, str(path), label, label, "made", group or name, part)

    return write


Save = Callable[..., Record]


def dataset(save: Save, draw: Draw, *more: Record) -> Manifest:
    """Twelve pictures that have nothing to do with one another, half of them for training, and some more."""
    records = [save(f"p{seed}", draw(seed, 64, 64), part="train" if seed < 6 else "test") for seed in range(12)]
    return Manifest("made", (*records, *more))


def pairs(audit: Audit) -> list[tuple[str, str]]:
    return [(pair.first, pair.second) for pair in (*audit.identical, *audit.near)]


def test_nothing_is_found_where_nothing_is(save: Save, picture: Draw) -> None:
    found = audit_dataset(dataset(save, picture), None, quiet)
    assert pairs(found) == [] and not found.leaks
    assert [(part.part, part.images, part.groups) for part in found.parts] == [("train", 6, 6), ("test", 6, 6)]


def test_the_same_pixels_in_another_file(save: Save, picture: Draw) -> None:
    planted = save("copy", picture(2, 64, 64), part="test", kind="bmp")
    manifest = dataset(save, picture, planted)
    found = audit_dataset(manifest, None, quiet)
    assert pairs(found) == [("p2", "copy")]
    assert found.identical[0].exact and found.identical[0].parts == ("train", "test")
    assert found.leaks
    assert find_identical_files(manifest.records, quiet) == []  # not the same byte for byte
    same = save("bytes", picture(3, 64, 64))
    assert find_identical_files((*manifest.records, same), quiet) == [["p3", "bytes"]]


TURNS: dict[str, Callable[[Pixels], Pixels]] = {
    "as it was": lambda x: x,
    "mirrored": lambda x: x[:, ::-1],
    "upside down": lambda x: x[::-1],
    "a quarter": lambda x: np.rot90(x),
    "half": lambda x: np.rot90(x, 2),
    "three quarters": lambda x: np.rot90(x, 3),
    "across": lambda x: x.transpose(1, 0, 2),
    "across the other way": lambda x: np.rot90(x, 2).transpose(1, 0, 2),
}


@pytest.mark.parametrize("turn", TURNS)
def test_a_planted_leak_is_found_in_any_position(turn: str, save: Save, picture: Draw) -> None:
    turned = np.ascontiguousarray(TURNS[turn](picture(4, 64, 64)))
    smaller = np.asarray(Image.fromarray(turned).resize((50, 50), Image.Resampling.LANCZOS))
    brighter = np.clip(smaller.astype(int) + 12, 0, 255).astype(np.uint8)
    planted = save("planted", brighter, "monocyte", "test", kind="jpg")
    found = audit_dataset(dataset(save, picture, planted), None, quiet)
    assert pairs(found) == [("p4", "planted")]
    pair = found.near[0]
    assert not pair.exact and pair.correlation > 0.93 and not pair.same_group
    assert pair.labels == ("neutrophil", "monocyte") and found.contradicting == (pair,)
    assert pair.parts == ("train", "test") and found.leaks


def test_blank_pictures_are_not_one_picture(save: Save, picture: Draw) -> None:
    blanks = [save(f"blank{level}", np.full((64, 64, 3), level, np.uint8)) for level in (200, 220)]
    assert pairs(audit_dataset(dataset(save, picture, *blanks), None, quiet)) == []


def test_a_turned_pair_is_said_to_be_turned(save: Save, picture: Draw) -> None:
    records = [save("a", picture(1, 64, 64)), save("b", np.ascontiguousarray(picture(1, 64, 64)[::-1]))]
    (pair,) = find_near(take_fingerprints(records, quiet))
    assert pair.turned and pair.correlation == pytest.approx(1)


def test_unreadable_files_are_listed_and_the_rest_is_judged(save: Save, picture: Draw, tmp_path: Path) -> None:
    (tmp_path / "torn.jpg").write_bytes(b"\xff\xd8\xff torn")
    torn = Record("torn", str(tmp_path / "torn.jpg"), "neutrophil", "", "made", "torn")
    gone = replace(torn, id="gone", image=str(tmp_path / "gone.png"))
    found = audit_dataset(dataset(save, picture, torn, gone), None, quiet)
    assert [refusal.image for refusal in found.refused] == ["torn", "gone"]
    assert found.images == 14


def test_groups_on_both_sides(save: Save, picture: Draw) -> None:
    manifest = dataset(save, picture)
    grouped = replace(
        manifest, records=tuple(replace(r, group=f"g{index % 4}") for index, r in enumerate(manifest.records))
    )
    found = audit_dataset(grouped, None, quiet)
    assert dict(found.crossing_groups) == {f"g{number}": ("test", "train") for number in range(4)}
    assert found.leaks
    split = make_split(grouped, "grouped", (0.5, 0.25, 0.25))
    assert not audit_dataset(grouped, split, quiet).leaks


def test_two_photographs_of_one_field_and_unknown_fields(save: Save, picture: Draw) -> None:
    groups = ["BloodImage_00230", "BloodImage_00257", "BloodImage_00260", "unmapped/x"]
    parts = ["train", "test", "test", "train"]
    records = [save(f"q{i}", picture(50 + i), part=parts[i], group=groups[i]) for i in range(4)]
    found = audit_dataset(Manifest("kaggle", unite_photographs(records)), None, quiet)
    assert dict(found.crossing_fields) == {"BloodImage_00230 = BloodImage_00257": ("test", "train")}
    assert found.crossing_groups == () and found.leaks
    assert audit_dataset(Manifest("mine", tuple(records)), None, quiet).crossing_fields == ()  # names alone say nothing
    assert [(part.part, part.groups, part.unmapped) for part in found.parts] == [("train", 1, 1), ("test", 2, 0)]


def test_cells_of_one_field_are_one_picture(save: Save, picture: Draw) -> None:
    record = save("field", picture(1))
    cells = [replace(record, id=f"field#{number}") for number in range(3)]
    assert list_pictures(cells) == [cells[0]]
    assert audit_dataset(Manifest("made", tuple(cells)), None, quiet).images == 1


def test_two_datasets(save: Save, picture: Draw) -> None:
    first = dataset(save, picture)
    second = Manifest("other", (save("x", picture(5, 64, 64), kind="webp"), save("y", picture(99), group="p7")))
    found = audit_dataset(pair_datasets(replace(first, name="one"), second), None, quiet)
    assert pairs(found) == [("one:p5", "other:x")]
    assert dict(found.crossing_groups) == {"p7": ("test", "train")}
    assert found.leaks


def test_a_split_of_another_dataset_is_refused(save: Save, picture: Draw) -> None:
    split = Split("made", "", "random", 0, {"train": ("p1",), "test": ("absent",)})
    with pytest.raises(DataError, match="absent"):
        audit_dataset(dataset(save, picture), split, quiet)


def test_an_empty_dataset() -> None:
    found = audit_dataset(Manifest("empty", ()), None, quiet)
    assert (found.images, found.near, found.parts, found.leaks) == (0, (), (), False)


def test_a_picture_changed_beyond_recognition_is_not_called_the_same(save: Save, picture: Draw) -> None:
    noisy = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    half = (picture(3, 64, 64).astype(int) // 2 + noisy.astype(int) // 2).astype(np.uint8)
    mixed = np.concatenate([half[:32], picture(77, 64, 64)[32:]])
    assert pairs(audit_dataset(dataset(save, picture, save("mixed", mixed)), None, quiet)) == []


def test_a_grouped_split_never_parts_what_the_audit_calls_alike(save: Save, picture: Draw) -> None:
    mirrored = [save(f"m{seed}", np.ascontiguousarray(picture(seed, 64, 64)[:, ::-1])) for seed in range(8)]
    recoded = save("r8", picture(8, 64, 64), kind="bmp")  # the same pixels in another file
    manifest = dataset(save, picture, *mirrored, recoded)
    for seed in range(4):
        (split,) = split_dataset(manifest, "grouped", (0.5, 0.2, 0.3), None, seed)
        assert not split.leaky and not audit_dataset(manifest, split, quiet).leaks
        assert sum(map(len, split.parts.values())) == 21
        assert split.dataset_hash == manifest.hash
    folds = split_dataset(manifest, "grouped", folds=3)
    assert not any(split.leaky or audit_dataset(manifest, split, quiet).leaks for split in folds)
    (chance,) = split_dataset(manifest, "random", (0.5, 0.2, 0.3))
    assert chance.leaky and chance.why_leaky.endswith("of 12 groups stand in more than one part")


def test_a_split_of_what_looks_different_is_as_without_its_pictures(save: Save, picture: Draw) -> None:
    manifest = dataset(save, picture, save("twin", picture(3, 64, 64)[:, ::-1], group="p3"))
    (split,) = split_dataset(manifest, "grouped", (0.5, 0.2, 0.3), None, 1)
    assert split == make_split(manifest, "grouped", (0.5, 0.2, 0.3), 1)
