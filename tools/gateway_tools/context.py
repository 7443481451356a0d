"""What a handler is given: the system, and who is calling."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from gateway_library.catalogue import Catalogue
from gateway_library.finder import Finder
from gateway_library.store import ModelStore
from gateway_library.tickets import Tickets
from gateway_payments.accounts import Caller
from gateway_payments.proof import Proof
from gateway_payments.service import Payments
from gateway_runs.results import ResultStore
from gateway_simulation.building import Builder
from gateway_simulation.model import Model
from gateway_simulation.plan import RunLimits
from gateway_simulation.runner import Simulator
from gateway_simulation.watch import Watch
from gateway_storage.blobs import Blobs
from gateway_storage.database import Database
from gateway_tools.meter import Meter


@dataclass(frozen=True, slots=True)
class Gateway:
    """The parts of the system, put together once when the process starts."""

    version: str
    database: Database
    catalogue: Catalogue
    models: ModelStore
    finder: Finder
    tickets: Tickets
    payments: Payments
    results: ResultStore
    blobs: Blobs
    simulator: Simulator
    builder: Builder
    run_limits: RunLimits
    timeout_s: float
    memory_mb: int
    result_ttl: timedelta
    meter: Meter
    clock: Callable[[], datetime]
    alone_at: datetime | None
    """When this process was the only one that used the database; None where others may have."""
    unsettled: deque[str] = field(default_factory=deque)
    """Runs that ended here while the database couldn't be told; `recover` sees to them."""

    def model(self, account_id: str, model_id: str) -> Model:
        """The library model or the account's own upload of that id."""
        if model_id.startswith("fmu_"):
            return self.models.get(account_id, model_id)
        return self.catalogue.resolve(model_id)


@dataclass(frozen=True, slots=True)
class Door:
    """What differs between the ways in. `name`: as logs and counts have it."""

    name: str
    result_link: Callable[[str, str], str]  # result id, format -> address
    upload_link: Callable[[str], str] | None = None  # ticket -> address, where there is HTTP
    readable: Callable[[str], bytes] | None = None  # path -> file, where the caller is local


@dataclass(frozen=True, slots=True)
class Context:
    """One call."""

    gateway: Gateway
    caller: Caller
    door: Door
    proof: Proof | None = None  # a payment that came along
    watch: Watch = field(default_factory=Watch)  # how far its runs are, and to cancel them
    refused: Exception | None = None  # why nothing is done for it: the key calls too often

    @property
    def account_id(self) -> str:
        """Whose call it is."""
        return self.caller.account_id

    @property
    def now(self) -> datetime:
        """The gateway's clock, in UTC."""
        return self.gateway.clock()

    @property
    def kept_since(self) -> datetime:
        """Results older than this are gone."""
        return self.now - self.gateway.result_ttl
