"""Large images with outlines, as SVG that can be enlarged: fields of a smear, errors of a detector."""

import base64
import io
import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

import numpy as np
from numpy.typing import NDArray
from PIL import Image

WHOLE, DASHED, DOTTED = "whole", "dashed", "dotted"
"""Line styles of an outline."""

_DASHES = {WHOLE: "", DASHED: " stroke-dasharray='6 4'", DOTTED: " stroke-dasharray='1.5 4'"}


_LONGEST_SIDE_PX = 8192
"""Longer images make browsers slow; WebP allows 16,383."""

_BAND_ROWS = 64


@dataclass(frozen=True)
class Outline:
    """A rectangle on an image.

    Attributes:
        corners: `x0, y0, x1, y1` in pixels of the image.
        colour: As `#rrggbb`.
        line: `WHOLE`, `DASHED` or `DOTTED`.
        word: Label; an outline without one is drawn thin.
    """

    corners: tuple[float, float, float, float]
    colour: str
    line: str
    word: str = ""


@dataclass(frozen=True)
class Plate:
    """One large image of a section. A reader can enlarge it and hide its outlines.

    Attributes:
        title: In bold above it.
        drawing: SVG from `draw_plate`.
        lines: Further lines.
        anchor: Target of links: letters, digits and hyphens.
    """

    title: str
    drawing: str
    lines: tuple[str, ...]
    anchor: str


def ink_on(colour: str) -> str:
    """Black or white, whichever has more contrast with a colour `#rrggbb` (relative luminance, WCAG 2.1)."""
    parts = (int(colour[start : start + 2], 16) / 255 for start in (1, 3, 5))
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    # Black has more contrast than white above a luminance of sqrt(1.05 * 0.05) - 0.05.
    return "#111111" if 0.2126 * red + 0.7152 * green + 0.0722 * blue > 0.179 else "#ffffff"


def draw_plate(pixels: NDArray[np.uint8], outlines: Sequence[Outline], title: str, most_pixels: int) -> str:
    """An image with outlines, whose lines stay thin when it is enlarged.

    Args:
        pixels: `(h, w, 3)` uint8 RGB.
        outlines: In pixels of the image; those with a word are drawn on top.
        title: Read out by screen readers.
        most_pixels: The image is reduced to so many pixels; the outlines are not.
    """
    height, width = pixels.shape[:2]
    plain: dict[tuple[str, str], list[str]] = {}
    worded = []
    size = max(width, height) / 52
    for outline in outlines:
        x0, y0, x1, y1 = (round(value, 1) for value in outline.corners)
        path = f"M{x0:g} {y0:g}H{x1:g}V{y1:g}H{x0:g}Z"
        if outline.word:
            worded.append(_draw_worded(outline, path, size, width))
        else:
            plain.setdefault((outline.colour, outline.line), []).append(path)
    body = [
        f"<path d='{''.join(paths)}' fill='none' stroke='{colour}' stroke-width='1.2' vector-effect='non-scaling-stroke'{_DASHES[line]}/>"
        for (colour, line), paths in plain.items()
    ]
    return (
        f"<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 {width} {height}' role='img' aria-label='{escape(title, quote=True)}' "
        f"font-family='system-ui,sans-serif' font-size='{size:.1f}'>"
        f"<image width='{width}' height='{height}' preserveAspectRatio='none' href='{encode_picture(pixels, most_pixels)}'/>"
        f"<g class='outlines'>{''.join(body)}{''.join(worded)}</g></svg>"
    )


def _draw_worded(outline: Outline, path: str, size: float, width: int) -> str:
    x0, y0 = outline.corners[:2]
    long = size * (0.56 * len(outline.word) + 0.6)  # mean width of a letter, as a share of the font size
    x = max(0.0, min(x0, width - long))
    y = y0 - 1.3 * size if y0 >= 1.3 * size else max(0.0, y0)
    line = f"d='{path}' fill='none' vector-effect='non-scaling-stroke'"
    return (
        f"<path {line} stroke='#fff' stroke-width='5' stroke-opacity='.7'/>"
        f"<path {line} stroke='{outline.colour}' stroke-width='3'{_DASHES[outline.line]}/>"
        f"<rect x='{x:.1f}' y='{y:.1f}' width='{long:.1f}' height='{1.3 * size:.1f}' fill='{outline.colour}'/>"
        f"<text x='{x + 0.3 * size:.1f}' y='{y + size:.1f}' fill='{ink_on(outline.colour)}'>{escape(outline.word)}</text>"
    )


def encode_picture(pixels: NDArray[np.uint8], most_pixels: int, quality: int = 72) -> str:
    """An image `(h, w, 3)` uint8 RGB as the data address of a WebP of at most `most_pixels`."""
    height, width = pixels.shape[:2]
    scale = min(1.0, math.sqrt(most_pixels / (height * width)), _LONGEST_SIDE_PX / max(height, width))
    stream = io.BytesIO()
    Image.fromarray(reduce_picture(pixels, scale)).save(stream, "WEBP", quality=quality)
    return "data:image/webp;base64," + base64.b64encode(stream.getvalue()).decode("ascii")


def reduce_picture(pixels: NDArray[np.uint8], scale: float) -> NDArray[np.uint8]:
    """An image `(h, w, 3)` uint8 RGB reduced by a scale of at most 1, in little memory; for display only."""
    height, width = pixels.shape[:2]
    if scale >= 1:
        return pixels
    if (factor := int(1 / scale)) > 1:
        # In bands, as Pillow would copy a whole scan with four bytes a pixel.
        bands = (pixels[top : top + _BAND_ROWS * factor] for top in range(0, height, _BAND_ROWS * factor))
        pixels = np.concatenate([np.asarray(Image.fromarray(band).reduce(factor)) for band in bands])
    size = (max(1, int(width * scale)), max(1, int(height * scale)))
    return np.asarray(Image.fromarray(pixels).resize(size, Image.Resampling.BILINEAR))
