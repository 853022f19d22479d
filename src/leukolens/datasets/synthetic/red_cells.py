"""Red cells: biconcave discs whose middle lets more light through, and rarer shapes.

All red cells of an image share one `RedCellHabit`, because the red cells of one patient look alike.
"""

from dataclasses import dataclass

import numpy as np

from leukolens.datasets.synthetic import stain
from leukolens.datasets.synthetic.shapes import Plane, Window, blob_distance, fill, open_window, ramp, warp
from leukolens.datasets.synthetic.stain import Density, mix


@dataclass(frozen=True)
class RedCellHabit:
    """How the red cells of one image look on average.

    Attributes:
        radius_um: Of a cell.
        pallor: How pale the middle is, 0..1.
        pallor_width: Of the pale middle, as a share of the radius.
        ovalness: How far cells are from round; 0 is round.
        crenated: Share of crenated cells.
    """

    radius_um: float
    pallor: float
    pallor_width: float
    ovalness: float
    crenated: float


def draw_habit(rng: np.random.Generator) -> RedCellHabit:
    """Draws a habit, mostly healthy."""
    return RedCellHabit(
        radius_um=rng.uniform(3.4, 3.9),
        pallor=rng.choice([rng.uniform(0.1, 0.4), rng.uniform(0.5, 0.95), rng.uniform(0.6, 0.95)]),
        pallor_width=rng.uniform(0.35, 0.62),
        ovalness=rng.uniform(0.03, 0.12),
        crenated=0.4 if rng.random() < 0.04 else 0.01,
    )


def paint_red_cell(habit: RedCellHabit, px_per_um: float, rng: np.random.Generator) -> tuple[Density, Plane]:
    """One red cell in the middle of its window: the density it adds, `(n, n, 3)`, and its cover, `(n, n)` in 0..1."""
    radius = habit.radius_um * float(np.clip(rng.normal(1, 0.07), 0.75, 1.25))
    stretch = 1 + abs(rng.normal(0, habit.ovalness))
    window = open_window(radius * stretch * 1.3 + 0.4, px_per_um)
    angle = rng.uniform(0, np.pi)
    cosine, sine = np.float32(np.cos(angle)), np.float32(np.sin(angle))
    turned = Window(
        np.asarray((window.x * cosine + window.y * sine) / np.float32(stretch), dtype=np.float32),
        np.asarray((window.y * cosine - window.x * sine) * np.float32(stretch), dtype=np.float32),
        px_per_um,
    )
    wobble = [0.03, 0.02, 0.008]
    if rng.random() < habit.crenated:
        wobble += [0.0] * 5 + [0.05, 0.05]
    body = blob_distance(warp(turned, 0.1, 2.5, rng), radius, wobble, rng)
    depth = float(np.clip(habit.pallor + rng.normal(0, 0.12), 0, 0.92))
    width = habit.pallor_width * radius * rng.uniform(0.85, 1.15)
    inward = ramp(body, -(radius - 0.45 * width), -(radius - 1.35 * width))
    thick = (1 - depth * (1 - inward)) * (0.92 + 0.16 * ramp(body, -1.4, -0.4))
    colour = stain.RED_CELL if rng.random() > 0.025 else stain.RED_CELL_YOUNG
    tint = mix(colour, stain.RED_CELL_YOUNG, rng.uniform(0, 0.25)) * np.float32(rng.normal(1.0, 0.07))
    cover = fill(body, px_per_um, 1.6)
    return (tint * (thick * cover)[..., None]).astype(np.float32), cover
