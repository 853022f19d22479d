"""Measures counting on this machine: `make bench`, or `python bench/count.py [--fields FOLDER]`.

Prints how long a field takes from decoded image to classified cells, for a small field and for a phone's photograph; the
ratio to what the detector's bare session needs for the same pixels, in the same run; and the peak memory of counting.
"""

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image

from leukolens.core.pixels import Pixels, normalise_colours
from leukolens.core.tasks import Task
from leukolens.datasets.synthetic import draw_field
from leukolens.images.decoding import DecodedImage, read_image
from leukolens.inference.bundles import load_bundle
from leukolens.inference.classifier import Classifier
from leukolens.inference.detector import Detector
from leukolens.inference.session import INPUT_NAME, open_bundle_model
from leukolens.smear.count import count_field

SMALL, PHOTO = (640, 480), (4000, 3000)
LEUKOCYTES = ["neutrophil", "lymphocyte", "monocyte"]


def draw(size: tuple[int, int]) -> Pixels:
    """A drawn field of 83 x 62 micrometres, or one of twice that as a phone's camera enlarges it."""
    if size == SMALL:
        return draw_field(np.random.default_rng(1), *SMALL, leukocytes=LEUKOCYTES).image
    drawn = draw_field(np.random.default_rng(1), 1280, 960, leukocytes=4 * LEUKOCYTES).image
    return np.asarray(Image.fromarray(drawn).resize(size, Image.Resampling.BICUBIC))


def median_ms(work: Callable[[], object], times: int) -> float:
    work()
    spent = []
    for _ in range(times):
        start = time.perf_counter()
        work()
        spent.append(time.perf_counter() - start)
    return 1000 * statistics.median(spent)


def measure_speed(name: str, pixels: Pixels, times: int) -> None:
    bundle = load_bundle(task=Task.DETECTION)
    detector, classifier = Detector(bundle), Classifier(load_bundle())
    session = open_bundle_model(bundle.folder, bundle.card.name, bundle.card.files, None)
    field = count_field(name, DecodedImage(pixels), detector, classifier, None)
    scale = bundle.card.red_cell_px / (field.red_cell_px or bundle.card.red_cell_px)
    sides = [max(32, round(side * scale / 32) * 32) for side in pixels.shape[:2]]
    inputs = normalise_colours(np.zeros((1, *sides, 3), np.uint8), bundle.card.mean, bundle.card.std)
    whole = median_ms(lambda: count_field(name, DecodedImage(pixels), detector, classifier, None), times)
    known = median_ms(lambda: count_field(name, DecodedImage(pixels), detector, classifier, field.pixel_size_um), times)
    bare = median_ms(lambda: session.run(None, {INPUT_NAME: inputs}), times)
    found = sum(cell.box.kind == "leukocyte" for cell in field.cells)
    print(
        f"{name}, {pixels.shape[1]} x {pixels.shape[0]}: {len(field.cells)} cells, {found} leukocytes; {whole:.0f} ms, "
        f"{known:.0f} ms with the pixel size given; bare session {bare:.0f} ms; ratio {whole / bare:.1f}"
    )


def measure_memory(pixels: Pixels) -> None:
    code = (
        "import resource, sys\nimport leukolens as ll\nll.count(sys.argv[1])\n"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)"
    )
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "field.png"
        Image.fromarray(pixels).save(path, compress_level=1)
        done = subprocess.run([sys.executable, "-c", code, str(path)], check=True, capture_output=True, text=True)
    print(f"peak memory of counting one field of {pixels.shape[1]} x {pixels.shape[0]}: {int(done.stdout)} MiB")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--fields", type=Path, nargs="*", default=[], help="Photographs; without them, drawn fields.")
    chosen = parser.parse_args()
    fields = {path.name: read_image(str(path)).pixels for path in chosen.fields}
    fields = fields or {"drawn field": draw(SMALL), "drawn field as a phone's photograph": draw(PHOTO)}
    # Before this process grows: on Linux a child's peak starts from its parent's.
    for pixels in fields.values():
        measure_memory(pixels)
    for name, pixels in fields.items():
        measure_speed(name, pixels, 5 if pixels.shape[0] > 1000 else 15)
