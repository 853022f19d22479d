"""Whole synthetic frames with truth: one centred cell as in a cell data set, a field of a smear, a smear.

`files`, tests, trainings without real data and benchmarks call it. Nothing is read or written here.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import hypot

import numpy as np
from numpy.typing import NDArray

from leukolens.core.errors import UsageError
from leukolens.core.taxonomy import LEUKOCYTE_CLASSES
from leukolens.datasets.synthetic import strewing
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
    """One cell of a field's truth: where its visible part lies in pixels (x1 and y1 just outside), and what it is.

    `kind` is one of `DETECTED_KINDS` (an erythroblast counts as a leukocyte); `label` is its class, None for red cells.
    """

    x0: int
    y0: int
    x1: int
    y1: int
    kind: str
    label: str | None


@dataclass(frozen=True)
class SyntheticField:
    """A field's image, `(height, width, 3)` uint8 RGB, every cell on it of which a tenth or more shows, and its scale."""

    image: NDArray[np.uint8]
    cells: tuple[SyntheticCell, ...]
    pixel_size_um: float


@dataclass(frozen=True)
class Slide:
    """What the fields of one smear share: stain, microscope, the patient's red cells and how they stack, dirt (0..1)."""

    stain: Stain
    optics: Optics
    habit: RedCellHabit
    stacking: float
    dirt: float


def draw_cell(label: str, rng: np.random.Generator, size_px: int = 224) -> NDArray[np.uint8]:
    """One cell of a class near the middle of red cells: `(size_px, size_px, 3)` uint8 RGB, about 36 micrometres wide.

    Raises:
        UsageError: `label` is not one of `CELL_CLASSES`.
    """
    px_per_um = size_px / (_FRAME_UM * rng.uniform(0.94, 1.06))
    canvas = Canvas(size_px, size_px)
    patch = paint_cell(label, px_per_um, rng)
    x, y = size_px / 2 + rng.normal(0, 0.015 * size_px, 2)
    taken = [(float(x), float(y), _reach(patch))]
    for _ in strewing.strew_red_cells(canvas, draw_habit(rng), px_per_um, taken, rng):
        pass
    if rng.random() < 0.35:
        for _ in strewing.drop_platelets(canvas, px_per_um, taken, int(rng.integers(1, 3)), rng):
            pass
    strewing.drop_debris(canvas, px_per_um, int(rng.poisson(0.7)), rng)
    canvas.cover(patch.density, patch.cover, x, y)
    return expose(canvas, draw_stain(rng), Optics(), rng)


def draw_slide(rng: np.random.Generator) -> Slide:
    """A smear's look: a creamy even one, a grey-green one with blue nuclei, or a dim one with coloured corners."""
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
    """A field of a smear with every cell's truth.

    Args:
        rng: every pixel comes from it.
        width_px: width of the image.
        height_px: height of the image.
        pixel_size_um: how much of the slide one pixel shows.
        leukocytes: classes of the nucleated cells to put on it, one word a cell; None draws one to four of a mixture.
        slide: the smear's look; None draws one.

    Raises:
        UsageError: a word in `leukocytes` is no cell class, or the pixel size or a side is not positive.
    """
    if min(width_px, height_px) < 1 or not pixel_size_um > 0:
        raise UsageError(
            f"A field needs sides of 1 px or more and a pixel size above 0, got {width_px} x {height_px} px at {pixel_size_um} um."
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
    """Fields of one slide, one after another: leukocytes arrive at random (Poisson), their classes by `proportions`.

    Raises:
        UsageError: `proportions` names a class without a nucleus, is negative somewhere or is 0 everywhere, or
            `leukocytes_per_field` is negative.
    """
    shares = dict(_MIXED_PROPORTIONS if proportions is None else proportions)
    unknown = [name for name in shares if name not in (*LEUKOCYTE_CLASSES, "erythroblast")]
    total = sum(shares.values())
    if unknown or not 0 < total < float("inf") or min(shares.values()) < 0:
        raise UsageError(
            f"Proportions of leukocyte classes or erythroblasts were expected, none negative and not all 0; got {shares}."
        )
    if not leukocytes_per_field >= 0:
        raise UsageError(f"0 or more leukocytes in a field were expected on average, got {leukocytes_per_field}.")
    slide, names, weights = draw_slide(rng), list(shares), [share / total for share in shares.values()]

    def draw_next() -> SyntheticField:
        cells = rng.choice(names, size=int(rng.poisson(leukocytes_per_field)), p=weights).tolist()
        return draw_field(rng, pixel_size_um=pixel_size_um, leukocytes=cells, slide=slide)

    return (draw_next() for _ in range(fields))


def _reach(patch: Patch) -> float:
    return float(np.sqrt(patch.cover.sum() / np.pi))


class _FieldPainter:
    """Puts cells on a field's canvas and keeps their truth."""

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
        for cover, x, y in strewing.strew_red_cells(canvas, slide.habit, scale, places, rng, slide.stacking):
            self._note(cover, x, y, "red_cell", None)
            red_cells += 1
        dirt = ((strewing.drop_stain_cloud, 1.5), (strewing.drop_bubble, 6.0), (strewing.drop_precipitate, 1.0))
        for drop, often in dirt:
            for _ in range(int(rng.poisson(often * slide.dirt))):
                drop(canvas, scale, rng)
        strewing.drop_debris(canvas, scale, int(rng.poisson(1 + 6 * slide.dirt)), rng)
        # stray platelets are smaller than those that a cell data set shows
        smaller = _STRAY_PLATELET_SIZE * scale
        for cover, x, y in strewing.drop_platelets(canvas, smaller, places, int(rng.poisson(1 + red_cells / 15)), rng):
            self._note(cover, x, y, "platelet", "platelet")
        if rng.random() < 0.15:
            for cover, x, y in strewing.drop_platelet_clump(canvas, smaller, places, rng):
                self._note(cover, x, y, "platelet", "platelet")
        for label, patch, (x, y, _) in zip(leukocytes, patches, places, strict=True):
            canvas.cover(patch.density, patch.cover, x, y)
            self._note(patch.cover, x, y, "platelet" if label == "platelet" else "leukocyte", label)

    def _find_room(self, reaches: list[float], rng: np.random.Generator) -> list[strewing.Disc]:
        height, width = self.canvas.density.shape[:2]
        places: list[strewing.Disc] = []
        for reach in reaches:
            # ever closer together, so that every cell asked for finds a place
            for squeeze in np.linspace(1.1, 0.0, 60):
                x, y = rng.uniform(0, width), rng.uniform(0, height)
                if all(hypot(x - px, y - py) >= squeeze * (reach + taken) for px, py, taken in places):
                    break
            places.append((x, y, reach))
        return places

    def _note(self, cover: Plane, x: float, y: float, kind: str, label: str | None) -> None:
        box, shown = self.canvas.visible_box(cover, x, y)
        if shown >= _SHOWN_SHARE:
            self.cells.append(SyntheticCell(*box, kind=kind, label=label))
