"""Whole synthetic images with ground truth: one cell in the middle, a field of a smear, all fields of a smear."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import hypot

import numpy as np
from numpy.typing import NDArray

from leukolens.core.errors import UsageError
from leukolens.core.taxonomy import LEUKOCYTE_CLASSES, CellKind
from leukolens.datasets.synthetic import background
from leukolens.datasets.synthetic.cells import Patch, paint_cell
from leukolens.datasets.synthetic.red_cells import RedCellHabit, draw_habit
from leukolens.datasets.synthetic.render import Canvas, Optics, expose
from leukolens.datasets.synthetic.shapes import Plane
from leukolens.datasets.synthetic.stain import Stain, draw_blue_stain, draw_stain

_FRAME_UM = 36.0
_SHOWN_SHARE = 0.1
_STRAY_PLATELET_SIZE = 0.75
_MIXED_PROPORTIONS: Mapping[str, float] = {
    "neutrophil": 0.4,
    "lymphocyte": 0.22,
    "monocyte": 0.12,
    "eosinophil": 0.08,
    "basophil": 0.05,
    "immature_granulocyte": 0.07,
    "erythroblast": 0.06,
}


@dataclass(frozen=True)
class SyntheticCell:
    """Ground truth of one cell of a field.

    Attributes:
        x0: Left edge of its visible part in pixels.
        y0: Top edge.
        x1: Right edge, just outside.
        y1: Bottom edge, just outside.
        kind: An erythroblast counts as a leukocyte.
        label: Its class. None for red cells.
    """

    x0: int
    y0: int
    x1: int
    y1: int
    kind: CellKind
    label: str | None


@dataclass(frozen=True)
class SyntheticField:
    """A drawn field.

    Attributes:
        image: `(height, width, 3)` uint8 RGB.
        cells: Every cell of which a tenth or more is visible.
        pixel_size_um: Side of a pixel.
    """

    image: NDArray[np.uint8]
    cells: tuple[SyntheticCell, ...]
    pixel_size_um: float


@dataclass(frozen=True)
class Slide:
    """What the fields of one smear share.

    Attributes:
        stain: Its colours.
        optics: Microscope and camera.
        habit: How the patient's red cells look.
        stacking: Chance that a red cell leans on another, 0..1.
        dirt: How much dirt there is, 0..1.
    """

    stain: Stain
    optics: Optics
    habit: RedCellHabit
    stacking: float
    dirt: float


def draw_cell(label: str, rng: np.random.Generator, size_px: int = 224) -> NDArray[np.uint8]:
    """One cell of a class among red cells: `(size_px, size_px, 3)` uint8 RGB, about 36 micrometres wide.

    Raises:
        UsageError: `label` is not one of `CELL_CLASSES`.
    """
    px_per_um = size_px / (_FRAME_UM * rng.uniform(0.94, 1.06))
    canvas = Canvas(size_px, size_px)
    patch = paint_cell(label, px_per_um, rng)
    x, y = size_px / 2 + rng.normal(0, 0.015 * size_px, 2)
    taken = [(float(x), float(y), _reach(patch))]
    for _ in background.scatter_red_cells(canvas, draw_habit(rng), px_per_um, taken, rng):
        pass
    if rng.random() < 0.35:
        for _ in background.scatter_platelets(canvas, px_per_um, taken, int(rng.integers(1, 3)), rng):
            pass
    background.scatter_debris(canvas, px_per_um, int(rng.poisson(0.7)), rng)
    canvas.cover(patch.density, patch.cover, x, y)
    return expose(canvas, draw_stain(rng), Optics(), rng)


def draw_slide(rng: np.random.Generator) -> Slide:
    """The look of a smear: even and cream, grey-green with blue nuclei, or dim with coloured corners."""
    look = rng.choice(["cream", "blue", "dim"], p=[0.45, 0.35, 0.2])
    habit, dirt = draw_habit(rng), float(rng.uniform(0, 1) ** 2)
    stacking = float(rng.choice([0.0, rng.uniform(0.2, 0.7)]))
    if look == "cream":
        return Slide(draw_stain(rng), Optics(rng.uniform(0.2, 1.0)), habit, stacking, dirt)
    if look == "blue":
        optics = Optics(rng.uniform(0.2, 0.8), blur_px=(1.0, 2.2), fringe_px=float(rng.uniform(0, 1.5)))
        return Slide(draw_blue_stain(rng), optics, habit, stacking, dirt)
    cream = draw_stain(rng)
    level = rng.uniform(0.8, 1.2)
    dim = Stain((132 * level, 142 * level, 146 * level), cream.matrix * np.float32(rng.uniform(0.7, 0.95)))
    tint = (float(rng.uniform(1.2, 1.6)), float(rng.uniform(0.8, 0.98)), float(rng.uniform(0.95, 1.15)))
    optics = Optics(rng.uniform(0.5, 1.2), tint, (0.7, 1.5), float(rng.uniform(0, 1.2)))
    return Slide(dim, optics, habit, stacking, dirt)


def draw_field(
    rng: np.random.Generator,
    width_px: int = 640,
    height_px: int = 480,
    pixel_size_um: float = 0.13,
    leukocytes: Sequence[str] | None = None,
    slide: Slide | None = None,
) -> SyntheticField:
    """A field of a smear with the ground truth of every cell.

    Args:
        rng: Source of all chance.
        width_px: Width of the image.
        height_px: Height of the image.
        pixel_size_um: Side of a pixel.
        leukocytes: Classes of the nucleated cells to draw, one for each cell. None draws one to four.
        slide: The look of the smear. None draws one.

    Raises:
        UsageError: `leukocytes` names an unknown class, or the pixel size or a side is not positive.
    """
    if min(width_px, height_px) < 1 or not pixel_size_um > 0:
        raise UsageError(
            f"A field needs sides of 1 px or more and a pixel size above 0; received {width_px} x {height_px} px at {pixel_size_um} um."
        )
    look = slide if slide is not None else draw_slide(rng)
    if leukocytes is None:
        names = list(_MIXED_PROPORTIONS)
        leukocytes = rng.choice(names, size=int(rng.integers(1, 5)), p=list(_MIXED_PROPORTIONS.values())).tolist()
    painter = _FieldPainter(Canvas(width_px, height_px), 1 / pixel_size_um)
    painter.paint(leukocytes, look, rng)
    return SyntheticField(expose(painter.canvas, look.stain, look.optics, rng), tuple(painter.cells), pixel_size_um)


def draw_smear(
    rng: np.random.Generator,
    fields: int,
    proportions: Mapping[str, float] | None = None,
    leukocytes_per_field: float = 2.0,
    pixel_size_um: float = 0.13,
) -> Iterator[SyntheticField]:
    """Fields of one slide, one after another. The number of leukocytes is Poisson, their classes follow `proportions`.

    Raises:
        UsageError: `proportions` names a class without a nucleus, is negative somewhere or is 0 everywhere, or
            `leukocytes_per_field` is negative.
    """
    shares = dict(_MIXED_PROPORTIONS if proportions is None else proportions)
    unknown = [name for name in shares if name not in (*LEUKOCYTE_CLASSES, "erythroblast")]
    total = sum(shares.values())
    if unknown or not 0 < total < float("inf") or min(shares.values()) < 0:
        raise UsageError(
            f"Proportions must be of leukocyte classes or erythroblasts, none negative and not all 0; received {shares}."
        )
    if not leukocytes_per_field >= 0:
        raise UsageError(f"Expected 0 or more leukocytes in a field on average; received {leukocytes_per_field}.")
    slide, names, weights = draw_slide(rng), list(shares), [share / total for share in shares.values()]

    def draw_next() -> SyntheticField:
        cells = rng.choice(names, size=int(rng.poisson(leukocytes_per_field)), p=weights).tolist()
        return draw_field(rng, pixel_size_um=pixel_size_um, leukocytes=cells, slide=slide)

    return (draw_next() for _ in range(fields))


def _reach(patch: Patch) -> float:
    return float(np.sqrt(patch.cover.sum() / np.pi))


class _FieldPainter:
    """Puts cells on the canvas of a field and keeps their ground truth."""

    def __init__(self, canvas: Canvas, px_per_um: float) -> None:
        self.canvas = canvas
        self.px_per_um = px_per_um
        self.cells: list[SyntheticCell] = []

    def paint(self, leukocytes: Sequence[str], slide: Slide, rng: np.random.Generator) -> None:
        """Paints from the bottom up: red cells, dirt, platelets, leukocytes."""
        canvas, scale = self.canvas, self.px_per_um
        patches = [paint_cell(label, scale, rng) for label in leukocytes]
        places = self._find_room([_reach(patch) for patch in patches], rng)
        red_cells = 0
        for cover, x, y in background.scatter_red_cells(canvas, slide.habit, scale, places, rng, slide.stacking):
            self._note(cover, x, y, CellKind.RED_CELL, None)
            red_cells += 1
        dirt = (
            (background.drop_stain_cloud, 1.5),
            (background.drop_bubble, 6.0),
            (background.scatter_precipitate, 1.0),
        )
        for drop, often in dirt:
            for _ in range(int(rng.poisson(often * slide.dirt))):
                drop(canvas, scale, rng)
        background.scatter_debris(canvas, scale, int(rng.poisson(1 + 6 * slide.dirt)), rng)
        # Platelets in fields are smaller than those that cell datasets show.
        smaller = _STRAY_PLATELET_SIZE * scale
        for cover, x, y in background.scatter_platelets(
            canvas, smaller, places, int(rng.poisson(1 + red_cells / 15)), rng
        ):
            self._note(cover, x, y, CellKind.PLATELET, "platelet")
        if rng.random() < 0.15:
            for cover, x, y in background.drop_platelet_clump(canvas, smaller, places, rng):
                self._note(cover, x, y, CellKind.PLATELET, "platelet")
        for label, patch, (x, y, _) in zip(leukocytes, patches, places, strict=True):
            canvas.cover(patch.density, patch.cover, x, y)
            kind = CellKind.PLATELET if label == "platelet" else CellKind.LEUKOCYTE
            self._note(patch.cover, x, y, kind, label)

    def _find_room(self, reaches: list[float], rng: np.random.Generator) -> list[background.Disc]:
        height, width = self.canvas.density.shape[:2]
        places: list[background.Disc] = []
        for reach in reaches:
            # Allowed to lie closer with each try, so that every cell finds a place.
            for squeeze in np.linspace(1.1, 0.0, 60):
                x, y = rng.uniform(0, width), rng.uniform(0, height)
                if all(hypot(x - px, y - py) >= squeeze * (reach + taken) for px, py, taken in places):
                    break
            places.append((x, y, reach))
        return places

    def _note(self, cover: Plane, x: float, y: float, kind: CellKind, label: str | None) -> None:
        box, shown = self.canvas.visible_box(cover, x, y)
        if shown >= _SHOWN_SHARE:
            self.cells.append(SyntheticCell(*box, kind=kind, label=label))
