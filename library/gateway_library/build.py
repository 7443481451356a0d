"""The library's FMUs out of their sources: for each model one or two, and one index of all.

    <name>.fmu          FMI 2.0, Model Exchange and Co-Simulation
    <name>@fmi3.fmu     FMI 3.0, Model Exchange and Co-Simulation
    index.json          what a server needs to know of them without opening one

The same sources and compiler give the same bytes. What is up to date stays as it is.

Only the standard library: this also runs where a wheel is built, before anything is installed.
"""

from __future__ import annotations

import hashlib
import io
import json
import math
import os
import tempfile
import zipfile
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from gateway_library.descriptions import build_description, header, model_description, token
from gateway_library.sources import FmiVersion, ModelSource, interface, read_models
from gateway_simulation import compiler as c_compiler
from gateway_simulation.compiler import (
    compile_library,
    compile_object,
    find_compiler,
    this_machine,
)

INDEX: Final = "index.json"
_INTERFACE_OBJECT: Final = "interface.o"
_EPOCH: Final = (1980, 1, 1, 0, 0, 0)  # the earliest time that a zip can hold


@dataclass(frozen=True, slots=True)
class BuildReport:
    """What a build did: file names, sorted."""

    folder: Path
    built: tuple[str, ...]
    kept: tuple[str, ...]
    removed: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Built:
    """One FMU and its entry in the index."""

    entry: Mapping[str, Any]
    data: bytes

    @property
    def file(self) -> str:
        return str(self.entry["file"])


@dataclass(frozen=True, slots=True)
class _Job:
    """One FMU to be made."""

    model: ModelSource
    version: FmiVersion
    recipe: str

    @property
    def file(self) -> str:
        return f"{self.model.name}{'' if self.version == '2.0' else '@fmi3'}.fmu"

    def is_done_by(self, entry: Mapping[str, Any]) -> bool:
        return bool(
            entry["recipe"] == self.recipe
            and entry["source_sha256"] == self.model.sha256(self.version)
        )


def built_folder() -> Path:
    """Where an installation keeps its built FMUs."""
    return Path(__file__).with_name("built")


def build_library(models: Path, output: Path) -> BuildReport:
    """Build every model under `models` into `output`.

    An FMU that is up to date, there or in the installation's own folder, is taken as it is: an
    installed gateway needs no compiler for this.

    Raises:
        CardError: a model.toml is wrong.
        CompilationError: the compiler refuses a model.
        NoCompilerError: something must be compiled and nothing can.

    """
    recipe = _recipe()
    jobs = [_Job(m, version, recipe) for m in read_models(models) for version in m.versions]
    before = _read_index(output)
    kept = {job.file: built for job in jobs if (built := _up_to_date(job, output)) is not None}
    fresh = _build_all([job for job in jobs if job.file not in kept])
    output.mkdir(parents=True, exist_ok=True)
    for built in (*fresh, *kept.values()):
        _write(output / built.file, built.data)
    entries = [dict(built.entry) for built in (*fresh, *kept.values())]
    entries.sort(key=lambda entry: str(entry["file"]))
    _write(output / INDEX, json.dumps(entries, indent=1).encode())
    removed = sorted(before.keys() - {job.file for job in jobs})
    for name in removed:
        (output / name).unlink(missing_ok=True)
    return BuildReport(
        output, tuple(sorted(built.file for built in fresh)), tuple(sorted(kept)), tuple(removed)
    )


def _recipe() -> str:
    """What decides, besides the sources, which bytes come out and what the index says of them."""
    own = (Path(__file__), Path(c_compiler.__file__))
    text = b"\0".join(path.read_bytes() for path in own) + repr(this_machine()).encode()
    return hashlib.sha256(text).hexdigest()


def _read_index(folder: Path) -> dict[str, dict[str, Any]]:
    """The index by file name; nothing where there is none, or none that can be read."""
    try:
        entries = json.loads((folder / INDEX).read_bytes())
        return {entry["file"]: entry for entry in entries}
    except (OSError, ValueError, KeyError, TypeError):
        return {}


def _up_to_date(job: _Job, output: Path) -> _Built | None:
    for folder in (output, built_folder()):
        entry = _read_index(folder).get(job.file)
        if entry is None or not job.is_done_by(entry):
            continue
        path = folder / job.file
        data = path.read_bytes() if path.is_file() else b""
        if hashlib.sha256(data).hexdigest() == entry["sha256"]:
            return _Built(entry, data)
    return None


def _build_all(jobs: list[_Job]) -> list[_Built]:
    if not jobs:
        return []
    compiler = find_compiler()
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        versions = sorted({job.version for job in jobs})
        objects = pool.map(lambda version: _interface_object(version, compiler), versions)
        interfaces = dict(zip(versions, objects, strict=True))
        return list(pool.map(lambda job: _build(job, compiler, interfaces[job.version]), jobs))


def _interface_object(version: FmiVersion, compiler: tuple[str, ...]) -> bytes:
    """What takes half of the compiler's time and is the same for all models, compiled once."""
    source = interface(version)
    with tempfile.TemporaryDirectory(prefix="fmu-") as name:
        folder = Path(name)
        for path in (source, *source.parent.glob("*.h")):
            (folder / path.name).write_bytes(path.read_bytes())
        compile_object(compiler, folder, source.name, _INTERFACE_OBJECT)
        return (folder / _INTERFACE_OBJECT).read_bytes()


def _build(job: _Job, compiler: tuple[str, ...], shared: bytes) -> _Built:
    model, version = job.model, job.version
    source_sha256 = model.sha256(version)
    sources = {path.name: path.read_bytes() for path in model.files(version)}
    sources["description.h"] = header(model, source_sha256).encode()
    units = sorted(name for name in sources if name.endswith(".c"))
    target = this_machine()
    library = f"{model.identifier}{target.suffix}"
    members = {f"sources/{name}": data for name, data in sources.items()}
    members["modelDescription.xml"] = model_description(model, version, units)
    if version == "3.0":
        members["sources/buildDescription.xml"] = build_description(model, units)
    own = [unit for unit in units if unit != interface(version).name]
    given = {**sources, _INTERFACE_OBJECT: shared}
    binary = _compile(given, compiler, [*own, _INTERFACE_OBJECT], library)
    for folder in target.folders(version):
        members[f"binaries/{folder}/{library}"] = binary
    data = _archive(members)
    return _Built(_entry(job, source_sha256, data), data)


def _compile(
    sources: Mapping[str, bytes], compiler: tuple[str, ...], units: list[str], library: str
) -> bytes:
    with tempfile.TemporaryDirectory(prefix="fmu-") as name:
        folder = Path(name)
        for source, text in sources.items():
            (folder / source).write_bytes(text)
        compile_library(compiler, folder, units, library)
        return (folder / library).read_bytes()


def _archive(members: Mapping[str, bytes]) -> bytes:
    """A zip whose bytes depend on `members` only."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for name, data in sorted(members.items()):
            info = zipfile.ZipInfo(name, _EPOCH)
            info.compress_type = zipfile.ZIP_DEFLATED
            info.external_attr = (0o755 if name.startswith("binaries/") else 0o644) << 16
            info.create_system = 3  # Unix, wherever this runs
            archive.writestr(info, data)
    return buffer.getvalue()


def _entry(job: _Job, source_sha256: str, data: bytes) -> dict[str, Any]:
    """What the index says of one FMU; `gateway_library.catalogue` reads it."""
    model, experiment = job.model, job.model.experiment
    return {
        "file": job.file,
        "recipe": job.recipe,
        "sha256": hashlib.sha256(data).hexdigest(),
        "source_sha256": source_sha256,
        "size_bytes": len(data),
        "model_name": model.name,
        "fmi_version": job.version,
        "guid": token(source_sha256),
        "description": model.description,
        "kinds": ["co_simulation", "model_exchange"],
        "tags": model.tags,
        "literature": model.literature,
        "verified_against": model.verified_against,
        "error": model.error,
        "how": model.how,
        "n_states": sum(math.prod(model.shape(variable)) for variable in model.states),
        "variables": [
            {"name": v.name, "causality": v.causality, "unit": v.unit, "description": v.description}
            for v in model.variables
        ],
        "default_experiment": {
            "start_time": experiment.start,
            "stop_time": experiment.stop,
            "tolerance": experiment.tolerance,
            "step_size": experiment.step,
        },
    }


def _write(path: Path, data: bytes) -> None:
    """Replace `path` in one go; a file that already holds `data` is left alone."""
    if path.is_file() and path.read_bytes() == data:
        return
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=".")
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
    Path(temporary).chmod(0o644)
    Path(temporary).replace(path)
