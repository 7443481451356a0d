"""A gateway that faults are done to, as processes that can be killed and started again."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import httpx
from hostile.processes import children, descendants
from served import Served, free_port, served
from sqlalchemy import text

from gateway_payments.accounts import find_caller, set_auto_pay
from gateway_payments.audit import audit
from gateway_payments.ledger import grant_credits
from gateway_payments.money import from_minor
from gateway_storage.database import Database

TESTS: Final = Path(__file__).parents[1]
PRICE_CENTS: Final = 100
_GRANT_CENTS: Final = 10**9


@dataclass
class Site:
    """One gateway at one port; its data outlives its processes."""

    folder: Path
    database_url: str
    port: int = field(default_factory=free_port)
    key: str = ""
    _starts: int = 0
    _running: Served | None = None
    _stack: ExitStack = field(default_factory=ExitStack)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def pid(self) -> int:
        assert self._running
        return self._running.pid

    @property
    def clock_file(self) -> Path:
        """What its clock is off by [s]."""
        return self.folder / "clock"

    def start(self) -> None:
        """Start its process, where the last one ended."""
        self._starts += 1
        place = self.folder / f"start {self._starts}"
        place.mkdir()
        command = (sys.executable, "-m", "faults.gateway", "serve", "--port", str(self.port))
        paths = os.pathsep.join([str(TESTS), os.environ.get("PYTHONPATH", "")])
        environment = {
            "DATABASE_URL": self.database_url,
            "PAYMENT_OFFERS": "credits",
            "STRIPE_SIMULATION_PRICE_CENTS": str(PRICE_CENTS),
            "GATEWAY_SECRET": "0" * 32,
            "SIMULATION_TIMEOUT_S": "5",
            "STORAGE_URL": f"file:{self.folder / 'blobs'}",
            "CLOCK_FILE": str(self.clock_file),
            "PYTHONPATH": paths,
        }
        self._running = self._stack.enter_context(served(place, command, **environment))

    def kill(self) -> None:
        """Kill -9 it."""
        os.kill(self.pid, signal.SIGKILL)

    def restart(self) -> None:
        self.kill()
        self.start()

    def zygote(self) -> int:
        """What starts its simulations."""
        (found,) = [pid for pid in children(self.pid) if b"zygote" in _command(pid)]
        return found

    def simulations(self) -> list[int]:
        """The processes that run a model just now."""
        return descendants(self.zygote())

    def open_account(self) -> None:
        """An account with plenty of credits, which pays without being asked."""
        self.key = httpx.post(f"{self.url}/keys").json()["key"]
        now = datetime.now(UTC)
        with self.database() as database, database.write() as db:
            caller = find_caller(db, self.key)
            assert caller
            grant_credits(db, caller.account_id, "plenty", from_minor(_GRANT_CENTS, "usd"), now)
            set_auto_pay(db, caller.account_id, "credits")

    @contextmanager
    def database(self) -> Iterator[Database]:
        database = Database(self.database_url)
        try:
            yield database
        finally:
            database.close()

    def counted(self, query: str) -> dict[str, int]:
        with self.database() as database, database.read() as db:
            return {row[0]: row[1] for row in db.execute(text(query))}

    def audit(self) -> list[str]:
        with self.database() as database, database.read() as db:
            return audit(db)

    def spent_cents(self) -> float:
        told: dict[str, Any] = httpx.get(
            f"{self.url}/account", headers={"Authorization": f"Bearer {self.key}"}
        ).json()
        return _GRANT_CENTS - float(told["balance"]["amount"]) * 100

    def close(self) -> None:
        self._stack.close()


@contextmanager
def opened_site(folder: Path, database_url: str) -> Iterator[Site]:
    """A gateway that serves, with an account."""
    site = Site(folder, database_url)
    try:
        site.start()
        site.open_account()
        yield site
    finally:
        site.close()


def _command(process: int) -> bytes:
    try:
        return Path(f"/proc/{process}/cmdline").read_bytes()
    except OSError:
        return b""
