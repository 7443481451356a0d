"""FMU archives (being written)."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from gateway_simulation.model import Model, ModelDescription


@dataclass(frozen=True, slots=True)
class Limits:
    """What an archive may hold at most."""

    upload_bytes: int = 100 * 2**20
    entries: int = 10_000
    unpacked_bytes: int = 1024 * 2**20
    ratio: int = 200
    description_bytes: int = 16 * 2**20


@dataclass(frozen=True, slots=True)
class Inspection:
    """What an archive is, found without loading or extracting it."""

    sha256: str
    description: ModelDescription
    warnings: tuple[str, ...]
    missing_libraries: tuple[str, ...]


def inspect(data: bytes, limits: Limits) -> Inspection:
    """Check an archive. Raises ArchiveError."""
    raise NotImplementedError


def extract(data: bytes, inspection: Inspection, folder: Path, limits: Limits) -> None:
    """Extract an inspected archive into the new folder `folder`, all or nothing."""
    raise NotImplementedError


def load(model_id: str, sha256: str, folder: Path, source_sha256: str | None = None) -> Model:
    """The model extracted into `folder`: no unzip, no XML. Raises ModelFolderError."""
    raise NotImplementedError
