import io
import sys
import threading
import types
import zipfile
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest

from leukolens.core.errors import DataError
from leukolens.core.files import hash_bytes
from leukolens.datasets.download import fetch_dataset, fetch_zip
from leukolens.datasets.sources.origin import Origin

pytest.importorskip("pooch", reason="pooch comes with the extra lab")


def zip_bytes(seed: int) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr("x.bin", np.random.default_rng(seed).bytes(1_000_000))
    return stream.getvalue()


class Home(ThreadingHTTPServer):
    """A public home on loopback: can break off, change its file, or not know ranges."""

    data = zip_bytes(0)
    break_after: int | None = None
    knows_ranges = True
    has_etag = True
    status = 200

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.asked: list[str | None] = []
        self.sent = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/file.zip"


class Handler(BaseHTTPRequestHandler):
    server: Home

    def do_GET(self) -> None:
        home = self.server
        asked = self.headers.get("Range")
        home.asked.append(asked)
        if home.status != 200:
            self.send_error(home.status)
            return
        etag = f'"{hash_bytes(home.data)[:8]}"'
        resumed = asked and home.knows_ranges and self.headers.get("If-Range") == etag
        start = int(asked.removeprefix("bytes=").rstrip("-")) if asked and resumed else 0
        if start >= len(home.data):
            self.send_error(416)
            return
        self.send_response(206 if resumed else 200)
        self.send_header("Content-Length", str(len(home.data) - start))
        if home.has_etag:
            self.send_header("ETag", etag)
        self.end_headers()
        end = len(home.data) if home.break_after is None else home.break_after
        self.wfile.write(home.data[start:end])
        home.sent += max(0, end - start)

    def log_message(self, *arguments: object) -> None:
        pass


@pytest.fixture
def public_home() -> Iterator[Home]:
    server = Home()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


def quiet(done: int, total: int) -> None:
    pass


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_fetched_once_and_then_found(public_home: Home, tmp_path: Path) -> None:
    told: list[tuple[int, int]] = []
    path = fetch_zip(public_home.url, tmp_path / "d.zip", lambda done, total: told.append((done, total)))
    assert path.read_bytes() == public_home.data
    assert told[-1] == (len(public_home.data), len(public_home.data))
    assert (tmp_path / "d.sha256").read_text().strip() == hash_bytes(public_home.data)
    assert names(tmp_path) == {"d.zip", "d.sha256"}
    fetch_zip(public_home.url, tmp_path / "d.zip", quiet)
    assert len(public_home.asked) == 1


def test_broken_off_and_resumed(public_home: Home, tmp_path: Path) -> None:
    public_home.break_after = 600_000
    with pytest.raises(DataError, match="connection broke after 600000"):
        fetch_zip(public_home.url, tmp_path / "d.zip", quiet)
    assert names(tmp_path) == {"d.part", "d.part.json"}
    public_home.break_after = None
    path = fetch_zip(public_home.url, tmp_path / "d.zip", quiet)
    assert path.read_bytes() == public_home.data
    assert public_home.asked == [None, "bytes=600000-"]
    assert public_home.sent == len(public_home.data)  # no byte came twice
    assert names(tmp_path) == {"d.zip", "d.sha256"}


def test_all_had_come_before_the_break(public_home: Home, tmp_path: Path) -> None:
    public_home.break_after = 600_000
    with pytest.raises(DataError):
        fetch_zip(public_home.url, tmp_path / "d.zip", quiet)
    (tmp_path / "d.part").write_bytes(public_home.data)
    assert fetch_zip(public_home.url, tmp_path / "d.zip", quiet).read_bytes() == public_home.data


@pytest.mark.parametrize("change", ["another file", "no ranges", "no validator"])
def test_where_it_cannot_be_resumed_it_begins_anew(change: str, public_home: Home, tmp_path: Path) -> None:
    public_home.break_after = 600_000
    public_home.has_etag = change != "no validator"
    with pytest.raises(DataError):
        fetch_zip(public_home.url, tmp_path / "d.zip", quiet)
    public_home.break_after = None
    public_home.knows_ranges = change != "no ranges"
    if change == "another file":
        public_home.data = zip_bytes(1)
    assert fetch_zip(public_home.url, tmp_path / "d.zip", quiet).read_bytes() == public_home.data


def test_another_file_than_at_first_is_refused(public_home: Home, tmp_path: Path) -> None:
    path = fetch_zip(public_home.url, tmp_path / "d.zip", quiet)
    path.unlink()
    public_home.data = zip_bytes(1)
    with pytest.raises(DataError, match=r"no longer gives the file .* delete .*d\.sha256"):
        fetch_zip(public_home.url, path, quiet)
    assert names(tmp_path) == {"d.sha256"}
    (tmp_path / "d.sha256").unlink()
    assert fetch_zip(public_home.url, path, quiet).read_bytes() == public_home.data


def test_a_file_damaged_on_disk_is_fetched_again(public_home: Home, tmp_path: Path) -> None:
    path = fetch_zip(public_home.url, tmp_path / "d.zip", quiet)
    path.write_bytes(b"damaged")
    assert fetch_zip(public_home.url, path, quiet).read_bytes() == public_home.data


def test_a_page_for_people_is_not_kept(public_home: Home, tmp_path: Path) -> None:
    public_home.data = b"<html>please sign in</html>"
    with pytest.raises(DataError, match="not a zip"):
        fetch_zip(public_home.url, tmp_path / "d.zip", quiet)
    assert names(tmp_path) == set()


def test_what_to_do_by_hand_is_said(public_home: Home, tmp_path: Path, home: Path) -> None:
    public_home.status = 403
    origin = Origin("a dataset", "MIT", "them", "https://example.org/data", public_home.url)
    with pytest.raises(DataError, match=r"403.*By hand: download it from https://example.org/data .* data add mine "):
        fetch_dataset("mine", origin, quiet)
    with pytest.raises(DataError, match="no address"):
        fetch_dataset("mine", Origin("a", "MIT", "them", "https://example.org"), quiet)
    public_home.status = 200
    assert fetch_dataset("mine", origin, quiet) == home / "downloads" / "mine.zip"


def test_a_full_disk_is_said_and_nothing_placed(
    public_home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*arguments: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("leukolens.datasets.download._Resuming._copy", full)
    with pytest.raises(DataError, match="No space left"):
        fetch_zip(public_home.url, tmp_path / "d.zip", quiet)
    assert "d.zip" not in names(tmp_path) and "d.sha256" not in names(tmp_path)


def test_kaggle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    origin = Origin("a dataset", "MIT", "them", "https://example.org/data", kaggle="owner/name")
    asked: list[str] = []
    fake = types.ModuleType("kagglehub")

    def download(handle: str) -> str:
        asked.append(handle)
        if len(asked) > 1:
            raise RuntimeError("no network")
        return str(tmp_path)

    fake.dataset_download = download  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "kagglehub", fake)
    assert fetch_dataset("mine", origin, quiet) == tmp_path
    with pytest.raises(DataError, match=r"no network.*By hand"):
        fetch_dataset("mine", origin, quiet)
    assert asked == ["owner/name", "owner/name"]
    monkeypatch.setitem(sys.modules, "kagglehub", None)
    with pytest.raises(DataError, match=r"not installed.*By hand"):
        fetch_dataset("mine", origin, quiet)
