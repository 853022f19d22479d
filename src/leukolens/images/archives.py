"""Reads untrusted zips. Nothing is unpacked to disk, and zip bombs are refused.

A few zips stay open in each thread: to open a zip of 17,000 members for each picture would take longer than to decode
it.
"""

import os
import re
import threading
import zipfile
from collections import OrderedDict
from contextlib import suppress
from pathlib import Path, PurePosixPath

from leukolens.core.errors import DataError, InputRefused
from leukolens.core.files import show_name

LARGEST_MEMBERS = 2_000_000
_OPEN_ARCHIVES = 4
_UTF8_FLAG = 0x800
_BOMB_RATIO = 200  # pictures hardly shrink in a zip; only blank uncompressed ones come near this
_BOMB_BYTES = 64 << 20

_opened = threading.local()


def open_archive(path: Path) -> zipfile.ZipFile:
    """A zip, opened for reading. It stays open for the calling thread.

    Raises:
        DataError: it cannot be opened as a zip, or has too many members.
    """
    kept: OrderedDict[tuple[int, str, int, int], zipfile.ZipFile] = _opened.__dict__.setdefault(
        "archives", OrderedDict()
    )
    try:
        status = path.stat()
        # With the process id, because a forked process must not share the file position of its parent.
        key = (os.getpid(), str(path.absolute()), status.st_mtime_ns, status.st_size)
        if key in kept:
            kept.move_to_end(key)
            return kept[key]
        archive = zipfile.ZipFile(path)
    except Exception as error:  # zipfile raises many kinds of errors on hostile bytes
        raise DataError(f"{show_name(str(path))} cannot be opened as a zip: {error}. Fetch it again.") from error
    count = len(archive.infolist())
    if count > LARGEST_MEMBERS:
        archive.close()
        raise DataError(f"{show_name(path.name)} has {count} members, more than {LARGEST_MEMBERS}: not opened.")
    kept[key] = archive
    while len(kept) > _OPEN_ARCHIVES:
        kept.popitem(last=False)[1].close()
    return archive


def read_member(path: Path, member: str, largest: int) -> bytes:
    """The bytes of one member.

    Raises:
        DataError: the zip cannot be opened.
        InputRefused: there is no such member, its name points outside, or it is larger than `largest` or than stated.
    """
    archive = open_archive(path)
    outside = why_outside(member)
    if outside:
        raise InputRefused(outside)
    try:
        entry = archive.getinfo(member)
    except KeyError as error:
        raise InputRefused(f"is not in the zip {show_name(path.name)}.") from error
    if entry.file_size > largest:
        raise InputRefused(f"would unpack to {entry.file_size >> 20} MiB, more than {largest >> 20}.")
    if entry.file_size > max(_BOMB_BYTES, _BOMB_RATIO * entry.compress_size):
        raise InputRefused(
            f"would unpack to {entry.file_size // max(entry.compress_size, 1)} times its size: a zip bomb."
        )
    try:
        with archive.open(entry) as stream:
            data = stream.read(entry.file_size + 1)
    except Exception as error:  # encrypted and damaged members and unknown methods each raise their own
        raise InputRefused(f"cannot be unpacked from {show_name(path.name)}: {error}") from error
    if len(data) != entry.file_size:
        raise InputRefused("unpacks to another size than the zip says.")
    return data


def spell_member(entry: zipfile.ZipInfo) -> str:
    """The path of a member as its maker meant it, with slashes.

    Windows tools write backslashes. Those of macOS write UTF-8 without the mark that says so, which Python then reads as
    code page 437.
    """
    name = entry.orig_filename
    if not entry.flag_bits & _UTF8_FLAG:
        with suppress(UnicodeError):  # then it is in an old code page, as Python took it
            name = name.encode("cp437").decode("utf-8")
    return name.partition("\0")[0].replace("\\", "/")


def why_outside(member: str) -> str:
    """Why the name of a member points outside its zip. Empty if it does not."""
    name = PurePosixPath(member.replace("\\", "/"))
    if name.is_absolute() or ".." in name.parts or re.match(r"[A-Za-z]:", member):
        return "points outside its zip: refused."
    return ""
