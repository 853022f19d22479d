"""Files and folders that are being written, so that a program that must end at once can remove them."""

import contextlib
import os
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_WAIT_S = 0.5

_paths: dict[Path, int] = {}
"""Each with the process that writes it: after a fork the other process must not remove it."""

_may_begin = threading.Lock()
"""Held from `remove_unfinished` on: a thread that goes on while the program ends begins no new file."""


@contextmanager
def note_unfinished(path: Path) -> Iterator[None]:
    """Remembers a temporary file or folder, from before it is made until it is gone or has its final name."""
    with _may_begin:
        _paths[path] = os.getpid()
    try:
        yield
    finally:
        _paths.pop(path, None)


def remove_unfinished() -> None:
    """Removes all that this process is writing, just before it ends; nothing new can be begun after that."""
    _may_begin.acquire(timeout=_WAIT_S)  # in vain where another thread ends the program already
    for path in [path for path, process in list(_paths.items()) if process == os.getpid()]:
        with contextlib.suppress(OSError):
            shutil.rmtree(path, ignore_errors=True) if path.is_dir() else path.unlink(missing_ok=True)
