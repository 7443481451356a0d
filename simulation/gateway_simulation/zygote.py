"""The process that forks one child for each run.

Started afresh by the server with an environment made for it, it loads its engine once and then only
waits: for runs on its control socket, for children to end, for deadlines. It reads nothing that an
FMU wrote. When the server goes away it ends, and with it every child. For the native engine it
imports little, so that a fork is quick.

A run arrives as one message on the control socket: JSON (`folder`, `timeout_s`, `memory_bytes`) and
four descriptors: the order, the result block, a block for output, and a socket on which the outcome
is told once: JSON with `signal`, `exit_status`, `timed_out`, `peak_bytes`.
"""

from __future__ import annotations

import contextlib
import gc
import json
import os
import selectors
import signal
import socket
import sys
import time
from dataclasses import dataclass, field
from typing import Final

from gateway_simulation import child

READY: Final = b"ready"
DESCRIPTORS: Final = 4
MESSAGE_BYTES: Final = 4096
_PR_SET_CHILD_SUBREAPER: Final = 36


@dataclass(slots=True)
class _Running:
    """A child that hasn't been reaped, so that its process id can't be anybody else's."""

    pid: int
    handle: int
    deadline: float
    outcome: socket.socket
    timed_out: bool = False


@dataclass(slots=True)
class _Zygote:
    control: socket.socket
    run: child.Run
    selector: selectors.BaseSelector = field(default_factory=selectors.DefaultSelector)
    running: dict[int, _Running] = field(default_factory=dict)

    def serve(self) -> None:
        """Until the server closes its end."""
        self.selector.register(self.control, selectors.EVENT_READ)
        self.control.send(READY)
        while True:
            for key, _ in self.selector.select(self._patience()):
                if key.fileobj is self.control:
                    if not self._begin():
                        return
                else:
                    self._end(self.running[key.fd])
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
        message, descriptors, _, _ = socket.recv_fds(self.control, MESSAGE_BYTES, DESCRIPTORS)
        if not message:
            return False
        told = json.loads(message)
        order, result, output, reply = descriptors
        assignment = child.Assignment(
            order=order,
            result=result,
            output=output,
            folder=told["folder"],
            cpu_s=int(told["timeout_s"]) + 2,
            memory_bytes=told["memory_bytes"],
        )
        parent = os.getpid()
        outcome = socket.socket(fileno=reply)
        pid = os.fork()
        if pid == 0:
            child.main(assignment, parent, self.run)
        for descriptor in (order, result, output):
            os.close(descriptor)
        handle = os.pidfd_open(pid)
        deadline = time.monotonic() + told["timeout_s"]
        self.running[handle] = _Running(pid, handle, deadline, outcome)
        self.selector.register(handle, selectors.EVENT_READ)
        return True

    def _end(self, run: _Running) -> None:
        """Reap a child that ended, and whatever it left behind; tell the server."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(run.pid, signal.SIGKILL)
        _, status, usage = os.wait4(run.pid, 0)
        self.selector.unregister(run.handle)
        os.close(run.handle)
        del self.running[run.handle]
        self._kill_orphans()
        died = os.WIFSIGNALED(status)
        outcome = {
            "signal": os.WTERMSIG(status) if died else None,
            "exit_status": None if died else os.WEXITSTATUS(status),
            "timed_out": run.timed_out,
            "peak_bytes": usage.ru_maxrss * 1024,
        }
        with contextlib.suppress(OSError):
            run.outcome.send(json.dumps(outcome).encode())
        run.outcome.close()

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


def _kill(run: _Running) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(run.pid, signal.SIGKILL)
    with contextlib.suppress(ProcessLookupError):
        signal.pidfd_send_signal(run.handle, signal.SIGKILL)


def _native() -> child.Run:
    from gateway_simulation import native  # noqa: PLC0415 - only what this zygote runs

    native.load_sundials()  # not on every machine: euler and rk4 still work
    return native.run


def _fmpy() -> child.Run:
    from gateway_simulation.engine.prototypes import prepare  # noqa: PLC0415
    from gateway_simulation.engine.simulate import run  # noqa: PLC0415

    prepare()
    with contextlib.suppress(ImportError, OSError):
        from gateway_simulation.engine import cvode  # noqa: F401, PLC0415 - for the children
    return run


_ENGINES: Final = {"native": _native, "fmpy": _fmpy}


def main(descriptor: int, engine: str) -> None:
    """Serve on the control socket `descriptor` until its other end closes."""
    for ignored in (signal.SIGINT, signal.SIGXFSZ):  # children get an error from too long a write
        signal.signal(ignored, signal.SIG_IGN)
    child.LIBC.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    run = _ENGINES[engine]()
    gc.collect()
    gc.freeze()
    zygote = _Zygote(socket.socket(fileno=descriptor), run)
    try:
        zygote.serve()
    finally:
        zygote.stop()


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2])
