"""A stranger's zip archive, checked before a byte of it reaches the disk."""

from __future__ import annotations

import io
import stat
import struct
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import IO, Final

from gateway_simulation.exceptions import (
    ArchiveBombError,
    NotAnArchiveError,
    UnsafeArchiveError,
    UploadTooLargeError,
)
from gateway_simulation.foreign import hides_something, readable


@dataclass(frozen=True, slots=True)
class Limits:
    """What an archive may hold at most.

    `ratio` bounds unpacked to packed size, for entries and archives that unpack to more than
    16 MiB: small XML packs very well and does no harm.
    """

    upload_bytes: int = 100 * 2**20
    entries: int = 10_000
    unpacked_bytes: int = 1024 * 2**20
    ratio: int = 200
    description_bytes: int = 16 * 2**20


_HARMLESS_BYTES: Final = 16 * 2**20
_CHUNK: Final = 2**18
_NAME_LENGTH: Final = 1000
_SHOWN: Final = 300
_PART_LENGTH: Final = 255
_DIRECTORY_BYTES_PER_ENTRY: Final = 512
_END_OF_DIRECTORY: Final = struct.Struct("<4s4H2IH")
_UNREADABLE: Final = (
    zipfile.BadZipFile,
    zlib.error,
    struct.error,
    EOFError,
    NotImplementedError,
    OSError,
    RuntimeError,
    ValueError,
    OverflowError,
)


@contextmanager
def checked(data: bytes, limits: Limits) -> Iterator[zipfile.ZipFile]:
    """The archive in `data`, its directory checked. Raises ArchiveError.

    What the directory says of an entry's size is what `copy` holds it to.
    """
    if len(data) > limits.upload_bytes:
        msg = f"the archive has {len(data)} bytes, {limits.upload_bytes} are allowed"
        raise UploadTooLargeError(
            msg,
            {"bytes": len(data), "limit": limits.upload_bytes},
        )
    _check_directory_size(data, limits)
    try:
        archive = zipfile.ZipFile(io.BytesIO(data))
    except _UNREADABLE as error:
        msg = "the bytes are not a zip archive"
        raise NotAnArchiveError(msg) from error
    with archive:
        _check_sizes(archive.infolist(), len(data), limits)
        for entry in archive.infolist():
            _check_entry(entry)
        _check_names(archive.infolist())
        yield archive


def copy(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, target: IO[bytes], most: int) -> int:
    """Unpack `entry` into `target`, at most `most` bytes; how many they were.

    Raises ArchiveBombError beyond `most`, NotAnArchiveError for an entry that is broken or isn't
    as long as the directory says.
    """
    written = 0
    try:
        with archive.open(entry) as source:
            while chunk := source.read(_CHUNK):
                written += len(chunk)
                if written > most:
                    msg = f"the archive unpacks to more than {most} bytes"
                    raise ArchiveBombError(msg, {"limit": most})
                target.write(chunk)
    except _UNREADABLE as error:
        msg = "an entry of the archive is damaged"
        raise NotAnArchiveError(msg, {"entry": readable(entry.filename, _SHOWN)}) from error
    return written


def _check_directory_size(data: bytes, limits: Limits) -> None:
    """Refuse a directory that takes long to read, before it is read."""
    position = data.rfind(b"PK\x05\x06")
    if position < 0 or len(data) < position + _END_OF_DIRECTORY.size:
        msg = "the bytes are not a zip archive"
        raise NotAnArchiveError(msg)
    record = _END_OF_DIRECTORY.unpack_from(data, position)
    declared, size = record[4], record[5]
    if size == 0xFFFFFFFF:  # noqa: PLR2004 - a zip64 archive doesn't say here
        size, declared = 0, data.count(b"PK\x01\x02")
    most = limits.entries * _DIRECTORY_BYTES_PER_ENTRY
    if size > most or (declared > limits.entries and declared != 0xFFFF):  # noqa: PLR2004 - zip64
        msg = f"the archive has more than {limits.entries} entries"
        raise ArchiveBombError(msg, {"limit": limits.entries})


def _check_sizes(entries: list[zipfile.ZipInfo], size: int, limits: Limits) -> None:
    if len(entries) > limits.entries:
        msg = f"the archive has {len(entries)} entries, {limits.entries} are allowed"
        raise ArchiveBombError(
            msg,
            {"entries": len(entries), "limit": limits.entries},
        )
    unpacked = sum(entry.file_size for entry in entries)
    packed = sum(entry.compress_size for entry in entries)
    if packed > size:
        msg = "entries of the archive lie over each other"
        raise UnsafeArchiveError(msg)
    if unpacked > limits.unpacked_bytes:
        msg = f"the archive unpacks to more than {limits.unpacked_bytes} bytes"
        raise ArchiveBombError(
            msg,
            {"unpacked_bytes": unpacked, "limit": limits.unpacked_bytes},
        )
    for name, large, small in [("", unpacked, packed)] + [
        (entry.filename, entry.file_size, entry.compress_size) for entry in entries
    ]:
        if large > _HARMLESS_BYTES and large > limits.ratio * max(small, 1):
            msg = f"the archive unpacks to more than {limits.ratio} times its size"
            raise ArchiveBombError(
                msg,
                {"entry": readable(name, _SHOWN), "limit": limits.ratio},
            )


def _check_names(entries: list[zipfile.ZipInfo]) -> None:
    """Each path once, and no file where another entry needs a folder; names are short by now."""
    for entry in entries:
        if not entry.filename:  # which is cut at the first NUL
            raise _unsafe("has a name that is empty", entry)  # noqa: EM101, TRY003
    seen: set[str] = set()
    files = {entry.filename for entry in entries if not entry.is_dir()}
    for entry in entries:
        path = entry.filename.rstrip("/")
        inside_file = any(str(parent) in files for parent in PurePosixPath(path).parents)
        if path in seen or inside_file or (entry.is_dir() and path in files):
            raise _unsafe("is there twice, or lies inside a file", entry)  # noqa: EM101, TRY003
        seen.add(path)


def _check_entry(entry: zipfile.ZipInfo) -> None:
    reason = _bad_name(entry.orig_filename)
    if stat.S_IFMT(entry.external_attr >> 16) not in {0, stat.S_IFREG, stat.S_IFDIR}:
        reason = "is a link or a device"
    if entry.flag_bits & 0x1:
        reason = "is encrypted"
    if entry.compress_type not in {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}:
        reason = "is compressed in a way that FMI doesn't allow"
    if reason is not None:
        raise _unsafe(reason, entry)


def _bad_name(name: str) -> str | None:
    """What is wrong with an entry's name, if anything."""
    parts = PurePosixPath(name).parts
    if not name or len(name) > _NAME_LENGTH or hides_something(name):
        return "has a name that is empty, too long or unprintable"
    if any(len(part.encode("utf-8", "replace")) > _PART_LENGTH for part in parts):
        return "has a name that is too long"
    if name.startswith("/") or "\\" in name or ".." in parts or name[1:2] == ":":
        return "would be unpacked outside its folder"
    return None


def _unsafe(reason: str, entry: zipfile.ZipInfo) -> UnsafeArchiveError:
    return UnsafeArchiveError(
        f"an entry of the archive {reason}", {"entry": readable(entry.orig_filename, _SHOWN)}
    )
