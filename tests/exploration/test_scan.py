"""One pass: what is measured of an image, and what is let go."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from leukolens.core.errors import DataError
from leukolens.core.results import Box
from leukolens.datasets.manifest import Record
from leukolens.exploration.scan import UNLABELLED, scan

GROUND, DYE, RED_CELL = (230, 220, 215), (110, 80, 190), (215, 160, 150)


def paint(*discs: tuple[int, int, int], size: tuple[int, int] = (120, 120)) -> np.ndarray:
    """A pale field with discs of dye `(x, y, radius)`, and one red cell."""
    picture = np.full((size[1], size[0], 3), GROUND, np.uint8)
    rows, columns = np.mgrid[: size[1], : size[0]]
    picture[(columns - 20) ** 2 + (rows - 100) ** 2 <= 100] = RED_CELL
    for x, y, radius in discs:
        picture[(columns - x) ** 2 + (rows - y) ** 2 <= radius**2] = DYE
    return picture


def save(folder: Path, name: str, picture: np.ndarray, label: str | None, group: str = "") -> Record:
    path = folder / f"{name}.png"
    Image.fromarray(picture).save(path)
    return Record(name, str(path), label, label or "", "test", group or name)


def test_pieces_are_shares_largest_first_and_cut_by_the_edge(tmp_path: Path) -> None:
    pictures = {"two": paint((30, 30, 10), (90, 60, 12), (60, 90, 1)), "cut": paint((2, 60, 12)), "none": paint()}
    two, cut, none = scan([save(tmp_path, name, picture, None) for name, picture in pictures.items()]).rows
    assert two.pieces == pytest.approx((np.pi * 12**2 / 120**2, np.pi * 10**2 / 120**2), rel=0.15), (
        "a speck is left out"
    )
    assert not two.cut and cut.cut
    assert none.pieces == () and not none.cut


def test_a_black_border_is_told_from_the_picture(tmp_path: Path) -> None:
    bordered = paint((60, 60, 15))
    bordered[:, :24] = 0
    plain = save(tmp_path, "plain", paint((60, 60, 15)), "monocyte")
    seen = scan([plain, save(tmp_path, "bordered", bordered, "monocyte")])
    first, second = seen.rows
    assert first.border == 0
    assert second.border == pytest.approx(26 / 120, abs=0.01), "24 columns, and two for JPEG's blur"
    assert second.means[0] == pytest.approx(first.means[0], abs=2), "the border does not darken the mean"
    assert second.focus < 1.5 * first.focus, "nor does its edge count as sharp"
    tally = seen.tallies["monocyte"]
    assert tally.border[0, 0] == 24 * 120
    assert (tally.histogram + tally.border).sum(axis=1).tolist() == [2 * 120 * 120] * 4


def test_what_is_measured_agrees_with_numpy(tmp_path: Path) -> None:
    picture = np.random.default_rng(0).integers(30, 220, (60, 80, 3)).astype(np.uint8)
    row = scan([save(tmp_path, "noise", picture, "basophil")]).rows[0]
    grey = np.asarray(Image.fromarray(picture).convert("L")).astype(float)
    assert row.means == pytest.approx([grey.mean(), *picture.reshape(-1, 3).mean(axis=0)])
    assert row.contrast == pytest.approx(grey.std())
    inner = 4 * grey[1:-1, 1:-1] - grey[:-2, 1:-1] - grey[2:, 1:-1] - grey[1:-1, :-2] - grey[1:-1, 2:]
    assert row.focus == pytest.approx(inner.var(), rel=1e-4)
    assert (row.width, row.height) == (80, 60)


def test_blurring_lowers_the_focus(tmp_path: Path) -> None:
    from scipy import ndimage

    sharp = paint((60, 60, 15))
    blurred = ndimage.gaussian_filter(sharp, (2, 2, 0))
    rows = scan([save(tmp_path, "sharp", sharp, "monocyte"), save(tmp_path, "soft", blurred, "monocyte")]).rows
    assert rows[1].focus < 0.2 * rows[0].focus


def test_order_classes_refusals_examples_and_progress(tmp_path: Path) -> None:
    records = [save(tmp_path, f"a{n}", paint((60, 60, 5 + n)), "platelet") for n in range(20)]
    records += [save(tmp_path, f"b{n}", paint(), "neutrophil") for n in range(15)]
    records += [save(tmp_path, "nobody", paint(), None)]
    (tmp_path / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\nnothing")
    records.insert(3, Record("broken", str(tmp_path / "broken.png"), "platelet", "", "test", "broken"))
    done: list[int] = []
    seen = scan(records, done.append)
    assert [row.id for row in seen.rows] == [record.id for record in records if record.id != "broken"]
    assert list(seen.tallies) == ["neutrophil", "platelet", UNLABELLED]
    assert [refusal.image for refusal in seen.refused] == ["broken"]
    assert sum(done) == len(records)
    assert {name: len(examples) for name, examples in seen.examples.items()} == {
        "neutrophil": 8,
        "platelet": 8,
        UNLABELLED: 1,
    }
    again = scan(records)
    assert [e.id for e in again.examples["platelet"]] == [e.id for e in seen.examples["platelet"]]


def test_the_mean_image_is_the_mean(tmp_path: Path) -> None:
    dark, bright = np.full((120, 120, 3), 40, np.uint8), np.full((120, 120, 3), 200, np.uint8)
    seen = scan([save(tmp_path, "d", dark, "monocyte"), save(tmp_path, "b", bright, "monocyte")])
    assert (seen.tallies["monocyte"].total == 240).all()


def test_boxed_cells_are_cut_out_and_boxes_are_counted(tmp_path: Path) -> None:
    record = save(tmp_path, "field", paint((60, 60, 15)), "monocyte")
    box = Box(45, 45, 76, 76, "leukocyte", "monocyte")
    from dataclasses import replace

    cut = scan([replace(record, cell=box)]).rows[0]
    assert cut.width == cut.height == round(31 * 2.55)
    assert cut.boxed is None
    assert scan([replace(record, boxes=(box, Box(0, 0, 9, 9, "red_cell")))]).rows[0].boxed == 1


def test_nothing_readable_is_said(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="None of the 1"):
        scan([Record("gone", str(tmp_path / "gone.png"), "monocyte", "", "test", "gone")])
