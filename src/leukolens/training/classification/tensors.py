"""Prepared crops kept on disk as one array, and a torch dataset that draws from it.

The array is a memory map, so the operating system keeps in memory what fits. A second run on the same data starts at
once. Nothing is augmented here.
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
from leukolens.datasets.manifest import Record
from leukolens.inference.crops import read_crop
from leukolens.training.cache import keep_path, read_or_make
from leukolens.training.classification.found import RecordCrop


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


def load_cells(crops: Sequence[RecordCrop], preparation: Preparation, report: Callable[[int, int], None]) -> CellArray:
    """Decodes and prepares crops once, and later reads them back from the cache under the home folder.

    Args:
        crops: Records and where their crops lie.
        preparation: How each crop is resized; its background is left to the caller.
        report: Called with images done and images in all.
    """
    names = [(crop.record.id, crop.record.image, str(crop.crop_box)) for crop in crops]
    key = hash_bytes(json.dumps(names).encode("utf-8", "surrogatepass"), repr(preparation).encode())[:32]
    array_path, refused_path = keep_path(f"{key}.npy"), keep_path(f"{key}.json")

    def read() -> tuple[Pixels, dict[str, str]]:
        return np.load(array_path, mmap_mode="r", allow_pickle=False), json.loads(refused_path.read_text("utf-8"))

    images, reasons = read_or_make(
        (array_path, refused_path),
        read,
        lambda: _decode(crops, preparation, array_path, refused_path, report),
    )
    kept = tuple(crop.record for index, crop in enumerate(crops) if str(index) not in reasons)
    refused = tuple(Refusal(crops[int(index)].record.id, why) for index, why in reasons.items())
    return CellArray(images, kept, refused)


def _decode(
    crops: Sequence[RecordCrop],
    preparation: Preparation,
    array_path: Path,
    refused_path: Path,
    report: Callable[[int, int], None],
) -> None:
    reasons: dict[str, str] = {}
    shape = (len(crops), preparation.height_px, preparation.width_px, 3)
    with write_atomically(array_path) as temporary:
        array = np.lib.format.open_memmap(temporary, mode="w+", dtype=np.uint8, shape=shape)
        row = 0
        for index, crop in enumerate(crops):
            try:
                array[row] = prepare_image(read_crop(crop.record.image, crop.crop_box).pixels, preparation)
                row += 1
            except InputRefused as error:
                reasons[str(index)] = str(error)
            report(index + 1, len(crops))
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

    For `roots` classes weigh as the square roots of their numbers, and within a class groups alike (Mahajan et al.
    2018).
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
