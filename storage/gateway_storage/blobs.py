"""Blobs: bytes under a name, written whole or not at all, in a folder or a bucket (`bucket`)."""

from __future__ import annotations

import hashlib
import os
import re
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, Protocol

_NEW: Final = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
_KEY: Final = re.compile(r"[a-z]+/[A-Za-z0-9_.-]*[A-Za-z0-9]")
_FOLDER: Final = re.compile(r"[a-z]+")


class BlobNotFoundError(Exception):
    """Nothing is stored under that key."""


class BlobDamagedError(Exception):
    """What is stored under that key is not what was stored there."""


class StorageUnavailableError(Exception):
    """The store doesn't answer, refuses, is too slow or full."""


@dataclass(frozen=True, slots=True)
class Listed:
    """What a store holds. `stored_at` is by the store's own clock."""

    key: str
    size_bytes: int
    stored_at: datetime


class Blobs(Protocol):
    """What the gateway asks of a store. Keys look like `fmus/<sha256>.fmu`.

    Every method may raise StorageUnavailableError.
    """

    def put(self, key: str, data: bytes | memoryview) -> None:
        """Store durably, replacing what was there."""
        ...

    def get(self, key: str, sha256: str | None) -> bytes:
        """The bytes, if they have that hash; None where it was never noted.

        Raises:
            BlobNotFoundError: there are none.
            BlobDamagedError: they are others.

        """
        ...

    def delete(self, key: str) -> None:
        """Forget the key; no error where nothing is stored."""
        ...

    def listed(self, folder: str) -> Iterator[Listed]:
        """All that is stored under `<folder>/`, remains of a crash included."""
        ...

    def check(self) -> None:
        """Return where the store answers and may be read."""
        ...


class FolderBlobs:
    """Blobs in a local folder.

    A write goes to a temporary name, is synced, renamed and the folder synced: after a crash a key
    holds either the old bytes or the new ones.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def put(self, key: str, data: bytes | memoryview) -> None:
        """Store durably, replacing what was there."""
        target = self._folder / checked(key)
        temporary = target.with_name(f".{secrets.token_hex(8)}")
        with disk_told():
            descriptor = _created(temporary)
            try:
                with os.fdopen(descriptor, "wb") as file:
                    file.write(data)
                    file.flush()
                    os.fsync(file.fileno())
                temporary.replace(target)
            except BaseException:
                temporary.unlink(missing_ok=True)
                raise
            _sync(target.parent)

    def get(self, key: str, sha256: str | None) -> bytes:
        """The bytes, if they have that hash. Raises BlobNotFoundError, BlobDamagedError."""
        path = self._folder / checked(key)
        with disk_told():
            try:
                data = path.read_bytes()
            except FileNotFoundError:
                raise BlobNotFoundError(key) from None
        return verified(key, data, sha256)

    def delete(self, key: str) -> None:
        """Forget the key; no error where nothing is stored."""
        path = self._folder / checked(key)
        with disk_told():
            path.unlink(missing_ok=True)

    def listed(self, folder: str) -> Iterator[Listed]:
        """All that is stored under `<folder>/`, remains of a crash included."""
        with disk_told():
            for name, stat in _files(self._folder / checked_folder(folder)):
                at = datetime.fromtimestamp(stat.st_mtime, UTC)
                yield Listed(f"{folder}/{name}", stat.st_size, at)

    def sizes(self) -> dict[str, int]:
        """The bytes stored under each first part of a key; looks at every file."""
        return {
            kind.name: sum(stat.st_size for _, stat in _files(Path(kind.path)))
            for kind in _entries(self._folder)
            if kind.is_dir(follow_symlinks=False)
        }

    def check(self) -> None:
        """Return where the folder can be written to; it is made where there is none."""
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            message = f"the folder {self._folder} can't be made: {error.strerror}"
            raise StorageUnavailableError(message) from error
        if not os.access(self._folder, os.R_OK | os.W_OK | os.X_OK):
            message = f"the folder {self._folder} can't be written to"
            raise StorageUnavailableError(message)


def checked(key: str) -> str:
    """`key`, which can't leave the store."""
    if not _KEY.fullmatch(key):
        message = f"not a blob key: {key!r}"
        raise ValueError(message)
    return key


def checked_folder(folder: str) -> str:
    """`folder`, which can't leave the store."""
    if not _FOLDER.fullmatch(folder):
        message = f"not a folder of blobs: {folder!r}"
        raise ValueError(message)
    return folder


def verified(key: str, data: bytes, sha256: str | None) -> bytes:
    """`data`, which has that hash. Raises BlobDamagedError."""
    if sha256 is not None and hashlib.sha256(data).hexdigest() != sha256:
        raise BlobDamagedError(key)
    return data


@contextmanager
def disk_told() -> Iterator[None]:
    """Tell of what the disk refuses as StorageUnavailableError."""
    try:
        yield
    except OSError as error:
        raise StorageUnavailableError(error.strerror or str(error)) from error


def _entries(folder: Path) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as found:
            return list(found)
    except FileNotFoundError:
        return []


def _files(folder: Path) -> Iterator[tuple[str, os.stat_result]]:
    for entry in _entries(folder):
        try:
            yield entry.name, entry.stat()
        except FileNotFoundError:  # deleted meanwhile
            continue


def _created(path: Path) -> int:
    """A descriptor of a new file that only we may read; the first one makes the folder."""
    try:
        return os.open(path, _NEW, mode=0o600)
    except FileNotFoundError:
        path.parent.mkdir(parents=True, exist_ok=True)
        _sync(path.parent.parent)
        return os.open(path, _NEW, mode=0o600)


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
