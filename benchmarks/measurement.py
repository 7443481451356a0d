"""What the benchmarks share: models and runs to measure, clocks, and what processes use."""

from __future__ import annotations

import os
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any, Final

import reference_fmus

from gateway_simulation.archive import Limits, extract, inspect, load
from gateway_simulation.model import Model
from gateway_simulation.plan import RunLimits, plan
from gateway_simulation.request import SimulationRequest
from gateway_simulation.run import CanonicalRun, Engine
from gateway_simulation.runner import Simulator
from gateway_simulation.worker import Worker

Call = Callable[[], object]

_LIMITS: Final = RunLimits(output_points=2_000_000, output_values=20_000_000)


@cache
def store() -> tempfile.TemporaryDirectory[str]:
    """A folder for what a benchmark makes."""
    return tempfile.TemporaryDirectory()


@cache
def reference(name: str) -> Model:
    """A Reference FMU of FMI 2.0, or MapleSim's CoupledClutches."""
    clutches = "CoupledClutches_CS_linux64.fmu"
    path = clutches if name == "CoupledClutches" else f"reference/fmi2/{name}.fmu"
    data = (reference_fmus.folder() / path).read_bytes()
    inspection = inspect(data, Limits())
    folder = Path(store().name) / inspection.sha256
    extract(data, inspection, folder, Limits())
    return load("benchmark", inspection.sha256, folder)


def planned(model: Model, **fields: Any) -> CanonicalRun:  # noqa: ANN401
    """A run of the native core, in Co-Simulation if nothing else is said."""
    fields = {"fmu_id": model.id, "mode": "co_simulation", "engine": "native", **fields}
    return plan(model, SimulationRequest.model_validate(fields), _LIMITS)


def seconds(call: Call) -> float:
    """How long it takes on the wall."""
    started = time.perf_counter()
    call()
    return time.perf_counter() - started


def percentiles(times: Sequence[float]) -> tuple[float, float]:
    """Median and 95th percentile [ms] of times [s]."""
    in_ms = [1000 * s for s in times]
    return statistics.median(in_ms), statistics.quantiles(in_ms, n=20)[-1]


@contextmanager
def watched(owner: object, name: str) -> Iterator[list[float]]:
    """How long each call of `owner.name` takes [s]."""
    original: Callable[..., Any] = getattr(owner, name)
    times: list[float] = []

    def timed(*arguments: Any, **named: Any) -> Any:  # noqa: ANN401
        started = time.perf_counter()
        try:
            return original(*arguments, **named)
        finally:
            times.append(time.perf_counter() - started)

    with _replaced(owner, name, timed):
        yield times


@contextmanager
def watched_blocks(owner: object, name: str) -> Iterator[list[float]]:
    """How long each `with owner.name()` takes [s], its end included."""
    original: Callable[..., Any] = getattr(owner, name)
    times: list[float] = []

    @contextmanager
    def timed(*arguments: Any) -> Iterator[Any]:  # noqa: ANN401
        started = time.perf_counter()
        with original(*arguments) as given:
            yield given
        times.append(time.perf_counter() - started)

    with _replaced(owner, name, timed):
        yield times


@contextmanager
def _replaced(owner: object, name: str, by: object) -> Iterator[None]:
    original = getattr(owner, name)
    setattr(owner, name, by)
    try:
        yield
    finally:
        setattr(owner, name, original)


def zygote_of(simulator: Simulator, engine: Engine) -> int:
    """The process that forks a child for each run: one of ours."""
    worker: Worker = simulator._workers[engine]  # noqa: SLF001 - nobody else needs to know
    return worker._process.pid  # noqa: SLF001


def processor_s(process: int) -> float:
    """Processor time of a process and of those it reaped [s], in steps of a tick."""
    text = Path(f"/proc/{process}/stat").read_text(encoding="ascii")
    ticks = sum(int(word) for word in text.rpartition(")")[2].split()[11:15])
    return ticks / os.sysconf("SC_CLK_TCK")


def resident_mb(process: int, what: str = "VmRSS") -> float:
    """Resident memory [MB], 0 once the process has ended."""
    text = Path(f"/proc/{process}/status").read_text(encoding="ascii")
    found = [line.split()[1] for line in text.splitlines() if line.startswith(f"{what}:")]
    return int(found[0]) / 1024 if found else 0.0
