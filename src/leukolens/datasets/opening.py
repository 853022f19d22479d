"""Opens every picture of a dataset when it is added, so that a broken one is refused there and not in training."""

import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

from leukolens.core.errors import InputRefused
from leukolens.core.results import Box, Refusal
from leukolens.datasets.duplicates import Report, be_silent
from leukolens.datasets.formats.boxes import NOTHING_LEFT
from leukolens.datasets.manifest import Manifest, Record
from leukolens.images.decoding import read_image

_LEAST_INSIDE = 0.5
"""Share of a box that must lie in its picture. Boxes of cells at the border may reach a little beyond it."""
_MOST_WORKERS = 8


def open_pictures(manifest: Manifest, report: Report = be_silent) -> Manifest:
    """The same dataset without pictures that cannot be decoded and boxes outside their picture: these are refused.

    A picture all of whose boxes are refused is refused too, or it would count as a picture without cells.

    Args:
        manifest: The dataset.
        report: Called with the number of pictures opened and of all pictures.
    """
    records: list[Record] = []
    refused = list(manifest.refused)
    images = list(dict.fromkeys(record.image for record in manifest.records))
    sizes: dict[str, tuple[int, int] | str] = {}
    workers = ThreadPoolExecutor(min(_MOST_WORKERS, os.cpu_count() or 1))
    try:
        for done, (image, size) in enumerate(zip(images, workers.map(_measure, images), strict=True), start=1):
            sizes[image] = size
            report(done, len(images))
    finally:
        workers.shutdown(cancel_futures=True)  # else Ctrl-C would wait for all pictures
    for record in manifest.records:
        size = sizes[record.image]
        if isinstance(size, str):
            refused.append(Refusal(record.id, size))
            continue
        outside = [box for box in (*record.boxes, *filter(None, [record.cell])) if not _is_inside(box, size)]
        boxes = tuple(box for box in record.boxes if box not in outside)
        refused += [Refusal(record.id, _say_outside(box, size)) for box in outside]
        if outside and not boxes:
            refused.append(Refusal(record.id, NOTHING_LEFT))
        else:
            records.append(replace(record, boxes=boxes))
    return replace(manifest, records=tuple(records), refused=tuple(refused))


def _measure(image: str) -> tuple[int, int] | str:
    """Width and height of a decoded picture, or why there is none."""
    try:
        height, width = read_image(image).pixels.shape[:2]
    except InputRefused as error:
        return str(error)
    return width, height


def _is_inside(box: Box, size: tuple[int, int]) -> bool:
    width = max(0.0, min(box.x1, size[0]) - max(box.x0, 0.0))
    height = max(0.0, min(box.y1, size[1]) - max(box.y0, 0.0))
    return width * height >= _LEAST_INSIDE * box.area


def _say_outside(box: Box, size: tuple[int, int]) -> str:
    return (
        f"a box from {box.x0:g}, {box.y0:g} to {box.x1:g}, {box.y1:g} lies outside its picture of "
        f"{size[0]} x {size[1]} pixels"
    )
