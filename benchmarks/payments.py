"""What money costs: a run's admission, paid runs a second, and whether history slows them down.

    uv run python benchmarks/payments.py [--runs 300] [--seconds 5] [--past 1000,10000,100000]
                                         [--database postgresql://...]

An admission is a quote, the reservation of what pays for the run, and its capture, as the tools
make them, without the simulation between: payment out of credits without asking, every commit that
moves money synced. A paid run is the whole `simulate` tool, called by several threads, with no
client or door in between. The curve measures an admission after so many past runs of one account.
All of it is one process's work, on SQLite, or on the Postgres that is named.
"""

from __future__ import annotations

import argparse
import itertools
import logging
import statistics
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from sqlalchemy import insert

from gateway_payments import ledger
from gateway_payments.accounts import Caller, create_account, set_auto_pay
from gateway_payments.entitlements import EntitlementRow
from gateway_payments.ledger import TransferRow, grant_credits
from gateway_payments.money import MICROS, Money
from gateway_payments.payments import PaymentRow
from gateway_payments.quotes import Priced, QuoteRow
from gateway_payments.usage import UsageRow
from gateway_runs.records import NewRun, Run, begin, finish, new_id
from gateway_server.compose import Address, compose
from gateway_server.logs import configure_logs
from gateway_server.settings import read_settings
from gateway_tools.context import Context, Door, Gateway
from gateway_tools.registry import TOOLS

_PLENTY: Final = Money(10**9 * MICROS, "usd")
_BATCH: Final = 1000
_WARM_UP: Final = 20
_ago = itertools.count(1)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=300)
    parser.add_argument("--seconds", type=float, default=5)
    parser.add_argument("--threads", type=int, default=4)
    parser.add_argument("--past", default="1000,10000,100000")
    parser.add_argument("--database", default="")
    given = parser.parse_args()
    configure_logs("console", least=logging.WARNING)
    with _gateway(given.database) as gateway:
        caller = _customer(gateway)
        print(_admissions("admission", gateway, caller, given.runs))
        for threads in (1, given.threads):
            rate = _rate(lambda: _admit_once(gateway, caller), threads, given.seconds)
            print(f"admissions by {threads} threads: {rate:.0f} a second")
        context = Context(gateway, caller, Door(lambda result_id, form: f"{result_id}.{form}"))
        for threads in (1, given.threads):
            rate = _rate(lambda: _paid_run(context), threads, given.seconds)
            print(f"paid runs by {threads} threads: {rate:.0f} a second")
        _curve(gateway, caller, [int(n) for n in given.past.split(",") if n], given.runs)


def _curve(gateway: Gateway, caller: Caller, past: list[int], runs: int) -> None:
    made = 0
    for count in past:
        _remember(gateway, caller, count - made)
        made = count
        print(_admissions(f"after {count} past runs", gateway, caller, runs))


def _admissions(what: str, gateway: Gateway, caller: Caller, runs: int) -> str:
    times = []
    for _ in range(_WARM_UP + runs):
        started = time.perf_counter()
        _admit_once(gateway, caller)
        times.append(1000 * (time.perf_counter() - started))
    cuts = statistics.quantiles(times[_WARM_UP:], n=20)
    return f"{what}: p50 {cuts[9]:.2f} ms, p95 {cuts[18]:.2f} ms"


def _admit_once(gateway: Gateway, caller: Caller) -> None:
    """What `simulate` does around a run: quote, T1, T2."""
    sha256, run_id, now = new_id(), new_id(), gateway.clock()
    priced = Priced({"fmu_id": "msl:Dahlquist", "sha": sha256}, sha256, "msl:Dahlquist", 903)
    gateway.payments.quote(caller.account_id, priced, now)
    with gateway.database.write_unsynced() as db:
        assert gateway.payments.admit(db, caller, run_id, priced, now=now)
        begin(db, run_id, NewRun(caller.account_id, "m", "m", sha256, None, None), now)
    with gateway.database.write() as db:
        assert finish(db, run_id, {}, now)
        assert gateway.payments.capture(db, run_id, now, 1.0)


def _paid_run(context: Context) -> None:
    request = {"fmu_id": "msl:BouncingBall", "stop_time": 1 + next(_ago) * 1e-6}
    TOOLS["simulate"].call(context, request)


def _rate(work: Any, threads: int, seconds: float) -> float:  # noqa: ANN401
    """How often `threads` threads together do the work in a second."""
    counts = [0] * threads
    begun = threading.Barrier(threads + 1)
    over = threading.Event()

    def worker(index: int) -> None:
        begun.wait()
        while not over.is_set():
            work()
            counts[index] += 1

    pool = [threading.Thread(target=worker, args=(i,)) for i in range(threads)]
    for thread in pool:
        thread.start()
    begun.wait()
    started = time.perf_counter()
    over.wait(seconds)
    over.set()
    for thread in pool:
        thread.join()
    return sum(counts) / (time.perf_counter() - started)


@contextmanager
def _gateway(database: str) -> Iterator[Gateway]:
    with tempfile.TemporaryDirectory() as folder:
        settings = read_settings(
            database_url=database or f"sqlite:///{folder}/bench.sqlite3",
            storage_url=f"file:{folder}/storage",
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


def _customer(gateway: Gateway) -> Caller:
    now = gateway.clock()
    with gateway.database.write() as db:
        key = create_account(db, now)
        set_auto_pay(db, key.account_id, "credits")
        for part in range(10):
            grant_credits(db, key.account_id, f"{key.account_id} {part}", _PLENTY, now)
    return Caller(key.account_id, key.key_id)


def _remember(gateway: Gateway, caller: Caller, count: int) -> None:
    """Past runs of the account, as the tools would have left them."""
    for first in range(0, count, _BATCH):
        rows = [_past(caller) for _ in range(min(_BATCH, count - first))]
        with gateway.database.write() as db:
            for table in (QuoteRow, PaymentRow, Run, EntitlementRow, UsageRow, TransferRow):
                name = table.__tablename__
                many = [row for each in rows for row in each[name]]
                db.execute(insert(table), many)
            _balance(db, caller, len(rows))


def _balance(db: Any, caller: Caller, count: int) -> None:  # noqa: ANN401
    """What the transfers of `count` past runs did to the books."""
    for role, sign in (("credits", -1), ("revenue", 1)):
        book = f"{role}:{caller.account_id}:usd"
        ledger._change(db, book, sign * count * MICROS, "usd")  # noqa: SLF001


def _past(caller: Caller) -> dict[str, list[dict[str, Any]]]:
    run_id, account_id, sha256 = new_id(), caller.account_id, new_id()
    at = datetime.now(UTC) - timedelta(seconds=next(_ago))
    price = {"amount_micros": MICROS, "currency": "usd"}
    own = {"account_id": account_id, "created_at": at}
    books = [f"{role}:{account_id}:usd" for role in ("credits", "deferred", "revenue")]
    quote = {
        "id": f"qt_{run_id}", "model_id": "m", "request": {}, "request_sha256": sha256,
        "work_units": 1, "prices": [], "because": [], "open_key": None, "expires_at": at,
    }  # fmt: skip
    payment = {
        "id": f"pay_{run_id}", "quote_id": f"qt_{run_id}", "provider": "credits", "attempt": 0,
        "external_id": None, "state": "paid", "checkout_url": None, "expires_at": at,
        "paid_at": at, "key_id": None, "details": None,
    }  # fmt: skip
    run: dict[str, Any] = {
        "id": run_id, "state": "done", "model_id": "m", "model_sha256": "m",
        "request_sha256": sha256, "idempotency_key": None, "body_sha256": None,
        "finished_at": at, "failure_code": None, "provenance": {},
    }  # fmt: skip
    entitlement = {
        "id": f"ent_{run_id}", "account_id": account_id, "payment_id": f"pay_{run_id}",
        "quote_id": f"qt_{run_id}", "offer": "credits", "state": "captured", "run_id": run_id,
        "issued_at": at, "expires_at": at, "returns_to": None, "our_faults": 0,
    }  # fmt: skip
    usage = {
        "run_id": run_id, "key_id": None, "model_id": "m", "request_sha256": sha256,
        "work_units": 1, "offer": "credits", "price_micros": MICROS, "currency": "usd",
        "outcome": "delivered", "duration_ms": 1.0,
    }  # fmt: skip
    moved = [
        {"id": f"pay:pay_{run_id}", "debit_id": books[0], "credit_id": books[1]},
        {"id": f"capture:{run_id}", "debit_id": books[1], "credit_id": books[2]},
    ]
    return {
        "quotes": [{**quote, **own, **price}],
        "payments": [{**payment, **own, **price}],
        "runs": [{**run, **own}],
        "entitlements": [{**entitlement, **price}],
        "usage": [{**usage, **own}],
        "transfers": [{**each, **price, "created_at": at} for each in moved],
    }


if __name__ == "__main__":
    main()
