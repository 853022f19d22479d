"""Outlines of nuclei: segmented, band, kidney, folded and round. `cells` fills and colours them."""

from itertools import pairwise

import numpy as np

from leukolens.datasets.synthetic.shapes import (
    Plane,
    Point,
    Window,
    blob_distance,
    carve,
    ellipse_distance,
    join,
    strand_distance,
    warp,
)


def segmented_nucleus(window: Window, cell_radius_um: float, lobes: int, rng: np.random.Generator) -> Plane:
    """Signed distance to lobes along a bent path, joined by thin bridges."""
    size = cell_radius_um / 6.5
    girth = (2.45 if lobes <= 2 else 2.15 if lobes == 3 else 1.85 if lobes == 4 else 1.65) * size
    path = _bent_path(lobes, girth * rng.uniform(1.65, 2.05), rng.choice([-1, 1]) * rng.uniform(0.9, 1.7), rng)
    path = _shrink_into(path, 0.95 * cell_radius_um - girth)
    space = warp(window, 0.2, 1.6, rng)
    lobe_shapes: list[Plane] = []
    for number, centre in enumerate(path):
        before, after = path[max(number - 1, 0)], path[min(number + 1, lobes - 1)]
        along = float(np.arctan2(after[1] - before[1], after[0] - before[0])) + rng.normal(0, 0.5)
        radii = (girth * rng.uniform(0.9, 1.15), girth * rng.uniform(0.8, 1.05))
        lobe_shapes.append(ellipse_distance(space, centre, radii, along))
    shape = lobe_shapes[0]
    for lobe in lobe_shapes[1:]:
        shape = join(shape, lobe, 0.25)
    for start, end in pairwise(path):
        shape = join(shape, strand_distance(space, start, end, rng.uniform(0.3, 0.9) * size), 0.5)
    return shape


def band_nucleus(window: Window, cell_radius_um: float, rng: np.random.Generator) -> Plane:
    """Signed distance to an even, bent band: a C, a U or an S."""
    size = cell_radius_um / 6.5
    turn = rng.choice([-1, 1]) * rng.uniform(0.35, 0.55)
    path = _shrink_into(_bent_path(7, 1.6 * size, turn, rng), 0.9 * cell_radius_um - 1.6 * size)
    space = warp(window, 0.2, 1.8, rng)
    shape = strand_distance(space, path[0], path[1], 1.6 * size)
    for start, end in pairwise(path[1:]):
        shape = join(shape, strand_distance(space, start, end, rng.uniform(1.3, 1.85) * size), 0.4)
    return shape


def two_lobed_nucleus(window: Window, cell_radius_um: float, rng: np.random.Generator) -> Plane:
    """Signed distance to two thick lobes that face each other, like spectacles."""
    size = cell_radius_um / 6.5
    axis = rng.uniform(0, 2 * np.pi)
    apart = rng.uniform(2.2, 3.0) * size
    aside = rng.uniform(0.2, 1.8) * size
    space = warp(window, 0.18, 1.6, rng)
    lobes, centres = [], []
    for side in (-1.0, 1.0):
        centre = (
            float(side * apart * np.cos(axis) - aside * np.sin(axis)),
            float(side * apart * np.sin(axis) + aside * np.cos(axis)),
        )
        radii = (rng.uniform(2.9, 3.6) * size, rng.uniform(2.1, 2.7) * size)
        lobes.append(ellipse_distance(space, centre, radii, axis + np.pi / 2 + side * rng.uniform(-0.2, 0.6)))
        centres.append(centre)
    both = join(lobes[0], lobes[1], 0.3)
    bridge = strand_distance(space, centres[0], centres[1], rng.uniform(0.3, 0.9) * size)
    return join(both, bridge, 0.6)


def round_nucleus(window: Window, radius_um: float, centre: Point, rng: np.random.Generator) -> Plane:
    """Signed distance to a nearly round nucleus."""
    moved = Window(window.x - np.float32(centre[0]), window.y - np.float32(centre[1]), window.px_per_um)
    return blob_distance(moved, radius_um, (0.035, 0.02, 0.012), rng)


def kidney_nucleus(window: Window, radius_um: float, dent: float, rng: np.random.Generator) -> Plane:
    """Signed distance to an oval nucleus with one dent; A `dent` of 0 is none, of 1 a deep horseshoe."""
    angle = rng.uniform(0, 2 * np.pi)
    space = warp(window, 0.09 * radius_um, 0.9 * radius_um, rng)
    body = ellipse_distance(space, (0.0, 0.0), (radius_um * 1.14, radius_um * 0.9), angle)
    away = radius_um * (1.5 - 0.75 * dent)
    hole_centre = (float(-away * np.sin(angle)), float(away * np.cos(angle)))
    hole = ellipse_distance(space, hole_centre, (radius_um * rng.uniform(0.4, 0.6), radius_um * 0.62), angle)
    return carve(body, hole, 0.35 * radius_um)


def folded_nucleus(window: Window, radius_um: float, rng: np.random.Generator) -> Plane:
    """Signed distance to a large nucleus of two or three broad lobes, as in many monocytes."""
    start = rng.uniform(0, 2 * np.pi)
    space = warp(window, 0.1 * radius_um, 0.7 * radius_um, rng)
    shape = ellipse_distance(space, (0.0, 0.0), (0.62 * radius_um, 0.55 * radius_um), start)
    for number in range(int(rng.integers(2, 4))):
        angle = start + number * rng.uniform(1.7, 2.3)
        centre = (float(0.56 * radius_um * np.cos(angle)), float(0.56 * radius_um * np.sin(angle)))
        radii = (radius_um * rng.uniform(0.5, 0.66), radius_um * rng.uniform(0.52, 0.7))
        shape = join(shape, ellipse_distance(space, centre, radii, angle), 0.3 * radius_um)
    return shape


def _bent_path(points: int, step_um: float, turn: float, rng: np.random.Generator) -> list[Point]:
    heading = rng.uniform(0, 2 * np.pi)
    x = y = 0.0
    path = [(x, y)]
    for _ in range(points - 1):
        x, y = x + step_um * np.cos(heading), y + step_um * np.sin(heading)
        path.append((float(x), float(y)))
        heading += turn + rng.normal(0, 0.25)
    middle = np.mean(path, axis=0)
    return [(float(px - middle[0]), float(py - middle[1])) for px, py in path]


def _shrink_into(path: list[Point], radius_um: float) -> list[Point]:
    reach = max(float(np.hypot(x, y)) for x, y in path)
    factor = min(1.0, radius_um / max(reach, 1e-6))
    return [(x * factor, y * factor) for x, y in path]
