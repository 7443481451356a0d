"""A kernel that lacks something, for one program: `python tests/lacking.py WHAT PROGRAM ...`.

WHAT is `namespaces` (as in most containers), `landlock` or `seccomp`. A filter on system calls
makes the kernel answer as one that forbids or doesn't know them; children inherit it.
"""

from __future__ import annotations

import ctypes
import os
import platform
import struct
import sys
from typing import Final

_PR_SET_NO_NEW_PRIVS: Final = 38
_PR_SET_SECCOMP: Final = 22
_FILTER_MODE: Final = 2
_LOAD: Final = 0x20
_IF_EQUAL: Final = 0x15
_IF_ANY: Final = 0x45
_ANSWER: Final = 0x06
_ALLOW: Final = 0x7FFF0000
_ERROR: Final = 0x00050000
_FIRST_ARGUMENT: Final = 16
_EPERM, _EINVAL, _ENOSYS = 1, 22, 38
_NEW: Final = 0x7E020080
"""CLONE_NEW…: namespaces of any kind."""

_X86: Final = {"unshare": 272, "clone": 56, "mount": 165, "prctl": 157, "seccomp": 317}
_ARM: Final = {"unshare": 97, "clone": 220, "mount": 40, "prctl": 167, "seccomp": 277}
_NUMBERS: Final = (_X86 if platform.machine() == "x86_64" else _ARM) | {
    "clone3": 435,
    "landlock_create_ruleset": 444,
    "landlock_add_rule": 445,
    "landlock_restrict_self": 446,
}

Lines = list[tuple[int, int, int, int]]


def _refuse(call: str, error: int) -> Lines:
    return [(_IF_EQUAL, 0, 1, _NUMBERS[call]), (_ANSWER, 0, 0, _ERROR | error)]


def _refuse_where(call: str, test: int, value: int, error: int) -> Lines:
    """Only where the first argument is `value`, or has one of its bits."""
    return [
        (_IF_EQUAL, 0, 4, _NUMBERS[call]),
        (_LOAD, 0, 0, _FIRST_ARGUMENT),
        (test, 0, 1, value),
        (_ANSWER, 0, 0, _ERROR | error),
        (_ANSWER, 0, 0, _ALLOW),
    ]


LACKING: Final[dict[str, Lines]] = {
    "namespaces": [
        *_refuse("unshare", _EPERM),
        *_refuse("mount", _EPERM),
        *_refuse("clone3", _ENOSYS),
        *_refuse_where("clone", _IF_ANY, _NEW, _EPERM),
    ],
    "landlock": [
        line
        for call in ("create_ruleset", "add_rule", "restrict_self")
        for line in _refuse(f"landlock_{call}", _ENOSYS)
    ],
    "seccomp": [
        *_refuse("seccomp", _ENOSYS),
        *_refuse_where("prctl", _IF_EQUAL, _PR_SET_SECCOMP, _EINVAL),
    ],
}


def lack(what: str) -> None:
    """From now on, for this process and its children."""
    lines = [(_LOAD, 0, 0, 0), *LACKING[what], (_ANSWER, 0, 0, _ALLOW)]
    code = b"".join(struct.pack("HBBI", *line) for line in lines)
    held = ctypes.create_string_buffer(code)
    program = struct.pack("HxxxxxxP", len(lines), ctypes.addressof(held))
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) or libc.prctl(
        _PR_SET_SECCOMP, _FILTER_MODE, program, 0, 0
    ):
        raise OSError(ctypes.get_errno(), "seccomp")


if __name__ == "__main__":
    lack(sys.argv[1])
    os.execv(sys.argv[2], sys.argv[2:])  # noqa: S606
