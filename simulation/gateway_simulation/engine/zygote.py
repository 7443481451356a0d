"""The process that forks one child for each order of the FMPy engine; `zygote.c` is its twin.

Started afresh by the server with an environment made for it, it imports FMPy and numpy once and
then only waits: for orders on its control socket, for children to end, for deadlines. It reads
nothing that an FMU wrote. When the server goes away it ends, and with it every child.

It prepares the jail of its children and lets one attack itself: it serves only where the jail
holds. Its first message is the tier's number, or "!" and why it gave up.

An order arrives as one `layout.ASSIGNMENT` with four descriptors: the order, the result block, a
block for output, and a socket on which the `layout.ENDING` is told once. A server that sends no
more on that socket doesn't want the run any more: its child is killed.
"""

from __future__ import annotations

import contextlib
import gc
import os
import selectors
import signal
import socket
import sys
import time
from dataclasses import dataclass, field
from enum import IntEnum
from operator import itemgetter
from typing import Any, Final

from gateway_simulation.engine import child
from gateway_simulation.engine.jail import Jail
from gateway_simulation.engine.prototypes import prepare
from gateway_simulation.layout import ASSIGNMENT, ENDING

DESCRIPTORS: Final = 4
_PR_SET_CHILD_SUBREAPER: Final = 36


class _Event(IntEnum):
    """In the order in which they are met: descriptors' numbers are freed before they are taken."""

    UNWANTED = 0
    ENDED = 1
    ORDERED = 2


@dataclass(slots=True)
class _Running:
    """A child that hasn't been reaped, so that its process id can't be anybody else's."""

    pid: int
    handle: int
    word: int
    deadline: float
    outcome: socket.socket
    timed_out: bool = False


@dataclass(slots=True)
class _Zygote:
    control: socket.socket
    jail: Jail
    selector: selectors.BaseSelector = field(default_factory=selectors.DefaultSelector)
    running: dict[int, _Running] = field(default_factory=dict)

    def serve(self) -> None:
        """Until the server closes its end."""
        self.selector.register(self.control, selectors.EVENT_READ, (_Event.ORDERED, None))
        while True:
            ready = [key.data for key, _ in self.selector.select(self._patience())]
            for event, run in sorted(ready, key=itemgetter(0)):
                if event is _Event.UNWANTED:
                    self._give_up(run)
                elif event is _Event.ENDED:
                    self._end(run)
                elif not self._begin():
                    return
            self._enforce_deadlines()

    def stop(self) -> None:
        """Kill what still runs; closing its socket without a word says that we went."""
        for run in list(self.running.values()):
            _kill(run)
            run.outcome.close()
            self._end(run)

    def _patience(self) -> float | None:
        deadlines = [run.deadline for run in self.running.values() if not run.timed_out]
        return max(0.0, min(deadlines) - time.monotonic()) if deadlines else None

    def _begin(self) -> bool:
        """Fork a child for the next run; False when the server has gone."""
        message, descriptors, _, _ = socket.recv_fds(self.control, ASSIGNMENT.size, DESCRIPTORS)
        if not message:
            return False
        told = ASSIGNMENT.unpack(message)
        *blocks, reply = descriptors
        outcome = socket.socket(fileno=reply)
        try:
            self._start(told, blocks, outcome)
        except OSError:  # no other child is to be lost for that
            _tell(outcome, exit_status=-1)
        for descriptor in blocks:
            os.close(descriptor)
        return True

    def _start(self, told: dict[str, Any], blocks: list[int], outcome: socket.socket) -> None:
        """A process for the order. Raises OSError where there can't be one."""
        heard, word = os.pipe()
        order, result, output = blocks
        assignment = child.Assignment(
            order=order,
            result=result,
            output=output,
            word=word,
            model=told["model"].rstrip(b"\0").decode(),
            folder=told["folder"].rstrip(b"\0").decode(),
            cpu_s=told["cpu"],
            memory_bytes=told["memory"],
        )
        parent = os.getpid()
        try:
            pid = self.jail.fork()
            if pid == 0:
                child.main(assignment, parent, self.jail)
            handle = _handle(pid)
        except OSError:
            os.close(heard)
            raise
        finally:
            os.close(word)
        deadline = time.monotonic() + told["timeout"]
        run = self.running[handle] = _Running(pid, handle, heard, deadline, outcome)
        self.selector.register(handle, selectors.EVENT_READ, (_Event.ENDED, run))
        self.selector.register(outcome, selectors.EVENT_READ, (_Event.UNWANTED, run))

    def _give_up(self, run: _Running) -> None:
        """The server ended its side of the reply's socket, on which it never sends anything."""
        self.selector.unregister(run.outcome)
        _kill(run)

    def _end(self, run: _Running) -> None:
        """Reap a child that ended, and whatever it left behind; tell the server."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(run.pid, signal.SIGKILL)
        _, status, usage = os.wait4(run.pid, 0)
        self.selector.unregister(run.handle)
        with contextlib.suppress(KeyError, ValueError):  # it was given up
            self.selector.unregister(run.outcome)
        os.close(run.handle)
        del self.running[run.handle]
        self._kill_orphans()
        died = os.WIFSIGNALED(status)
        confined = os.read(run.word, 1)
        os.close(run.word)
        _tell(
            run.outcome,
            signal=os.WTERMSIG(status) if died else 0,
            exit_status=-1 if died else os.WEXITSTATUS(status),
            timed_out=run.timed_out,
            confined=bool(confined),
            peak_bytes=usage.ru_maxrss * 1024,
            cpu=usage.ru_utime + usage.ru_stime,
        )

    def _enforce_deadlines(self) -> None:
        now = time.monotonic()
        for run in self.running.values():
            if run.deadline <= now and not run.timed_out:
                run.timed_out = True
                _kill(run)

    def _kill_orphans(self) -> None:
        """Processes that a child forked and left: they are ours now, and nobody's run."""
        known = {run.pid for run in self.running.values()}
        with open(f"/proc/self/task/{os.getpid()}/children", encoding="ascii") as file:  # noqa: PTH123
            orphans = [int(pid) for pid in file.read().split() if int(pid) not in known]
        for pid in orphans:
            with contextlib.suppress(ProcessLookupError, ChildProcessError):
                os.kill(pid, signal.SIGKILL)
                os.waitpid(pid, 0)


def _handle(process: int) -> int:
    """A child's handle. Raises OSError where there is none, and ends the child."""
    try:
        return os.pidfd_open(process)
    except OSError:
        os.kill(process, signal.SIGKILL)
        os.waitpid(process, 0)
        raise


def _tell(outcome: socket.socket, **seen: float) -> None:
    """Answer the server; of a process that never came to run anything there is nothing to tell."""
    nothing = {field.name: 0 for field in ENDING.fields}
    with contextlib.suppress(OSError):
        outcome.send(ENDING.pack(**nothing | seen))
    outcome.close()


def _kill(run: _Running) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(run.pid, signal.SIGKILL)
    with contextlib.suppress(ProcessLookupError):
        signal.pidfd_send_signal(run.handle, signal.SIGKILL)


def main(descriptor: int, wanted: int) -> None:
    """Serve on the control socket `descriptor` until its other end closes.

    `wanted` is a Tier, or -1 for the best there is.
    """
    for ignored in (signal.SIGINT, signal.SIGXFSZ):  # children get an error from too long a write
        signal.signal(ignored, signal.SIG_IGN)
    child.LIBC.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    with contextlib.suppress(ImportError, OSError):  # without it euler and rk4 still work
        from gateway_simulation.engine import cvode  # noqa: F401, PLC0415 - for the children
    prepare()
    control = socket.socket(fileno=descriptor)
    jail = Jail(wanted)
    if jail.problem is not None:
        control.send(f"!{jail.problem}".encode())
        return
    control.send(str(int(jail.tier)).encode())
    gc.collect()
    gc.freeze()
    zygote = _Zygote(control, jail)
    try:
        zygote.serve()
    finally:
        zygote.stop()


if __name__ == "__main__":
    main(*map(int, sys.argv[1:3]))
