"""Synthetic pictures on disk: one folder a class for cells, `images/` and `truth.csv` for fields.

Each folder says in its `README.txt` that nothing in it is real. `data synth` calls it.
"""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from leukolens.core.files import write_atomically, write_text
from leukolens.core.taxonomy import CELL_CLASSES
from leukolens.data.synthetic.fields import draw_cell

_NOTICE = """SYNTHETIC IMAGES

Every picture in this folder was drawn by a program (leukolens.data.synthetic, seed {seed}).
None shows a real cell, none comes from a patient. They serve tests and trials of software only:
nothing measured on them says how well anything works on real blood.
"""


def write_cells(out: Path, count: int, seed: int) -> Path:
    """Writes `count` cells as `<out>/<class>/synthetic_<class>_<nnnn>.png`, the classes by turns; returns `out`.

    Picture k depends on the seed and on k alone, so a larger count only adds pictures.
    """
    write_text(out / "README.txt", _NOTICE.format(seed=seed))
    for number in range(count):
        label = CELL_CLASSES[number % len(CELL_CLASSES)]
        image = draw_cell(label, np.random.default_rng(np.random.SeedSequence([seed, number])))
        _save(image, out / label / f"synthetic_{label}_{number:04d}.png")
    return out


def _save(image: NDArray[np.uint8], path: Path) -> None:
    with write_atomically(path) as temporary:
        # compression 3 of 9: twice as quick as the default for a tenth more bytes
        Image.fromarray(image).save(temporary, format="PNG", compress_level=3)
