"""Files and folders that are being written, so that a program that must end at once can remove them."""

import contextlib
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_paths: dict[Path, int] = {}
"""Each with the process that writes it: after a fork the other process must not remove it."""


@contextmanager
def note_unfinished(path: Path) -> Iterator[None]:
    """Remembers a temporary file or folder while it is written."""
    _paths[path] = os.getpid()
    try:
        yield
    finally:
        _paths.pop(path, None)


def remove_unfinished() -> None:
    """Removes all that this process is writing at this moment."""
    for path in [path for path, process in _paths.items() if process == os.getpid()]:
        with contextlib.suppress(OSError):
            shutil.rmtree(path, ignore_errors=True) if path.is_dir() else path.unlink(missing_ok=True)
