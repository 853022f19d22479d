"""MedMNIST: one `.npz` file with arrays of images and class numbers, `train_images`, `train_labels` and so on."""

import io
import zipfile
from collections.abc import Mapping
from pathlib import Path, PurePosixPath

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from leukolens.core.errors import DataError
from leukolens.core.files import hash_file, show_name, write_atomically
from leukolens.core.pixels import Pixels
from leukolens.core.results import Refusal
from leukolens.core.taxonomy import match_class
from leukolens.datasets.formats.class_names import read_class_names
from leukolens.datasets.formats.reading import Reading, explain_class
from leukolens.datasets.manifest import Manifest, Record
from leukolens.datasets.tree import Tree
from leukolens.images.decoding import join_reference

_PARTS = {"train": "train", "val": "validation", "test": "test"}
_BLOOD_MNIST = (
    "basophil",
    "eosinophil",
    "erythroblast",
    "immature granulocyte",
    "lymphocyte",
    "monocyte",
    "neutrophil",
    "platelet",
)
"""The classes of BloodMNIST in the order of their numbers (medmnist.com)."""
_LARGEST_BYTES = 4 << 30


def read_npz(path: Path, folder: Path) -> Reading:
    """Reads a MedMNIST file. Arrays cannot be pointed at, so their images are written as PNG files into a zip.

    The zip is named after the hash of the file, so that the same file gives the same zip.

    Args:
        path: The file. What the class numbers mean is known of BloodMNIST; for any other file, `classes.txt` beside it
            must say so.
        folder: Where the zip is written.

    Raises:
        DataError: it cannot be read, or it is not known what its class numbers mean.
    """
    where = show_name(path.name)
    names = dict(zip("01234567", _BLOOD_MNIST, strict=True)) if path.stem.lower().startswith("bloodmnist") else {}
    beside = {PurePosixPath(file.name): str(file) for file in path.parent.iterdir() if file.is_file()}
    names = read_class_names(Tree(path.parent, beside)) or names
    if not names:
        raise DataError(
            f"It is not known what the class numbers of {where} mean. Write classes.txt beside it: one name per line."
        )
    try:
        records, refused = _convert(path, folder / f"{hash_file(path)[:16]}.zip", names)
    except DataError:
        raise
    except Exception as error:  # numpy and zipfile raise many kinds of errors on hostile bytes
        raise DataError(f"{where} cannot be read as a MedMNIST file: {error}") from error
    if not records:
        raise DataError(f"{where} holds no train_images, val_images or test_images with a known class.")
    meanings = {name: explain_class(name) for name in names.values()}
    return Reading(Manifest(path.stem, tuple(records), tuple(refused)), "MedMNIST", meanings)


def _convert(path: Path, pictures: Path, names: Mapping[str, str]) -> tuple[list[Record], list[Refusal]]:
    """The records of a MedMNIST file; writes their images."""
    with zipfile.ZipFile(path) as packed:
        size = sum(entry.file_size for entry in packed.infolist())
    if size > _LARGEST_BYTES:
        raise DataError(f"{show_name(path.name)} would unpack to {size >> 30} GiB, more than {_LARGEST_BYTES >> 30}.")
    records: list[Record] = []
    refused: list[Refusal] = []
    with (
        np.load(path, allow_pickle=False) as arrays,
        write_atomically(pictures) as temporary,
        zipfile.ZipFile(temporary, "w") as archive,
    ):
        for prefix, part in _PARTS.items():
            if f"{prefix}_images" not in arrays:
                continue
            images, numbers = _load_part(arrays[f"{prefix}_images"], arrays[f"{prefix}_labels"])
            for index, (pixels, number) in enumerate(zip(images, numbers, strict=True)):
                identity = f"{prefix}_{index:05d}"
                stream = io.BytesIO()
                Image.fromarray(pixels).save(stream, "PNG")
                archive.writestr(zipfile.ZipInfo(f"{identity}.png"), stream.getvalue())
                word = names.get(str(number), str(number))
                name = match_class(word)
                if name is None:
                    refused.append(Refusal(identity, f"no known cell type is called {word!r}"))
                    continue
                place = join_reference(pictures, f"{identity}.png")
                records.append(Record(identity, place, name.label, word, "", identity, part, name.sub_label))
    return records, refused


def _load_part(images: NDArray[np.generic], labels: NDArray[np.generic]) -> tuple[Pixels, list[int]]:
    """Images `(n, h, w, 3)` or `(n, h, w)` uint8 and `n` class numbers, checked.

    Raises:
        DataError: the arrays have another shape or type.
    """
    numbers = labels.reshape(len(labels), -1)
    right = images.ndim == 3 or (images.ndim == 4 and images.shape[3] == 3)
    if images.dtype != np.uint8 or not right or numbers.shape != (len(images), 1) or numbers.dtype.kind not in "iu":
        raise DataError(
            f"Expected images (n, h, w, 3) of uint8 and as many class numbers; received {images.shape} of {images.dtype} "
            f"and {labels.shape} of {labels.dtype}."
        )
    return images.astype(np.uint8, copy=False), numbers[:, 0].astype(np.int64).tolist()
