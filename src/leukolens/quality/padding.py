"""Finds flat bars of one colour at the edges of a picture: padding, as data sets are resized to a square, or a frame.

Cells are searched inside of it only, so that the border of a field is the border of what was photographed.
"""

import numpy as np
from numpy.typing import NDArray

from leukolens.core.pixels import Pixels
from leukolens.quality.eyepiece import Window

_FLAT_WITHIN = 8
"""Levels of 255 by which padding may differ from its colour: what JPEG and WebP leave on flat areas."""

_FLAT_SHARE = 0.99
"""Share of a line of pixels that must have the colour; the rest is noise of the compression at corners."""

_LEAST_PX = 3
"""A thinner bar is left in: cameras leave one or two dark lines at an edge."""

_DIFFERENT_SHARE = 0.9
"""Share of the first lines inside that must differ from the padding. Where a photograph's own background reaches its edge,
only the cells differ from it; a disc, or a cell cut out along its outline, touches its surroundings at one place."""

_BLUR_PX, _BLUR_SHARE = 16, 1 / 8
"""So far inside a flat bar, compression and resizing may blur its edge; at most this share of what lies inside. The lines
of twice this depth take up to 0.87 of the width of a disc."""

_LEAST_CONTENT_PX = 16

_OPPOSITE = {"left": "right", "top": "bottom", "right": "left", "bottom": "top"}


def find_content(pixels: Pixels) -> Window | None:
    """What lies inside the padding of a picture `(h, w, 3)` uint8 RGB, in its pixels; None where there is no padding."""
    height, width = pixels.shape[:2]
    # Seen from each side, lines of pixels run along the first axis.
    turned = {
        "left": pixels.swapaxes(0, 1),
        "top": pixels,
        "right": pixels[:, ::-1].swapaxes(0, 1),
        "bottom": pixels[::-1],
    }
    flat = {side: _count_flat(lines) for side, lines in turned.items()}
    if max(flat.values()) < _LEAST_PX:
        return None
    edges = flat
    # Twice: where the flat lines of two sides turn out to be background, the other two are judged over their whole length.
    for _ in range(2):
        across = (slice(edges["left"], width - edges["right"]), slice(edges["top"], height - edges["bottom"]))
        edges = {
            side: _find_edge(lines[: len(lines) - flat[_OPPOSITE[side]], across[side in ("left", "right")]], flat[side])
            for side, lines in turned.items()
        }
    left, top, right, bottom = (edges[side] for side in ("left", "top", "right", "bottom"))
    window = (left, top, width - right, height - bottom)
    if not any((left, top, right, bottom)) or min(window[2] - left, window[3] - top) < _LEAST_CONTENT_PX:
        return None
    return window


def _count_flat(lines: Pixels) -> int:
    """How many lines at the start have all one colour; 0 where all of them have it."""
    colour = np.median(lines[0], axis=0)
    for number, line in enumerate(lines):
        if (_differ(line, colour) <= _FLAT_WITHIN).mean() < _FLAT_SHARE:
            return number
    return 0


def _find_edge(lines: Pixels, flat: int) -> int:
    """Where the padding ends, its blurred edge included; 0 where the flat lines are no padding."""
    blur = min(_BLUR_PX, int(_BLUR_SHARE * (len(lines) - flat)))
    near = lines[flat : flat + 2 * blur]
    if flat < _LEAST_PX or not near.size:
        return 0
    away = _differ(near, np.median(lines[0], axis=0))
    inside = away[blur:]
    if (inside > _FLAT_WITHIN).mean() < _DIFFERENT_SHARE:
        return 0
    blurred = np.flatnonzero(away[:blur].mean(axis=1) < inside.mean() / 2)
    return flat + (int(blurred[-1]) + 1 if len(blurred) else 0) + 1


def _differ(pixels: Pixels, colour: NDArray[np.floating]) -> NDArray[np.float64]:
    """The largest difference of a channel from a colour: `(...,)` of `(..., 3)`."""
    return np.asarray(np.abs(pixels - colour).max(axis=-1), np.float64)
