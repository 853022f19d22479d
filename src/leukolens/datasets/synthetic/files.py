"""Writes synthetic images: class folders of cells, or `images/` and `truth.csv` for fields.

Each folder has a `README.txt` that says that nothing in it is real. Callers check whether a folder may be overwritten.
"""

from collections.abc import Iterable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from leukolens.core.errors import UsageError
from leukolens.core.files import write_atomically, write_rows, write_text
from leukolens.core.taxonomy import CELL_CLASSES
from leukolens.datasets.synthetic.fields import SyntheticField, draw_cell, draw_field, draw_smear

_NOTICE = """SYNTHETIC IMAGES

Every picture in this folder was drawn by a program (leukolens.datasets.synthetic, seed {seed}).
None shows a real cell, none comes from a patient. They serve tests and trials of software only:
nothing measured on them says how well anything works on real blood.
"""

_FIELD_NOTICE = """
truth.csv holds one row for each cell of which a tenth or more is on its picture: the picture's name, the box of
what shows in pixels (x1 and y1 just outside), the kind (leukocyte, red_cell, platelet; erythroblasts stand among the
leukocytes) and the class, empty for red cells. A pixel shows between 0.09 and 0.17 micrometres, varying by picture.
"""


def write_cells(out: Path, count: int, seed: int) -> Path:
    """Writes `count` cells as `<out>/<class>/synthetic_<class>_<nnnn>.png`, all classes in turn. Gives `out`.

    Image k depends only on the seed and k, so a larger count only adds images.

    Raises:
        UsageError: `count` is below 1 or `seed` below 0.
        DataError: a file could not be written.
    """
    _check(count, seed)
    write_text(out / "README.txt", _NOTICE.format(seed=seed))
    for number in range(count):
        label = CELL_CLASSES[number % len(CELL_CLASSES)]
        _save(draw_cell(label, _generator(seed, number)), out / label / f"synthetic_{label}_{number:04d}.png")
    return out


def write_fields(out: Path, count: int, seed: int) -> Path:
    """Writes `count` fields as `<out>/images/field_<nnnn>.png`, and their cells in `<out>/truth.csv`. Gives `out`.

    Field k depends only on the seed and k. Each is of another slide and another scale.

    Raises:
        UsageError: `count` is below 1 or `seed` below 0.
        DataError: a file could not be written.
    """
    _check(count, seed)
    generators = (_generator(seed, number) for number in range(count))
    drawn = (draw_field(rng, pixel_size_um=rng.uniform(0.09, 0.17)) for rng in generators)
    return _write_fields(out, drawn, seed)


def write_smear_fields(out: Path, count: int, seed: int, leukocytes_per_field: float) -> Path:
    """As `write_fields`, with all fields of one smear: one slide and one scale. The number of leukocytes is Poisson.

    Raises:
        UsageError: `count` is below 1 or `seed` below 0.
        DataError: a file could not be written.
    """
    _check(count, seed)
    smear = draw_smear(np.random.default_rng(seed), count, leukocytes_per_field=leukocytes_per_field)
    return _write_fields(out, smear, seed)


def _write_fields(out: Path, fields: Iterable[SyntheticField], seed: int) -> Path:
    write_text(out / "README.txt", _NOTICE.format(seed=seed) + _FIELD_NOTICE)
    rows: list[tuple[str | int | None, ...]] = []
    for number, field in enumerate(fields):
        name = f"field_{number:04d}"
        _save(field.image, out / "images" / f"{name}.png")
        rows += [(name, cell.x0, cell.y0, cell.x1, cell.y1, cell.kind, cell.label) for cell in field.cells]
    write_rows(out / "truth.csv", ("field", "x0", "y0", "x1", "y1", "kind", "label"), rows)
    return out


def _check(count: int, seed: int) -> None:
    if count < 1 or seed < 0:
        raise UsageError(f"Expected a count of 1 or more and a seed of 0 or more; received {count} and {seed}.")


def _generator(seed: int, number: int) -> np.random.Generator:
    return np.random.default_rng(np.random.SeedSequence([seed, number]))


def _save(image: NDArray[np.uint8], path: Path) -> None:
    with write_atomically(path) as temporary:
        # Compression 3 of 9 is twice as fast as the default, with a tenth more bytes.
        Image.fromarray(image).save(temporary, format="PNG", compress_level=3)
