"""How far an upload is."""

from __future__ import annotations

import io
import sys
from collections.abc import Callable
from typing import Final, TextIO

Progress = Callable[[int, int], object]
"""Told how many bytes have gone, of how many."""

_WIDTH: Final = 30


class Bar:
    """A bar on a line of the terminal: `upload_fmu("model.fmu", progress=Bar())`."""

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream or sys.stderr

    def __call__(self, done: int, total: int) -> None:
        """Draw it anew."""
        filled = _WIDTH * done // max(total, 1)
        ends = "\n" if done >= total else ""
        bar = f"{'#' * filled:.<{_WIDTH}}"
        self._stream.write(f"\r{bar} {done / 1e6:.1f} of {total / 1e6:.1f} MB{ends}")
        self._stream.flush()


class Watched(io.BytesIO):
    """Bytes that tell how far they have been read."""

    def __init__(self, data: bytes, progress: Progress) -> None:
        super().__init__(data)
        self._total = len(data)
        self._progress = progress

    def read(self, size: int | None = -1, /) -> bytes:
        """Read, and tell."""
        part = super().read(size)
        if part:
            self._progress(self.tell(), self._total)
        return part
