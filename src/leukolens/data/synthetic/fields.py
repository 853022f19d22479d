"""Whole synthetic frames with truth: one centred cell as in a cell data set, a field of a smear, a smear.

`data synth`, tests, trainings without real data and benchmarks call it. Nothing is read or written here.
"""

import numpy as np
from numpy.typing import NDArray

from leukolens.data.synthetic import stain
from leukolens.data.synthetic.cells import paint_cell
from leukolens.data.synthetic.red_cells import RedCellHabit, draw_habit, paint_red_cell
from leukolens.data.synthetic.render import Canvas, expose
from leukolens.data.synthetic.shapes import blob_distance, fill, open_window

_FRAME_UM = 36.0

_Disc = tuple[float, float, float]


def draw_cell(label: str, rng: np.random.Generator, size_px: int = 224) -> NDArray[np.uint8]:
    """One cell of a class near the middle of red cells: `(size_px, size_px, 3)` uint8 RGB, about 36 micrometres wide.

    Raises:
        UsageError: `label` is not one of `CELL_CLASSES`.
    """
    px_per_um = size_px / (_FRAME_UM * rng.uniform(0.94, 1.06))
    canvas = Canvas(size_px, size_px)
    patch = paint_cell(label, px_per_um, rng)
    x, y = size_px / 2 + rng.normal(0, 0.015 * size_px, 2)
    reach = float(np.sqrt(patch.cover.sum() / np.pi))
    _strew_red_cells(canvas, px_per_um, [(x, y, reach)], rng)
    if rng.random() < 0.35:
        _drop_platelets(canvas, px_per_um, [(x, y, reach)], int(rng.integers(1, 3)), rng)
    _drop_debris(canvas, px_per_um, int(rng.poisson(0.7)), rng)
    canvas.cover(patch.density, patch.cover, x, y)
    return expose(canvas, stain.draw_stain(rng), 0.25, rng)


def _strew_red_cells(canvas: Canvas, px_per_um: float, taken: list[_Disc], rng: np.random.Generator) -> None:
    habit: RedCellHabit = draw_habit(rng)
    height, width = canvas.density.shape[:2]
    radius = habit.radius_um * px_per_um
    wanted = int(rng.uniform(0.25, 0.65) * (width + 2 * radius) * (height + 2 * radius) / (np.pi * radius * radius))
    overlapping = rng.choice([0.03, 0.25])
    placed: list[_Disc] = []
    for _ in range(6 * wanted):
        if len(placed) >= wanted:
            break
        x, y = rng.uniform(-radius, width + radius), rng.uniform(-radius, height + radius)
        closest = rng.uniform(1.1, 1.7) if rng.random() < overlapping else 2.02
        if any(np.hypot(x - px, y - py) < closest * radius for px, py, _ in placed):
            continue
        if any(np.hypot(x - px, y - py) < reach + 0.93 * radius for px, py, reach in taken):
            continue
        density, _ = paint_red_cell(habit, px_per_um, rng)
        canvas.absorb(density, x, y)
        placed.append((x, y, radius))


def _drop_platelets(
    canvas: Canvas, px_per_um: float, taken: list[_Disc], count: int, rng: np.random.Generator
) -> None:
    height, width = canvas.density.shape[:2]
    for _ in range(count):
        x, y = rng.uniform(0, width), rng.uniform(0, height)
        if all(np.hypot(x - px, y - py) > reach + 3 * px_per_um for px, py, reach in taken):
            patch = paint_cell("platelet", px_per_um, rng)
            canvas.cover(patch.density, patch.cover, x, y)


def _drop_debris(canvas: Canvas, px_per_um: float, count: int, rng: np.random.Generator) -> None:
    height, width = canvas.density.shape[:2]
    for _ in range(count):
        radius = rng.uniform(0.15, 0.5)
        window = open_window(2 * radius + 0.4, px_per_um)
        speck = fill(blob_distance(window, radius, (0.25, 0.2), rng), px_per_um, 1.6) * rng.uniform(0.3, 1)
        density = (stain.CHROMATIN * speck[..., None]).astype(np.float32)
        canvas.absorb(density, rng.uniform(0, width), rng.uniform(0, height))
