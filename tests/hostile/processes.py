"""The processes that run models, found from outside."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import Final

_ZYGOTE: Final = b"zygote"


def children(process: int) -> list[int]:
    """The processes that `process` started and that live."""
    found: list[int] = []
    with suppress(OSError, ValueError):
        for task in Path(f"/proc/{process}/task").iterdir():
            found += map(int, (task / "children").read_text(encoding="ascii").split())
    return found


def descendants(process: int) -> list[int]:
    """Its children, theirs, and so on."""
    return [pid for child in children(process) for pid in (child, *descendants(child))]


def lives(process: int) -> bool:
    """Whether it is there and has not ended: nobody may have asked for its end yet."""
    try:
        state = Path(f"/proc/{process}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    except OSError:
        return False
    return state[0] not in {"Z", "X"}


def zygotes() -> list[int]:
    """Living zygotes that this process started."""
    return [pid for pid in children(os.getpid()) if lives(pid) and _ZYGOTE in _command(pid)]


def _command(process: int) -> bytes:
    try:
        return Path(f"/proc/{process}/cmdline").read_bytes()
    except OSError:
        return b""
