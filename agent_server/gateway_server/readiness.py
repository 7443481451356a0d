"""`GET /ready`: whether the gateway can take requests, by doing a little of what they need."""

from __future__ import annotations

import secrets
import shutil
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import anyio
import structlog
from anyio import to_thread

from gateway_storage.blobs import Blobs
from gateway_storage.migrate import SCHEMA, OtherSchemaError, schema_of
from gateway_tools.context import Gateway

PATIENCE_S: Final = 3.0
"""What all checks may take together; one that takes longer has failed."""
FREE_BYTES: Final = 100 * 2**20
"""With less on the disk, uploads and results are about to fail."""
_KEPT_S: Final = 2.0
_PROBE: Final = "probe/"

_log = structlog.get_logger()

Check = Callable[[], None]


class NotReadyError(Exception):
    """A part doesn't do its work; why, for the log."""


@dataclass(frozen=True, slots=True)
class Readiness:
    """What was found: of each part whether it works. Nothing else: strangers may read it."""

    parts: Mapping[str, bool]

    @property
    def ready(self) -> bool:
        """Whether all of them do."""
        return all(self.parts.values())

    @property
    def told(self) -> dict[str, object]:
        """As it is answered."""
        checks = {name: "ok" if works else "failing" for name, works in self.parts.items()}
        return {"status": "ready" if self.ready else "unavailable", "checks": checks}


class ReadinessProbe:
    """Checks the parts side by side, in bounded time; whoever asks at once shares the answer.

    A check that hangs keeps its thread until it ends, and is not begun a second time meanwhile.
    """

    def __init__(self, checks: Mapping[str, Check], patience_s: float = PATIENCE_S) -> None:
        self._checks = checks
        self._patience_s = patience_s
        self._lock = anyio.Lock()
        self._hanging: set[str] = set()
        self._found: tuple[float, Readiness] | None = None
        self._threads = anyio.CapacityLimiter(len(checks))  # never the ones that calls need

    async def look(self) -> Readiness:
        """How it stands now, or stood at most two seconds ago."""
        async with self._lock:
            if self._found and time.monotonic() - self._found[0] < _KEPT_S:
                return self._found[1]
            found = await self._checked()
            if self._found and self._found[1].parts != found.parts and found.ready:
                _log.info("ready_again")
            self._found = (time.monotonic(), found)
            return found

    async def _checked(self) -> Readiness:
        works = dict.fromkeys(self._checks, False)
        with anyio.move_on_after(self._patience_s) as bounded:
            async with anyio.create_task_group() as checking:
                for name in self._checks:
                    checking.start_soon(self._check, name, works)
        if bounded.cancelled_caught:
            _log.warning("not_ready", parts=sorted(self._hanging), reason="no answer in time")
        return Readiness(works)

    async def _check(self, name: str, works: dict[str, bool]) -> None:
        if name in self._hanging:
            _log.warning("not_ready", part=name, reason="an earlier check hasn't come back")
            return
        self._hanging.add(name)

        def work() -> None:
            try:
                self._checks[name]()
            finally:
                self._hanging.discard(name)

        try:
            await to_thread.run_sync(work, abandon_on_cancel=True, limiter=self._threads)
        except Exception as error:  # noqa: BLE001  whatever it was, this part doesn't work
            _log.warning("not_ready", part=name, reason=f"{type(error).__name__}: {error}")
            return
        works[name] = True


def checks_of(gateway: Gateway, folders: tuple[Path, ...]) -> dict[str, Check]:
    """What a gateway needs. `folders`: where it writes; their disks must have room."""
    return {
        "database": lambda: _database(gateway),
        "storage": lambda: require_storage(gateway.blobs),
        "sandbox": lambda: _sandbox(gateway),
        "disk": lambda: _disk(folders),
    }


def _database(gateway: Gateway) -> None:
    gateway.database.check()
    with gateway.database.read() as db:
        schema = schema_of(db)
    if schema != SCHEMA:
        raise OtherSchemaError(schema)


def require_storage(blobs: Blobs) -> None:
    """Write, read and delete. Raises NotReadyError, StorageUnavailableError."""
    key, written = f"{_PROBE}{secrets.token_hex(8)}", secrets.token_bytes(16)
    try:
        blobs.put(key, written)
        if blobs.get(key, None) != written:
            message = "the storage gives other bytes than were written"
            raise NotReadyError(message)
    finally:
        blobs.delete(key)


def _sandbox(gateway: Gateway) -> None:
    gateway.simulator.start()  # a worker that runs already costs nothing


def _disk(folders: tuple[Path, ...]) -> None:
    for folder in folders:
        free = shutil.disk_usage(existing(folder)).free
        if free < FREE_BYTES:
            message = f"{free >> 20} MB are free for {folder}"
            raise NotReadyError(message)


def existing(folder: Path) -> Path:
    """The folder, or the nearest above it that is there."""
    return next(place for place in (folder, *folder.absolute().parents) if place.exists())
