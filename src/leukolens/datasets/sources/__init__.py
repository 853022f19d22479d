"""One file per dataset: each reads the dataset as people download it, folder or zip, into a manifest.

Each has `read(root)` and says in `ORIGIN` where the dataset lives and whom to credit. `leukolens data` calls them by
the names in `SOURCES`.
"""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from leukolens.datasets.manifest import Manifest
from leukolens.datasets.sources import bccd, chula, folder, kaggle, kaggle_fields, pbc, txl
from leukolens.datasets.sources.origin import Origin

SOURCES: dict[str, Callable[[Path], Manifest]] = {
    "pbc": pbc.read,
    "kaggle": kaggle.read,
    "kaggle-fields": kaggle_fields.read,
    "bccd": bccd.read,
    "chula": chula.read,
    "txl": txl.read,
    "folder": folder.read,
}
"""How each dataset is read; any other tree of class folders is read as `folder`."""

ORIGINS: dict[str, Origin] = {
    "pbc": pbc.ORIGIN,
    "kaggle": kaggle.ORIGIN,
    "kaggle-fields": kaggle_fields.ORIGIN,
    "bccd": bccd.ORIGIN,
    "chula": chula.ORIGIN,
    "txl": txl.ORIGIN,
}
"""Where the public ones live."""


def read_source(name: str, root: Path) -> Manifest:
    """Reads a dataset by its name: a known one by its own rules, any other as a tree of class folders.

    Raises:
        DataError: the folder or zip cannot be read, or holds nothing of the kind.
    """
    return replace(SOURCES.get(name, folder.read)(root), name=name)
