import numpy as np
import pytest

from leukolens.core.errors import UsageError
from leukolens.core.taxonomy import CELL_CLASSES
from leukolens.datasets.synthetic import draw_cell
from leukolens.datasets.synthetic.cells import Patch, paint_cell
from leukolens.datasets.synthetic.red_cells import RedCellHabit, paint_red_cell
from leukolens.datasets.synthetic.stain import Stain

CREAM = Stain((255.0, 230.0, 203.0), np.eye(3, dtype=np.float32))
# what textbooks of haematology give on dried smears, with room for flattening
DIAMETERS_UM = {
    "neutrophil": (11, 16),
    "eosinophil": (11, 16),
    "basophil": (9, 16),
    "lymphocyte": (7, 15),
    "monocyte": (12, 20),
    "immature_granulocyte": (12, 20),
    "erythroblast": (6, 13),
    "platelet": (1.5, 7.5),
}


def paint_many(label: str, count: int) -> list[Patch]:
    return [paint_cell(label, 6.0, np.random.default_rng([5, number])) for number in range(count)]


def colours_inside(patch: Patch) -> np.ndarray:
    """RGB of the cell's own pixels, `(k, 3)`."""
    return CREAM.develop(patch.density)[patch.cover > 0.9]


@pytest.mark.parametrize("label", CELL_CLASSES)
def test_cell_is_an_rgb_image_of_the_asked_size_and_seeded(label: str) -> None:
    image = draw_cell(label, np.random.default_rng(3), size_px=96)
    assert image.shape == (96, 96, 3) and image.dtype == np.uint8
    np.testing.assert_array_equal(image, draw_cell(label, np.random.default_rng(3), size_px=96))
    assert (image != draw_cell(label, np.random.default_rng(4), size_px=96)).any()


@pytest.mark.parametrize("label", CELL_CLASSES)
def test_diameters_are_those_of_the_class(label: str) -> None:
    for patch in paint_many(label, 12):
        diameter = 2 * np.sqrt((patch.cover > 0.5).sum() / np.pi) / 6.0
        low, high = DIAMETERS_UM[label]
        assert low <= diameter <= high


@pytest.mark.parametrize("label", CELL_CLASSES)
def test_cell_does_not_touch_its_window_so_it_is_never_cut_straight(label: str) -> None:
    for patch in paint_many(label, 12):
        rim = np.concatenate([patch.cover[0], patch.cover[-1], patch.cover[:, 0], patch.cover[:, -1]])
        assert rim.max() == 0


@pytest.mark.parametrize("label", CELL_CLASSES[:7])
def test_nucleated_cell_stands_near_the_middle_of_its_picture(label: str) -> None:
    for number in range(4):
        image = draw_cell(label, np.random.default_rng([8, number])).astype(float)
        green = image[..., 1]
        dark = green < 0.45 * np.percentile(green, 95)
        rows, columns = np.nonzero(dark)
        assert dark.sum() > 150
        assert abs(np.median(rows) - 112) < 34 and abs(np.median(columns) - 112) < 34


def test_eosinophils_are_the_orange_ones() -> None:
    def warmth(label: str) -> float:
        inside = np.concatenate([colours_inside(patch) for patch in paint_many(label, 8)])
        pale = inside[inside.mean(axis=1) > 95]  # leaves the nuclei out
        return float((pale[:, 0] - pale[:, 2]).mean())

    others = max(warmth(label) for label in ("neutrophil", "monocyte", "immature_granulocyte"))
    assert warmth("eosinophil") > others + 20


def test_basophils_are_darkest_and_neutrophils_palest_of_the_granulocytes() -> None:
    def level(label: str) -> float:
        return float(np.mean([colours_inside(patch).mean() for patch in paint_many(label, 8)]))

    assert level("basophil") + 10 < level("eosinophil") < level("neutrophil")


def test_lymphocytes_are_mostly_nucleus_and_neutrophils_are_not() -> None:
    def nuclear_share(label: str) -> float:
        return float(np.mean([(colours_inside(patch)[:, 1] < 75).mean() for patch in paint_many(label, 10)]))

    assert nuclear_share("lymphocyte") > 0.6
    assert 0.15 < nuclear_share("neutrophil") < 0.5
    assert 0.15 < nuclear_share("eosinophil") < 0.6


def test_red_cells_are_pale_in_the_middle_as_far_as_their_habit_says() -> None:
    def middle_to_ring(pallor: float) -> float:
        habit = RedCellHabit(3.7, pallor, 0.5, 0.0, 0.0)
        density, cover = paint_red_cell(habit, 8.0, np.random.default_rng(2))
        assert 6 < 2 * np.sqrt((cover > 0.5).sum() / np.pi) / 8 < 9
        middle = density.shape[0] // 2
        return float(density[middle, middle, 1] / density[middle, :, 1].max())

    assert middle_to_ring(0.85) < 0.45
    assert middle_to_ring(0.0) > 0.7


@pytest.mark.parametrize("label", ["", "red_cell", "Neutrophil"])
def test_unknown_class_is_refused_with_the_known_ones(label: str) -> None:
    with pytest.raises(UsageError, match="neutrophil, eosinophil"):
        draw_cell(label, np.random.default_rng(0))
