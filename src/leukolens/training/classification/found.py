"""Records about whole pictures become records about the cell found in them: a classifier learns what it will be shown."""

import json
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, replace
from importlib.metadata import version

from leukolens.core.card import CARD_NAME
from leukolens.core.errors import InputRefused
from leukolens.core.files import hash_bytes, hash_file, write_text
from leukolens.core.results import Box
from leukolens.core.tasks import Task
from leukolens.datasets.manifest import Record
from leukolens.images.decoding import read_image
from leukolens.inference.bundles import load_bundle
from leukolens.inference.detector import Detector
from leukolens.inference.subject import find_subject, show_leukocyte
from leukolens.training.cache import keep_path


def find_cells_of(
    records: Sequence[Record], detector: str, platelets: bool, report: Callable[[int, int], None]
) -> list[Record]:
    """The same records, each with the cell that its picture is about; as they were where none is found.

    Finds are kept under the home folder, so a second run on the same pictures starts at once.

    Args:
        records: Of whole pictures, or of boxed cells, which are cut at the finder's scale.
        detector: Name or folder of the finder.
        platelets: Whether a picture may be about one.
        report: Called with pictures done and pictures in all.

    Raises:
        BundleError: the finder cannot be opened.
    """
    bundle = load_bundle(detector, Task.DETECTION)
    names = [(record.id, record.image, str(record.cell)) for record in records]
    key = hash_bytes(
        json.dumps([names, hash_file(bundle.folder / CARD_NAME), platelets, version("leukolens")]).encode(
            "utf-8", "surrogatepass"
        )
    )[:32]
    path = keep_path(f"found-{key}.json")
    if not path.is_file():
        finder = Detector(bundle, threads=1)
        boxes = []
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            for box in pool.map(lambda record: _find(record, finder, platelets), records):
                boxes.append(asdict(box) if box else None)
                report(len(boxes), len(records))
        write_text(path, json.dumps(boxes))
    kept = json.loads(path.read_text(encoding="utf-8"))
    return [replace(record, cell=Box(**box) if box else None) for record, box in zip(records, kept, strict=True)]


def _find(record: Record, finder: Detector, platelets: bool) -> Box | None:
    try:
        pixels = read_image(record.image).pixels
    except InputRefused:
        return None  # Refused again, and named, where the pictures are read for training.
    detected = finder.find_cells(pixels)
    if record.cell is not None:
        return show_leukocyte(record.cell, detected.pixel_size_um).box
    height, width = pixels.shape[:2]
    return find_subject(detected, height, width, platelets).box
