"""Blobs that nothing refers to: what a crash, or a store that didn't answer, left behind."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from datetime import datetime, timedelta
from itertools import islice
from typing import Final

from gateway_storage.blobs import Blobs

GRACE: Final = timedelta(days=1)
"""A blob is stored before its row: within this time it may be that the row is yet to come.

Minutes would do for that; a day forgives clocks that differ and a restored database.
"""
_AT_ONCE: Final = 500


def collect(
    blobs: Blobs,
    folder: str,
    now: datetime,
    referenced: Callable[[list[str]], Collection[str]],
) -> int:
    """Delete what lies in `folder` longer than GRACE and isn't `referenced`; how many.

    Safe beside uploads and runs, and in several processes at once: a new row refers to a new key
    that was stored just before.
    """
    old = (found.key for found in blobs.listed(folder) if found.stored_at < now - GRACE)
    deleted = 0
    for keys in _parts(old):
        needed = set(referenced(keys))
        for key in keys:
            if key not in needed:
                blobs.delete(key)
                deleted += 1
    return deleted


def _parts(keys: Iterator[str]) -> Iterator[list[str]]:
    while part := list(islice(keys, _AT_ONCE)):
        yield part
