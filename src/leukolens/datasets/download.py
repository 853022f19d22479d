"""Fetches public datasets: hash checked, resumed after a break, never half a file under its final name.

Where a home gives no hash, the first fetch is trusted and its hash recorded; a later fetch must give the same bytes.
pooch checks and places files; going on where a fetch broke off is ours, because pooch begins anew. Only
`leukolens data get` comes here: nothing else in LeukoLens uses a network.
"""

import json
import os
import urllib.error
import urllib.request
import zipfile
from collections.abc import Callable
from http.client import HTTPException, HTTPResponse
from pathlib import Path
from typing import IO

from leukolens.core.errors import DataError
from leukolens.core.files import hash_file, home_folder, show_name, write_text
from leukolens.datasets.sources.origin import Origin

Report = Callable[[int, int], None]
"""Told how many bytes have come, and how many there are: 0 where the home does not say."""

_CHUNK_BYTES = 1 << 18
_TIMEOUT_SECONDS = 60


def fetch_dataset(name: str, origin: Origin, report: Report) -> Path:
    """Fetches a dataset into the home folder, or finds it there whole.

    Returns:
        The zip, or the folder that kagglehub keeps.

    Raises:
        DataError: it could not be fetched; the message says what to do by hand.
    """
    by_hand = f"By hand: fetch it from {origin.home} and run: leukolens data add {name} FILE_OR_FOLDER"
    try:
        if origin.kaggle:
            return _fetch_from_kaggle(origin.kaggle)
        if origin.download:
            return fetch_zip(origin.download, home_folder() / "downloads" / f"{name}.zip", report)
    except DataError as error:
        raise DataError(f"{name} could not be fetched: {error} {by_hand}") from error
    raise DataError(f"{name} has no address that a program can fetch. {by_hand}")


def _fetch_from_kaggle(handle: str) -> Path:
    try:
        import kagglehub
    except ImportError as error:
        raise DataError("kagglehub is not installed (pip install 'leukolens[lab]').") from error
    try:
        return Path(str(kagglehub.dataset_download(handle)))
    except Exception as error:  # kagglehub lets through what its many libraries raise; all of it means: not fetched.
        raise DataError(f"kagglehub says: {error}.") from error


def fetch_zip(url: str, path: Path, report: Report) -> Path:
    """Fetches a zip to `path`, going on where an earlier fetch broke off; does nothing where it is there already.

    Raises:
        DataError: it cannot be reached, is no zip, or is not the file that the first fetch brought.
    """
    try:
        import pooch
    except ImportError as error:
        raise DataError("pooch is not installed (pip install 'leukolens[lab]').") from error
    pooch.get_logger().setLevel("ERROR")
    trusted = path.with_suffix(".sha256")
    expected = trusted.read_text(encoding="ascii").strip() if trusted.is_file() else None
    downloader = _Resuming(path.with_suffix(".part"), report)
    try:
        pooch.retrieve(url, expected, fname=path.name, path=path.parent, downloader=downloader)
    except (OSError, HTTPException) as error:
        raise DataError(
            f"{str(error).strip('<>') or type(error).__name__}. What has come is kept; the same command goes on."
        ) from error
    except ValueError as error:
        raise DataError(
            f"{url} no longer gives the file that the first fetch brought (SHA-256 {(expected or '')[:16]}...), "
            f"so it was not kept. To trust the new one, delete {show_name(str(trusted))}."
        ) from error
    if not zipfile.is_zipfile(path):
        path.unlink(missing_ok=True)
        raise DataError(f"{url} gave a file that is no zip: perhaps a page for people.")
    if expected is None:
        write_text(trusted, hash_file(path) + "\n")
    return path


class _Resuming:
    """A downloader for pooch that keeps what has come in a `.part` file and asks only for the rest."""

    def __init__(self, part: Path, report: Report) -> None:
        self._part = part
        self._facts = part.with_suffix(".part.json")
        self._report = report

    def __call__(self, url: str, output_file: str | IO[bytes], pooch: object, check_only: bool = False) -> None:
        """Fetches `url`, then gives it to pooch under the name that pooch chose."""
        have = self._part.stat().st_size if self._part.is_file() else 0
        validator = self._read_validator(url) if have else ""
        headers = {"Accept-Encoding": "identity", "User-Agent": "leukolens"}
        if validator:  # without it the rest of a changed file would be glued to the start of the old one
            headers |= {"Range": f"bytes={have}-", "If-Range": validator}
        try:
            self._receive(urllib.request.Request(url, headers=headers), url)
        except urllib.error.HTTPError as error:
            if error.code != 416:  # 416: nothing is left to send, the part is whole
                raise
        os.replace(self._part, str(output_file))
        self._facts.unlink(missing_ok=True)

    def _receive(self, request: urllib.request.Request, url: str) -> None:
        with urllib.request.urlopen(request, timeout=_TIMEOUT_SECONDS) as response:
            resumed = response.status == 206
            have = self._part.stat().st_size if resumed else 0
            length = response.headers.get("Content-Length")
            total = have + int(length) if length else 0
            validator = response.headers.get("ETag") or response.headers.get("Last-Modified") or ""
            # A weak ETag promises no equal bytes, so it cannot be resumed from.
            self._facts.write_text(
                json.dumps({"url": url, "validator": "" if validator.startswith("W/") else validator})
            )
            self._copy(response, "ab" if resumed else "wb", have, total)

    def _copy(self, response: HTTPResponse, mode: str, have: int, total: int) -> None:
        with self._part.open(mode) as stream:
            while chunk := response.read(_CHUNK_BYTES):
                stream.write(chunk)
                have += len(chunk)
                self._report(have, total)
        if total and have != total:
            raise OSError(f"the connection broke after {have} of {total} bytes")

    def _read_validator(self, url: str) -> str:
        try:
            facts = json.loads(self._facts.read_text())
            return str(facts["validator"]) if facts["url"] == url else ""
        except (OSError, ValueError, KeyError, TypeError):
            return ""
