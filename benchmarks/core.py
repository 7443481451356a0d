"""What the native core saves over FMPy, and what it costs over a bare C loop.

    uv run python benchmarks/core.py [--quick] [--plot memory.png]

Everything is measured side by side in one run: all sides take turns, of as many calls as fit into
some milliseconds, medians over the turns are shown, and what counts are the ratios. What runs
within this process is measured in processor time, which other work on the machine disturbs less;
what needs other processes, and FMPy beside it, on the wall. The models are the Reference FMUs and
MapleSim's CoupledClutches. The sides are

FMPy       `simulate_fmu` as a careful user calls it again and again: folder extracted, description
           parsed, one instance kept and reset before each run (its reset is timed, its loading is
           not), start values not validated. Outputs, interval, tolerance and stop time are ours.
core       `core_run` on a packed order in this process: instantiate, run, record, free. The
           library stays loaded, as FMPy's does.
isolated   `Simulator.run`: what the gateway does, a process for each run, its result checked.
bare       the same FMI calls from C with nothing around them (`bare_loop.c`, our compiler flags):
           what no engine can go below, since the rest is the FMU's own time.

For the sweep FMPy has two loops: `simulate_fmu` as above, and a loop written by hand over its
`FMU2Slave` (reset, set, doStep, getReal into a NumPy array), which is as little Python as FMPy
allows. The gateway's side is `Simulator.run_all`, from canonical runs to checked trajectories.
"""

from __future__ import annotations

import argparse
import ctypes
import gc
import mmap
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cache, partial
from pathlib import Path
from typing import Any, Final

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

import in_process
import numpy as np
import reference_fmus
from fmpy import read_model_description  # type: ignore[import-untyped]
from fmpy.simulation import instantiate_fmu, simulate_fmu  # type: ignore[import-untyped]

from gateway_simulation import compiler, layout, order, runner
from gateway_simulation.archive import Limits, extract, inspect, load
from gateway_simulation.exceptions import RunError
from gateway_simulation.launch import order_for
from gateway_simulation.model import Model
from gateway_simulation.outcome import Outcome
from gateway_simulation.plan import RunLimits, plan
from gateway_simulation.request import SimulationRequest
from gateway_simulation.run import CanonicalRun, Engine, StartValue
from gateway_simulation.runner import Simulator
from gateway_simulation.trajectory import Trajectory
from gateway_simulation.worker import Worker

Call = Callable[[], object]

_LIMITS: Final = RunLimits(output_points=2_000_000, output_values=20_000_000)
_STEP: Final = 0.01
_CASES: Final = (
    ("VanDerPol", "model_exchange", 20.0, 50),
    ("VanDerPol", "co_simulation", 20.0, 80),
    ("BouncingBall", "co_simulation", 3.0, 20),
    ("BouncingBall", "model_exchange", 3.0, 20),
    ("CoupledClutches", "co_simulation", 1.5, 8),
)
_SWEEPS: Final = (("BouncingBall", "e", 0.5, 0.9), ("Dahlquist", "k", 0.5, 1.5))
_SWEEP_TARGET: Final = 50
_SWEEP_S: Final = 1.0
_LONG_TARGET: Final = 1.2
_LATENCY_TARGET_MS: Final = 3.0
_TURN_S: Final = 0.02
_REST_S: Final = 0.005


@dataclass(frozen=True, slots=True)
class _Scale:
    """How much is measured."""

    repetitions: int
    sweep_runs: int
    long_steps: int
    latency_runs: int
    memory_runs: int


_FULL: Final = _Scale(25, 10_000, 1_000_000, 500, 10_000)
_QUICK: Final = _Scale(7, 1_000, 100_000, 100, 1_000)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("--quick", action="store_true", help="a tenth of the runs")
    parser.add_argument("--plot", type=Path, help="draw the memory as a PNG")
    arguments = parser.parse_args()
    scale = _QUICK if arguments.quick else _FULL
    in_process.load_sundials()
    print(
        f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f} at the start; "
        "medians of repetitions taken in turns\n"
    )
    simulator = Simulator(timeout_s=120, memory_mb=2048)
    simulator.start()
    try:
        _single_runs(simulator, scale)
        _sweeps(simulator, scale)
        _long_runs(simulator, scale)
        _latency(simulator, scale)
        _memory(simulator, scale, arguments.plot)
    finally:
        simulator.close()


def _single_runs(simulator: Simulator, scale: _Scale) -> None:
    """One run, warm, against FMPy."""
    print("one run [ms]                     FMPy    core isolated    bare   FMPy/core  FMPy/isol.")
    for name, mode, stop, target in _CASES:
        run = _planned(_model(name), mode=mode, stop_time=stop, step=_STEP)
        sides: dict[str, Call] = {
            "fmpy": _fmpy(run),
            "core": _core([run]),
            "isolated": partial(simulator.run, run),
        }
        if mode == "co_simulation":
            sides["bare"] = _bare([run])
        wall, took = _in_turns(sides, scale.repetitions)
        bare = f"{1000 * took['bare']:7.3f}" if "bare" in took else "      -"
        ratio = took["fmpy"] / took["core"]
        print(
            f"{name + ', ' + mode:29} {1000 * took['fmpy']:7.2f} {1000 * took['core']:7.3f} "
            f"{1000 * wall['isolated']:8.2f} {bare}   {ratio:8.1f}x  "
            f"{wall['fmpy'] / wall['isolated']:8.1f}x  "
            f"{_judged(target, 'x', met=ratio >= target)}{_of_limit(took)}"
        )


def _of_limit(took: Mapping[str, float]) -> str:
    """The ratio that not even the bare loop exceeds."""
    return f"; bare: {took['fmpy'] / took['bare']:.1f}x" if "bare" in took else ""


def _sweeps(simulator: Simulator, scale: _Scale) -> None:
    """Many short runs with one parameter varied."""
    runs_of_fmpy = max(50, scale.sweep_runs // 20)
    print(
        f"\nsweep of {scale.sweep_runs} runs, 1 s / 0.01 s [us per run]\n"
        "                              FMPy  by hand  run_all    core    bare"
        "   FMPy/run_all  by hand/run_all"
    )
    for name, varied, low, high in _SWEEPS:
        model = replace(_model(name), resets=True)
        run = _planned(model, stop_time=_SWEEP_S, step=_STEP, start_values={varied: low})
        values = np.linspace(low, high, scale.sweep_runs).tolist()
        runs = [replace(run, start_values=(StartValue(varied, (v,)),)) for v in values]
        once, by_hand = _fmpy(run), _fmpy_by_hand(run, varied)
        wall, took = _in_turns(
            {
                "fmpy": partial(_each, once, runs_of_fmpy),
                "by hand": partial(by_hand, values[:runs_of_fmpy]),
                "run_all": partial(_swept, simulator, runs),
                "core": _core(runs),
                "bare": _bare(runs),
            },
            max(3, scale.repetitions // 5),
        )
        count = {"fmpy": runs_of_fmpy, "by hand": runs_of_fmpy}
        us = {side: 1e6 * s / count.get(side, len(runs)) for side, s in wall.items()}
        us |= {side: 1e6 * took[side] / len(runs) for side in ("core", "bare")}
        ratio = us["fmpy"] / us["run_all"]
        limit = 1e6 * took["fmpy"] / runs_of_fmpy / us["bare"]
        print(
            f"{name:27} {us['fmpy']:7.1f}  {us['by hand']:7.1f}  {us['run_all']:7.2f} "
            f"{us['core']:7.2f} {us['bare']:7.2f}   {ratio:11.1f}x  "
            f"{us['by hand'] / us['run_all']:13.1f}x  "
            f"{_judged(_SWEEP_TARGET, 'x', met=ratio >= _SWEEP_TARGET)}"
            f"; bare: {limit:.1f}x"
        )


def _long_runs(simulator: Simulator, scale: _Scale) -> None:
    """A million communication steps, against the bare loop."""
    print(
        f"\nVanDerPol, co_simulation, {scale.long_steps} steps [ms]\n"
        "recorded                       bare    core isolated   core/bare  isol./bare"
    )
    for label, every in (("every step", 1), ("every 1000th step", 1000)):
        run = _planned(
            _model("VanDerPol"),
            mode="co_simulation",
            stop_time=scale.long_steps * _STEP,
            step=every * _STEP,
            communication_step=_STEP,
        )
        wall, took = _in_turns(
            {
                "bare": _bare([run]),
                "core": _core([run]),
                "isolated": partial(simulator.run, run),
            },
            max(5, scale.repetitions // 3),
        )
        ratio = took["core"] / took["bare"]
        whole = wall["isolated"] / wall["bare"]
        print(
            f"{label:27} {1000 * took['bare']:7.1f} {1000 * took['core']:7.1f} "
            f"{1000 * wall['isolated']:8.1f}  {ratio:9.2f}x  {whole:9.2f}x"
            f"  {_judged(_LONG_TARGET, 'x at most', met=ratio <= _LONG_TARGET)}"
        )


def _latency(simulator: Simulator, scale: _Scale) -> None:
    """One isolated run of a small model, and where its time goes."""
    run = _planned(_model("BouncingBall"), stop_time=3.0, step=_STEP)
    missing = replace(run, model=replace(run.model, folder=run.model.folder / "missing"))
    missing.model.folder.mkdir(exist_ok=True)
    slow = replace(run, engine="fmpy")
    simulator.run(slow)
    zygote = _zygote(simulator, "native")
    times: dict[str, list[float]] = {"native": [], "fmpy": []}
    busy = []
    for i in range(scale.latency_runs):
        before = time.thread_time() + _processor_s(zygote)
        times["native"].append(_seconds(lambda: simulator.run(run)))
        busy.append(time.thread_time() + _processor_s(zygote) - before)
        if i % 5 == 0:
            times["fmpy"].append(_seconds(lambda: simulator.run(slow)))
    print("\none isolated run, BouncingBall 3 s / 0.01 s [ms]      p50     p95")
    for engine, found in times.items():
        p50, p95 = _percentiles(found)
        met = _judged(_LATENCY_TARGET_MS, "ms at most", met=p50 <= _LATENCY_TARGET_MS)
        print(
            f"{'Simulator.run, engine ' + engine:49} {p50:7.2f} {p95:7.2f}"
            f"  {met if engine == 'native' else ''}"
        )
    print(
        f"{'  of which processor time, all processes, mean':49} {1000 * statistics.mean(busy):7.2f}"
    )
    _shares(simulator, run, missing, scale.latency_runs)


def _shares(
    simulator: Simulator, run: CanonicalRun, missing: CanonicalRun, repetitions: int
) -> None:
    """Where the time of a run goes. A run whose library is missing costs the process alone."""
    with (
        _watched(runner, "order_for") as ordering,
        _watched(order, "pack") as packing,
        _watched(Simulator, "_await") as waiting,
        _watched(Outcome, "__init__") as reading,
        _watched(Outcome, "trajectory") as checking,
    ):
        whole, with_run, empty = [], [], []
        for _ in range(repetitions):
            whole.append(_seconds(lambda: simulator.run(run)))
            with_run.append(waiting[-1])
            assert isinstance(simulator.run_all([missing])[0], RunError)
            empty.append(waiting[-1])
    median = statistics.median
    parts = {
        "Python before: the order": median(ordering) + median(packing),
        "process: message, fork, isolation, exit, reaping": median(empty),
        "core: load, run, record, unload": median(with_run) - median(empty),
        "Python after: checks, arrays": median(reading) + median(checking[:]),
    }
    parts["blocks, folder and the rest"] = median(whole) - sum(parts.values())
    for part, seconds in parts.items():
        print(f"  {part:47} {1000 * seconds:7.2f} {seconds / median(whole):7.0%}")


def _memory(simulator: Simulator, scale: _Scale, plot: Path | None) -> None:
    """Whether memory stays flat: of server and zygote over runs, of one child over a batch."""
    run = _planned(_model("Dahlquist"), stop_time=1.0, step=_STEP)
    simulator.run(run)
    gc.collect()
    zygote = _zygote(simulator, run.engine)
    points = []
    for i in range(scale.memory_runs + 1):
        if i % max(1, scale.memory_runs // 200) == 0:
            points.append((i, _resident(os.getpid(), "VmRSS"), _resident(zygote, "VmRSS")))
        simulator.run(run)
    print(f"\nresident memory [MB], {scale.memory_runs} runs            start    10 %     end")
    curves = {
        "server, calls of Simulator.run": [(i, server) for i, server, _ in points],
        "zygote, calls of Simulator.run": [(i, zygote) for i, _, zygote in points],
        "child, batch, fmi2Reset": _batch_memory(run, scale.memory_runs, resets=True),
        "child, batch, instantiated anew": _batch_memory(run, scale.memory_runs, resets=False),
    }
    for label, curve in curves.items():
        first, tenth, last = (_at(curve, part) for part in (0.0, 0.1, 1.0))
        print(
            f"{label:37} {first:14.2f} {tenth:7.2f} {last:7.2f}"
            f"   {1024 * (last - tenth):+.0f} kB after the first tenth"
        )
    if plot is not None:
        _draw(curves, plot)


def _batch_memory(run: CanonicalRun, count: int, *, resets: bool) -> list[tuple[int, float]]:
    """Private memory of a process over a batch: the shared block, which grows, isn't counted."""
    ordered = replace(run, model=replace(run.model, resets=resets))
    data, result = _blocks([ordered] * count)
    child = os.fork()
    if child == 0:
        in_process.run(data, result)
        os._exit(0)
    points: list[tuple[int, float]] = []
    while os.waitpid(child, os.WNOHANG)[0] == 0:
        done = int(layout.RESULT.unpack(result)["runs"])  # type: ignore[arg-type]
        resident = _resident(child, "RssAnon")
        if resident and done:
            points.append((done, resident))
        time.sleep(2e-4)
    assert layout.RESULT.unpack(result)["runs"] == count  # type: ignore[arg-type]
    return points


def _at(curve: Sequence[tuple[int, float]], part: float) -> float:
    return next(mb for i, mb in curve if i >= part * curve[-1][0])


def _draw(curves: Mapping[str, Sequence[tuple[int, float]]], path: Path) -> None:
    from matplotlib.figure import Figure  # noqa: PLC0415 - only where a plot is asked for

    figure = Figure(figsize=(8, 4.5), layout="constrained")
    axes = figure.subplots()
    for label, curve in curves.items():
        axes.plot(*zip(*curve, strict=True), label=label)
    axes.set(xlabel="runs", ylabel="resident memory [MB]", ylim=(0, None))
    axes.legend()
    figure.savefig(path, dpi=120)
    print(f"drawn: {path}")


@cache
def _store() -> tempfile.TemporaryDirectory[str]:
    return tempfile.TemporaryDirectory()


@cache
def _model(name: str) -> Model:
    clutches = "CoupledClutches_CS_linux64.fmu"
    path = clutches if name == "CoupledClutches" else f"reference/fmi2/{name}.fmu"
    data = (reference_fmus.folder() / path).read_bytes()
    inspection = inspect(data, Limits())
    folder = Path(_store().name) / inspection.sha256
    extract(data, inspection, folder, Limits())
    return load("benchmark", inspection.sha256, folder)


def _planned(model: Model, **fields: Any) -> CanonicalRun:  # noqa: ANN401
    fields = {"fmu_id": model.id, "mode": "co_simulation", "engine": "native", **fields}
    return plan(model, SimulationRequest.model_validate(fields), _LIMITS)


def _fmpy(run: CanonicalRun) -> Call:
    """`simulate_fmu` with everything kept that it lets its user keep."""
    folder = str(run.model.folder)
    description = read_model_description(folder, validate=False)
    kind = "CoSimulation" if run.mode == "co_simulation" else "ModelExchange"
    instance = instantiate_fmu(folder, description, kind)

    def call() -> object:
        instance.reset()
        return simulate_fmu(
            folder,
            validate=False,
            start_time=run.start_time,
            stop_time=run.stop_time,
            relative_tolerance=run.relative_tolerance,
            output_interval=run.step,
            fmi_type=kind,
            start_values={start.name: start.values[0] for start in run.start_values},
            output=list(run.outputs),
            model_description=description,
            fmu_instance=instance,
        )

    return call


def _fmpy_by_hand(run: CanonicalRun, varied: str) -> Callable[[Sequence[float]], object]:
    """A sweep over `varied` by the methods of FMPy's FMU2Slave."""
    folder = str(run.model.folder)
    fmu = instantiate_fmu(folder, read_model_description(folder, validate=False), "CoSimulation")
    parameter = [run.model.description.by_name[varied].value_reference]
    references = [column.variable.value_reference for column in run.columns]

    def call(values: Sequence[float]) -> object:
        results = np.empty((len(values), run.rows, len(references)))
        for rows, value in zip(results, values, strict=True):
            fmu.reset()
            fmu.setupExperiment(startTime=0.0, stopTime=run.stop_time)
            fmu.setReal(parameter, [value])
            fmu.enterInitializationMode()
            fmu.exitInitializationMode()
            rows[0] = fmu.getReal(references)
            for i in range(1, run.rows):
                begun = (i - 1) * run.step
                fmu.doStep(begun, i * run.step - begun)
                rows[i] = fmu.getReal(references)
            fmu.terminate()
        return results

    return call


def _blocks(runs: Sequence[CanonicalRun]) -> tuple[mmap.mmap, mmap.mmap]:
    """An order and the room for its result."""
    work = order_for(runs)
    packed = order.pack(work)
    data = mmap.mmap(-1, len(packed))
    data.write(packed)
    return data, mmap.mmap(-1, work.result_size)


def _core(runs: Sequence[CanonicalRun]) -> Call:
    """The core's call alone, into memory that nobody touched before."""
    work = order_for(runs)
    data, _ = _blocks(runs)

    def call() -> object:
        result = mmap.mmap(-1, work.result_size)
        in_process.run(data, result)
        head = layout.RESULT.unpack(result)  # type: ignore[arg-type]
        assert head["magic"] == layout.MAGIC
        assert head["runs"] == len(runs)
        return result

    return call


class _Loop(ctypes.Structure):
    _fields_ = (
        *((name, ctypes.c_char_p) for name in ("library", "identifier", "guid", "resources")),
        ("references", ctypes.c_void_p),
        ("n_references", ctypes.c_size_t),
        ("stop", ctypes.c_double),
        ("step", ctypes.c_double),
        ("steps", ctypes.c_size_t),
        ("every", ctypes.c_size_t),
        ("varied", ctypes.c_void_p),
        ("values", ctypes.c_void_p),
        ("runs", ctypes.c_size_t),
        ("rows", ctypes.c_void_p),
    )


@cache
def _bare_library() -> ctypes.CDLL:
    source = Path(__file__).with_name("bare_loop.c")
    folder = Path(_store().name)
    (folder / source.name).write_bytes(source.read_bytes())
    compiler.compile_library(
        compiler.find_compiler(), folder, [source.name], "bare_loop.so", ("m", "dl")
    )
    return ctypes.CDLL(str(folder / "bare_loop.so"))


def _bare(runs: Sequence[CanonicalRun]) -> Call:
    """The same FMI calls from C, into memory of the same kind. Its numbers must be the core's."""
    run, work = runs[0], order_for(runs)
    (group,) = work.outputs
    references = np.array(group.references, dtype=np.uint32)
    settings = np.array([s.reference for s in work.settings], dtype=np.uint32)
    values = np.array([v for one in work.runs for (v,) in one], dtype=np.float64)
    every = round(run.step / (run.communication_step or run.step))
    steps = (run.rows - 1) * every
    loop = _Loop(
        library=work.library.encode(),
        identifier=work.identifier.encode(),
        guid=work.token.encode(),
        resources=work.resources.encode(),
        references=references.ctypes.data,
        n_references=len(references),
        stop=run.stop_time,
        step=run.communication_step,
        steps=steps,
        every=every,
        varied=settings.ctypes.data if len(settings) else None,
        values=values.ctypes.data if len(settings) else None,
        runs=len(runs),
    )

    def call() -> object:
        assert len(settings) in {0, 1}
        assert values is not None
        room = mmap.mmap(-1, 8 * len(runs) * run.rows * (1 + len(references)))
        rows = np.frombuffer(room).reshape(-1, 1 + len(references))
        loop.rows = rows.ctypes.data
        status = _bare_library().bare_loop(ctypes.byref(loop))
        assert status == 0
        return rows

    _check_equal(work, _core(runs)(), call(), exact=every == 1)
    return call


def _check_equal(work: order.Order, result: object, rows: object, *, exact: bool) -> None:
    """Rounding of communication times aside, both must have computed the same."""
    assert isinstance(result, mmap.mmap)
    assert isinstance(rows, np.ndarray)
    offset = layout.rows_offset(len(work.runs), work.event_capacity)
    ours = np.frombuffer(bytes(result[offset : offset + rows.nbytes])).reshape(rows.shape)
    same = np.array_equal if exact else np.allclose
    assert same(ours[:, 1:], rows[:, 1:]), "the bare loop computes something else"


def _in_turns(
    sides: Mapping[str, Call], repetitions: int
) -> tuple[dict[str, float], dict[str, float]]:
    """Median times [s] of each side, on the wall and of this thread's processor.

    A turn is as many calls as fit into `_TURN_S`, after a short sleep: who has just slept is
    interrupted less.
    """
    counts = {}
    for side, call in sides.items():
        call()
        counts[side] = max(1, round(_TURN_S / _seconds(call)))
    wall: dict[str, list[float]] = {side: [] for side in sides}
    processor: dict[str, list[float]] = {side: [] for side in sides}
    gc.collect()
    for _ in range(repetitions):
        for side, call in sides.items():
            time.sleep(_REST_S)
            began = time.thread_time()
            wall[side].append(_seconds(partial(_each, call, counts[side])) / counts[side])
            processor[side].append((time.thread_time() - began) / counts[side])
    return _medians(wall), _medians(processor)


def _medians(times: Mapping[str, Sequence[float]]) -> dict[str, float]:
    return {side: statistics.median(found) for side, found in times.items()}


def _seconds(call: Call) -> float:
    started = time.perf_counter()
    call()
    return time.perf_counter() - started


def _each(call: Call, times: int) -> None:
    for _ in range(times):
        call()


def _swept(simulator: Simulator, runs: Sequence[CanonicalRun]) -> None:
    assert all(isinstance(one, Trajectory) for one in simulator.run_all(runs))


@contextmanager
def _watched(owner: object, name: str) -> Iterator[list[float]]:
    """How long each call of `owner.name` takes."""
    original: Callable[..., Any] = getattr(owner, name)
    times: list[float] = []

    def timed(*arguments: Any, **named: Any) -> Any:  # noqa: ANN401
        started = time.perf_counter()
        try:
            return original(*arguments, **named)
        finally:
            times.append(time.perf_counter() - started)

    setattr(owner, name, timed)
    try:
        yield times
    finally:
        setattr(owner, name, original)


def _percentiles(seconds: Sequence[float]) -> tuple[float, float]:
    in_ms = [1000 * s for s in seconds]
    return statistics.median(in_ms), statistics.quantiles(in_ms, n=20)[-1]


def _judged(target: float, unit: str, *, met: bool) -> str:
    return f"(target {target:g} {unit}: {'met' if met else 'MISSED'})"


def _zygote(simulator: Simulator, engine: Engine) -> int:
    """The process that forks a child for each run: one of ours."""
    worker: Worker = simulator._workers[engine]  # noqa: SLF001 - nobody else needs to know
    return worker._process.pid  # noqa: SLF001


def _processor_s(process: int) -> float:
    """Processor time of a process and of those it reaped [s], in steps of a tick."""
    text = Path(f"/proc/{process}/stat").read_text(encoding="ascii")
    ticks = sum(int(word) for word in text.rpartition(")")[2].split()[11:15])
    return ticks / os.sysconf("SC_CLK_TCK")


def _resident(process: int, what: str) -> float:
    """Resident memory [MB], 0 once the process has ended."""
    text = Path(f"/proc/{process}/status").read_text(encoding="ascii")
    found = [line.split()[1] for line in text.splitlines() if line.startswith(f"{what}:")]
    return int(found[0]) / 1024 if found else 0.0


if __name__ == "__main__":
    main()
