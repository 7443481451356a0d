"""What is read of a gateway at the moment that somebody asks for its metrics."""

from __future__ import annotations

import shutil
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final, Generic, TypeVar

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from gateway_server.pulse import Pulse, age
from gateway_storage.blobs import Blobs, FolderBlobs
from gateway_tools.context import Gateway
from gateway_tools.holdings import Amount, Holdings, holdings

_COUNTED_S: Final = 15.0
_WALKED_S: Final = 300.0
"""The database is counted and the folder walked no more often than that, however many ask."""
_MICROS: Final = 1e6

Value = TypeVar("Value")


class GatewayState(Collector):
    """Load, money, bytes and the background's pulse of one gateway."""

    def __init__(self, gateway: Gateway, pulse: Pulse, folders: tuple[Path, ...]) -> None:
        self._gateway = gateway
        self._pulse = pulse
        self._folders = dict.fromkeys(folders)
        self._holdings = _Kept(lambda: holdings(gateway.database), _COUNTED_S)
        self._sizes = _Kept(lambda: _sizes(gateway.blobs), _WALKED_S)

    def collect(self) -> Iterator[Metric]:
        """All of it. Raises what the database raises; the scrape then fails, as it should."""
        yield from self._machine()
        yield from self._background()
        yield from self._books(self._holdings())
        yield from self._stored()

    def describe(self) -> Iterator[Metric]:
        """Nothing beforehand: registering must not read the database."""
        return iter(())

    def _machine(self) -> Iterator[Metric]:
        gateway, load = self._gateway, self._gateway.simulator.load
        tier = gateway.simulator.last_tier
        info = GaugeMetricFamily(
            "fmu_gateway_info", "Always 1: what runs here", labels=["version", "sandbox"]
        )
        info.add_metric([gateway.version, tier.name.lower() if tier else "none"], 1)
        yield info
        yield GaugeMetricFamily("fmu_gateway_cores", "Runs that can go on at once", load.cores)
        yield GaugeMetricFamily("fmu_gateway_cores_busy", "Runs that go on", load.busy)
        yield GaugeMetricFamily("fmu_gateway_queue_length", "Runs that wait", load.waiting)
        errors = CounterMetricFamily(
            "fmu_gateway_database_errors", "Errors of the database, by class", labels=["error"]
        )
        for name, count in sorted(gateway.database.errors.items()):
            errors.add_metric([name], count)
        yield errors
        free = [shutil.disk_usage(folder).free for folder in self._folders if folder.exists()]
        if free:
            yield GaugeMetricFamily("fmu_gateway_disk_free_bytes", "Room that is left", min(free))

    def _background(self) -> Iterator[Metric]:
        pulse = self._pulse
        failures = CounterMetricFamily(
            "fmu_gateway_upkeep_failures", "Rounds of upkeep that failed", labels=["work"]
        )
        for work, count in sorted(pulse.failures.items()):
            failures.add_metric([work], count)
        yield failures
        reconciled, audited = age(pulse.reconciled), age(pulse.audited)
        if reconciled is not None:
            told = "Since the reconciler last came round"
            yield GaugeMetricFamily("fmu_gateway_reconciler_age_seconds", told, reconciled)
        if audited is not None:
            told = "Since the books were last examined"
            yield GaugeMetricFamily("fmu_gateway_audit_age_seconds", told, audited)
            told = "Rules of the books that the last audit found broken: 0, or call somebody"
            yield GaugeMetricFamily("fmu_gateway_audit_violations", told, pulse.violations)

    def _books(self, held: Holdings) -> Iterator[Metric]:
        yield from _of_amounts("payments", "Payments", held.payments)
        yield from _of_amounts("entitlements", "Rights to a run", held.entitlements)
        letters = GaugeMetricFamily(
            "fmu_gateway_letters", "Letters to Stripe; stuck ones need somebody", labels=["state"]
        )
        for state, count in sorted(held.letters.items()):
            letters.add_metric([state], count)
        yield letters
        yield GaugeMetricFamily("fmu_gateway_models", "Uploaded models", held.models)
        yield GaugeMetricFamily("fmu_gateway_model_bytes", "Their size", held.model_bytes)

    def _stored(self) -> Iterator[Metric]:
        blobs = GaugeMetricFamily("fmu_gateway_blob_bytes", "Bytes in the folder", labels=["kind"])
        for kind, size in sorted(self._sizes().items()):
            blobs.add_metric([kind], size)
        yield blobs


def _sizes(blobs: Blobs) -> dict[str, int]:
    return blobs.sizes() if isinstance(blobs, FolderBlobs) else {}


class _Kept(Generic[Value]):
    """What a function answered, for some time [s]."""

    def __init__(self, ask: Callable[[], Value], kept_s: float) -> None:
        self._ask = ask
        self._kept_s = kept_s
        self._lock = threading.Lock()
        self._found: tuple[float, Value] | None = None

    def __call__(self) -> Value:
        with self._lock:
            if self._found is None or time.monotonic() - self._found[0] > self._kept_s:
                self._found = (time.monotonic(), self._ask())
            return self._found[1]


def _of_amounts(name: str, what: str, amounts: tuple[Amount, ...]) -> Iterator[Metric]:
    labels = ["offer", "state", "currency"]
    counts = GaugeMetricFamily(f"fmu_gateway_{name}", f"{what}, by offer and state", labels=labels)
    sums = GaugeMetricFamily(
        f"fmu_gateway_{name}_amount", f"{what}: their sum in the currency's unit", labels=labels
    )
    for one in amounts:
        values = [one.offer, one.state, one.currency]
        counts.add_metric(values, one.count)
        sums.add_metric(values, one.micros / _MICROS)
    yield from (counts, sums)
