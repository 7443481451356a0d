"""Use cases of `fmu-gateway backup` and `restore`: database and blobs at one moment, as one file.

The database is copied first. Each blob that it refers to was durable before, and is copied next;
one that went meanwhile, with its model or its time, is nothing that anybody misses. A restore puts
the blobs first and the database last: until the end there is no gateway that refers to nothing.
"""

from __future__ import annotations

import io
import json
import os
import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

from gateway_library.store import ModelStore
from gateway_runs.results import ResultStore
from gateway_storage.blobs import BlobDamagedError, BlobNotFoundError, Blobs, verified
from gateway_storage.copying import load, opened, save
from gateway_storage.database import Database
from gateway_storage.migrate import SCHEMA, migrate, schema_of

_DATABASE: Final = "database.sqlite3"
_SECRET: Final = "secret"  # noqa: S105  the name of a member
_MANIFEST: Final = "manifest.json"
_BLOBS: Final = "blobs/"
_FORMAT: Final = 1


class BackupError(Exception):
    """The file is no whole backup, or can't be restored here."""


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a backup holds. `lost`: blobs that were damaged or missing when it was made."""

    schema: str
    made_at: str
    blobs: int
    with_blobs: bool
    lost: list[str]
    format: int = _FORMAT


def back_up(
    database: Database, blobs: Blobs | None, secret: bytes | None, file: Path, now: datetime
) -> Manifest:
    """Write a backup to `file`, whole or not at all; only its owner may read it.

    `blobs`: None leaves them out. `secret`: what tokens are made with, where it isn't a setting.

    Raises:
        OtherSchemaError: the database is not at this version's schema.
        StorageUnavailableError: the store of blobs doesn't answer.

    """
    with _new(file) as target, tempfile.TemporaryDirectory(dir=file.parent) as folder:
        copy = Path(folder, _DATABASE)
        save(database, copy)
        with tarfile.open(fileobj=target, mode="w") as archive:
            archive.add(copy, _DATABASE)
            if secret is not None:
                _add(archive, _SECRET, secret)
            written, lost = _add_blobs(archive, database, blobs, _needed(copy))
            manifest = Manifest(SCHEMA, now.isoformat(), written, blobs is not None, lost)
            _add(archive, _MANIFEST, json.dumps(asdict(manifest), indent=1).encode())
    return manifest


def restore(file: Path, database: Database, blobs: Blobs, secret: Path | None) -> Manifest:
    """Bring a backup into an empty database and a store of blobs.

    `secret`: where the key of tokens is kept, if it isn't a setting. A backup of an older version
    is brought to this version's schema.

    Raises:
        BackupError: the file is no whole backup, a blob is damaged, or a gateway is here already.
        SchemaTooNewError: a newer version made it.
        StorageUnavailableError: the store of blobs doesn't answer.

    """
    with database.read() as db:
        if schema_of(db) is not None:
            message = "the database holds a gateway already; restore into an empty one"
            raise BackupError(message)
    try:
        with tarfile.open(file) as archive, tempfile.TemporaryDirectory() as folder:
            manifest = _manifest(archive)
            copy = Path(folder, _DATABASE)
            copy.write_bytes(_member(archive, _DATABASE))
            with opened(copy) as older:
                migrate(older)
            _put_blobs(archive, blobs, dict(_needed(copy)), manifest)
            if secret is not None and _SECRET in archive.getnames():
                _keep_secret(secret, _member(archive, _SECRET))
            load(copy, database)
    except tarfile.TarError as error:
        message = f"{file} is no backup"
        raise BackupError(message) from error
    return manifest


def _needed(copy: Path) -> list[tuple[str, str | None]]:
    """The blobs that the database refers to, with their hashes where they are known."""
    with opened(copy) as database, database.read() as db:
        return [*ModelStore.blobs_of(db), *ResultStore.blobs_of(db)]


def _add_blobs(
    archive: tarfile.TarFile,
    database: Database,
    blobs: Blobs | None,
    needed: list[tuple[str, str | None]],
) -> tuple[int, list[str]]:
    """How many were written, and which are lost."""
    if blobs is None:
        return 0, []
    missing = []
    for key, sha256 in needed:
        try:
            _add(archive, _BLOBS + key, blobs.get(key, sha256))
        except (BlobNotFoundError, BlobDamagedError):
            missing.append(key)
    if not missing:
        return len(needed), []
    with database.read() as db:
        still = {key for key, _ in [*ModelStore.blobs_of(db), *ResultStore.blobs_of(db)]}
    return len(needed) - len(missing), [key for key in missing if key in still]


def _put_blobs(
    archive: tarfile.TarFile,
    blobs: Blobs,
    needed: dict[str, str | None],
    manifest: Manifest,
) -> None:
    found = 0
    for member in archive:
        key = member.name.removeprefix(_BLOBS)
        if key == member.name or key not in needed:
            continue
        try:
            blobs.put(key, verified(key, _bytes_of(archive, member), needed[key]))
        except BlobDamagedError as error:
            message = f"{key} is damaged in the backup"
            raise BackupError(message) from error
        found += 1
    if found != manifest.blobs:
        message = f"the backup holds {found} of the {manifest.blobs} blobs that it names"
        raise BackupError(message)


def _manifest(archive: tarfile.TarFile) -> Manifest:
    """It is written last: a file without it was cut off."""
    told = json.loads(_member(archive, _MANIFEST))
    if told.get("format") != _FORMAT:
        message = "another version of the gateway made the backup"
        raise BackupError(message)
    return Manifest(**told)


def _member(archive: tarfile.TarFile, name: str) -> bytes:
    try:
        return _bytes_of(archive, archive.getmember(name))
    except KeyError:
        message = f"the backup is not whole: it holds no {name}"
        raise BackupError(message) from None


def _bytes_of(archive: tarfile.TarFile, member: tarfile.TarInfo) -> bytes:
    found = archive.extractfile(member)
    if found is None:
        message = f"{member.name} is no file"
        raise BackupError(message)
    return found.read()


def _add(archive: tarfile.TarFile, name: str, data: bytes) -> None:
    member = tarfile.TarInfo(name)
    member.size, member.mode = len(data), 0o600
    archive.addfile(member, io.BytesIO(data))


def _keep_secret(path: Path, secret: bytes) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(secret)
        file.flush()
        os.fsync(file.fileno())


@contextmanager
def _new(path: Path) -> Iterator[io.BufferedWriter]:
    """A file that appears under its name when it is whole and on the disk."""
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}-")  # mode 0600
    temporary = Path(name)
    try:
        with os.fdopen(descriptor, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
