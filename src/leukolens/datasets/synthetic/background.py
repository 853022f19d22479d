"""What lies around the leukocytes: red cells, platelets and their clumps, dirt, stain and bubbles.

Everything is drawn onto a canvas. Functions that draw cells give the cells' ground truth.
"""

from collections.abc import Iterator, Sequence
from math import hypot

import numpy as np

from leukolens.datasets.synthetic import stain
from leukolens.datasets.synthetic.cells import Patch, paint_cell
from leukolens.datasets.synthetic.red_cells import RedCellHabit, paint_red_cell
from leukolens.datasets.synthetic.render import Canvas
from leukolens.datasets.synthetic.shapes import Plane, blob_distance, draw_noise, fill, open_window, ramp

Disc = tuple[float, float, float]
"""Middle x, middle y and radius in pixels of a place that is taken."""


def scatter_red_cells(
    canvas: Canvas,
    habit: RedCellHabit,
    px_per_um: float,
    taken: Sequence[Disc],
    rng: np.random.Generator,
    stacking: float = 0.0,
) -> Iterator[tuple[Plane, float, float]]:
    """Draws red cells clear of the taken places. Gives the cover and middle of each.

    `stacking` is the chance (below 1) that a cell leans on the one before it, as in rouleaux.
    """
    height, width = canvas.density.shape[:2]
    radius = habit.radius_um * px_per_um
    wanted = int(rng.uniform(0.25, 0.65) * (width + 2 * radius) * (height + 2 * radius) / (np.pi * radius * radius))
    overlapping = rng.choice([0.03, 0.25])
    placed: list[tuple[float, float]] = []
    heading = 0.0
    for _ in range(6 * wanted):
        if len(placed) >= wanted:
            return
        x, y = rng.uniform(-radius, width + radius), rng.uniform(-radius, height + radius)
        closest = rng.uniform(1.1, 1.7) if rng.random() < overlapping else 2.02
        if stacking and placed and rng.random() < stacking:
            heading += rng.normal(0, 0.35)
            closest = rng.uniform(0.8, 1.5)
            x = placed[-1][0] + float(closest * radius * np.cos(heading))
            y = placed[-1][1] + float(closest * radius * np.sin(heading))
            closest *= 0.99
        else:
            heading = float(x + y)
        if any(hypot(x - px, y - py) < closest * radius for px, py in placed):
            continue
        if any(hypot(x - px, y - py) < reach + 0.93 * radius for px, py, reach in taken):
            continue
        density, cover = paint_red_cell(habit, px_per_um, rng)
        canvas.absorb(density, x, y, twice=0.15 if stacking else 0.4)
        placed.append((x, y))
        yield cover, x, y


def scatter_platelets(
    canvas: Canvas, px_per_um: float, taken: Sequence[Disc], count: int, rng: np.random.Generator
) -> Iterator[tuple[Plane, float, float]]:
    """Tries to draw `count` single platelets clear of the taken places. Gives the cover and middle of each."""
    height, width = canvas.density.shape[:2]
    for _ in range(count):
        x, y = rng.uniform(0, width), rng.uniform(0, height)
        if all(hypot(x - px, y - py) > reach + 3 * px_per_um for px, py, reach in taken):
            patch = paint_cell("platelet", px_per_um, rng)
            canvas.cover(patch.density, patch.cover, x, y)
            yield patch.cover, x, y


def drop_platelet_clump(
    canvas: Canvas, px_per_um: float, taken: Sequence[Disc], rng: np.random.Generator
) -> Iterator[tuple[Plane, float, float]]:
    """Draws three to seven platelets side by side if there is room. Gives the cover and middle of each."""
    height, width = canvas.density.shape[:2]
    x, y = rng.uniform(0, width), rng.uniform(0, height)
    if any(hypot(x - px, y - py) < reach + 8 * px_per_um for px, py, reach in taken):
        return
    for _ in range(int(rng.integers(3, 8))):
        patch = paint_cell("platelet", px_per_um, rng)
        canvas.cover(patch.density, patch.cover, x, y)
        yield patch.cover, x, y
        angle, step = rng.uniform(0, 2 * np.pi), rng.uniform(2.6, 3.8) * px_per_um
        x, y = x + float(step * np.cos(angle)), y + float(step * np.sin(angle))


def scatter_debris(canvas: Canvas, px_per_um: float, count: int, rng: np.random.Generator) -> None:
    """Draws dark specks of dirt."""
    height, width = canvas.density.shape[:2]
    for _ in range(count):
        speck = _speck(px_per_um, rng)
        canvas.absorb(speck, rng.uniform(0, width), rng.uniform(0, height))


def scatter_precipitate(canvas: Canvas, px_per_um: float, rng: np.random.Generator) -> None:
    """Draws a crowd of fine specks of stain precipitate."""
    height, width = canvas.density.shape[:2]
    x, y, spread = rng.uniform(0, width), rng.uniform(0, height), rng.uniform(2, 7) * px_per_um
    for _ in range(int(rng.integers(8, 40))):
        canvas.absorb(_speck(px_per_um, rng) * np.float32(0.6), x + rng.normal(0, spread), y + rng.normal(0, spread))


def drop_stain_cloud(canvas: Canvas, px_per_um: float, rng: np.random.Generator) -> None:
    """Draws a pale bluish cloud, as old platelets and dried stain leave."""
    height, width = canvas.density.shape[:2]
    radius = rng.uniform(0.8, 2.5)
    window = open_window(2.2 * radius, px_per_um)
    cloud = ramp(blob_distance(window, radius, (0.15, 0.1), rng), 0.6 * radius, -radius) * rng.uniform(0.2, 0.6)
    cloud = cloud * np.clip(1 + 0.3 * draw_noise(window, 0.8, rng), 0, 2)
    density = (stain.BLUE_PLASM * cloud[..., None]).astype(np.float32)
    canvas.absorb(density, rng.uniform(0, width), rng.uniform(0, height))


def drop_bubble(canvas: Canvas, px_per_um: float, rng: np.random.Generator) -> None:
    """Draws a bright dot in a dark ring, as water leaves on a drying smear."""
    height, width = canvas.density.shape[:2]
    radius = rng.uniform(0.25, 0.8)
    window = open_window(2 * radius + 0.4, px_per_um)
    body = blob_distance(window, radius, (0.12, 0.08), rng)
    cover = fill(body, px_per_um, 1.8)
    ring = ramp(body, -0.6 * radius, -0.15 * radius) * rng.uniform(0.6, 1.6)
    patch = Patch((stain.RED_CELL * 2 * ring[..., None]).astype(np.float32), cover * np.float32(0.9))
    canvas.cover(patch.density, patch.cover, rng.uniform(0, width), rng.uniform(0, height))


def _speck(px_per_um: float, rng: np.random.Generator) -> stain.Density:
    radius = rng.uniform(0.15, 0.5)
    window = open_window(2 * radius + 0.4, px_per_um)
    speck = fill(blob_distance(window, radius, (0.25, 0.2), rng), px_per_um, 1.6) * rng.uniform(0.3, 1)
    return (stain.CHROMATIN * speck[..., None]).astype(np.float32)
