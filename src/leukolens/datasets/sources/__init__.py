"""One file per public dataset: each reads the dataset, folder or zip, as people download it.

Each has `read(root)`, which gives a manifest, and `ORIGIN`, which says where the dataset lives and whom to credit. What
is known of single images (copies, photographs of one field, what must not be trained on) stands in `mark(records)`,
which `read` calls. Splits and audit read only the manifest and know no dataset by name. A new dataset is a file here
and a row in `SOURCES`.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from leukolens.datasets.formats.own import read_own
from leukolens.datasets.formats.reading import Reading, explain_records
from leukolens.datasets.manifest import Manifest, Record
from leukolens.datasets.sources import bccd, blood_images, chula, kaggle, kaggle_fields, pbc, txl
from leukolens.datasets.sources.origin import Origin


@dataclass(frozen=True)
class Source:
    """How a public dataset is read.

    Attributes:
        read: From a folder or zip to its manifest.
        origin: Where it lives.
        mark: Adds what is known about single images, for manifests that were saved without it. None if nothing is.
    """

    read: Callable[[Path], Manifest]
    origin: Origin
    mark: Callable[[Iterable[Record]], tuple[Record, ...]] | None = None


SOURCES: dict[str, Source] = {
    "pbc": Source(pbc.read, pbc.ORIGIN, pbc.mark),
    "kaggle": Source(kaggle.read, kaggle.ORIGIN, blood_images.unite_photographs),
    "kaggle-fields": Source(kaggle_fields.read, kaggle_fields.ORIGIN, blood_images.mark_for_detectors),
    "bccd": Source(bccd.read, bccd.ORIGIN, bccd.mark),
    "chula": Source(chula.read, chula.ORIGIN),
    "txl": Source(txl.read, txl.ORIGIN, txl.mark),
}
"""The public datasets. Any other is read in whatever label format it is."""


def read_source(name: str, root: Path) -> Manifest:
    """The manifest that `interpret_source` reads, without a word on how.

    Raises:
        DataError: as `interpret_source`.
    """
    return interpret_source(name, root).manifest


def interpret_source(name: str, root: Path, pictures: Path | None = None) -> Reading:
    """Reads a dataset by its name: a public one by its own rules, any other in whatever label format it is.

    Args:
        name: Of the dataset.
        root: As for `read_own`.
        pictures: As for `read_own`.

    Raises:
        DataError: the folder or zip cannot be read, or holds no such dataset.
    """
    if name in SOURCES:
        manifest = replace(SOURCES[name].read(root), name=name)
        return Reading(manifest, f"the public dataset {name}", explain_records(manifest.records))
    reading = read_own(root, pictures)
    records = tuple(replace(record, source=name) for record in reading.manifest.records)
    return replace(reading, manifest=replace(reading.manifest, name=name, records=records))
