"""The process of one run, from the fork to its end. Runs only in children of the zygote."""

from __future__ import annotations

import contextlib
import ctypes
import json
import mmap
import os
import resource
import signal
import sys
from dataclasses import dataclass
from typing import Final, NoReturn

import numpy as np

from gateway_simulation import layout, order
from gateway_simulation.engine.failures import EngineError
from gateway_simulation.engine.fmu import Log
from gateway_simulation.engine.simulate import simulate
from gateway_simulation.layout import Status

_PR_SET_PDEATHSIG: Final = 1
_FILE_BYTES: Final = 8 * 2**20
_OPEN_FILES: Final = 64
LIBC: Final = ctypes.CDLL(None, use_errno=True)


@dataclass(frozen=True, slots=True)
class Assignment:
    """What one child gets: descriptors, a folder of its own to work in, and its bounds."""

    order: int
    result: int
    log: int
    folder: str
    cpu_s: int
    memory_bytes: int


def main(assignment: Assignment, zygote: int) -> NoReturn:
    """Run the order and leave; never returns, whatever the FMU does."""
    try:
        _isolate(assignment, zygote)
        with os.fdopen(assignment.order, "rb") as file:
            work = order.from_json(file.read())
        block = mmap.mmap(assignment.result, 0)
        os.close(assignment.result)
        _limit_memory(assignment.memory_bytes)
        status, message, rows, events = _run(work, block)
        _write(block, status, message, rows, events)
        LIBC.fflush(None)
    except BaseException as error:  # noqa: BLE001 - nothing may reach the zygote's loop
        with contextlib.suppress(BaseException):
            sys.stderr.write(f"run process: {error!r}"[:500])
            sys.stderr.flush()
        os._exit(70)
    os._exit(0)


def _isolate(assignment: Assignment, zygote: int) -> None:
    """A session of its own, no descriptor but its own, a log for all output, bounds."""
    os.setsid()
    LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != zygote:
        os._exit(71)
    null = os.open("/dev/null", os.O_RDONLY)
    os.dup2(null, 0)
    os.dup2(assignment.log, 1)
    os.dup2(assignment.log, 2)
    kept = sorted({assignment.order, assignment.result})
    low = 3
    for descriptor in kept:
        os.closerange(low, descriptor)
        low = descriptor + 1
    os.closerange(low, os.sysconf("SC_OPEN_MAX"))
    os.chdir(assignment.folder)
    for what, most in (
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_FSIZE, _FILE_BYTES),
        (resource.RLIMIT_NOFILE, _OPEN_FILES),
        (resource.RLIMIT_CPU, assignment.cpu_s),
    ):
        resource.setrlimit(what, (most, most))
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)


def _limit_memory(memory_bytes: int) -> None:
    """Bound the address space to what is mapped by now, and `memory_bytes` more."""
    with open("/proc/self/statm", encoding="ascii") as file:  # noqa: PTH123 - no pathlib after fork
        mapped = int(file.read().split()[0]) * resource.getpagesize()
    most = mapped + memory_bytes
    resource.setrlimit(resource.RLIMIT_AS, (most, most))


def _run(work: order.Order, block: mmap.mmap) -> tuple[Status, dict[str, object], int, int]:
    """Simulate; status, message, and how many rows and events count."""
    width = 1 + len(work.probes)
    rows = np.frombuffer(
        block, dtype="<f8", count=work.capacity * width, offset=layout.ROWS_OFFSET
    ).reshape(work.capacity, width)
    events = np.frombuffer(block, dtype="<f8", count=layout.MAX_EVENTS, offset=layout.EVENTS_OFFSET)
    log = Log()
    try:
        outcome = simulate(work, rows, events, log)
    except EngineError as error:
        return error.status, {"details": error.details, "log": list(log.lines)}, 0, 0
    except MemoryError:
        return Status.OUT_OF_MEMORY, {"details": {}, "log": list(log.lines)}, 0, 0
    except Exception as error:  # noqa: BLE001 - a mistake of ours, told rather than lost
        reason = f"{type(error).__name__}: {error}"[:500]
        return Status.ENGINE_FAILED, {"details": {"reason": reason}, "log": list(log.lines)}, 0, 0
    message: dict[str, object] = {
        "statistics": outcome.statistics,
        "terminated_at": outcome.terminated_at,
        "log": list(log.lines),
    }
    return Status.OK, message, outcome.rows, min(outcome.events, layout.MAX_EVENTS)


def _write(
    block: mmap.mmap, status: Status, message: dict[str, object], rows: int, events: int
) -> None:
    """Write message and header, the magic word last."""
    text = json.dumps(message).encode()
    if len(text) > layout.MESSAGE_BYTES:
        text = json.dumps({**message, "log": []}).encode()[: layout.MESSAGE_BYTES]
    block[layout.MESSAGE_OFFSET : layout.MESSAGE_OFFSET + len(text)] = text
    header = layout.HEADER.pack(b"\0" * 8, status, len(text), rows, events)
    block[8 : len(header)] = header[8:]
    block[0:8] = layout.MAGIC
