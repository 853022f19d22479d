"""Pascal VOC: one XML file for each image, `Annotations/x.xml` for `JPEGImages/x.jpg`."""

import re
from collections.abc import Mapping
from pathlib import PurePosixPath
from xml.etree import ElementTree

from leukolens.core.errors import InputRefused
from leukolens.core.results import Box
from leukolens.datasets.formats.boxes import BoxReader, Kind
from leukolens.datasets.tree import Tree

_COMMENT = re.compile("<!--.*?-->", re.DOTALL)


def read_voc_boxes(tree: Tree, image: PurePosixPath, kinds: Mapping[str, Kind]) -> tuple[list[Box], list[str]]:
    """Boxes of an image in `JPEGImages` in pixels, and what could not be used.

    Args:
        tree: The dataset.
        image: Path of the image in it.
        kinds: What each class name means.
    """
    annotation = image.parent.parent / "Annotations" / f"{image.stem}.xml"
    if annotation not in tree.files:
        return [], ["has no annotation: no boxes are known"]
    try:
        return parse_voc(tree.read_text(annotation), kinds)
    except InputRefused as error:
        return [], [f"its annotation {error}"]


def parse_voc(text: str, kinds: Mapping[str, Kind]) -> tuple[list[Box], list[str]]:
    """Boxes of a Pascal VOC file in pixels, and why others were left out.

    Raises:
        InputRefused: it is not a VOC annotation, or declares entities (which could unpack without end).
    """
    text = _COMMENT.sub("", text)  # what is parsed has no comments either, so none can hide a declaration
    if "<!" in text:
        raise InputRefused("declares a document type or entities, which annotations never need.")
    try:
        root = ElementTree.fromstring(text)
    except (ElementTree.ParseError, ValueError, RecursionError) as error:
        raise InputRefused(f"is not XML: {error}") from error
    if root.tag != "annotation":
        raise InputRefused(f"is not a Pascal VOC annotation: expected <annotation>, received <{root.tag}>.")
    reader = BoxReader(kinds)
    for found in root.iter("object"):
        corners = [found.findtext(f"bndbox/{name}") or "" for name in ("xmin", "ymin", "xmax", "ymax")]
        reader.add(found.findtext("name") or "", corners)
    return reader.boxes, reader.problems
