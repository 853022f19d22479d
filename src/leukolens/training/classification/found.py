"""Where the crops of a dataset's records lie: around the cell that the detector found, as in inference."""

import json
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from importlib.metadata import version

from leukolens.core.card import CARD_NAME
from leukolens.core.errors import InputRefused
from leukolens.core.files import hash_bytes, hash_file, write_text
from leukolens.core.pixels import Preparation
from leukolens.core.results import Box
from leukolens.core.tasks import Task
from leukolens.datasets.manifest import Record
from leukolens.images.decoding import read_image
from leukolens.inference.bundles import load_bundle
from leukolens.inference.crops import place_own_crop
from leukolens.inference.detector import open_detector
from leukolens.inference.perception import locate_cell
from leukolens.training.cache import keep_path, read_or_make


@dataclass(frozen=True)
class RecordCrop:
    """A record and where its crop lies, in pixels of its image; None where the image is taken whole."""

    record: Record
    crop_box: Box | None


def place_crops(
    records: Sequence[Record],
    detector: str,
    preparation: Preparation,
    platelets: bool,
    report: Callable[[int, int], None],
) -> list[RecordCrop]:
    """Each record with the crop that inference classifies: around its own cell, or around the cell that is detected.

    What a detector finds is kept under the home folder, so a second run on the same pictures starts at once.

    Args:
        records: Of whole pictures or of cells.
        detector: Name or folder of the detector, which gives the scale too. Empty for none: then whole pictures are
            taken as they are, and cells without a scale.
        preparation: The classifier's; says how wide a crop is.
        platelets: Whether a picture may be about a platelet.
        report: Called with pictures done and pictures in all.

    Raises:
        BundleError: the detector cannot be opened.
    """
    if not detector:
        return [RecordCrop(record, place_own_crop(record, preparation)) for record in records]
    bundle = load_bundle(detector, Task.DETECTION)
    names = [(record.id, record.image, str(record.cell)) for record in records]
    told = (hash_file(bundle.folder / CARD_NAME), platelets, preparation.frame_um, preparation.cell_context)
    key = hash_bytes(json.dumps([names, told, version("leukolens")]).encode("utf-8", "surrogatepass"))[:32]
    path = keep_path(f"found-{key}.json")

    def make() -> None:
        opened = open_detector(bundle, threads=1)

        def find(record: Record) -> Box | None:
            try:
                pixels = read_image(record.image).pixels
            except InputRefused:
                return None  # Refused again, with its name, where the pictures are read for training.
            return locate_cell(pixels, opened, preparation, record.cell, platelets).crop_box

        boxes = []
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            for box in pool.map(find, records):
                boxes.append(asdict(box) if box else None)
                report(len(boxes), len(records))
        write_text(path, json.dumps(boxes))

    def read() -> list[RecordCrop]:
        boxes = json.loads(path.read_text(encoding="utf-8"))
        return [RecordCrop(record, Box(**box) if box else None) for record, box in zip(records, boxes, strict=True)]

    return read_or_make((path,), read, make)
