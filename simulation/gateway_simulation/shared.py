"""Anonymous files that the server shares with the process of a run."""

from __future__ import annotations

import fcntl
import mmap
import os
from types import TracebackType
from typing import Self


class SharedBlock:
    """A block of memory behind a descriptor, its size sealed: nobody can cut or stretch it.

    Made of its content, or of its size in bytes, then zeros. Pages that nobody touches cost
    nothing.
    """

    def __init__(self, name: str, content: bytes | int) -> None:
        self.size = content if isinstance(content, int) else len(content)
        self.descriptor = os.memfd_create(name, os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
        try:
            os.ftruncate(self.descriptor, self.size)
            if isinstance(content, bytes):
                self._fill(content)
            fcntl.fcntl(
                self.descriptor,
                fcntl.F_ADD_SEALS,
                fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SEAL,
            )
        except BaseException:
            os.close(self.descriptor)
            raise

    def read(self, offset: int, count: int) -> bytes:
        """A copy of `count` bytes from `offset`: what comes after can't change it."""
        parts = []
        while count > 0:
            part = os.pread(self.descriptor, count, offset)
            if not part:
                break
            parts.append(part)
            offset += len(part)
            count -= len(part)
        return b"".join(parts)

    def view(self) -> mmap.mmap:
        """All of it, to be copied before it is believed: it may still change."""
        return mmap.mmap(self.descriptor, self.size, access=mmap.ACCESS_READ)

    def __enter__(self) -> Self:
        """Itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close the descriptor."""
        os.close(self.descriptor)

    def _fill(self, content: bytes) -> None:
        written = 0
        while written < len(content):
            written += os.pwrite(self.descriptor, content[written:], written)
