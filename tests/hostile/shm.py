"""A segment of System V shared memory, which Python doesn't wrap."""

from __future__ import annotations

import ctypes
import os
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from hostile.processes import lives

_CREATE: Final = 0o1600
_REMOVE: Final = 0
_BYTES: Final = 4096
_ID, _MAKER, _USER = 1, 4, 7  # columns of /proc/sysvipc/shm


class Segment:
    """Shared memory of this user that holds `content`, removed at the end."""

    def __init__(self, content: bytes) -> None:
        self._libc = ctypes.CDLL(None, use_errno=True)
        self._libc.shmat.restype = ctypes.c_void_p
        self.id: int = self._libc.shmget(0, _BYTES, _CREATE)
        if self.id < 0:
            raise OSError(ctypes.get_errno(), "shmget")
        place = self._libc.shmat(self.id, None, 0)
        ctypes.memmove(place, content, len(content))
        self._libc.shmdt(ctypes.c_void_p(place))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._libc.shmctl(self.id, _REMOVE, None)


def orphans() -> set[int]:
    """This user's segments whose makers are gone. Those of others on the machine live."""
    lines = Path("/proc/sysvipc/shm").read_text(encoding="ascii").splitlines()[1:]
    found = [line.split() for line in lines]
    user = str(os.geteuid())
    return {int(f[_ID]) for f in found if f[_USER] == user and not lives(int(f[_MAKER]))}
