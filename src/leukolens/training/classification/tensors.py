"""The thin torch adapter over the data room: decoded images kept on disk as one array, drawn epoch by epoch.

The array is a memory map, so the operating system keeps in memory what fits and gives it back when asked; a second
run on the same data starts at once. Nothing is augmented here.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset

from leukolens.core.errors import InputRefused
from leukolens.core.files import hash_bytes, write_atomically
from leukolens.core.pixels import Pixels, Preparation, prepare_image
from leukolens.core.results import Refusal
from leukolens.datasets.manifest import Record, read_cell
from leukolens.training.cache import keep_path


@dataclass(frozen=True)
class CellArray:
    """Prepared cells of one part of a split.

    Attributes:
        images: `(n, h, w, 3)` uint8, usually a read-only memory map.
        records: What each row is.
        refused: Records whose image could not be read; they have no row.
    """

    images: Pixels
    records: tuple[Record, ...]
    refused: tuple[Refusal, ...]


def load_cells(records: Sequence[Record], preparation: Preparation, report: Callable[[int, int], None]) -> CellArray:
    """Decodes and prepares records once, and later reads them back from the cache under the home folder.

    Args:
        records: Cells or whole images.
        preparation: How each is cut and resized; its background is left to the caller.
        report: Called with images done and images in all.
    """
    names = [(record.id, record.image, str(record.cell)) for record in records]
    key = hash_bytes(json.dumps(names).encode("utf-8", "surrogatepass"), repr(preparation).encode())[:32]
    array_path, refused_path = keep_path(f"{key}.npy"), keep_path(f"{key}.json")
    if not (array_path.is_file() and refused_path.is_file()):
        _decode(records, preparation, array_path, refused_path, report)
    reasons: dict[str, str] = json.loads(refused_path.read_text(encoding="utf-8"))
    images: Pixels = np.load(array_path, mmap_mode="r", allow_pickle=False)
    kept = tuple(record for index, record in enumerate(records) if str(index) not in reasons)
    refused = tuple(Refusal(records[int(index)].id, why) for index, why in reasons.items())
    return CellArray(images, kept, refused)


def _decode(
    records: Sequence[Record],
    preparation: Preparation,
    array_path: Path,
    refused_path: Path,
    report: Callable[[int, int], None],
) -> None:
    reasons: dict[str, str] = {}
    shape = (len(records), preparation.height_px, preparation.width_px, 3)
    with write_atomically(array_path) as temporary:
        array = np.lib.format.open_memmap(temporary, mode="w+", dtype=np.uint8, shape=shape)
        row = 0
        for index, record in enumerate(records):
            try:
                array[row] = prepare_image(read_cell(record, preparation.cell_context).pixels, preparation)
                row += 1
            except InputRefused as error:
                reasons[str(index)] = str(error)
            report(index + 1, len(records))
        array.flush()
    with write_atomically(refused_path) as temporary:
        temporary.write_text(json.dumps(reasons), encoding="utf-8")


class CellDataset(Dataset[tuple[Tensor, Tensor]]):
    """Rows of a cell array with their class numbers, fetched a batch at a time."""

    def __init__(self, cells: Sequence[CellArray], classes: Sequence[str]) -> None:
        """Chains arrays whose images are of one shape."""
        self._arrays = [part.images for part in cells]
        self._starts = np.cumsum([0, *(len(part.records) for part in cells)])
        labels = [record.label or "" for part in cells for record in part.records]
        self.targets = torch.tensor([classes.index(label) for label in labels])

    def __len__(self) -> int:
        """Number of rows."""
        return len(self.targets)

    def __getitems__(self, rows: list[int]) -> tuple[Tensor, Tensor]:
        """`(n, h, w, 3)` uint8 images and `(n,)` int64 classes."""
        images = []
        for row in rows:
            part = int(np.searchsorted(self._starts, row, side="right")) - 1
            images.append(self._arrays[part][row - self._starts[part]])
        return torch.from_numpy(np.stack(images)), self.targets[rows]


def balance_weights(records: Sequence[Record], balance: str) -> NDArray[np.float64] | None:
    """Chance of each row to be drawn: None for `none`; classes alike for `classes`; groups too for `groups`.

    For `roots` classes weigh as the square roots of their numbers, and within a class groups alike (Mahajan et al. 2018).
    """
    if balance == "none":
        return None
    labels = np.array([record.label or "" for record in records])
    weights = np.ones(len(records))
    if balance in ("groups", "roots"):
        groups = np.array([f"{record.label}/{record.group}" for record in records])
        _, inverse, counts = np.unique(groups, return_inverse=True, return_counts=True)
        weights = 1 / counts[inverse]
    for label in np.unique(labels):
        of_class = labels == label
        weights[of_class] *= (of_class.sum() ** 0.5 if balance == "roots" else 1) / weights[of_class].sum()
    return np.asarray(weights / weights.sum(), np.float64)
