"""What isolation costs, whether it leaves anything behind, and whether it uses all cores.

    uv run python benchmarks/isolation.py [--runs 1000]

Three parts, each in one run. The model is the Reference FMU BouncingBall, 3 s / 0.01 s.

latency    a run in each tier beside the core in this process, which no process or sandbox slows;
           all sides take turns, one call each.
residue    the server and its zygote before and after many runs in a row: memory, processes,
           descriptors, folders in memory. A tenth of the runs warm up before.
cores      runs of some 5 ms by one thread, then by eight: runs a second, and processor time of all
           our processes and of the whole machine, as a share of its cores.
"""

from __future__ import annotations

import argparse
import mmap
import os
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

import in_process
from hostile.processes import descendants
from measurement import (
    Call,
    percentiles,
    planned,
    processor_s,
    reference,
    resident_mb,
    seconds,
    zygote_of,
)

from gateway_simulation import layout, order
from gateway_simulation.exceptions import SandboxUnavailableError
from gateway_simulation.launch import order_for
from gateway_simulation.layout import Tier
from gateway_simulation.run import CanonicalRun
from gateway_simulation.runner import Simulator

_CORES_S: Final = 5.0
_THREADS: Final = 8
_STATES: Final = slice(0, 8)  # of /proc/stat's first line, after its name: user … steal
_IDLE: Final = (3, 4)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--runs", type=int, default=1000)
    runs = parser.parse_args().runs
    print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f} at the start")
    run = planned(reference("BouncingBall"), stop_time=3.0, step=0.01)
    with ExitStack() as stack:
        simulators = _simulators(stack)
        _latency(simulators, run, runs)
        best = simulators[max(simulators)]
        _residue(best, run, runs)
        _cores(best, planned(reference("VanDerPol"), stop_time=200.0, step=0.01))


def _simulators(stack: ExitStack) -> dict[Tier, Simulator]:
    """One for each tier that this machine offers."""
    found = {}
    for tier in Tier:
        simulator = Simulator(timeout_s=60, memory_mb=512, sandbox=tier)
        stack.callback(simulator.close)
        try:
            simulator.start()
        except SandboxUnavailableError as error:
            print(f"{tier.name.lower()}: {error}")
        else:
            found[tier] = simulator
    return found


def _latency(simulators: dict[Tier, Simulator], run: CanonicalRun, turns: int) -> None:
    sides: dict[str, Call] = {"core, in this process": _core(run)}
    for tier, simulator in simulators.items():
        sides[tier.name.lower()] = partial(simulator.run, run)
    times: dict[str, list[float]] = {side: [] for side in sides}
    for turn in range(-turns // 10, turns):
        for side, call in sides.items():
            took = seconds(call)
            if turn >= 0:
                times[side].append(took)
    bare = percentiles(times["development"])[0]
    print(f"\none run [ms], {turns} of each in turns        p50     p95   to development's p50")
    for side, found in times.items():
        p50, p95 = percentiles(found)
        print(f"{side:34} {p50:7.2f} {p95:7.2f}   {p50 / bare:7.2f}x")


def _core(run: CanonicalRun) -> Call:
    in_process.load_sundials()
    work = order_for([run])
    packed = order.pack(work)
    data = mmap.mmap(-1, len(packed))
    data.write(packed)

    def call() -> object:
        result = mmap.mmap(-1, work.result_size)
        in_process.run(data, result)
        head = layout.RESULT.unpack(result)  # type: ignore[arg-type]
        assert head["magic"] == layout.MAGIC
        return head

    return call


@dataclass(frozen=True, slots=True)
class _State:
    """What the server and its zygote hold."""

    server_mb: float
    zygote_mb: float
    processes: int
    threads: int
    descriptors: int
    zygote_descriptors: int
    folders: int

    @classmethod
    def of(cls, zygote: int) -> _State:
        """Of this process and its zygote, now."""
        return cls(
            server_mb=round(resident_mb(os.getpid()), 2),
            zygote_mb=round(resident_mb(zygote), 2),
            processes=len(descendants(os.getpid())),
            threads=threading.active_count(),
            descriptors=len(list(Path("/proc/self/fd").iterdir())),
            zygote_descriptors=len(list(Path(f"/proc/{zygote}/fd").iterdir())),
            folders=len(list(Path(f"/proc/{zygote}/cwd/").iterdir())),
        )


def _residue(simulator: Simulator, run: CanonicalRun, count: int) -> None:
    zygote = zygote_of(simulator, run.engine)
    for _ in range(count // 10):
        simulator.run(run)
    before = _State.of(zygote)
    for _ in range(count):
        simulator.run(run)
    after = _State.of(zygote)
    print(f"\n{count} runs in a row, tier {simulator.tier.name.lower()}     before    after")
    for name in _State.__slots__:
        print(f"{name:34} {getattr(before, name):9} {getattr(after, name):8}")


def _cores(simulator: Simulator, run: CanonicalRun) -> None:
    took = min(seconds(partial(simulator.run, run)) for _ in range(5))
    print(f"\nVanDerPol, 200 s / 0.01 s ({1000 * took:.1f} ms)   runs/s   ours   the whole machine")
    rates = {}
    for threads in (1, _THREADS):
        rates[threads], ours, whole = _load(simulator, run, threads)
        print(f"{threads} at once {rates[threads]:32.1f} {ours:7.0%} {whole:9.0%}")
    print(f"{_THREADS} at once to one at a time: {rates[_THREADS] / rates[1]:.2f}x")


def _load(simulator: Simulator, run: CanonicalRun, threads: int) -> tuple[float, float, float]:
    """Runs a second, and the shares of all cores that our processes and everybody's were busy."""
    zygote, cores = zygote_of(simulator, run.engine), os.cpu_count() or 1
    until = time.monotonic() + _CORES_S

    def work() -> int:
        done = 0
        while time.monotonic() < until:
            simulator.run(run)
            done += 1
        return done

    began, mine, (busy, total) = time.monotonic(), _ours(zygote), _machine()
    with ThreadPoolExecutor(threads) as pool:
        done = sum(future.result() for future in [pool.submit(work) for _ in range(threads)])
    took, (busy_after, total_after) = time.monotonic() - began, _machine()
    ours = (_ours(zygote) - mine) / took / cores
    return done / took, ours, (busy_after - busy) / (total_after - total)


def _ours(zygote: int) -> float:
    """Processor time of this process and of all runs [s]."""
    return time.process_time() + processor_s(zygote)


def _machine() -> tuple[int, int]:
    """Ticks that the machine's cores were busy, and all ticks."""
    line = Path("/proc/stat").read_text(encoding="ascii").partition("\n")[0]
    ticks = [int(word) for word in line.split()[1:]][_STATES]
    idle = sum(ticks[i] for i in _IDLE)
    return sum(ticks) - idle, sum(ticks)


if __name__ == "__main__":
    main()
