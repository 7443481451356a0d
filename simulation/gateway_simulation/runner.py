"""Runs models, each in a process of its own, and tells how each ended.

This is the one seam between the rest of the gateway and whatever runs an FMU: a canonical run goes
in, a trajectory or a typed error comes out. The server process itself never loads an FMU.
"""

from __future__ import annotations

import json
import math
import os
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Final

from gateway_simulation import layout, order
from gateway_simulation.exceptions import (
    BusyError,
    RunnerLostError,
    RunTimeoutError,
    SimulatorClosedError,
)
from gateway_simulation.launch import order_for
from gateway_simulation.outcome import Evidence, read_result
from gateway_simulation.run import CanonicalRun
from gateway_simulation.shared import SharedBlock
from gateway_simulation.trajectory import Trajectory
from gateway_simulation.worker import END_S, START_S, Worker

_GRACE_S: Final = 3.0
_FINER: Final = 0.1
_MOST_WAITING: Final = 32


@dataclass(frozen=True, slots=True)
class _Bounds:
    timeout_s: float
    memory_mb: int


class Simulator:
    """Runs canonical runs. Many threads may call `run` at once; as many run as there are cores.

    `timeout_s` bounds one run on the wall, and beforehand its wait for a free core; `memory_mb`
    what it may take beyond what the empty process has.
    """

    tier: Final = "process"

    def __init__(self, *, timeout_s: float, memory_mb: int, concurrency: int | None = None) -> None:
        self._bounds = _Bounds(timeout_s, memory_mb)
        self._slots = threading.BoundedSemaphore(concurrency or os.cpu_count() or 1)
        self._queue = threading.Lock()
        self._waiting = 0
        self._lock = threading.Lock()
        self._worker: Worker | None = None
        self._closed = False

    @property
    def longest_s(self) -> float:
        """How long one call of `run` can take at most [s].

        Its wait for a core, the run (its finer twin shares that time), and what each of the two may
        need to start a lost worker again and to end one that doesn't answer.
        """
        return 2 * self._bounds.timeout_s + 2 * (_GRACE_S + START_S + END_S)

    def start(self) -> None:
        """Start the worker ahead of the first run, which then needn't wait for it."""
        self._current_worker()

    def run(self, run: CanonicalRun) -> Trajectory:
        """The trajectory of `run`, and of its finer twin where that is asked for.

        Raises RunError: each way to fail has its class, BusyError where no core came free. With
        `check_accuracy` both runs share the time that one may take.
        """
        with self._slot():
            begun = time.monotonic()
            trajectory = self._once(run, self._bounds.timeout_s)
            if run.check_accuracy:
                left = self._bounds.timeout_s - (time.monotonic() - begun)
                if left <= 0:
                    raise _timeout(self._bounds.timeout_s)
                trajectory = replace(trajectory, accuracy=self._once(finer(run), left))
            return trajectory

    def close(self) -> None:
        """End the worker and every run in it; nothing stays behind. Later runs are refused."""
        with self._lock:
            self._closed = True
            worker, self._worker = self._worker, None
        if worker is not None:
            worker.close()

    @contextmanager
    def _slot(self) -> Iterator[None]:
        """One of the cores, waited for in a queue of bounded length and time."""
        if not self._slots.acquire(blocking=False) and not self._wait():
            msg = "too many runs at once"
            retry_after_s = max(1, math.ceil(self._bounds.timeout_s))
            raise BusyError(msg, {"retry_after_s": retry_after_s})
        try:
            yield
        finally:
            self._slots.release()

    def _wait(self) -> bool:
        with self._queue:
            if self._waiting >= _MOST_WAITING:
                return False
            self._waiting += 1
        try:
            return self._slots.acquire(timeout=self._bounds.timeout_s)
        finally:
            with self._queue:
                self._waiting -= 1

    def _once(self, run: CanonicalRun, timeout_s: float) -> Trajectory:
        work = order_for(run)
        worker = self._current_worker()
        size = layout.size(work.capacity, len(work.probes))
        with (
            SharedBlock("order", order.to_json(work)) as ordered,
            SharedBlock("result", size) as result,
            SharedBlock("log", layout.LOG_BYTES) as log,
            worker.folder() as folder,
        ):
            begun = time.monotonic()
            evidence = self._await(
                worker,
                (ordered.descriptor, result.descriptor, log.descriptor),
                folder,
                timeout_s,
            )
            wall_ms = (time.monotonic() - begun) * 1000
            return replace(
                read_result(run, work, evidence, result, log, self._bounds.memory_mb),
                wall_ms=wall_ms,
                engine=_engine(run, self.tier),
            )

    def _await(
        self, worker: Worker, descriptors: tuple[int, int, int], folder: Path, timeout_s: float
    ) -> Evidence:
        """Hand the run to the worker and wait for what became of it."""
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with ours:
            with theirs:
                worker.send(
                    {
                        "folder": str(folder),
                        "timeout_s": timeout_s,
                        "memory_bytes": self._bounds.memory_mb * 2**20,
                    },
                    (*descriptors, theirs.fileno()),
                )
            ours.settimeout(timeout_s + _GRACE_S)
            try:
                told = ours.recv(4096)
            except TimeoutError:
                told = b""
        if not told:
            self._discard(worker)
            if self._closed:
                msg = "the simulator was closed while the run was under way"
                raise SimulatorClosedError(msg)
            msg = "the process that runs models was lost during the run"
            raise RunnerLostError(msg)
        return Evidence(**json.loads(told), timeout_s=self._bounds.timeout_s)

    def _current_worker(self) -> Worker:
        with self._lock:
            if self._closed:
                msg = "the simulator is closed"
                raise SimulatorClosedError(msg)
            if self._worker is None or not self._worker.alive:
                if self._worker is not None:
                    self._worker.close()
                self._worker = Worker()
            return self._worker

    def _discard(self, worker: Worker) -> None:
        """A worker that lost a run is not trusted again; one that is being closed ends itself."""
        with self._lock:
            if self._closed:
                return
            if self._worker is worker:
                self._worker = None
        worker.kill()


def finer(run: CanonicalRun) -> CanonicalRun:
    """The twin that shows how far `run` can be trusted.

    A tenth of the tolerance, half the step of a fixed-step solver, or half the communication step.
    """
    if run.mode == "co_simulation":
        return replace(run, communication_step=(run.communication_step or run.step) / 2)
    if run.step_size is not None:
        return replace(run, step_size=run.step_size / 2)
    return replace(run, relative_tolerance=(run.relative_tolerance or math.nan) * _FINER)


@cache
def _fmpy_version() -> str:
    return version("fmpy")


def _engine(run: CanonicalRun, tier: str) -> dict[str, str | None]:
    return {
        "name": run.engine,
        "version": _fmpy_version(),
        "solver": run.solver,
        "sandbox": tier,
    }


def _timeout(timeout_s: float) -> RunTimeoutError:
    msg = f"the run took longer than {timeout_s:g} s"
    return RunTimeoutError(msg, {"timeout_s": timeout_s})
