"""FMU archives: inspected as they came, extracted once, loaded again and again."""

from __future__ import annotations

import hashlib
import io
import os
import shutil
import tempfile
import threading
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from gateway_simulation import elf, metadata, platforms, sources
from gateway_simulation.building import Builder
from gateway_simulation.description import parse
from gateway_simulation.exceptions import (
    InvalidModelDescriptionError,
    MissingModelDescriptionError,
    ModelFolderError,
    SourceOnlyModelError,
    UnsupportedKindError,
    UnsupportedPlatformError,
)
from gateway_simulation.foreign import readable
from gateway_simulation.model import Model, ModelDescription
from gateway_simulation.packing import Limits, checked, copy
from gateway_simulation.sources import Recipe
from gateway_simulation.xmlguard import outline

__all__ = ["Inspection", "Limits", "extract", "inspect", "load"]

_DESCRIPTION: Final = "modelDescription.xml"
_AT_ONCE: Final = threading.BoundedSemaphore(2)
_METADATA: Final = "description.json"
_BINARY_BYTES: Final = 256 * 2**20
_LINE: Final = 300


@dataclass(frozen=True, slots=True)
class Inspection:
    """What an archive is, found without loading or extracting it.

    `problems` is what its description breaks of the standard, and asks of a compiler in vain, in
    words that quote it. `missing_libraries` are shared libraries that the model's binary names and
    this system lacks: the model will probably not load. `recipes` say what is to be compiled, where
    the archive has sources and no binary for this machine.
    """

    sha256: str
    description: ModelDescription
    warnings: tuple[str, ...]
    problems: tuple[str, ...]
    missing_libraries: tuple[str, ...]
    recipes: tuple[Recipe, ...] = ()


def inspect(data: bytes, limits: Limits) -> Inspection:
    """Check the FMU in `data` and read its description. Raises ArchiveError.

    Few at once: a large description costs seconds and megabytes.
    """
    with _AT_ONCE, checked(data, limits) as archive:
        names = tuple(entry.filename for entry in archive.infolist())
        xml = _read(archive, names, limits)
        description, problems = parse(
            xml,
            platforms=platforms.of_entries(names),
            has_sources=any(
                name.startswith(sources.FOLDER) and name.endswith(sources.SUFFIXES)
                for name in names
            ),
        )
        if not description.kinds:
            msg = "the FMU offers neither Co-Simulation nor Model Exchange by itself"
            raise UnsupportedKindError(msg)
        recipes = _recipes(archive, description, xml, names)
        description, warnings, missing = _runnable(archive, description, recipes)
    if problems:
        warnings += ("modelDescription.xml breaks the standard: see problems",)
    if missing:
        warnings += ("this system lacks libraries the model needs: see missing_libraries",)
    ignored = tuple(word for recipe in recipes.values() for word in recipe.ignored)
    if ignored:
        warnings += ("compiled without some options of its author's: see problems",)
        problems += (f"options that no compiler is given: {' '.join(ignored)}",)
    return Inspection(
        hashlib.sha256(data).hexdigest(),
        description,
        warnings,
        problems,
        missing,
        tuple(recipes.values()),
    )


def extract(
    data: bytes,
    inspection: Inspection,
    folder: Path,
    limits: Limits,
    builder: Builder | None = None,
) -> None:
    """Extract an inspected FMU into `folder`: its description, this platform's binaries, resources.

    What has no binary for this platform is compiled by `builder`. All or nothing: files are written
    beside `folder`, which then gets its name in one step; a folder that another call has made
    meanwhile is kept. Raises ArchiveError, and what `Builder.build` raises.
    """
    _check_builder(inspection, builder)
    folder.parent.mkdir(parents=True, exist_ok=True)
    work = Path(tempfile.mkdtemp(prefix=".extracting-", dir=folder.parent))
    try:
        with checked(data, limits) as archive:
            left = limits.unpacked_bytes - _unpack(archive, _WANTED, work, limits.unpacked_bytes)
            description = inspection.description
            if inspection.recipes and builder is not None:
                description = _compiled(archive, inspection, work, builder, left)
        (work / "resources").mkdir(exist_ok=True)
        (work / _METADATA).write_bytes(metadata.to_json(description))
        work.chmod(0o755)
        try:
            work.rename(folder)
        except OSError:
            if not (folder / _METADATA).is_file():
                raise
    finally:
        shutil.rmtree(work, ignore_errors=True)


def load(model_id: str, sha256: str, folder: Path, source_sha256: str | None = None) -> Model:
    """The model extracted into `folder`: no zip, no XML. Raises ModelFolderError."""
    try:
        description = metadata.from_json((folder / _METADATA).read_bytes())
    except (OSError, ValueError) as error:
        msg = "the extracted model is missing or damaged"
        raise ModelFolderError(msg, {"model": model_id}) from error
    return Model(model_id, sha256, folder, description, source_sha256)


def _read(archive: zipfile.ZipFile, names: tuple[str, ...], limits: Limits) -> bytes:
    """The modelDescription.xml, bounded."""
    if _DESCRIPTION not in names:
        nested = next((n for n in names if n.endswith("/" + _DESCRIPTION)), None)
        msg = "the archive holds no modelDescription.xml at its top"
        raise MissingModelDescriptionError(
            msg, {"found": readable(nested, _LINE)} if nested else {}
        )
    entry = archive.getinfo(_DESCRIPTION)
    if entry.file_size > limits.description_bytes:
        msg = f"modelDescription.xml has more than {limits.description_bytes} bytes"
        raise InvalidModelDescriptionError(msg, {"limit": limits.description_bytes})
    buffer = io.BytesIO()
    copy(archive, entry, buffer, limits.description_bytes)
    return buffer.getvalue()


def _runnable(
    archive: zipfile.ZipFile, description: ModelDescription, recipes: Mapping[str, Recipe]
) -> tuple[ModelDescription, tuple[str, ...], tuple[str, ...]]:
    """The description less the kinds without a binary here, what was dropped, missing libraries."""
    binaries = {
        identifier: entry
        for identifier in _identifiers(description)
        if (entry := _binary(archive, identifier, description.fmi_version)) is not None
    }
    if not binaries and not recipes:
        raise _no_binary(description)
    there = binaries.keys() | recipes.keys()
    missing: set[str] = set()
    for entry in binaries.values():
        missing.update(_missing_libraries(archive, entry))
    kept = replace(
        description,
        co_simulation=description.co_simulation
        if description.co_simulation and description.co_simulation.model_identifier in there
        else None,
        model_exchange=description.model_exchange
        if description.model_exchange and description.model_exchange.model_identifier in there
        else None,
    )
    dropped = tuple(
        f"no {platforms.host()} binary for {kind}"
        for kind in description.kinds
        if kind not in kept.kinds
    )
    return kept, dropped, tuple(sorted(missing))


def _identifiers(description: ModelDescription) -> set[str]:
    interfaces = (description.co_simulation, description.model_exchange)
    return {interface.model_identifier for interface in interfaces if interface is not None}


def _binary(archive: zipfile.ZipFile, identifier: str, fmi_version: str) -> zipfile.ZipInfo | None:
    """The shared library for this machine, under the folder name of its FMI version."""
    try:
        return archive.getinfo(_library(identifier, fmi_version))
    except KeyError:
        return None


def _library(identifier: str, fmi_version: str) -> str:
    names = platforms.folder_names(platforms.host())
    return f"binaries/{names[-1] if fmi_version == '2.0' else names[0]}/{identifier}.so"


def _no_binary(description: ModelDescription) -> UnsupportedPlatformError | SourceOnlyModelError:
    needed = platforms.host()
    details = {"platforms": list(description.platforms), "needed": needed}
    if description.has_sources:
        return SourceOnlyModelError(
            f"the FMU has no {needed} binary, and doesn't say what its sources are", details
        )
    return UnsupportedPlatformError(f"the FMU has no {needed} binary", details)


def _missing_libraries(archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> tuple[str, ...]:
    buffer = io.BytesIO()
    copy(archive, entry, buffer, _BINARY_BYTES)
    folder = os.path.dirname(entry.filename) + "/"  # noqa: PTH120 - a name in a zip, no path
    shipped = frozenset(
        name.removeprefix(folder) for name in archive.namelist() if name.startswith(folder)
    )
    try:
        return elf.missing(elf.needed(buffer.getvalue(), platforms.host()), shipped)
    except ValueError as error:
        msg = f"the FMU's binary is no shared library for {platforms.host()}"
        raise UnsupportedPlatformError(
            msg,
            {"platforms": [], "needed": platforms.host()},
        ) from error


def _recipes(
    archive: zipfile.ZipFile, description: ModelDescription, xml: bytes, names: tuple[str, ...]
) -> dict[str, Recipe]:
    """What must be compiled, by model identifier; nothing where there is any binary."""
    identifiers = _identifiers(description)
    if not description.has_sources or any(
        _binary(archive, identifier, description.fmi_version) for identifier in identifiers
    ):
        return {}
    if description.fmi_version == "2.0":
        listed = outline(xml).source_files
        return sources.of_fmi2({i: listed.get(i, []) for i in identifiers}, names)
    if sources.BUILD_DESCRIPTION not in names:
        return {}
    buffer = io.BytesIO()
    entry = archive.getinfo(sources.BUILD_DESCRIPTION)
    copy(archive, entry, buffer, sources.BUILD_DESCRIPTION_BYTES)
    return sources.of_fmi3(buffer.getvalue(), identifiers, names, platforms.host())


def _check_builder(inspection: Inspection, builder: Builder | None) -> None:
    if not inspection.recipes:
        return
    problem = builder.problem if builder is not None else "models aren't compiled here"
    if problem is not None:
        needed = platforms.host()
        msg = f"the FMU has no {needed} binary, and its sources can't be compiled: {problem}"
        details = {"platforms": list(inspection.description.platforms), "needed": needed}
        raise SourceOnlyModelError(msg, details)


def _compiled(
    archive: zipfile.ZipFile, inspection: Inspection, work: Path, builder: Builder, most: int
) -> ModelDescription:
    """Compile the model's libraries into `work`, where they would lie; the description then."""
    description = inspection.description
    with tempfile.TemporaryDirectory(prefix="fmu-gateway-build-") as name:
        folder = Path(name)
        _unpack(archive, (sources.FOLDER,), folder / "input", most)
        for recipe in inspection.recipes:
            library = work / _library(recipe.identifier, description.fmi_version)
            library.parent.mkdir(parents=True, exist_ok=True)
            builder.build(recipe, description.fmi_version, folder, library)
    found = tuple(sorted({*description.platforms, platforms.host()}))
    return replace(description, platforms=found, compiled_by=builder.compiler)


def _unpack(archive: zipfile.ZipFile, wanted: tuple[str, ...], folder: Path, most: int) -> int:
    """Unpack the entries whose names begin as `wanted`; how many bytes they are."""
    unpacked = 0
    for entry in archive.infolist():
        if entry.is_dir() or not entry.filename.startswith(wanted):
            continue
        target = folder / entry.filename
        target.parent.mkdir(parents=True, exist_ok=True)
        with target.open("wb") as file:
            unpacked += copy(archive, entry, file, most - unpacked)
    return unpacked


_WANTED: Final = (
    _DESCRIPTION,
    "resources/",
    *(f"binaries/{folder}/" for folder in platforms.folder_names(platforms.host())),
)
