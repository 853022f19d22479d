"""Features of a network whose weights do not change, computed once for a set of cells and kept in the cache."""

import numpy as np
import torch
from torch import nn

from leukolens.core.files import hash_bytes, write_atomically
from leukolens.core.pixels import Preparation, normalise_batch
from leukolens.training.cache import keep_path, read_or_make
from leukolens.training.classification.tensors import CellArray
from leukolens.training.task import Progress

_BATCH = 64


def keep_features(network: nn.Module, cells: CellArray, preparation: Preparation, report: Progress) -> CellArray:
    """The last feature maps of prepared cells, as a cell array of `(n, c, h', w')` float16.

    Args:
        network: A network of the catalogue with the weights that will not change.
        cells: Prepared images.
        preparation: How they are normalised.
        report: Progress.
    """
    path = keep_path(f"features-{_key(network, cells, preparation)}.npy")

    def make() -> None:
        with write_atomically(path) as temporary:
            _compute(network, cells, preparation, str(temporary), report)

    maps = read_or_make((path,), lambda: np.load(path, mmap_mode="r", allow_pickle=False), make)
    return CellArray(maps, cells.records, cells.refused)


def _key(network: nn.Module, cells: CellArray, preparation: Preparation) -> str:
    weights = [value.detach().cpu().contiguous().numpy().tobytes() for value in network.state_dict().values()]
    ids = "\n".join(record.id for record in cells.records)
    background = b"" if preparation.background is None else preparation.background.tobytes()
    told = (ids + repr(preparation)).encode("utf-8", "surrogatepass")
    return hash_bytes(*weights, told, background)[:32]


def _compute(
    network: nn.Module,
    cells: CellArray,
    preparation: Preparation,
    place: str,
    report: Progress,
) -> None:
    network.eval()
    device = "cuda" if torch.cuda.is_available() else "cpu"
    network.to(device)
    array = None
    count = len(cells.records)
    for start in range(0, count, _BATCH):
        stop = min(start + _BATCH, count)
        inputs = torch.from_numpy(normalise_batch(cells.images[start:stop], preparation)).to(device)
        with torch.inference_mode(), torch.autocast(device, torch.bfloat16):
            found = network.forward_features(inputs.contiguous(memory_format=torch.channels_last))  # type: ignore[operator]
        # Half precision, as the maps are large; clipped, since float16 ends at 65,504.
        maps = found.float().clamp(-6e4, 6e4).cpu().numpy().astype(np.float16)
        if array is None:
            array = np.lib.format.open_memmap(place, mode="w+", dtype=np.float16, shape=(count, *maps.shape[1:]))
        array[start:stop] = maps
        report("features", stop, count)
    if array is not None:
        array.flush()
    network.to("cpu")
