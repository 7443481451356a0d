"""Blobs: bytes under a name, written whole or not at all."""

from __future__ import annotations

import os
import re
import secrets
from contextlib import nullcontext
from pathlib import Path
from typing import Final, Protocol

_NEW: Final = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
_KEY: Final = re.compile(r"[a-z]+/[A-Za-z0-9_.-]*[A-Za-z0-9]")


class BlobNotFoundError(Exception):
    """Nothing is stored under that key."""


class Blobs(Protocol):
    """What the gateway asks of a store. Keys look like `fmus/<sha256>.fmu`."""

    def put(self, key: str, data: bytes | memoryview) -> None:
        """Store durably, replacing what was there."""
        ...

    def get(self, key: str) -> bytes:
        """The bytes; BlobNotFoundError where there are none."""
        ...

    def delete(self, key: str) -> None:
        """Forget the key; no error where nothing is stored."""
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
        target = self._path(key)
        temporary = target.with_name(f".{secrets.token_hex(8)}")
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

    def get(self, key: str) -> bytes:
        """The bytes; BlobNotFoundError where there are none."""
        try:
            return self._path(key).read_bytes()
        except FileNotFoundError:
            raise BlobNotFoundError(key) from None

    def delete(self, key: str) -> None:
        """Forget the key; no error where nothing is stored."""
        self._path(key).unlink(missing_ok=True)

    def sizes(self) -> dict[str, int]:
        """The bytes stored under each first part of a key; looks at every file."""
        found: dict[str, int] = {}
        with os.scandir(self._folder) if self._folder.is_dir() else nullcontext(()) as kinds:
            for kind in kinds:
                if kind.is_dir(follow_symlinks=False):
                    found[kind.name] = _bytes_in(kind.path)
        return found

    def _path(self, key: str) -> Path:
        if not _KEY.fullmatch(key):
            message = f"not a blob key: {key!r}"
            raise ValueError(message)
        return self._folder / key


def _bytes_in(folder: str) -> int:
    with os.scandir(folder) as files:
        return sum(file.stat().st_size for file in files if file.is_file(follow_symlinks=False))


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
