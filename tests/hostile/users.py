"""Becoming an ordinary user, who must still find Python and our packages."""

from __future__ import annotations

import ctypes
import os
import shutil
import stat
import sys
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final, NoReturn

SOMEBODY: Final = 54_321
"""An ordinary user, whom nobody else is."""
_NEW_MOUNTS: Final = 0x20000
_RECURSIVE_PRIVATE: Final = 0x4000 | 0x40000
_BIND: Final = 0x1000
_NO_SETUID: Final = 2


def become(user: int, command: Sequence[str], needed: Iterable[Path]) -> NoReturn:
    """Start `command` over as `user`, with a home and a temporary folder of its own."""
    home = Path(tempfile.mkdtemp(prefix=f"hostile-{user}-"))
    os.chown(home, user, user)
    _show({Path(sys.prefix), Path(sys.base_prefix), *map(Path, filter(None, sys.path)), *needed})
    child = os.fork()
    if child:
        _, status = os.waitpid(child, 0)
        shutil.rmtree(home, ignore_errors=True)
        os._exit(os.waitstatus_to_exitcode(status))
    os.setgroups([])
    os.setresgid(user, user, user)
    os.setresuid(user, user, user)
    os.chdir(home)
    os.environ.update(HOME=str(home), TMPDIR=str(home))
    os.execv(sys.executable, [sys.executable, *command[1:]])  # noqa: S606


def _show(needed: Iterable[Path]) -> None:
    """Where a folder on the way is closed to others (/root), one that holds only `needed`.

    For this process and its children: in a mount namespace of their own.
    """
    real = {path.resolve() for path in needed if path.exists()}
    closed = {folder for path in real if (folder := _closed_ancestor(path))}
    if not closed:
        return
    _checked(ctypes.CDLL(None, use_errno=True).unshare(_NEW_MOUNTS))
    _mount("", "/", "", _RECURSIVE_PRIVATE)
    held = {path: os.open(path, os.O_PATH) for path in sorted(real) if _closed_ancestor(path)}
    for folder in closed:
        _mount("tmpfs", str(folder), "tmpfs", _NO_SETUID, b"mode=755")
    for path, descriptor in held.items():
        if path.exists():
            continue
        path.parent.mkdir(parents=True, exist_ok=True)
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            path.mkdir()
        else:
            path.touch()
        _mount(f"/proc/self/fd/{descriptor}", str(path), "", _BIND)
        os.close(descriptor)


def _closed_ancestor(path: Path) -> Path | None:
    """The topmost folder above `path` that others may not pass."""
    return next((p for p in reversed(path.parents) if not p.stat().st_mode & stat.S_IXOTH), None)


def _mount(source: str, target: str, kind: str, flags: int, options: bytes | None = None) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    _checked(libc.mount(source.encode(), target.encode(), kind.encode(), flags, options))


def _checked(result: int) -> None:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
