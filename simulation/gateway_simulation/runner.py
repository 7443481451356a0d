"""Runs models, each in a process of its own, and tells how each ended.

This is the one seam between the rest of the gateway and whatever runs an FMU: a canonical run goes
in, a trajectory or a typed error comes out. The server process itself never loads an FMU.
"""

from __future__ import annotations

import math
import os
import socket
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, fields, replace
from functools import cache, partial
from importlib.metadata import version
from itertools import chain
from operator import attrgetter
from pathlib import Path
from typing import Any, Final

import numpy as np

from gateway_simulation import layout, native, order
from gateway_simulation.exceptions import (
    RunError,
    RunnerLostError,
    RunTimeoutError,
    SimulatorClosedError,
)
from gateway_simulation.launch import order_for
from gateway_simulation.layout import Tier
from gateway_simulation.outcome import Evidence, Outcome
from gateway_simulation.pool import MOST_WAITING_EACH, Load, Pool
from gateway_simulation.run import CanonicalRun, Engine
from gateway_simulation.shared import SharedBlock
from gateway_simulation.solvers import available_engines
from gateway_simulation.trajectory import Trajectory
from gateway_simulation.usage import Usage
from gateway_simulation.watch import Watch, cancelled
from gateway_simulation.worker import END_S, START_S, Worker

_GRACE_S: Final = 3.0
_CPU_GRACE_S: Final = 2
_FINER: Final = 0.1
_WORTH_A_CORE: Final = 100
"""Runs of a batch from which another process pays, where nobody knows how long they take."""
_WORTH_S: Final = 0.02
"""Time that another process saves at least, where somebody does [s]."""
_UNCHANGED: Final = (
    "check_accuracy says nothing here: solving more finely changed no value, since the model keeps "
    "its own step"
)
_MOST_RUNS: Final = 10_000
_SHARD_VALUES: Final = 4_000_000


@dataclass(frozen=True, slots=True)
class _Bounds:
    timeout_s: float
    memory_mb: int


@dataclass(frozen=True, slots=True)
class Turn:
    """A core that one caller holds: for whom, after what wait [s], until when [s, monotonic]."""

    whose: str
    waited_s: float
    given_s: float
    until: float
    watch: Watch

    @property
    def left_s(self) -> float:
        """What is left of the time that the call was given [s]."""
        return self.until - time.monotonic()

    @property
    def passed(self) -> RunTimeoutError:
        """What runs get that come too late."""
        msg = f"the run took longer than {self.given_s:g} s"
        return RunTimeoutError(msg, {"timeout_s": self.given_s})


class Simulator:
    """Runs canonical runs. Many threads may call `run` at once; as many run as there are cores.

    `timeout_s` bounds one run on the wall, and beforehand its wait for a free core; `memory_mb`
    what it may take beyond what the empty process has. `sandbox` names a tier; by default the best
    that the kernel offers, and where there is none nothing is run. `waiting_each`: how many runs
    may wait for whom it is the same one's turn.
    """

    def __init__(
        self,
        *,
        timeout_s: float,
        memory_mb: int,
        concurrency: int | None = None,
        sandbox: Tier | None = None,
        waiting_each: int = MOST_WAITING_EACH,
    ) -> None:
        self._wanted = sandbox
        self.cores = concurrency or os.cpu_count() or 1
        self._bounds = _Bounds(timeout_s, memory_mb)
        self._pool = Pool(self.cores, timeout_s, waiting_each)
        self._lock = threading.Lock()
        self._workers: dict[Engine, Worker] = {}
        self._closed = False
        self._seen: Tier | None = None

    @property
    def longest_s(self) -> float:
        """How long one call of `run` can take at most [s].

        Its wait for a core, the run (its finer twin shares that time), and what each of the two may
        need to start a lost worker again and to end one that doesn't answer.
        """
        return 2 * self._bounds.timeout_s + 2 * (_GRACE_S + START_S + END_S)

    @property
    def tier(self) -> Tier:
        """The sandbox that runs get here. Raises SandboxUnavailableError where none holds."""
        return self._current_worker(available_engines()[0]).tier

    @property
    def last_tier(self) -> Tier | None:
        """The sandbox that runs got last, without waiting for anything; None before the first."""
        return self._seen

    @property
    def load(self) -> Load:
        """How much goes on at this moment."""
        return self._pool.load

    def start(self) -> None:
        """Start the worker ahead of the first run, which then needn't wait for it."""
        self._current_worker(available_engines()[0])

    def run(self, run: CanonicalRun, turn: str = "", watch: Watch | None = None) -> Trajectory:
        """The trajectory of `run`, and of its finer twin where that is asked for.

        `turn` names whose turn it is: cores go round among all who wait for one. Raises RunError:
        each way to fail has its class, BusyError where no core came free, RunCancelledError where
        `watch` was told so. With `check_accuracy` both runs share the time that one may take.
        """
        (found,) = self.run_all([run], turn=turn, watch=watch)
        if isinstance(found, RunError):
            raise found
        return found

    def run_all(
        self,
        runs: Sequence[CanonicalRun],
        timeout_s: float | None = None,
        turn: str = "",
        watch: Watch | None = None,
    ) -> list[Trajectory | RunError]:
        """What `run` would answer or raise for each of `runs`, bit for bit, but much quicker.

        They may differ in the values of their start values only, and share a process, or several
        where there are many runs and cores are free; one is started anew after a run that failed.
        All of them together may take `timeout_s` [s], by default what one may take; those that come
        too late get RunTimeoutError. Raises BusyError where no core came free, RunCancelledError.
        """
        with self.turn(turn, timeout_s, watch) as mine:
            mine.watch.expect(sum(1 + run.check_accuracy for run in runs))
            return self.run_in(mine, runs)

    @contextmanager
    def turn(
        self, whose: str, timeout_s: float | None = None, watch: Watch | None = None
    ) -> Iterator[Turn]:
        """A core for `whose` runs, held for `timeout_s` [s], by default what one run may take.

        Raises BusyError where no core came free, RunCancelledError.
        """
        patience = self._bounds.timeout_s if timeout_s is None else timeout_s
        watch, asked = watch or Watch(), time.monotonic()
        with self._pool.core(whose, watch):
            begun = time.monotonic()
            yield Turn(whose, begun - asked, patience, begun + patience, watch)

    def run_in(
        self, turn: Turn, runs: Sequence[CanonicalRun], each_s: float | None = None
    ) -> list[Trajectory | RunError]:
        """What `run_all` says of `runs`, within a turn that has begun; it may be called again.

        `each_s`: what a run is known to take [s], for others' cores to be taken where they pay.
        Raises RunCancelledError where the turn's caller wants no more.
        """
        _check_alike(runs)
        most = _worth(len(runs), each_s)
        found = self._spread(turn, runs, most)
        if runs and runs[0].check_accuracy:
            finest = self._spread(turn, [finer(run) for run in runs], most)
            found = [_judged(*pair) for pair in zip(found, finest, strict=True)]
        return found

    def close_queue(self) -> None:
        """Take no more runs, and send home those that wait for a core; what runs goes on."""
        self._pool.close()

    def close(self) -> None:
        """End the workers and every run in them; nothing stays behind. Later runs are refused."""
        with self._lock:
            self._closed = True
            workers, self._workers = list(self._workers.values()), {}
        for worker in workers:
            worker.close()

    def _spread(
        self, turn: Turn, runs: Sequence[CanonicalRun], most: int
    ) -> list[Trajectory | RunError]:
        """The outcomes of `runs`, on up to `most` more cores that nobody waits for."""
        with self._pool.spare_cores(turn.whose, most) as spare:
            if not spare:
                return self._until(turn, runs)
            size = math.ceil(len(runs) / (1 + spare))
            parts = [runs[first : first + size] for first in range(0, len(runs), size)]
            with ThreadPoolExecutor(len(parts)) as pool:
                found = pool.map(partial(self._until, turn), parts)
                return list(chain.from_iterable(found))

    def _until(self, turn: Turn, runs: Sequence[CanonicalRun]) -> list[Trajectory | RunError]:
        """The outcomes of `runs`, process after process, as far as the time lasts."""
        found: list[Trajectory | RunError] = []
        while len(found) < len(runs):
            turn.watch.check()
            if turn.left_s <= 0:
                return [*found, *[turn.passed] * (len(runs) - len(found))]
            shard = runs[len(found) : len(found) + _shard(runs[0])]
            found += self._process(shard, turn)
        return found

    def _process(self, runs: Sequence[CanonicalRun], turn: Turn) -> list[Trajectory | RunError]:
        """The outcomes of the first of `runs`, at least one, in one process."""
        timeout_s = max(0.0, turn.left_s)  # starting a worker is not the run's time
        worker = self._current_worker(runs[0].engine)
        work = order_for(runs, layout.JAIL_MODEL if worker.tier is Tier.STRONG else None)
        with (
            SharedBlock("order", order.pack(work)) as ordered,
            SharedBlock("result", work.result_size) as result,
            SharedBlock("output", layout.OUTPUT_BYTES) as output,
            worker.folder() as folder,
        ):
            begun = time.monotonic()
            cpu_s = int(timeout_s) + _CPU_GRACE_S
            with turn.watch.following(partial(_under_way, result, runs)):
                ending = self._await(
                    worker,
                    (ordered.descriptor, result.descriptor, output.descriptor),
                    (runs[0].model.folder, folder),
                    (timeout_s, cpu_s, turn.watch),
                )
            times_ms = turn.waited_s * 1000, (time.monotonic() - begun) * 1000
            evidence = _evidence(ending, _Bounds(turn.given_s, self._bounds.memory_mb), cpu_s)
            if turn.watch.cancelled:
                error = cancelled()
                error.usage = _usage(evidence, times_ms, worker.tier, 1)
                raise error
            outcome = Outcome(runs[0], work, evidence, result, output)
            count = max(1, outcome.runs + (outcome.died and outcome.runs < len(runs)))
            provenance = _provenance(runs[0], worker.tier)
            usage = _usage(evidence, times_ms, worker.tier, count)
            turn.watch.add(count)
            return [_outcome(outcome, i, usage, provenance) for i in range(count)]

    def _await(
        self,
        worker: Worker,
        descriptors: tuple[int, int, int],
        folders: tuple[Path, Path],
        bounds: tuple[float, int, Watch],
    ) -> dict[str, Any]:
        """Hand the run to the worker and wait for what became of it: `layout.ENDING`.

        `bounds` are what it may take on the wall and of processors [s], and who may end it before.
        """
        timeout_s, cpu_s, watch = bounds
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with ours, watch.ended_by(partial(ours.shutdown, socket.SHUT_WR)):
            with theirs:
                assignment = layout.ASSIGNMENT.pack(
                    timeout=timeout_s,
                    memory=self._bounds.memory_mb * 2**20,
                    cpu=cpu_s,
                    model=bytes(folders[0]),
                    folder=bytes(folders[1]),
                )
                worker.send(assignment, (*descriptors, theirs.fileno()))
            ours.settimeout(timeout_s + _GRACE_S)
            try:
                told = ours.recv(layout.ENDING.size)
            except TimeoutError:
                told = b""
        if not told:
            self._discard(worker)
            if self._closed:
                msg = "the simulator was closed while the run was under way"
                raise SimulatorClosedError(msg)
            msg = "the process that runs models was lost during the run"
            raise RunnerLostError(msg)
        ending = layout.ENDING.unpack(told)
        if not (ending["confined"] or ending["timed_out"] or watch.cancelled):
            msg = "the process of the run came to its end before it loaded the model"
            raise RunnerLostError(msg)
        return ending

    def _current_worker(self, engine: Engine) -> Worker:
        with self._lock:
            if self._closed:
                msg = "the simulator is closed"
                raise SimulatorClosedError(msg)
            worker = self._workers.get(engine)
            if worker is None or not worker.alive:
                if worker is not None:
                    worker.close()
                worker = self._workers[engine] = Worker(engine, self._wanted)
                self._seen = worker.tier
            return worker

    def _discard(self, worker: Worker) -> None:
        """A worker that lost a run is not trusted again; one that is being closed ends itself."""
        with self._lock:
            if self._closed:
                return
            self._workers = {e: w for e, w in self._workers.items() if w is not worker}
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


def _under_way(result: SharedBlock, runs: Sequence[CanonicalRun]) -> float:
    """How many of `runs` are done, as far as their process says; nothing depends on it."""
    head = layout.RESULT.unpack(result.read(0, layout.RESULT.size))
    return float(min(len(runs), head["rows"] / runs[0].rows))


def _evidence(told: dict[str, Any], bounds: _Bounds, cpu_limit_s: int) -> Evidence:
    return Evidence(
        signal=told["signal"] or None,
        exit_status=told["exit_status"] if told["exit_status"] >= 0 else None,
        timed_out=bool(told["timed_out"]),
        peak_bytes=told["peak_bytes"],
        cpu_s=told["cpu"],
        cpu_limit_s=cpu_limit_s,
        timeout_s=bounds.timeout_s,
        memory_mb=bounds.memory_mb,
    )


def _usage(evidence: Evidence, times_ms: tuple[float, float], tier: Tier, runs: int) -> Usage:
    """What each of some `runs` took that shared a process; `times_ms`: their wait, then it."""
    waited_ms, wall_ms = times_ms
    return Usage(
        waited_ms=round(waited_ms, 3),
        wall_ms=wall_ms / runs,
        cpu_ms=round(evidence.cpu_s * 1000 / runs, 3),
        peak_bytes=evidence.peak_bytes,
        sandbox=tier.name.lower(),
    )


@cache
def engine_version(engine: Engine) -> str:
    """What computes the numbers: the gateway's version and its core's, or FMPy's."""
    if engine == "fmpy":
        return version("fmpy")
    return f"{version('fmu-gateway')}+{native.core_version()}"


def _check_alike(runs: Sequence[CanonicalRun]) -> None:
    if not runs:
        return
    common, places = _COMMON(runs[0]), _places(runs[0])
    if not all(_COMMON(run) == common and _places(run) == places for run in runs):
        msg = "runs that differ in more than the values of their start values"
        raise ValueError(msg)


def _places(run: CanonicalRun) -> list[tuple[str, int]]:
    return [(start.name, len(start.values)) for start in run.start_values]


_COMMON: Final = attrgetter(*(f.name for f in fields(CanonicalRun) if f.name != "start_values"))


def _worth(runs: int, each_s: float | None) -> int:
    """On how many more cores that many runs are worth being spread."""
    if each_s is None:
        return runs // _WORTH_A_CORE
    return max(0, min(runs - 1, int(runs * each_s / _WORTH_S)))


def _shard(run: CanonicalRun) -> int:
    """How many runs one process gets, so that their results fit into decent memory."""
    return max(1, min(_MOST_RUNS, _SHARD_VALUES // (run.rows * (1 + len(run.columns)))))


def _outcome(
    outcome: Outcome, index: int, usage: Usage, engine: dict[str, str | None]
) -> Trajectory | RunError:
    try:
        return replace(outcome.trajectory(index, usage.wall_ms, engine), usage=usage)
    except RunError as error:
        error.usage = usage
        return error


def _judged(found: Trajectory | RunError, finest: Trajectory | RunError) -> Trajectory | RunError:
    """A run beside its finer twin; where either failed, that is what there is to say."""
    if isinstance(found, RunError) or isinstance(finest, RunError):
        return found if isinstance(found, RunError) else finest
    told = (_UNCHANGED,) if np.array_equal(found.values, finest.values) else ()
    usage = found.usage + finest.usage if found.usage and finest.usage else None
    return replace(found, accuracy=finest, warnings=found.warnings + told, usage=usage)


@cache
def _provenance_of(engine: Engine) -> dict[str, str | None]:
    return {"name": engine, "version": engine_version(engine), "libc": native.libc_version()}


def _provenance(run: CanonicalRun, tier: Tier) -> dict[str, str | None]:
    solver = {"sundials": native.sundials_version()} if run.solver == "cvode" else {}
    compiler = run.model.description.compiled_by
    return {
        **_provenance_of(run.engine),
        **solver,
        **({"compiler": compiler} if compiler else {}),
        "solver": run.solver,
        "sandbox": tier.name.lower(),
    }
