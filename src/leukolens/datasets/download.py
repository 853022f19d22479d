"""Downloads public datasets. Only `leukolens data get` uses it, and nothing else in LeukoLens uses the network.

The hash of the first download is recorded, and a later download must have the same. A download that broke off is
resumed; no half file stands under its final name. pooch checks and places files. Resuming is done here, because pooch
starts again.
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
"""Called with the number of bytes received and of all bytes (0 if unknown)."""

_CHUNK_BYTES = 1 << 18
_TIMEOUT_SECONDS = 60


def fetch_dataset(name: str, origin: Origin, report: Report) -> Path:
    """Downloads a dataset into the data folder, unless it is there.

    Returns:
        The zip, or the folder that kagglehub keeps.

    Raises:
        DataError: it could not be downloaded. The message says how to do it by hand.
    """
    by_hand = f"By hand: download it from {origin.home} and run: leukolens data add {name} FILE_OR_FOLDER"
    try:
        if origin.kaggle:
            return _fetch_from_kaggle(origin.kaggle)
        if origin.download:
            return fetch_zip(origin.download, home_folder() / "downloads" / f"{name}.zip", report)
    except DataError as error:
        raise DataError(f"{name} could not be downloaded: {error} {by_hand}") from error
    raise DataError(f"{name} has no address for download. {by_hand}")


def _fetch_from_kaggle(handle: str) -> Path:
    try:
        import kagglehub
    except ImportError as error:
        raise DataError("kagglehub is not installed (pip install 'leukolens[lab]').") from error
    try:
        return Path(str(kagglehub.dataset_download(handle)))
    except Exception as error:  # kagglehub passes on the errors of all its libraries
        raise DataError(f"kagglehub says: {error}.") from error


def fetch_zip(url: str, path: Path, report: Report) -> Path:
    """Downloads a zip to `path`, or resumes an earlier download. Does nothing if it is there.

    Raises:
        DataError: it cannot be reached, is not a zip, or is not the file of the first download.
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
            f"{str(error).strip('<>') or type(error).__name__}. What was received is kept; the same command resumes."
        ) from error
    except ValueError as error:
        raise DataError(
            f"{url} no longer gives the file of the first download (SHA-256 {(expected or '')[:16]}...), "
            f"so it was not kept. To accept the new file, delete {show_name(str(trusted))}."
        ) from error
    if not zipfile.is_zipfile(path):
        path.unlink(missing_ok=True)
        raise DataError(f"{url} gave a file that is not a zip, perhaps a web page.")
    if expected is None:
        write_text(trusted, hash_file(path) + "\n")
    return path


class _Resuming:
    """A downloader for pooch that keeps what was received in a `.part` file and asks only for the rest."""

    def __init__(self, part: Path, report: Report) -> None:
        self._part = part
        self._facts = part.with_suffix(".part.json")
        self._report = report

    def __call__(self, url: str, output_file: str | IO[bytes], pooch: object, check_only: bool = False) -> None:
        """Downloads `url` to the file that pooch chose."""
        have = self._part.stat().st_size if self._part.is_file() else 0
        validator = self._read_validator(url) if have else ""
        headers = {"Accept-Encoding": "identity", "User-Agent": "leukolens"}
        if validator:  # without it the rest of a changed file could be added to the start of the old one
            headers |= {"Range": f"bytes={have}-", "If-Range": validator}
        try:
            self._receive(urllib.request.Request(url, headers=headers), url)
        except urllib.error.HTTPError as error:
            if error.code != 416:  # 416: nothing is left to send
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
            # A weak ETag does not promise equal bytes, so the download could not be resumed safely.
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
