"""Boxes around cells in the two formats that datasets use: Pascal VOC (XML) and YOLO (one line a box).

Both give what could be read and say of each box that could not be used why. Which class or number means what is the
dataset's own matter and stands in its source.
"""

import math
from collections.abc import Mapping
from dataclasses import replace
from xml.etree import ElementTree

from leukolens.core.errors import InputRefused
from leukolens.core.results import Box
from leukolens.core.taxonomy import CellKind

# What a dataset's word or number for a box means: a kind of cell, and a class where that is known.
Kind = tuple[CellKind, str | None]


def parse_voc(text: str, kinds: Mapping[str, Kind]) -> tuple[list[Box], list[str]]:
    """Boxes of a Pascal VOC file, in pixels, and why others were left out.

    Raises:
        InputRefused: it is not a VOC annotation, or declares entities (which could unpack without end).
    """
    if "<!" in text:
        raise InputRefused("declares a document type or entities, which annotations never need.")
    try:
        root = ElementTree.fromstring(text)
    except (ElementTree.ParseError, ValueError, RecursionError) as error:
        raise InputRefused(f"is not XML: {error}") from error
    if root.tag != "annotation":
        raise InputRefused(f"is not a Pascal VOC annotation: expected <annotation>, received <{root.tag}>.")
    boxes: list[Box] = []
    problems: list[str] = []
    for found in root.iter("object"):
        corners = [found.findtext(f"bndbox/{name}") or "" for name in ("xmin", "ymin", "xmax", "ymax")]
        _add_box(found.findtext("name") or "", corners, kinds, boxes, problems)
    return boxes, problems


def parse_yolo(text: str, size: tuple[int, int], kinds: Mapping[str, Kind]) -> tuple[list[Box], list[str]]:
    """Boxes of a YOLO file, in pixels of an image of `size` (width, height), and why others were left out."""
    boxes: list[Box] = []
    problems: list[str] = []
    width, height = size
    for line in text.splitlines():
        words = line.split()
        if not words:
            continue
        try:
            x, y, w, h = (float(word) for word in words[1:5])
        except ValueError:
            problems.append(f"line {line[:60]!r} is not a class and four numbers")
            continue
        corners = [(x - w / 2) * width, (y - h / 2) * height, (x + w / 2) * width, (y + h / 2) * height]
        _add_box(words[0], [str(corner) for corner in corners], kinds, boxes, problems)
    return boxes, problems


def _add_box(word: str, corners: list[str], kinds: Mapping[str, Kind], boxes: list[Box], problems: list[str]) -> None:
    if word not in kinds:
        problems.append(f"a box is called {word!r}, expected one of {', '.join(kinds)}")
        return
    try:
        x0, y0, x1, y1 = (float(corner) for corner in corners)
    except ValueError:
        problems.append(f"a box of {word} has no four corners")
        return
    if not (math.isfinite(x0 + y0 + x1 + y1) and x0 < x1 and y0 < y1):
        problems.append(f"a box of {word} has no area: {x0:g}, {y0:g} to {x1:g}, {y1:g}")
        return
    kind, label = kinds[word]
    boxes.append(Box(x0, y0, x1, y1, kind, label))


def name_leukocytes(boxes: list[Box], label: str) -> list[Box]:
    """The same boxes, each leukocyte given a class."""
    return [replace(box, label=label) if box.kind == CellKind.LEUKOCYTE else box for box in boxes]
