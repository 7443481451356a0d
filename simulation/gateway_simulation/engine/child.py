"""The process of one run, from the fork to its end. Runs only in children of the zygote."""

from __future__ import annotations

import contextlib
import ctypes
import mmap
import os
import resource
import signal
import sys
from dataclasses import dataclass
from typing import Final, NoReturn

from gateway_simulation.engine.jail import Jail
from gateway_simulation.engine.simulate import run

_PR_SET_PDEATHSIG: Final = 1
_FILE_BYTES: Final = 8 * 2**20
_OPEN_FILES: Final = 64
LIBC: Final = ctypes.CDLL(None, use_errno=True)


@dataclass(frozen=True, slots=True)
class Assignment:
    """What one child gets: descriptors, the model, a folder to work in, and its bounds.

    On `word` it says that it is confined, and closes it before it loads the model.
    """

    order: int
    result: int
    output: int
    word: int
    model: str
    folder: str
    cpu_s: int
    memory_bytes: int


def main(assignment: Assignment, zygote: int, jail: Jail) -> NoReturn:
    """Run the order and leave; never returns, whatever the FMU does."""
    try:
        mapped = _mapped()
        order = mmap.mmap(assignment.order, 0, access=mmap.ACCESS_COPY)
        result = mmap.mmap(assignment.result, 0)
        size = order.size() + result.size()
        _isolate(assignment, zygote, jail)
        jail.enter(assignment.model, assignment.folder)
        _limit(assignment, mapped + size)
        jail.confine(assignment.model)
        os.write(assignment.word, b"\0")
        os.close(assignment.word)
        run(order, result)
        LIBC.fflush(None)
    except BaseException as error:  # noqa: BLE001 - nothing may reach the zygote's loop
        with contextlib.suppress(BaseException):
            sys.stderr.write(f"run process: {error!r}"[:500])
            sys.stderr.flush()
        os._exit(70)
    os._exit(0)


def _isolate(assignment: Assignment, zygote: int, jail: Jail) -> None:
    """A session of its own, no descriptors but two, a place for all output."""
    os.setsid()
    LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != zygote and os.getpid() != 1:  # 1: in a namespace of its own
        os._exit(71)
    null = os.open("/dev/null", os.O_RDONLY)
    os.dup2(null, 0)
    os.dup2(assignment.output, 1)
    os.dup2(assignment.output, 2)
    low = 3
    for descriptor in sorted({assignment.word, jail.life or assignment.word}):
        os.closerange(low, descriptor)
        low = descriptor + 1
    os.closerange(low, os.sysconf("SC_OPEN_MAX"))


def _limit(assignment: Assignment, mapped: int) -> None:
    """Bounds; the address space may grow by the memory that the run was given."""
    for what, most in (
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_FSIZE, _FILE_BYTES),
        (resource.RLIMIT_NOFILE, _OPEN_FILES),
        (resource.RLIMIT_AS, mapped + assignment.memory_bytes),
    ):
        resource.setrlimit(what, (most, most))
    # SIGXCPU says why, SIGKILL can't be ignored
    resource.setrlimit(resource.RLIMIT_CPU, (assignment.cpu_s, assignment.cpu_s + 1))


def _mapped() -> int:
    """Bytes of address space in use, as long as /proc can be read."""
    statm = os.open("/proc/self/statm", os.O_RDONLY)
    mapped = int(os.read(statm, 100).split()[0]) * resource.getpagesize()
    os.close(statm)
    return mapped
