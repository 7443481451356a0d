"""The native core and a model's sources as one WebAssembly module: what docs/wasm.md is based on.

    uv run --with ziglang==0.17.1 --with wasmtime==50.0.1 python benchmarks/wasm.py

Compares the bytes of result blocks with the native core's in this process, over the cases of
`tests/equality` and the library's models; what they would solve by CVODE is solved by RK4. Compares
the C libraries' functions on a million arguments each. Then fuel and times. Only models that are
known to be harmless are run. The first compilation takes half a minute: zig builds its C library.
"""

from __future__ import annotations

import ctypes
import mmap
import re
import struct
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import cache, partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

import in_process
import numpy as np
import reference_fmus
import wasmtime  # type: ignore[import-not-found]  # installed for this script only
from equality.cases import CASES, CLUTCHES
from equality.sides import Found

from gateway_library.build import built_folder
from gateway_simulation import compiler, layout, native, order
from gateway_simulation.archive import Limits, extract, inspect, load
from gateway_simulation.launch import order_for
from gateway_simulation.model import Model
from gateway_simulation.plan import RunLimits, plan
from gateway_simulation.request import SimulationRequest
from gateway_simulation.run import CanonicalRun
from gateway_simulation.runner import Simulator

_CORE: Final = Path(native.__file__).parent
_HERE: Final = Path(__file__).parent
_UNITS: Final = (
    "core",
    "fmu",
    "values",
    "stepping",
    "exchange",
    "integrators",
    "recorder",
    "inputs",
)
_SHIM: Final = """enum { RTLD_NOW, RTLD_LOCAL };
void *dlopen(const char *, int), *dlsym(void *, const char *);
char *dlerror(void);
"""
_TAG: Final = ".globl __c_longjmp\n.tagtype __c_longjmp i32\n__c_longjmp:\n"  # zig lacks it
_TARGET: Final = (
    *("-target", "wasm32-wasi", "-mcpu=generic+exception_handling"),
    *("-mllvm", "-wasm-enable-sjlj", "-mllvm", "-wasm-use-legacy-eh=false"),
    *("-O2", "-ffp-contract=off", "-fno-fast-math", "-g0", "-w"),
)
_LINK: Final = ("-mexec-model=reactor", "-rdynamic", "-fvisibility=default")
_TABLE: Final = ("-Wl,-s", "-Wl,--growable-table", "-Wl,--export-table")
_FUEL: Final = 10**12
_ARGUMENTS: Final = 1_000_000
_LIBRARY: Final = ("BouncingBall", "Dahlquist", "VanDerPol")
_WAYS: Final[tuple[dict[str, Any], ...]] = (
    {"mode": "co_simulation"},
    {"mode": "model_exchange", "solver": {"name": "euler"}},
    {"mode": "model_exchange", "solver": {"name": "rk4"}},
)
_FINE: Final = {"name": "rk4", "step_size": 1e-5}
_SPEEDS: Final[tuple[tuple[str, dict[str, Any], int], ...]] = (
    ("BouncingBall", {"mode": "co_simulation", "step": 0.01}, 100),
    ("VanDerPol", {"mode": "co_simulation", "step": 0.01}, 100),
    ("VanDerPol", {"mode": "model_exchange", "step": 0.01, "solver": _FINE}, 5),
)


class Module:
    """A model in WebAssembly, as a file in `folder`; each run gets an instance of its own."""

    def __init__(self, name: str, folder: Path) -> None:
        sources, flags = _sources(name, folder)
        file = folder / "model.wasm"
        begun = time.perf_counter()
        _zig(folder, *_LINK, *_TABLE, *flags, *sources, *_core(folder), "-o", str(file))
        self.compiled_s = time.perf_counter() - begun
        config = wasmtime.Config()
        config.wasm_exceptions = config.consume_fuel = config.cranelift_nan_canonicalization = True
        self.engine = wasmtime.Engine(config)
        begun = time.perf_counter()
        self._module = wasmtime.Module(self.engine, file.read_bytes())
        self.translated_s = time.perf_counter() - begun
        self._linker = wasmtime.Linker(self.engine)
        self._linker.define_wasi()
        exported = {one.name for one in self._module.exports}
        self._functions = [(i, n) for i, n in enumerate(_names()) if n in exported]
        self.fuel = 0

    def instance(self) -> tuple[Any, Any]:
        """A store and the exports of a fresh instance in it."""
        store = wasmtime.Store(self.engine)
        store.set_fuel(_FUEL)
        store.set_wasi(wasmtime.WasiConfig())
        exports = self._linker.instantiate(store, self._module).exports(store)
        exports["_initialize"](store)
        return store, exports

    def run(self, packed: bytes, size: int) -> bytes:
        """The result block of an order."""
        store, exports = self.instance()
        memory, table = exports["memory"], exports["__indirect_function_table"]
        places = exports["symbol_places"](store)
        for i, name in self._functions:
            index = table.grow(store, 1, exports[name])
            memory.write(store, struct.pack("<I", index), places + 4 * i)
        given, result = exports["room"](store, len(packed)), exports["room"](store, size)
        memory.write(store, packed, given)
        exports["run"](store, given, result)
        self.fuel = _FUEL - store.get_fuel()
        return bytes(memory.read(store, result, result + size))


def main() -> None:
    """Measure and print."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        in_process.load_sundials()
        _compare(folder)
        _compare_functions(folder)
        _measure(folder)


def _compare(folder: Path) -> None:
    equal = found = 0
    for what, model, run in _runs(folder):
        packed, size = _packed(run)
        same = _native(packed, size) == _module(model, folder).run(packed, size)
        equal, found = equal + same, found + 1
        if not same:
            print(f"different: {what}")
    print(f"{equal} of {found} result blocks are equal, byte for byte")


def _runs(folder: Path) -> Iterator[tuple[str, str, CanonicalRun]]:
    simulator = Simulator(timeout_s=20, memory_mb=512)
    for case in (case for case in CASES if case.model != CLUTCHES):
        solver = case.request.get("solver", {"name": "cvode"})
        if case.mode == "model_exchange" and solver["name"] == "cvode":
            case = replace(case, request={**case.request, "solver": {"name": "rk4"}})  # noqa: PLW2901
        yield str(case), case.model, Found(case, _model(case.model, folder), simulator).run
    for name in (f"{model}{version}" for model in _LIBRARY for version in ("", "@fmi3")):
        for way in _WAYS:
            yield f"{name} {way}", name, _planned(_model(name, folder), way)


def _compare_functions(folder: Path) -> None:
    compiler.compile_library(("cc",), _HERE, ["wasm.c"], str(folder / "all.so"))
    here = ctypes.CDLL(str(folder / "all.so"))
    store, exports = _module("VanDerPol", folder).instance()
    memory, size = exports["memory"], 8 * _ARGUMENTS
    random = np.random.default_rng(1)
    x, y = (random.uniform(-10, 10, _ARGUMENTS) for _ in range(2))
    places = [exports["room"](store, size) for _ in range(3)]
    memory.write(store, y.tobytes(), places[1])
    for name in re.findall(r"OF_X(?:_Y)?\((\w{3,})\)", (_HERE / "wasm.c").read_text()):
        used = {"a": x / 10, "l": abs(x), "s": abs(x), "p": abs(x)}.get(name[0], x)
        memory.write(store, used.tobytes(), places[0])
        exports[f"all_{name}"](store, *places, _ARGUMENTS)
        there = np.frombuffer(memory.read(store, places[2], places[2] + size), dtype=np.int64)
        found = np.empty(_ARGUMENTS, dtype=np.int64)
        pointers = (ctypes.c_void_p(array.ctypes.data) for array in (used, y, found))
        here[f"all_{name}"](*pointers, _ARGUMENTS)
        off = np.abs(found - there)
        print(
            f"{name:6} {np.count_nonzero(off):7} of {_ARGUMENTS} differ, by {off.max()} ulp at most"
        )


def _measure(folder: Path) -> None:
    simulator = Simulator(timeout_s=20, memory_mb=512)
    for name, fields, count in _SPEEDS:
        run = _planned(_model(name, folder), fields)
        packed, size = _packed(run)
        module = _module(name, folder)
        fuel: set[int] = set()
        for _ in range(count):
            module.run(packed, size)
            fuel.add(module.fuel)
        print(f"{name} {fields}: {count} runs took {fuel} units of fuel")
        print(f"  compiled in {module.compiled_s:.2f} s, translated in {module.translated_s:.2f} s")
        sides: dict[str, Callable[[], object]] = {
            "core in this process": partial(_native, packed, size),
            "isolated": partial(simulator.run, run),
            "wasm in this process": partial(module.run, packed, size),
        }
        for side, call in sides.items():
            print(f"  {side}: {_shortest_ms(call, count):.2f} ms")
    simulator.close()


def _shortest_ms(call: Callable[[], object], count: int) -> float:
    taken = []
    for _ in range(count):
        begun = time.perf_counter()
        call()
        taken.append((time.perf_counter() - begun) * 1e3)
    return min(taken)


def _native(packed: bytes, size: int) -> bytes:
    given, result = mmap.mmap(-1, len(packed)), mmap.mmap(-1, size)
    given.write(packed)
    in_process.run(given, result)
    return bytes(result)


def _planned(model: Model, fields: dict[str, Any]) -> CanonicalRun:
    request = SimulationRequest.model_validate({"fmu_id": model.id, **fields})
    return plan(model, request, RunLimits())


def _packed(run: CanonicalRun) -> tuple[bytes, int]:
    work = order_for([run])
    return order.pack(work), work.result_size


def _archive(name: str) -> Path:
    if name.startswith("fmi"):
        return reference_fmus.folder() / f"reference/{name}.fmu"
    return built_folder() / f"{name}.fmu"


@cache
def _model(name: str, folder: Path) -> Model:
    data = _archive(name).read_bytes()
    inspection = inspect(data, Limits())
    target = folder / inspection.sha256
    extract(data, inspection, target, Limits())
    return load("benchmark", inspection.sha256, target)


@cache
def _module(name: str, folder: Path) -> Module:
    own = folder / name.replace("/", "-")
    zipfile.ZipFile(_archive(name)).extractall(own)
    return Module(name, own)


def _sources(name: str, folder: Path) -> tuple[list[str], list[str]]:
    """The model's sources and their flags; FMI's own headers come from FMPy."""
    version = name.partition("/")[0]
    units = {"fmi2": ["all.c"], "fmi3": ["fmi3Functions.c", "model.c", "cosimulation.c"]}
    written = sorted(path.name for path in (folder / "sources").glob("*.c"))
    spec = find_spec("fmpy")
    assert spec is not None
    assert spec.origin is not None
    headers = ["-DFMI_VERSION=3"] if version == "fmi3" else []
    headers += ["-DFMI3_OVERRIDE_FUNCTION_PREFIX", f"-I{Path(spec.origin).parent / 'c-code'}"]
    return [f"sources/{unit}" for unit in units.get(version, written)], headers


@cache
def _objects(folder: Path) -> list[str]:
    """The core, its global names marked: a model may have its own `fail`."""
    names = ", ".join(f'"{name}"' for name in _names())
    (folder / "names.h").write_text(f"static const char *const NAMES[] = {{{names}}};\n")
    (folder / "layout.h").write_text(f'#define CORE_VERSION "wasm"\n{layout.c_header()}')
    (folder / "dlfcn.h").write_text(_SHIM)
    (folder / "tag.s").write_text(_TAG)
    declared = (_CORE / "core.h").read_text().partition("/* core.c */")[2]
    own = {"core_run", *re.findall(r"^[^#\s].*?(\w+)\(", declared, re.MULTILINE)} - {"check"}
    marks = [f"-D{name}=gateway_{name}" for name in own]
    units = [*(_CORE / f"{unit}.c" for unit in _UNITS), _HERE / "wasm.c", folder / "tag.s"]
    places = ["-I.", f"-I{_CORE}", "-fvisibility=hidden"]
    for unit in units:
        _zig(folder, "-c", *marks, *places, str(unit), "-o", f"{unit.stem}.o")
    return [str(path) for path in sorted(folder.glob("*.o"))]


def _core(folder: Path) -> list[str]:
    """The compiled core, once for all models."""
    shared = folder.parent / "core"
    shared.mkdir(exist_ok=True)
    return _objects(shared)


@cache
def _names() -> list[str]:
    """The functions of FMI that the core asks for."""
    found = set(re.findall(r'"(fmi[23][A-Z]\w+)"', (_CORE / "fmu.c").read_text()))
    kinds = re.findall(r'{(?:0|"(\w+)"), "(\w+)", \d', (_CORE / "values.c").read_text())
    for verb in ("Get", "Set"):
        found |= {f"fmi2{verb}{two}" for two, _ in kinds if two}
        found |= {f"fmi3{verb}{three}" for _, three in kinds}
    return sorted(found)


def _zig(folder: Path, *arguments: str) -> None:
    command = [sys.executable, "-m", "ziglang", "cc", *_TARGET, *arguments]
    subprocess.run(command, cwd=folder, check=True)


if __name__ == "__main__":
    main()
