"""A cache of what training computes once: decoded pictures, features, crops. All of it can be computed again.

The cache stays within a limit, so that daily training does not fill a disk. What was used longest ago is removed first.
"""

import contextlib
import os
import shutil
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

from leukolens.core.files import home_folder

CACHE_LIMIT_BYTES = 20 * 2**30

Kept = TypeVar("Kept")

_IN_USE_S = 3600.0
"""A file that was used within this time stays: another training may be about to open it."""


def keep_path(name: str) -> Path:
    """Where a computed file or folder of this name is kept, under the home folder; counts as used now.

    One that is not there yet will be written: the cache is brought within its limit first.
    """
    path = home_folder() / "cache" / name
    if path.exists():
        with contextlib.suppress(OSError):  # a cache that somebody else owns is still read
            os.utime(path)
    elif path.parent.is_dir():
        trim_cache(path.parent, CACHE_LIMIT_BYTES)
    return path


def read_or_make(paths: Sequence[Path], read: Callable[[], Kept], make: Callable[[], None]) -> Kept:
    """What `read` gives of kept files. Files that are missing, cut or damaged are made anew first."""
    if all(path.is_file() for path in paths):
        try:
            return read()
        except (OSError, ValueError, TypeError, EOFError):
            for path in paths:
                path.unlink(missing_ok=True)
    make()
    return read()


def trim_cache(folder: Path, limit_bytes: int) -> None:
    """Removes what was used longest ago, until the rest is within the limit or in use."""
    used, sizes = {}, {}
    for path in folder.iterdir():
        with contextlib.suppress(FileNotFoundError):  # taken its final name meanwhile
            used[path], sizes[path] = path.stat().st_mtime, _measure(path)
    total = sum(sizes.values())
    for path in sorted(sizes, key=lambda path: used[path]):
        if total <= limit_bytes or time.time() - used[path] < _IN_USE_S:
            return
        with contextlib.suppress(OSError):  # open elsewhere, on Windows
            shutil.rmtree(path) if path.is_dir() else path.unlink()
            total -= sizes[path]


def _measure(path: Path) -> int:
    files = path.rglob("*") if path.is_dir() else [path]
    return sum(file.stat().st_size for file in files if file.is_file())
