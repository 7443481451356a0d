"""Files of this machine that a client may name: read and written inside allowed folders only."""

from __future__ import annotations

import os
import secrets
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

_FRESH: Final = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_FOLDER: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


class OutsideError(OSError):
    """The path leaves the allowed folders, is hidden in them, or is no plain file."""


@dataclass(frozen=True, slots=True)
class Folders:
    """Resolved folders; relative paths start in the first."""

    allowed: tuple[Path, ...]

    @classmethod
    def of(cls, folders: tuple[Path, ...]) -> Folders:
        """Those folders, their links followed once and for all."""
        return cls(tuple(folder.resolve() for folder in folders))

    def read(self, path: str, limit_bytes: int) -> bytes:
        """At most `limit_bytes` of a file that lies inside after all links are followed.

        Raises:
            OSError, ValueError: it doesn't, or can't be read.

        """
        real = (self.allowed[0] / path).resolve(strict=True)
        descriptor = os.open(real, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC)
        with os.fdopen(descriptor, "rb") as file:
            opened = os.fstat(descriptor)
            self._require_inside(real, opened)
            if not stat.S_ISREG(opened.st_mode):
                raise OutsideError
            return file.read(limit_bytes)

    @contextmanager
    def place(self, path: str) -> Iterator[Place]:
        """Where a file may be written: its folder is held open, so that it can't be swapped.

        Raises:
            OSError, ValueError: the folder is missing, outside or hidden.

        """
        wanted = self.allowed[0] / path
        parent = wanted.parent.resolve(strict=True)
        if wanted.name in {"", ".."} or wanted.name.startswith("."):
            raise OutsideError
        descriptor = os.open(parent, _FOLDER)
        try:
            folder = self._require_inside(parent, os.fstat(descriptor))
            if any(part.startswith(".") for part in parent.relative_to(folder).parts):
                raise OutsideError
            yield Place(descriptor, wanted.name, parent / wanted.name)
        finally:
            os.close(descriptor)

    def _require_inside(self, path: Path, opened: os.stat_result) -> Path:
        """The folder that `path` lies in, if what was opened is what is there by now."""
        now = path.resolve(strict=True)
        for folder in self.allowed:
            if now.is_relative_to(folder) and os.path.samestat(opened, now.stat()):
                return folder
        raise OutsideError


@dataclass(frozen=True, slots=True)
class Place:
    """A name in an open folder."""

    folder: int
    name: str
    path: Path

    @property
    def taken(self) -> bool:
        """Whether something has that name, be it a dangling link."""
        try:
            os.stat(self.name, dir_fd=self.folder, follow_symlinks=False)
        except FileNotFoundError:
            return False
        return True

    def write(self, data: bytes, *, overwrite: bool) -> None:
        """Put a file there as a whole or not at all; a link of that name is replaced, not followed.

        Raises:
            FileExistsError: the name is taken and `overwrite` is false.
            OSError: it can't be written.

        """
        fresh = f".{secrets.token_hex(16)}"
        descriptor = os.open(fresh, _FRESH, 0o666, dir_fd=self.folder)  # the umask narrows it
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            if overwrite:
                os.replace(fresh, self.name, src_dir_fd=self.folder, dst_dir_fd=self.folder)
            else:
                os.link(fresh, self.name, src_dir_fd=self.folder, dst_dir_fd=self.folder)
        finally:
            with suppress(FileNotFoundError):
                os.unlink(fresh, dir_fd=self.folder)
