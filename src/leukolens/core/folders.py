"""Folders of results that appear whole: one process at a time writes a folder, and one rename puts it in place.

A folder is built hidden beside its final place: `.NAME.unfinished`. Where nothing can be written beside it, as with a
mounted volume, it is built inside, and its files are moved one by one. `.NAME.lock` is held by the operating system, so that
no lock outlives its process.
"""

import contextlib
import ctypes
import os
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from leukolens.core.errors import DataError, UsageError
from leukolens.core.files import require_absent, show_name
from leukolens.core.unfinished import note_unfinished

IsOurs = Callable[[str], bool]
"""Whether a file of the old folder, by its path inside it with slashes, goes when the new one comes."""

_EXCHANGE, _HERE = 2, -100  # RENAME_EXCHANGE and AT_FDCWD of Linux


@contextmanager
def hold_folder(out: Path, force: bool) -> Iterator[None]:
    """Keeps other processes from writing a folder of results, from before the work to its end.

    Raises:
        UsageError: another process holds it; or it is not empty and `force` is false.
        DataError: nothing can be written there.
    """
    require_absent(out, force)
    out = out.resolve()
    with _told(out):
        out.parent.mkdir(parents=True, exist_ok=True)
        path = _hidden(out, "lock")
        descriptor = _lock(path)
    if descriptor is None:
        name = show_name(str(out))
        raise UsageError(
            f"{name} is in use: another LeukoLens process writes into it. Wait for its end, or choose another --out."
        )
    try:
        if path.parent != out:
            require_absent(out, force)  # the other process may just have ended
        with note_unfinished(path):
            yield
    finally:
        with contextlib.suppress(OSError):
            path.unlink()
        os.close(descriptor)


@contextmanager
def build_folder(out: Path, is_ours: IsOurs) -> Iterator[Path]:
    """Gives an empty folder; at the end it takes the place of `out`, after an error it is deleted and `out` stays.

    Args:
        out: The final folder; a link is followed. What is not ours in it is taken over.
        is_ours: What of the old folder is replaced.

    Raises:
        DataError: it cannot be written.
    """
    out = out.resolve()
    staging = _hidden(out, "unfinished")
    with _told(out):
        shutil.rmtree(staging, ignore_errors=True)  # of a process that was killed
        staging.mkdir(parents=True)
    try:
        with note_unfinished(staging):
            yield staging
        with _told(out):
            _put_in_place(staging, out, is_ours)
    finally:
        shutil.rmtree(staging, ignore_errors=True)


@contextmanager
def _told(out: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise DataError(f"{show_name(str(out))} could not be written: {error.strerror or error}.") from error


def _hidden(out: Path, what: str) -> Path:
    # `os.access` may say no where a container's user can write, so only a folder that is there is built inside.
    inside = out.is_dir() and (os.path.ismount(out) or not os.access(out.parent, os.W_OK))
    return out / f".{what}" if inside else out.with_name(f".{out.name}.{what}")


def _lock(path: Path) -> int | None:
    """A descriptor of the file, which this process alone holds; None where another one does."""
    while True:
        descriptor = os.open(path, os.O_CREAT | os.O_RDWR, 0o644)
        if not _hold(descriptor):
            os.close(descriptor)
            return None
        # Whoever held it before has deleted its file; then this one is of no use.
        with contextlib.suppress(OSError):
            if os.path.samestat(os.fstat(descriptor), path.stat()):
                return descriptor
        os.close(descriptor)


def _hold(descriptor: int) -> bool:
    try:
        if sys.platform == "win32":
            import msvcrt

            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        else:
            import fcntl

            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError):
        return False
    except OSError:
        return True  # some network disks know no locks
    return True


def _put_in_place(staging: Path, out: Path, is_ours: IsOurs) -> None:
    if staging.parent == out:
        for path in [path for path in _list_files(out) if is_ours(path.relative_to(out).as_posix())]:
            path.unlink()
        for path in _list_files(staging):
            final = out / path.relative_to(staging)
            final.parent.mkdir(parents=True, exist_ok=True)
            path.replace(final)
    elif not out.exists():
        staging.rename(out)
    else:
        _take_over(out, staging, is_ours)
        staging.chmod(out.stat().st_mode & 0o7777)
        if not _exchange(staging, out):
            old = _hidden(out, "old")
            shutil.rmtree(old, ignore_errors=True)
            out.rename(old)
            staging.rename(out)
            shutil.rmtree(old, ignore_errors=True)


def _take_over(out: Path, staging: Path, is_ours: IsOurs) -> None:
    """Links into the new folder what is not ours in the old one; copies it where the disk has no links."""
    for path in _list_files(out):
        new = staging / path.relative_to(out)
        if is_ours(path.relative_to(out).as_posix()) or new.exists():
            continue
        new.parent.mkdir(parents=True, exist_ok=True)
        try:
            os.link(path, new, follow_symlinks=False)
        except OSError:
            shutil.copy2(path, new, follow_symlinks=False)


def _list_files(folder: Path) -> list[Path]:
    """All files and links below a folder, but none that is being written."""
    found = []
    for top, folders, files in os.walk(folder):
        linked = [name for name in folders if (Path(top) / name).is_symlink()]
        folders[:] = [name for name in folders if name not in linked and name != ".unfinished"]
        found += [Path(top) / name for name in (*files, *linked) if name != ".lock"]
    return found


def _exchange(first: Path, second: Path) -> bool:
    """Swaps two folders in one step, where the system can (Linux)."""
    try:
        rename = ctypes.CDLL(None, use_errno=True).renameat2
        return bool(rename(_HERE, os.fsencode(first), _HERE, os.fsencode(second), _EXCHANGE) == 0)
    except (OSError, AttributeError, TypeError):
        return False
