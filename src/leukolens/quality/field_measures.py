"""Measures the photograph of a field: light, focus, colour, and how the cells that were found lie in it.

Most measures are relative to the field's own background, the glass between cells, so that lamps and cameras matter
less. They are taken on a reduced copy, and for a very large photograph on its middle. `quality.field` says what they
mean.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from leukolens.core.detections import Detections
from leukolens.core.overlaps import measure_overlaps, stack_corners
from leukolens.core.pixels import Pixels
from leukolens.core.results import Box
from leukolens.core.taxonomy import CellKind
from leukolens.quality.image import LUMA, find_edges, resize_by
from leukolens.quality.stain import find_lit

CELL_PX = 12
"""Diameter of red cells in the reduced copy: grain is gone, and blur by a tenth of a cell is still visible."""

UNSCALED_PX = 240
"""Longer side of the copy where the diameter of red cells is unknown."""

MIDDLE_CELLS = 30
"""Of a photograph that is wider than this many red cells, only the middle is measured."""

CROWDED_FROM = 0.1
"""Intersection over union from which two red cells lie on each other; discs that touch have none."""

_GROUND_PARTS = 4  # along the longer side: follows the fall-off of a lamp, but no cell
_GROUND_FROM = 85  # pixels brighter than this percentile of a part are taken for glass
_OFFSET = 8  # else the ratio of two nearly black values would be noise
_ABSORBS_FROM = 0.03  # a pixel of at least this density is taken for a cell's: it takes away 7 % of the light
_MARGIN_PX = 2  # the edge of a black border darkens so many pixels
_EDGE_SHARE, _EDGE_SHARE_OF_CELLS = 0.05, 0.12
_BURNT_FROM = 250  # of 255: overexposed if the darkest channel is at least this

Plane = NDArray[np.float32]
Shape = tuple[int, ...]
_Slices = tuple[slice, slice]


@dataclass(frozen=True)
class CellMeasures:
    """How the cells that were found lie, and how they are stained.

    Attributes:
        leukocytes: Number of leukocytes.
        red_cells: Number of red cells.
        red_cell_px: Diameter of red cells in pixels of the photograph. If unknown, this and the next two are None.
        red_cells_across: How many red cells fit side by side along the shorter side.
        red_cell_share: Share of the photograph that discs of this diameter cover, one for each red cell.
        crowded_share: Share of the red cells that lie on another one; None without any.
        red_cell_density: Median over red cells of the median density in the box; None without any.
        nucleus_density: Median over leukocytes of the 80th percentile of density in the box, for red light; None
            without any.
    """

    leukocytes: int
    red_cells: int
    red_cell_px: float | None
    red_cells_across: float | None
    red_cell_share: float | None
    crowded_share: float | None
    red_cell_density: float | None
    nucleus_density: float | None


@dataclass(frozen=True)
class FieldQuality:
    """The measures of one field.

    A density is log10 of the background's light over a pixel's, as the mean of the channels. Black borders are left
    out.

    Attributes:
        brightness: Light of the background, 0..1 (90th percentile of grey).
        burnt_share: Share of pixels that are overexposed in all channels.
        unevenness: Background of the brightest part over that of the darkest part.
        tint: How much the colour of the background differs between parts, log10 of red over green.
        cover: Share of the pixels that take away light.
        density: 98th percentile of density: the darkest parts.
        usual_density: 90th percentile of density.
        colour: Spread of density between the channels in dark parts, over their mean: 0 in a grey picture.
        brownness: How much more blue than green light the dark parts take away, over the same mean.
        pinkness: How much more green than red light they take away, over the same mean.
        focus: The Laplacian of density that the sharpest 5 % of pixels exceed (fewer in a thin film), over the range of
            density (its percentile of the same share, minus the 20th).
        cells: How the detected cells lie; None if no detector was run.
    """

    brightness: float
    burnt_share: float
    unevenness: float
    tint: float
    cover: float
    density: float
    usual_density: float
    colour: float
    brownness: float
    pinkness: float
    focus: float
    cells: CellMeasures | None


def measure_field(pixels: Pixels, detected: Detections | None) -> FieldQuality:
    """The measures of a field, `(h, w, 3)` uint8 RGB; without detections only light, focus and colour."""
    red_cell_px = detected.red_cell_px if detected is not None else None
    middle, scale = _choose_middle(pixels.shape, red_cell_px)
    small = resize_by(pixels[middle], scale)
    grey = (small @ LUMA).astype(np.float32)
    ground, parts = _find_ground(small, grey)
    densities = np.log10((ground + _OFFSET) / (small + np.float32(_OFFSET)))
    density = densities.mean(axis=2)
    lit = find_lit(small, _MARGIN_PX)
    usual, highest = np.percentile(density[lit], [90, 98]) if lit.any() else (0.0, 0.0)
    dark = lit & (density > max(_ABSORBS_FROM, 0.4 * highest))
    colour, brownness, pinkness = _measure_colour(densities[dark])
    lights, tints = parts @ LUMA, np.log10((parts[:, 0] + 1) / (parts[:, 1] + 1))
    return FieldQuality(
        brightness=float(np.percentile(grey, 90) / 255),
        burnt_share=float((small.min(axis=2) >= _BURNT_FROM).mean()),
        unevenness=float((lights.max() + 1) / (lights.min() + 1)),
        tint=float(np.ptp(tints)),
        cover=float((lit & (density > _ABSORBS_FROM)).mean()),
        density=float(highest),
        usual_density=float(usual),
        colour=colour,
        brownness=brownness,
        pinkness=pinkness,
        focus=_measure_focus(np.log10((ground @ LUMA + _OFFSET) / (grey + _OFFSET)), lit),
        cells=_measure_cells(densities, detected, middle, scale, pixels.shape[:2]) if detected is not None else None,
    )


def _choose_middle(shape: Shape, red_cell_px: float | None) -> tuple[_Slices, float]:
    """The part of the photograph that is measured, and the scale of the reduced copy."""
    if not red_cell_px:
        return (slice(0, shape[0]), slice(0, shape[1])), min(1.0, UNSCALED_PX / max(shape[:2]))
    side = round(MIDDLE_CELLS * red_cell_px)
    rows, columns = (slice(max(0, (length - side) // 2), max(0, (length - side) // 2) + side) for length in shape[:2])
    return (rows, columns), min(1.0, CELL_PX / red_cell_px)


def _find_ground(small: Pixels, grey: Plane) -> tuple[Plane, Plane]:
    """The background's colour at each pixel, `(h, w, 3)`, and in each part, `(n, 3)`; float32, 0..255."""
    rows, columns = (min(side, max(1, round(_GROUND_PARTS * side / max(grey.shape)))) for side in grey.shape)
    parts = np.empty((rows, columns, 3), np.float32)
    for row, line in enumerate(np.array_split(np.arange(grey.shape[0]), rows)):
        for column, stripe in enumerate(np.array_split(np.arange(grey.shape[1]), columns)):
            part = (slice(line[0], line[-1] + 1), slice(stripe[0], stripe[-1] + 1))
            bright = grey[part] >= np.percentile(grey[part], _GROUND_FROM)
            parts[row, column] = np.median(small[part][bright], axis=0)
    size = (grey.shape[1], grey.shape[0])
    planes = [Image.fromarray(parts[:, :, channel]).resize(size, Image.Resampling.BILINEAR) for channel in range(3)]
    return np.stack([np.asarray(plane) for plane in planes], axis=2), parts.reshape(-1, 3)


def _measure_colour(dark: Plane) -> tuple[float, float, float]:
    """Spread, brownness and pinkness of the densities of dark pixels, `(n, 3)`."""
    if not len(dark):
        return 0.0, 0.0, 0.0
    red, green, blue = dark.mean(axis=0)
    mean = max(float(red + green + blue) / 3, 1e-6)
    return float(np.ptp(dark, axis=1).mean() / mean), float((blue - green) / mean), float((green - red) / mean)


def _measure_focus(density: Plane, lit: NDArray[np.bool_]) -> float:
    inside = lit[1:-1, 1:-1]
    if not inside.any():
        return 0.0
    # In a thin film fewer than 5 % of the pixels are at edges.
    share = min(_EDGE_SHARE, _EDGE_SHARE_OF_CELLS * float((density[lit] > _ABSORBS_FROM).mean()))
    low, high = np.quantile(density[lit], [0.2, 1 - share])
    return float(np.quantile(np.abs(find_edges(density)[inside]), 1 - share) / max(high - low, 1e-6))


def _measure_cells(densities: Plane, detected: Detections, middle: _Slices, scale: float, shape: Shape) -> CellMeasures:
    boxes = [found.box for found in detected]
    shown = [(box, part) for box in boxes if (part := _find_part(box, densities.shape, middle, scale)) is not None]
    density = densities.mean(axis=2)
    reds = [float(np.median(density[part])) for box, part in shown if box.kind == CellKind.RED_CELL]
    nuclei = [float(np.percentile(densities[(*part, 0)], 80)) for box, part in shown if box.kind == CellKind.LEUKOCYTE]
    red_cells, side = sum(box.kind == CellKind.RED_CELL for box in boxes), detected.red_cell_px
    return CellMeasures(
        leukocytes=sum(box.kind == CellKind.LEUKOCYTE for box in boxes),
        red_cells=red_cells,
        red_cell_px=side,
        red_cells_across=min(shape) / side if side else None,
        red_cell_share=float(red_cells * np.pi / 4 * side**2 / (shape[0] * shape[1])) if side else None,
        crowded_share=_find_crowded_share([box for box, _ in shown if box.kind == CellKind.RED_CELL]) if reds else None,
        red_cell_density=float(np.median(reds)) if reds else None,
        nucleus_density=float(np.median(nuclei)) if nuclei else None,
    )


def _find_part(box: Box, shape: Shape, middle: _Slices, scale: float) -> _Slices | None:
    """Where a box lies in the reduced copy; None outside it."""
    left, right = (round((side - middle[1].start) * scale) for side in (box.x0, box.x1))
    top, bottom = (round((side - middle[0].start) * scale) for side in (box.y0, box.y1))
    rows, columns = slice(max(0, top), min(shape[0], bottom)), slice(max(0, left), min(shape[1], right))
    return (rows, columns) if rows.stop > rows.start and columns.stop > columns.start else None


def _find_crowded_share(boxes: Sequence[Box]) -> float:
    """Share of the boxes that overlap another one by `CROWDED_FROM` or more."""
    corners = stack_corners(boxes)
    crowded = 0
    for index, own in enumerate(corners):
        overlaps = measure_overlaps(own, corners)
        overlaps[index] = 0
        crowded += bool((overlaps > CROWDED_FROM).any())
    return crowded / len(boxes)
