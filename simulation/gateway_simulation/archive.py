"""FMU archives: inspected as they came, extracted once, loaded again and again."""

from __future__ import annotations

import hashlib
import io
import os
import shutil
import tempfile
import threading
import zipfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from gateway_simulation import elf, metadata, platforms
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

__all__ = ["Inspection", "Limits", "extract", "inspect", "load"]

_DESCRIPTION: Final = "modelDescription.xml"
_AT_ONCE: Final = threading.BoundedSemaphore(2)
_METADATA: Final = "description.json"
_SOURCES: Final = (".c", ".cc", ".cpp", ".cxx")
_BINARY_BYTES: Final = 256 * 2**20
_LINE: Final = 300


@dataclass(frozen=True, slots=True)
class Inspection:
    """What an archive is, found without loading or extracting it.

    `problems` is what its description breaks of the standard, in the validator's words, which quote
    it. `missing_libraries` are shared libraries that the model's binary names and this system
    lacks: the model will probably not load.
    """

    sha256: str
    description: ModelDescription
    warnings: tuple[str, ...]
    problems: tuple[str, ...]
    missing_libraries: tuple[str, ...]


def inspect(data: bytes, limits: Limits) -> Inspection:
    """Check the FMU in `data` and read its description. Raises ArchiveError.

    Few at once: a large description costs seconds and megabytes.
    """
    with _AT_ONCE, checked(data, limits) as archive:
        names = tuple(entry.filename for entry in archive.infolist())
        description, problems = parse(
            _read(archive, names, limits),
            platforms=platforms.of_entries(names),
            has_sources=any(
                name.startswith("sources/") and name.endswith(_SOURCES) for name in names
            ),
        )
        if not description.kinds:
            msg = "the FMU offers neither Co-Simulation nor Model Exchange by itself"
            raise UnsupportedKindError(msg)
        description, warnings, missing = _runnable(archive, description)
    if problems:
        warnings += ("modelDescription.xml breaks the standard: see problems",)
    if missing:
        warnings += ("this system lacks libraries the model needs: see missing_libraries",)
    return Inspection(hashlib.sha256(data).hexdigest(), description, warnings, problems, missing)


def extract(data: bytes, inspection: Inspection, folder: Path, limits: Limits) -> None:
    """Extract an inspected FMU into `folder`: its description, this platform's binaries, resources.

    All or nothing: files are written beside `folder`, which then gets its name in one step; a
    folder that another call has made meanwhile is kept. Raises ArchiveError.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    work = Path(tempfile.mkdtemp(prefix=".extracting-", dir=folder.parent))
    try:
        with checked(data, limits) as archive:
            left = limits.unpacked_bytes
            for entry in archive.infolist():
                if entry.is_dir() or not _wanted(entry.filename):
                    continue
                target = work / entry.filename
                target.parent.mkdir(parents=True, exist_ok=True)
                with target.open("wb") as file:
                    left -= copy(archive, entry, file, left)
        (work / "resources").mkdir(exist_ok=True)
        (work / _METADATA).write_bytes(metadata.to_json(inspection.description))
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
    archive: zipfile.ZipFile, description: ModelDescription
) -> tuple[ModelDescription, tuple[str, ...], tuple[str, ...]]:
    """The description less the kinds without a binary here, what was dropped, missing libraries."""
    binaries = {
        identifier: entry
        for identifier in _identifiers(description)
        if (entry := _binary(archive, identifier, description.fmi_version)) is not None
    }
    if not binaries:
        raise _no_binary(description)
    missing: set[str] = set()
    for entry in binaries.values():
        missing.update(_missing_libraries(archive, entry))
    kept = replace(
        description,
        co_simulation=description.co_simulation
        if description.co_simulation and description.co_simulation.model_identifier in binaries
        else None,
        model_exchange=description.model_exchange
        if description.model_exchange and description.model_exchange.model_identifier in binaries
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
    names = platforms.folder_names(platforms.host())
    folder = names[-1] if fmi_version == "2.0" else names[0]
    try:
        return archive.getinfo(f"binaries/{folder}/{identifier}.so")
    except KeyError:
        return None


def _no_binary(description: ModelDescription) -> UnsupportedPlatformError | SourceOnlyModelError:
    needed = platforms.host()
    details = {"platforms": list(description.platforms), "needed": needed}
    if description.has_sources:
        return SourceOnlyModelError(
            f"the FMU has no {needed} binary, and its sources aren't compiled here yet", details
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


def _wanted(name: str) -> bool:
    folders = tuple(f"binaries/{f}/" for f in platforms.folder_names(platforms.host()))
    return name == _DESCRIPTION or name.startswith(("resources/", *folders))
