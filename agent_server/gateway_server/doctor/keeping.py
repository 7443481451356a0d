"""What keeps things: the database, blobs, disks; and the clock that dates them."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from sqlalchemy import text

import gateway_server
from gateway_server.compose import blobs_at
from gateway_server.doctor.finding import Finding
from gateway_server.readiness import FREE_BYTES, NotReadyError, existing, require_storage
from gateway_server.settings import (
    Settings,
    database_url,
    folders_of,
    storage_place,
    without_password,
)
from gateway_storage.blobs import StorageUnavailableError
from gateway_storage.database import Database, DatabaseUnavailableError
from gateway_storage.migrate import SCHEMA, schema_of

_WRITABLE: Final = (
    "make room, or give the gateway's user a folder that it may write to: FMU_GATEWAY_DB_PATH"
)
_SYNC: Final = "set the clock, and let NTP keep it (timedatectl set-ntp true)"
_SLACK: Final = timedelta(minutes=1)
_NEWEST: Final = text("SELECT MAX(created_at) FROM runs")


def database(settings: Settings) -> Iterator[Finding]:
    """Whether it answers, can be written to, and has this version's schema."""
    url = database_url(settings)
    told = without_password(url)
    file = Path(url.split(":///", 1)[1]) if url.startswith("sqlite") else None
    if file is not None:
        try:
            _writable(file.parent)
        except OSError as error:
            problem = f"{told}: {file.parent}: {error.strerror}"
            yield Finding("database", problem, passed=False, remedy=_WRITABLE)
            return
        if not file.exists():
            yield Finding("database", f"{told}, made at the first start")
            return
    try:
        with closing(Database(url)) as opened:
            opened.check()
            yield _schema(opened, told)
    except DatabaseUnavailableError as error:
        problem = f"{told}: {without_password(str(error)).splitlines()[0]}"
        remedy = "start it, or correct DATABASE_URL; the gateway won't start on another one"
        yield Finding("database", problem, passed=False, remedy=remedy)


def _schema(opened: Database, told: str) -> Finding:
    with opened.read() as db:
        schema = schema_of(db)
    if schema == SCHEMA:
        return Finding("database", f"{told}, schema {schema}")
    if schema is None:
        return Finding("database", f"{told}, empty: set up at the first start")
    if schema < SCHEMA:
        remedy = "make a backup first"
        return Finding(
            "database", f"{told}, schema {schema}: next start makes it {SCHEMA}", remedy=remedy
        )
    problem = f"{told}, schema {schema}: this version knows {SCHEMA}"
    remedy = "install the version that wrote it, or a newer one"
    return Finding("database", problem, passed=False, remedy=remedy)


def storage(settings: Settings) -> Iterator[Finding]:
    """Whether blobs are kept and come back."""
    place = storage_place(settings)
    told = str(place) if isinstance(place, Path) else f"s3://{place.name}/{place.prefix}"
    try:
        require_storage(blobs_at(place))
    except (NotReadyError, StorageUnavailableError) as error:
        remedy = (
            "make room, or give the gateway's user a folder by STORAGE_URL=file:FOLDER"
            if isinstance(place, Path)
            else "correct STORAGE_URL and the AWS_* variables, or start the store"
        )
        yield Finding("storage", f"{told}: {error}", passed=False, remedy=remedy)
        return
    yield Finding("storage", told)


def disks(settings: Settings) -> Iterator[Finding]:
    """Whether there is room where things are written."""
    places = [existing(folder) for folder in folders_of(settings)]
    for folder in {place.stat().st_dev: place for place in places}.values():
        free = shutil.disk_usage(folder).free
        told = f"{free >> 20} MB free for {folder}"
        if free < FREE_BYTES:
            remedy = f"make room: under {FREE_BYTES >> 20} MB /ready says 503; RESULT_TTL_DAYS"
            yield Finding("disk", told, passed=False, remedy=f"{remedy} shortens what is kept")
        else:
            yield Finding("disk", told)


def clock(settings: Settings) -> Iterator[Finding]:
    """Whether the time is later than what has happened already. Signatures and quotes need it."""
    now = datetime.now(UTC)
    installed = datetime.fromtimestamp(Path(gateway_server.__file__).stat().st_mtime, UTC)
    happened = {"this version was installed": installed, **_newest(settings)}
    for what, moment in happened.items():
        if moment > now + _SLACK:
            told = f"it is {now:%Y-%m-%d %H:%M} UTC, but {what} at {moment:%Y-%m-%d %H:%M}"
            yield Finding("clock", told, passed=False, remedy=_SYNC)
            return
    yield Finding("clock", f"{now:%Y-%m-%d %H:%M:%S} UTC")


def _newest(settings: Settings) -> dict[str, datetime]:
    url = database_url(settings)
    if url.startswith("sqlite") and not Path(url.split(":///", 1)[1]).exists():
        return {}
    try:
        with closing(Database(url)) as opened, opened.read() as db:
            if schema_of(db) is None:
                return {}
            newest = db.execute(_NEWEST).scalar()
    except Exception:  # noqa: BLE001  the database has a check of its own
        return {}
    if newest is None:
        return {}
    moment = newest if isinstance(newest, datetime) else datetime.fromisoformat(str(newest))
    return {"the newest run began": moment if moment.tzinfo else moment.replace(tzinfo=UTC)}


def _writable(folder: Path) -> None:
    """Write there, as the database would; OSError where that fails."""
    with tempfile.TemporaryFile(dir=folder) as file:
        file.write(b"\0" * 4096)
        file.flush()
