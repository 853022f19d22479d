"""One training at a time in a run folder, and nothing of an earlier one beside it."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from filelock import FileLock, Timeout

from leukolens.core.errors import DataError, TrainingError
from leukolens.core.files import show_name
from leukolens.core.runs import RunFolder
from leukolens.core.unfinished import note_unfinished
from leukolens.datasets.manifest import PARTS


@contextmanager
def claim_run(run: RunFolder) -> Iterator[None]:
    """Keeps other processes from writing into the run folder; the lock ends with the process.

    Raises:
        TrainingError: another process trains in it.
        DataError: the folder cannot be made.
    """
    where = show_name(str(run.path))
    path = run.path / ".training"
    lock = FileLock(path)
    try:
        run.path.mkdir(parents=True, exist_ok=True)
        lock.acquire(timeout=0)
    except Timeout as error:
        raise TrainingError(
            f"{where} is being trained by another process. Wait for it, or give another --out."
        ) from error
    except OSError as error:
        raise DataError(f"{where} cannot be written: {error.strerror or error}.") from error
    try:
        with note_unfinished(path):
            yield
    finally:
        with suppress(OSError):  # Windows keeps a file that is open
            path.unlink()
        lock.release()
        with suppress(OSError):  # not empty, as after every training that was not refused
            run.path.rmdir()


def clear_run(run: RunFolder) -> None:
    """Removes what an earlier training left, its record first: without it a run counts as not finished."""
    for path in (run.environment, run.weights, run.history, run.curves, run.background):
        path.unlink(missing_ok=True)
    for part in PARTS:
        run.predictions(part).unlink(missing_ok=True)
    shutil.rmtree(run.checkpoints, ignore_errors=True)
