"""Packages that the light install does without: what they are needed for is said where they are missing."""

from collections.abc import Iterator
from contextlib import contextmanager

from leukolens.core.errors import UsageError


@contextmanager
def needs(package: str, call: str) -> Iterator[None]:
    """Turns an ImportError of a package into a message that says how to install it.

    Args:
        package: Its name for pip.
        call: What needs it, as the caller wrote it.

    Raises:
        UsageError: the package is not installed.
    """
    try:
        yield
    except ImportError as error:
        raise UsageError(
            f"{call} needs {package}, which is not installed. Install it: pip install {package}"
        ) from error
