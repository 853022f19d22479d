"""The way into the command: Ctrl-C and a request to end are heard from the first moment on.

It imports nothing of size, so that the time before that is short.
"""

import os
import signal
import sys
import threading
from types import FrameType

from leukolens.core.unfinished import remove_unfinished

GRACE_S = 3.0
"""After this the program ends in any case: a library may hold the main thread, or catch what stops it."""


class Stopped(BaseException):
    """Somebody asked the program to end. No library catches it, as some do with `KeyboardInterrupt`."""


_asked: list[int] = []


def main() -> None:
    """Runs the command; ends with 130 after Ctrl-C, with 143 after a request to end."""
    for number in (signal.SIGINT, signal.SIGTERM):
        if signal.getsignal(number) is not signal.SIG_IGN:  # as under nohup
            signal.signal(number, _stop)
    try:
        from leukolens.cli.main import main as run

        run()
    except BaseException:
        # Whatever is raised after the request came of it: a library that was being imported fails in its own way.
        if not _asked:
            raise
        _end()


def _stop(number: int, frame: FrameType | None) -> None:
    if _asked:
        return
    _asked.append(number)
    timer = threading.Timer(GRACE_S, _end)
    timer.daemon = True
    timer.start()
    raise Stopped


def _end() -> None:
    """Ends at once, threads too, without what was being written."""
    remove_unfinished()
    try:
        sys.stdout.flush()
        print("Stopped. No half-written file was left.", file=sys.stderr, flush=True)
    finally:
        os._exit(128 + _asked[0])
