"""Draws single nucleated cells and platelets, each in its own small window. `red_cells` draws red cells."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from leukolens.core.errors import UsageError
from leukolens.core.taxonomy import CELL_CLASSES
from leukolens.datasets.synthetic import nuclei, stain
from leukolens.datasets.synthetic.shapes import (
    Plane,
    Window,
    blob_distance,
    draw_noise,
    fill,
    join,
    open_window,
    ramp,
    scatter_granules,
    warp,
)
from leukolens.datasets.synthetic.stain import Density, mix


@dataclass(frozen=True)
class Patch:
    """One drawn cell.

    Attributes:
        density: `(n, n, 3)` float32 optical densities.
        cover: `(n, n)` float32, how much of each pixel it covers, 0..1.
    """

    density: Density
    cover: Plane


@dataclass(frozen=True)
class _Chromatin:
    """Texture of a nucleus.

    Attributes:
        grain_um: Size of the lumps.
        gaps: Share of pale gaps, 0..1.
        strength: Factor on the density.
    """

    grain_um: float
    gaps: float
    strength: float = 1.0


def paint_cell(label: str, px_per_um: float, rng: np.random.Generator) -> Patch:
    """Draws one cell of a class, in the middle of its window.

    Raises:
        UsageError: `label` is not one of `CELL_CLASSES`.
    """
    if label not in _PAINTERS:
        raise UsageError(f"Expected a cell class, one of {', '.join(CELL_CLASSES)}; received {label!r}.")
    return _PAINTERS[label](px_per_um, rng)


def _open_body(radius_um: float, rough: float, px_per_um: float, rng: np.random.Generator) -> tuple[Window, Plane]:
    window = open_window(radius_um * 1.45 + 0.5, px_per_um)
    wobble = (0.02 + 0.6 * rough, 0.008 + 0.5 * rough, 0.3 * rough, 0.2 * rough, 0.2 * rough)
    return window, blob_distance(warp(window, 0.06 + rough, 1.2, rng), radius_um, wobble, rng)


def _plasm(window: Window, body: Plane, colour: Density, mottle: float, rng: np.random.Generator) -> Density:
    # The membrane looks denser at the edge, because the cell is seen from above.
    edge = 1 + 0.28 * ramp(body, -1.1, 0.0)
    cloud = 1 + mottle * (0.6 * draw_noise(window, 0.5, rng) + 0.5 * draw_noise(window, 1.8, rng))
    level = np.clip(edge * cloud * rng.uniform(0.9, 1.1), 0.3, 2)
    return (colour * level[..., None]).astype(np.float32)


def _lay_nucleus(
    density: Density, window: Window, shape: Plane, chromatin: _Chromatin, rng: np.random.Generator
) -> Density:
    # Pale cracks run where smooth noise passes through 0. Pale pools are where finer noise is high.
    cracks = 1 - np.abs(draw_noise(window, 0.85 * chromatin.grain_um, rng)) / (0.3 + 0.5 * chromatin.gaps)
    pools = draw_noise(window, chromatin.grain_um * 0.33, rng)
    pale = np.maximum(cracks, 0) * (0.6 + 0.6 * pools) + 0.6 * (pools - 1.2 + 1.6 * chromatin.gaps)
    gaps = ramp(pale, 0.0, 1.0 - 0.4 * chromatin.gaps) * ramp(shape, -0.1, -0.6)
    broad = 1 + 0.08 * draw_noise(window, 3.0, rng)
    inner = mix(stain.CHROMATIN, stain.CHROMATIN_PALE, gaps) * (chromatin.strength * broad)[..., None]
    return mix(density, inner, fill(shape, window.px_per_um))


def _finish(window: Window, body: Plane, density: Density) -> Patch:
    return Patch(density, fill(body, window.px_per_um, 1.4))


def _paint_neutrophil(px_per_um: float, rng: np.random.Generator) -> Patch:
    radius = rng.uniform(5.9, 7.2)
    window, body = _open_body(radius, rng.choice([0.01, 0.02, 0.05]), px_per_um, rng)
    density = _plasm(window, body, stain.NEUTROPHIL_PLASM, 0.12, rng)
    granules = scatter_granules(window, rng.uniform(0.5, 0.8), 0.16, 1.0, rng) * rng.uniform(0.3, 0.9)
    density = mix(density, stain.NEUTROPHIL_GRANULE, granules)
    if rng.random() < 0.15:
        shape = nuclei.band_nucleus(window, radius, rng)
    else:
        lobes = int(rng.choice([2, 3, 4, 5], p=[0.18, 0.44, 0.3, 0.08]))
        shape = nuclei.segmented_nucleus(window, radius, lobes, rng)
    density = _lay_nucleus(density, window, shape, _Chromatin(1.2, 0.52), rng)
    return _finish(window, body, density)


def _paint_eosinophil(px_per_um: float, rng: np.random.Generator) -> Patch:
    radius = rng.uniform(6.0, 7.2)
    window, body = _open_body(radius, 0.02, px_per_um, rng)
    density = _plasm(window, body, stain.EOSINOPHIL_PLASM * np.float32(rng.uniform(0.75, 1)), 0.1, rng)
    if rng.random() < 0.7:
        shape = nuclei.two_lobed_nucleus(window, radius, rng)
    else:
        shape = nuclei.segmented_nucleus(window, radius, 3, rng)
    density = _lay_nucleus(density, window, shape, _Chromatin(1.2, 0.52, 0.95), rng)
    granules = scatter_granules(window, 0.78, 0.28, 1.25, rng) * (1 - 0.93 * fill(shape, px_per_um, 3.0))
    density = mix(density, stain.EOSINOPHIL_GRANULE * np.float32(rng.uniform(0.85, 1.15)), granules)
    return _finish(window, body, density)


def _paint_basophil(px_per_um: float, rng: np.random.Generator) -> Patch:
    radius = rng.uniform(5.0, 6.8)
    window, body = _open_body(radius, 0.03, px_per_um, rng)
    density = _plasm(window, body, stain.BASOPHIL_PLASM, 0.2, rng)
    shape = nuclei.folded_nucleus(window, radius * rng.uniform(0.7, 0.85), rng)
    density = _lay_nucleus(density, window, shape, _Chromatin(1.2, 0.45, 0.8), rng)
    coarse = scatter_granules(window, rng.uniform(0.6, 0.75), rng.uniform(0.24, 0.32), rng.uniform(1.2, 2.1), rng)
    density = mix(density, stain.BASOPHIL_GRANULE * np.float32(rng.uniform(0.95, 1.1)), coarse)
    # Granules under the membrane make the outline uneven.
    return _finish(window, body - 0.3 * coarse, density)


def _paint_lymphocyte(px_per_um: float, rng: np.random.Generator) -> Patch:
    large = rng.random() < 0.3
    radius = rng.uniform(5.2, 6.6) if large else rng.uniform(4.0, 5.1)
    window, body = _open_body(radius, 0.06 if large else rng.choice([0.02, 0.05]), px_per_um, rng)
    colour = mix(stain.BLUE_PLASM, stain.GREY_PLASM, rng.uniform(0, 0.6))
    density = _plasm(window, body, colour, 0.18, rng)
    nucleus = radius * (rng.uniform(0.72, 0.82) if large else rng.uniform(0.84, 0.93))
    away, angle = (radius - nucleus) * rng.uniform(0.2, 0.9), rng.uniform(0, 2 * np.pi)
    shape = nuclei.round_nucleus(window, nucleus, (away * np.cos(angle), away * np.sin(angle)), rng)
    density = _lay_nucleus(density, window, shape, _Chromatin(1.4, 0.5), rng)
    return _finish(window, np.minimum(body, shape - 0.25), density)


def _paint_monocyte(px_per_um: float, rng: np.random.Generator) -> Patch:
    radius = rng.uniform(6.8, 8.6)
    window, body = _open_body(radius, 0.09, px_per_um, rng)
    density = _plasm(window, body, stain.GREY_PLASM, 0.3, rng)
    dust = scatter_granules(window, 0.6, 0.14, 0.8, rng) * rng.uniform(0.1, 0.35)
    density = mix(density, stain.NEUTROPHIL_GRANULE, dust)
    if rng.random() < 0.5:
        holes = scatter_granules(window, 1.8, rng.uniform(0.4, 0.6), 2.2, rng) * ramp(
            draw_noise(window, 4.0, rng), -0.1, 0.4
        )
        density = mix(density, stain.GREY_PLASM * np.float32(0.08), holes * ramp(body, -0.2, -0.8))
    size = radius * rng.uniform(0.68, 0.78)
    if rng.random() < 0.5:
        shape = nuclei.kidney_nucleus(window, size, rng.uniform(0.35, 1.0), rng)
    else:
        shape = nuclei.folded_nucleus(window, size * 1.05, rng)
    shape = np.maximum(shape, body + 0.5)
    density = _lay_nucleus(density, window, shape, _Chromatin(1.0, 0.8, 0.84), rng)
    return _finish(window, body, density)


def _paint_immature_granulocyte(px_per_um: float, rng: np.random.Generator) -> Patch:
    maturity = rng.uniform(0, 1)
    radius = rng.uniform(7.0, 8.6) - 0.6 * maturity
    window, body = _open_body(radius, 0.025, px_per_um, rng)
    colour = mix(
        mix(stain.BLUE_PLASM, stain.LILAC_PLASM, min(1.0, 0.35 + 0.9 * maturity)),
        stain.NEUTROPHIL_PLASM,
        max(0.0, maturity - 0.45),
    )
    density = _plasm(window, body, colour, 0.15, rng)
    size = radius * (0.76 - 0.1 * maturity)
    away, angle = (radius - size) * rng.uniform(0.4, 0.8), rng.uniform(0, 2 * np.pi)
    if maturity < 0.5:
        shape = nuclei.round_nucleus(window, size, (away * np.cos(angle), away * np.sin(angle)), rng)
    else:
        shape = nuclei.kidney_nucleus(window, size, rng.uniform(0.05, 0.65), rng)
    density = _lay_nucleus(density, window, shape, _Chromatin(1.1, 0.6 - 0.12 * maturity, 0.86), rng)
    granules = scatter_granules(window, rng.uniform(0.65, 0.95) + 0.2 * maturity, 0.18, 2.2, rng) * rng.uniform(0.6, 1)
    over = 1 - (0.35 + 0.55 * maturity) * fill(shape, px_per_um, 2.0)
    density = mix(density, stain.PRIMARY_GRANULE, granules * over * (1 - 0.45 * maturity))
    return _finish(window, body, density)


def _paint_erythroblast(px_per_um: float, rng: np.random.Generator) -> Patch:
    maturity = rng.uniform(0, 1)
    radius = rng.uniform(4.6, 5.8) - 1.0 * maturity
    window, body = _open_body(radius, 0.03, px_per_um, rng)
    young = mix(stain.BLUE_PLASM, stain.ERYTHROBLAST_PLASM, min(1.0, maturity * 2.2))
    density = _plasm(window, body, mix(young, stain.RED_CELL, 0.75 * max(0.0, maturity - 0.35)), 0.1, rng)
    nucleus = radius * (0.78 - 0.26 * maturity)
    away, angle = (radius - nucleus) * rng.uniform(0.1, 0.75), rng.uniform(0, 2 * np.pi)
    shape = nuclei.round_nucleus(window, nucleus, (away * np.cos(angle), away * np.sin(angle)), rng)
    density = _lay_nucleus(density, window, shape, _Chromatin(1.0, 0.55 * (1 - maturity), 1.05), rng)
    return _finish(window, body, density)


def _paint_platelet(px_per_um: float, rng: np.random.Generator) -> Patch:
    radius = float(np.clip(rng.lognormal(np.log(1.85), 0.25), 1.0, 3.4))
    window = open_window(radius * 2 + 2.5, px_per_um)
    body = blob_distance(warp(window, 0.14, 0.8, rng), radius, (0.05, 0.03, 0.02, 0.02), rng)
    for _ in range(int(rng.choice([0, 1, 2], p=[0.9, 0.08, 0.02]))):
        angle = rng.uniform(0, 2 * np.pi)
        reach = np.float32(radius * 1.6)
        near = Window(
            window.x - reach * np.float32(np.cos(angle)), window.y - reach * np.float32(np.sin(angle)), px_per_um
        )
        body = join(body, blob_distance(near, radius * rng.uniform(0.5, 0.8), (0.1, 0.08), rng), 0.3)
    density = _plasm(window, body, stain.PLATELET_PLASM, 0.2, rng)
    core = ramp(body, 0.0, -0.5)
    granules = scatter_granules(window, 0.5, 0.17, rng.uniform(1.2, 1.8), rng) * (0.2 + 0.75 * core)
    return _finish(window, body, mix(density, stain.PLATELET_GRANULE, granules))


_PAINTERS: dict[str, Callable[[float, np.random.Generator], Patch]] = {
    "neutrophil": _paint_neutrophil,
    "eosinophil": _paint_eosinophil,
    "basophil": _paint_basophil,
    "lymphocyte": _paint_lymphocyte,
    "monocyte": _paint_monocyte,
    "immature_granulocyte": _paint_immature_granulocyte,
    "erythroblast": _paint_erythroblast,
    "platelet": _paint_platelet,
}
