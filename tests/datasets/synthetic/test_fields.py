from collections import Counter

import numpy as np
import pytest

from leukolens.core.errors import UsageError
from leukolens.core.taxonomy import CELL_CLASSES, DETECTED_KINDS
from leukolens.datasets.synthetic import Slide, SyntheticField, draw_field, draw_slide, draw_smear
from leukolens.datasets.synthetic.red_cells import RedCellHabit
from leukolens.datasets.synthetic.render import Optics
from leukolens.datasets.synthetic.stain import Stain

CLEAN = Slide(
    stain=Stain((230.0, 225.0, 220.0), np.eye(3, dtype=np.float32)),
    optics=Optics(unevenness=0.0, blur_px=(0.5, 0.5)),
    habit=RedCellHabit(3.7, 0.3, 0.4, 0.05, 0.0),
    stacking=0.0,
    dirt=0.0,
)


def leukocytes_of(field: SyntheticField) -> list[str]:
    return [str(cell.label) for cell in field.cells if cell.kind == "leukocyte"]


@pytest.mark.parametrize("seed", range(5))
def test_truth_lies_on_the_frame_and_says_what_each_cell_is(seed: int) -> None:
    field = draw_field(np.random.default_rng(seed), width_px=320, height_px=200)
    assert field.image.shape == (200, 320, 3) and field.image.dtype == np.uint8
    assert field.cells
    for cell in field.cells:
        assert 0 <= cell.x0 < cell.x1 <= 320 and 0 <= cell.y0 < cell.y1 <= 200
        assert cell.kind in DETECTED_KINDS
        assert (cell.label is None) == (cell.kind == "red_cell")
        assert (cell.label == "platelet") == (cell.kind == "platelet")
        assert cell.label is None or cell.label in CELL_CLASSES


def test_same_seed_same_field() -> None:
    one, two = (draw_field(np.random.default_rng(9), 200, 160) for _ in range(2))
    np.testing.assert_array_equal(one.image, two.image)
    assert one.cells == two.cells


@pytest.mark.parametrize("asked", [[], ["lymphocyte"], ["neutrophil", "erythroblast", "basophil"], ["monocyte"] * 25])
def test_every_leukocyte_asked_for_is_in_the_truth(asked: list[str]) -> None:
    field = draw_field(np.random.default_rng(4), leukocytes=asked)
    assert Counter(leukocytes_of(field)) == Counter(asked)


def test_a_platelet_asked_for_is_a_platelet() -> None:
    without = draw_field(np.random.default_rng(4), leukocytes=[], slide=CLEAN)
    assert not leukocytes_of(without)
    field = draw_field(np.random.default_rng(4), leukocytes=["platelet"], slide=CLEAN)
    assert not leukocytes_of(field) and field.cells[-1].kind == "platelet"


def test_boxes_hold_the_cells_and_nothing_stands_outside_them() -> None:
    field = draw_field(np.random.default_rng(1), leukocytes=["monocyte", "neutrophil"], slide=CLEAN)
    coloured = np.abs(field.image.astype(int) - [230, 225, 220]).max(axis=2) > 35
    boxed = np.zeros_like(coloured)
    for cell in field.cells:
        boxed[max(cell.y0 - 2, 0) : cell.y1 + 2, max(cell.x0 - 2, 0) : cell.x1 + 2] = True
    # what is left are specks of dirt and slivers of cells at the frame's edge
    assert (coloured & ~boxed).sum() < 0.003 * coloured.size
    for cell in field.cells:
        inside = coloured[cell.y0 : cell.y1, cell.x0 : cell.x1]
        assert inside.mean() > 0.45
        # every side of the box is reached
        for side in (inside[:3], inside[-3:], inside[:, :3], inside[:, -3:]):
            assert side.any()


def test_leukocyte_boxes_hold_nuclei_and_red_cell_boxes_hold_none() -> None:
    field = draw_field(np.random.default_rng(2), leukocytes=["lymphocyte"] * 3, slide=CLEAN)
    nucleus = field.image[..., 1] < 90
    for cell in field.cells:
        share = nucleus[cell.y0 : cell.y1, cell.x0 : cell.x1].mean()
        if cell.kind == "leukocyte":
            assert share > 0.25
    red_cells = [cell for cell in field.cells if cell.kind == "red_cell"]
    mean_share = np.mean([nucleus[cell.y0 : cell.y1, cell.x0 : cell.x1].mean() for cell in red_cells])
    assert mean_share < 0.02


@pytest.mark.parametrize("pixel_size_um", [0.08, 0.13, 0.2])
def test_red_cells_are_7_micrometres_wide_at_every_scale(pixel_size_um: float) -> None:
    field = draw_field(np.random.default_rng(6), pixel_size_um=pixel_size_um, leukocytes=[], slide=CLEAN)
    whole = [
        (cell.x1 - cell.x0 + cell.y1 - cell.y0) / 2 * pixel_size_um
        for cell in field.cells
        if cell.kind == "red_cell" and cell.x0 > 0 and cell.y0 > 0 and cell.x1 < 640 and cell.y1 < 480
    ]
    assert len(whole) > 5
    assert np.median(whole) == pytest.approx(7.4, rel=0.1)
    assert field.pixel_size_um == pixel_size_um


def test_slides_of_many_seeds_differ_in_look() -> None:
    backgrounds = np.array([draw_slide(np.random.default_rng(seed)).stain.background for seed in range(30)])
    assert backgrounds.std(axis=0).min() > 8


def test_smear_shares_one_slide_and_keeps_to_its_proportions() -> None:
    fields = list(draw_smear(np.random.default_rng(3), 6, {"lymphocyte": 3, "neutrophil": 0}, 4.0, 0.2))
    names = [name for field in fields for name in leukocytes_of(field)]
    assert len(fields) == 6
    assert set(names) == {"lymphocyte"}
    assert 10 <= len(names) <= 42  # Poisson with mean 24, four standard deviations either side
    backgrounds = np.array([np.percentile(field.image, 90, axis=(0, 1)) for field in fields])
    assert np.ptp(backgrounds, axis=0).max() < 45


def test_smear_s_proportions_come_out_on_average() -> None:
    wanted = {"neutrophil": 60.0, "lymphocyte": 40.0}
    names: list[str] = []
    for field in draw_smear(np.random.default_rng(11), 4, wanted, 30.0, 0.25):
        names += leukocytes_of(field)
    share = names.count("neutrophil") / len(names)
    assert abs(share - 0.6) < 4 * np.sqrt(0.24 / len(names))


@pytest.mark.parametrize(
    "proportions",
    [{}, {"platelet": 1.0}, {"neutrophil": 0.0}, {"neutrophil": 2.0, "monocyte": -1.0}, {"neutrophil": float("nan")}],
)
def test_impossible_proportions_are_refused_at_once(proportions: dict[str, float]) -> None:
    with pytest.raises(UsageError, match="Proportions"):
        draw_smear(np.random.default_rng(0), 1, proportions)


def test_impossible_fields_are_refused() -> None:
    with pytest.raises(UsageError, match="pixel size"):
        draw_field(np.random.default_rng(0), pixel_size_um=0)
    with pytest.raises(UsageError, match="0 x 480"):
        draw_field(np.random.default_rng(0), width_px=0)
    with pytest.raises(UsageError, match="cell class"):
        draw_field(np.random.default_rng(0), leukocytes=["blast"])
    with pytest.raises(UsageError, match="on average"):
        draw_smear(np.random.default_rng(0), 1, None, -1.0)
