"""Measures classification on this machine, as ratios of one run: `make bench`, or `python bench/classify.py --images FOLDER_OR_ZIP`.

Prints the cold start of one image, images per second of the bare ONNX session on arrays that are already decoded, of
decoding alone and of the whole, the ratio of the last to the first, and the peak memory at two numbers of images.
"""

import argparse
import itertools
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from leukolens.core.pixels import normalise_batch, prepare_image
from leukolens.core.tasks import Task
from leukolens.datasets.synthetic import write_cells
from leukolens.datasets.tree import open_tree
from leukolens.images.decoding import read_image
from leukolens.inference.bundles import load_bundle
from leukolens.inference.classify import classify_images
from leukolens.inference.session import Session

BARE_BATCH = 32
"""Of the bare session, which spreads each batch over all processors."""


def list_images(folder: Path | None, count: int) -> list[str]:
    if folder is None:
        drawn = Path(tempfile.gettempdir()) / "leukolens-bench-cells"
        if not (drawn / "README.txt").is_file():
            write_cells(drawn, 400, seed=1)
        folder = drawn
    tree = open_tree(folder)
    every = [tree.files[path] for path in tree.images()]
    return list(itertools.islice(itertools.cycle(every), count))


def per_second(count: int, work: object) -> float:
    start = time.perf_counter()
    work()  # type: ignore[operator]
    return count / (time.perf_counter() - start)


def measure_speed(images: list[str]) -> None:
    bundle, detector = load_bundle(), load_bundle(task=Task.DETECTION)
    preparation = bundle.card.preparation
    decoded = [read_image(image).pixels for image in images]
    arrays = np.stack([prepare_image(pixels, preparation) for pixels in decoded])
    del decoded
    session = Session(bundle.folder, bundle.card)
    batches = [
        normalise_batch(arrays[start : start + BARE_BATCH], preparation) for start in range(0, len(arrays), BARE_BATCH)
    ]
    session.run(batches[0])

    def run_bare() -> None:
        for batch in batches:
            session.run(batch)

    def run_decoding() -> None:
        with ThreadPoolExecutor(2) as pool:
            for _ in pool.map(lambda image: read_image(image).pixels.shape, images):
                pass

    def run_whole() -> None:
        for _ in classify_images(images, bundle, detector):
            pass

    bare, decoding, whole = (per_second(len(images), work) for work in (run_bare, run_decoding, run_whole))
    print(f"{len(images)} images, bundle {bundle.card.name}, {preparation.width_px} px, batches of {BARE_BATCH}")
    print(
        f"bare session {bare:.0f} images/s; decoding alone {decoding:.0f} images/s; classify, end to end {whole:.0f} images/s"
    )
    print(f"classify / bare session: {whole / bare:.2f}")


def measure_start(image: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "one.png"
        from PIL import Image

        Image.fromarray(read_image(image).pixels).save(path)
        command = [sys.executable, "-m", "leukolens", "classify", str(path)]
        times = []
        for _ in range(7):
            start = time.perf_counter()
            subprocess.run(command, check=True, capture_output=True)
            times.append(time.perf_counter() - start)
    print(
        f"cold `leukolens classify one.png`: median {sorted(times)[3]:.2f} s, least {min(times):.2f} s of 7 runs, after the first {times[0]:.2f} s"
    )


def measure_memory(images: list[str], counts: tuple[int, int]) -> None:
    code = (
        "import resource, sys\nfrom leukolens.inference.classify import classify_images\nfrom leukolens.inference.bundles import load_bundle\n"
        "from leukolens.core.tasks import Task\n"
        "images = open(sys.argv[1]).read().splitlines()\nfor _ in classify_images(images, load_bundle(), load_bundle(task=Task.DETECTION)):\n    pass\n"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)"
    )
    peaks = []
    for count in counts:
        with tempfile.NamedTemporaryFile("w", suffix=".txt") as listed:
            listed.write("\n".join(itertools.islice(itertools.cycle(images), count)))
            listed.flush()
            done = subprocess.run([sys.executable, "-c", code, listed.name], check=True, capture_output=True, text=True)
        peaks.append(int(done.stdout))
    print(
        f"peak memory: {peaks[0]} MiB at {counts[0]} images, {peaks[1]} MiB at {counts[1]}; ratio {peaks[1] / peaks[0]:.2f}"
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=Path, help="Folder or zip; without it, synthetic cells.")
    parser.add_argument("--count", type=int, default=2000)
    parser.add_argument("--memory", type=int, nargs=2, default=(500, 5000))
    chosen = parser.parse_args()
    pictures = list_images(chosen.images, chosen.count)
    measure_start(pictures[0])
    # Before this process grows: on Linux a child's peak starts from its parent's.
    measure_memory(pictures, tuple(chosen.memory))
    measure_speed(pictures)
