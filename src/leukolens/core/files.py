"""Writes and reads files, and writes file names as text.

No half-written file is left under its final name. Nothing is overwritten without `force`. Any file name, also one that
is not valid UTF-8 or has a line break, can be written to CSV and read again.
"""

import codecs
import csv
import hashlib
import io
import os
import re
import secrets
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import platformdirs

from leukolens.core.errors import DataError, UsageError
from leukolens.core.unfinished import note_unfinished

_LONGEST_CELL = 1 << 26
_MARKS = ((codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))
"""The first bytes by which an editor marks its encoding."""
_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")


def find_home() -> Path | None:
    """The folder of manifests, downloads and caches: `LEUKOLENS_HOME`, or the platform's data folder.

    None where the user has no home folder, as in some containers.
    """
    chosen = os.environ.get("LEUKOLENS_HOME")
    if chosen:
        return Path(chosen)
    try:
        return platformdirs.user_data_path("leukolens", appauthor=False)
    except RuntimeError:
        return None


def home_folder() -> Path:
    """The folder that `find_home` gives, for what cannot do without it.

    Raises:
        UsageError: there is none.
    """
    folder = find_home()
    if folder is None:
        raise UsageError("This user has no home folder. Set LEUKOLENS_HOME to a folder for datasets and caches.")
    return folder


def require_absent(path: Path, force: bool) -> None:
    """Refuses to overwrite a file or folder.

    Raises:
        UsageError: `path` is a file, or a folder that is not empty, and `force` is false.
    """
    taken = path.is_file() or (path.is_dir() and any(path.iterdir()))
    if taken and not force:
        raise UsageError(f"{show_name(str(path))} exists already. Choose another --out, or give --force.")


@contextmanager
def write_atomically(path: Path, only_new: bool = False) -> Iterator[Path]:
    """Gives a temporary path beside `path`. At the end the file gets its final name; after an error it is deleted.

    Args:
        path: The final name.
        only_new: Never replace a file, not even one that another process writes at the same time.

    Raises:
        UsageError: `only_new`, and there is such a file at the end.
        DataError: the disk is full or the folder cannot be written.
    """
    temporary = path.with_name(f".unfinished-{secrets.token_hex(8)}{path.suffix}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with note_unfinished(temporary):
            try:
                os.close(os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
                yield temporary
                temporary.chmod(0o644)
                if only_new:
                    _give_new_name(temporary, path)
                else:
                    temporary.replace(path)
            finally:
                temporary.unlink(missing_ok=True)
    except FileExistsError as error:
        raise UsageError(f"{show_name(str(path))} was written by another process meanwhile. It was kept.") from error
    except OSError as error:
        where = show_name(str(path))
        raise DataError(
            f"{where} could not be written: {error.strerror or error}. Nothing half-written was left."
        ) from error


def _give_new_name(temporary: Path, path: Path) -> None:
    """Renames a file in one step, unless there is one of that name.

    Raises:
        FileExistsError: there is one.
    """
    try:
        os.link(temporary, path)
    except FileExistsError:
        raise
    except OSError:  # this file system has no hard links
        if path.exists():
            raise FileExistsError(path) from None
        temporary.replace(path)


def write_text(path: Path, text: str) -> None:
    """Writes UTF-8 text, completely or not at all."""
    with write_atomically(path) as temporary:
        temporary.write_text(text, encoding="utf-8", newline="\n")


def write_rows(path: Path, header: Sequence[str], rows: Iterable[Sequence[object]], only_new: bool = False) -> None:
    """Writes a CSV file, completely or not at all. No cell can act as a formula in a spreadsheet.

    `only_new` is as for `write_atomically`.
    """
    with write_atomically(path, only_new) as temporary, temporary.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(header)
        writer.writerows([spell_cell(value) for value in row] for row in rows)


def format_rows(header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """The CSV that `write_rows` writes, as text."""
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(header)
    writer.writerows([spell_cell(value) for value in row] for row in rows)
    return stream.getvalue()


def read_rows(path: Path) -> list[dict[str, str]]:
    """The rows of a CSV file, written by `write_rows` or by a spreadsheet, each a dict by column.

    Raises:
        DataError: the file is missing or is not CSV.
    """
    return list(stream_rows(path))


def stream_rows(path: Path) -> Iterator[dict[str, str]]:
    """The same rows as `read_rows`, one after another, which takes far less memory.

    Raises:
        DataError: as `read_rows`.
    """
    try:
        yield from parse_rows(decode_text(path.read_bytes()))
    except (OSError, ValueError, csv.Error) as error:
        raise DataError(f"{show_name(str(path))} cannot be read as a CSV file: {error}") from error


def parse_rows(text: str) -> Iterator[dict[str, str]]:
    """The rows of CSV text, each a dict by column. Spreadsheets separate columns by commas, semicolons or tabs.

    Raises:
        csv.Error: it is not CSV.
        ValueError: a column stands in it twice.
    """
    csv.field_size_limit(_LONGEST_CELL)  # Python's limit of 131,072 is too small for the boxes of a dense field
    told = re.match(r'"?sep=(.)"?\r?\n', text)  # the first line that Excel writes
    text = text[told.end() :] if told else text
    header = text.partition("\n")[0]
    separator = told[1] if told else max(",;\t", key=header.count)
    reader = csv.DictReader(io.StringIO(text, newline=""), delimiter=separator)
    columns = [name.strip() for name in reader.fieldnames or () if name]
    repeated = sorted({name for name in columns if columns.count(name) > 1})
    if repeated:
        raise ValueError(f"the column {repeated[0]} stands in it twice")
    reader.fieldnames = [(name or "").strip() for name in reader.fieldnames or ()]
    for row in reader:
        yield {key: unspell_cell(value or "") for key, value in row.items() if key}


def decode_text(data: bytes, are_names: bool = False) -> str:
    """Text as the tools of people save it: UTF-8 with or without a mark, UTF-16 with one, or Windows-1252.

    Args:
        data: The bytes.
        are_names: The text is names of files. Bytes that are not UTF-8 then stand for themselves.

    Raises:
        ValueError: it is none of these.
    """
    for mark, encoding in _MARKS:
        if data.startswith(mark):
            return data.decode(encoding)
    if b"\0" in data:
        raise ValueError("it holds zero bytes, which text has not")
    if are_names:
        return data.decode("utf-8", "surrogateescape")
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return data.decode("cp1252")


def spell_cell(value: object) -> str:
    r"""A value as a CSV cell. Control characters and undecodable bytes become \x.., formulas get an apostrophe."""
    if value is None:
        return ""
    if isinstance(value, bool | int | float):
        return str(value)
    text = show_name(str(value))
    return "'" + text if text.startswith((*_FORMULA_STARTS, "'")) else text


def unspell_cell(text: str) -> str:
    """The text from which `spell_cell` made a cell."""
    if text.startswith("'") and text[1:2] in (*_FORMULA_STARTS, "'"):
        text = text[1:]
    if "\\" not in text:
        return text
    out, position = [], 0
    while position < len(text):
        if text.startswith("\\\\", position):
            out.append("\\")
            position += 2
        elif text.startswith("\\x", position) and _is_hex(text[position + 2 : position + 4]):
            code = int(text[position + 2 : position + 4], 16)
            out.append(chr(code) if code < 0x80 else chr(0xDC00 + code))
            position += 4
        else:
            out.append(text[position])
            position += 1
    return "".join(out)


def _is_hex(text: str) -> bool:
    return len(text) == 2 and all(letter in "0123456789abcdef" for letter in text)


def show_name(name: str) -> str:
    r"""A file name as one printable line. Backslashes are doubled; control characters and undecodable bytes become \x.. ."""
    out = []
    for letter in name:
        code = ord(letter)
        if letter == "\\":
            out.append("\\\\")
        elif code < 0x20 or code == 0x7F:
            out.append(f"\\x{code:02x}")
        elif 0xDC80 <= code <= 0xDCFF:
            out.append(f"\\x{code - 0xDC00:02x}")
        elif 0xD800 <= code <= 0xDFFF:
            out.append("\N{REPLACEMENT CHARACTER}")
        else:
            out.append(letter)
    return "".join(out)


def hash_bytes(*parts: bytes) -> str:
    """SHA-256 of some bytes, joined, in hexadecimal."""
    digest = hashlib.sha256()
    for part in parts:
        digest.update(part)
    return digest.hexdigest()


def hash_file(path: Path) -> str:
    """SHA-256 of a file, in hexadecimal."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
