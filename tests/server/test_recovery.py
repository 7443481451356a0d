"""What a crash or a hostile model leaves behind is put right, and the payment given back."""

from __future__ import annotations

import os
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

import pytest
from conftest import Running, running_gateway
from doors.clients import Where
from fmus import compiled
from sqlalchemy import text

from gateway_payments.accounts import Caller, find_caller
from gateway_payments.audit import audit
from gateway_payments.ledger import grant_credits
from gateway_payments.money import from_minor
from gateway_payments.service import Payments
from gateway_runs import records
from gateway_simulation.request import SimulationRequest
from gateway_simulation.runner import Simulator
from gateway_simulation.trajectory import Trajectory
from gateway_storage.blobs import BlobNotFoundError
from gateway_storage.database import DatabaseUnavailableError
from gateway_tools.context import Context, Door
from gateway_tools.requests import planned
from gateway_tools.upkeep import delete_outdated, recover

pytestmark = pytest.mark.slow

REQUEST = {"fmu_id": "msl:Dahlquist", "stop_time": 1.0}
SMALL: Final = {"step": 0.1}  # its result lies in the database
LARGE: Final = {"step": 1e-4}  # its result lies in a blob


def test_a_result_past_its_time_is_deleted_and_its_idempotency_key_free(tmp_path: Path) -> None:
    with running_gateway(tmp_path, {"PAYMENT_OFFERS": ""}, None) as gateway, gateway.http() as http:
        system = gateway.embedded.gateway
        body = {**REQUEST, "idempotency_key": "old"}
        old = http.post("/simulate", json=body).json()["result_id"]
        later = replace(system, clock=lambda: system.clock() + timedelta(days=31))
        assert delete_outdated(system) == []
        assert delete_outdated(later) == [old]
        assert http.get(f"/results/{old}").json()["code"] == "unknown_result"
        with pytest.raises(BlobNotFoundError), system.database.read() as db:
            system.results.read(db, old)
        assert http.post("/simulate", json=body).json()["result_id"] != old


def caller_of(gateway: Running, where: Where) -> Caller:
    with gateway.embedded.gateway.database.read() as db:
        caller = find_caller(db, where.key)
    assert caller is not None
    return caller


def give(gateway: Running, caller: Caller, name: str) -> None:
    system = gateway.embedded.gateway
    with system.database.write() as db:
        grant_credits(db, caller.account_id, name, from_minor(300, "usd"), system.clock())


def test_a_run_whose_process_died_is_failed_and_its_payment_returned(
    paid_gateway: Running,
) -> None:
    where = paid_gateway.account()
    caller = caller_of(paid_gateway, where)
    give(paid_gateway, caller, f"recovery {caller.account_id}")
    system = paid_gateway.embedded.gateway
    with paid_gateway.http(where) as http:
        quote = http.post("/quotes", json=REQUEST).json()["quote_id"]
        http.post("/pay", json={"quote_id": quote, "offer": "credits"})
        _begin_and_die(paid_gateway, caller, quote, ago=timedelta(hours=1))
        assert http.post("/simulate", json={"quote_id": quote}).status_code == 409
        assert len(recover(system)) == 1
        assert recover(system) == []
        assert http.post("/simulate", json={"quote_id": quote}).status_code == 200
    with system.database.read() as db:
        assert not audit(db)


@pytest.mark.skipif("TEST_DATABASE" in os.environ, reason="Postgres doesn't know who has died")
def test_who_starts_alone_gives_back_at_once_what_died_before(tmp_path: Path) -> None:
    environment = {"PAYMENT_OFFERS": "credits"}
    with running_gateway(tmp_path, environment, None) as dying:
        where = dying.account()
        caller = caller_of(dying, where)
        give(dying, caller, "before")
        with dying.http(where) as http:
            quote = http.post("/quotes", json=REQUEST).json()["quote_id"]
            http.post("/pay", json={"quote_id": quote, "offer": "credits"})
        _begin_and_die(dying, caller, quote)
        with running_gateway(tmp_path, environment, None) as beside:
            assert recover(beside.embedded.gateway) == []
    with running_gateway(tmp_path, environment, None) as alone, alone.http(where) as http:
        recover(alone.embedded.gateway)  # or its own first round
        assert http.post("/simulate", json={"quote_id": quote}).status_code == 200
        with alone.embedded.gateway.database.read() as db:
            assert not audit(db)


def _begin_and_die(
    gateway: Running, caller: Caller, quote: str, ago: timedelta = timedelta()
) -> None:
    """What a server does before a run; then nothing."""
    system = gateway.embedded.gateway
    context = Context(system, caller, Door("test", result_link=lambda *_: ""))
    plan = planned(context, SimulationRequest.model_validate(REQUEST))
    run_id, before = records.new_id(), system.clock() - ago
    new = records.NewRun(caller.account_id, "msl:Dahlquist", "", plan.run.sha256, None, None)
    with system.database.write() as db:
        assert system.payments.admit(
            db, caller, run_id, plan.priced, quote_id=quote, now=system.clock()
        )
        records.begin(db, run_id, new, before)


def test_an_admission_that_a_crash_takes_back_delivers_nothing_and_costs_nothing(
    paid_gateway: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    where = paid_gateway.account()
    give(paid_gateway, caller_of(paid_gateway, where), "taken back")
    database = paid_gateway.embedded.gateway.database
    run = Simulator.run

    def crashing(self: Simulator, *asked: Any) -> Trajectory:  # noqa: ANN401
        """Postgres dies during the run, and with it what was committed but not synced."""
        with database.write() as db:
            db.execute(text("DELETE FROM runs WHERE state = 'running'"))
            db.execute(text("DELETE FROM usage WHERE outcome = 'running'"))
            back = "UPDATE entitlements SET state = 'issued', run_id = NULL"
            db.execute(text(f"{back} WHERE state = 'reserved'"))
        return run(self, *asked)

    with paid_gateway.http(where) as http:
        quote = http.post("/quotes", json=REQUEST).json()["quote_id"]
        http.post("/pay", json={"quote_id": quote, "offer": "credits"})
        with monkeypatch.context() as patched:
            patched.setattr(Simulator, "run", crashing)
            lost = http.post("/simulate", json={"quote_id": quote})
        assert (lost.status_code, lost.json()["code"]) == (503, "runner_lost")
        assert http.get("/usage").json()["usage"] == []
        assert http.post("/simulate", json={"quote_id": quote}).status_code == 200
    with database.read() as db:
        assert not audit(db)


@pytest.mark.parametrize("size", [SMALL, LARGE], ids=["small", "large"])
def test_a_delivery_that_breaks_leaves_neither_result_nor_payment(
    paid_gateway: Running, monkeypatch: pytest.MonkeyPatch, size: dict[str, float]
) -> None:
    where = paid_gateway.account()
    give(paid_gateway, caller_of(paid_gateway, where), f"broken delivery {size}")
    system, request = paid_gateway.embedded.gateway, {**REQUEST, **size}
    before = kept(paid_gateway)

    def broken(*_: object) -> None:
        """The process dies before the commit: nobody is told, nothing tidied up."""
        raise ZeroDivisionError

    with paid_gateway.http(where) as http:
        quote = http.post("/quotes", json=request).json()["quote_id"]
        http.post("/pay", json={"quote_id": quote, "offer": "credits"})
        with monkeypatch.context() as patched:
            patched.setattr(Payments, "capture", broken)
            assert http.post("/simulate", json={"quote_id": quote}).status_code == 500
        later = replace(system, clock=lambda: system.clock() + timedelta(hours=1))
        recover(later)  # or the gateway's own next round, which may be just now
        assert kept(paid_gateway) == before
        assert http.post("/simulate", json={"quote_id": quote}).status_code == 200
    assert len(kept(paid_gateway) - before) == 1
    with system.database.read() as db:
        assert not audit(db)


def kept(gateway: Running) -> set[str]:
    """Every stored result, wherever it lies."""
    with gateway.embedded.gateway.database.read() as db:
        rows = set(db.execute(text("SELECT run_id FROM small_results")).scalars())
    return rows | {path.stem for path in gateway.database.parent.rglob("results/*.parquet")}


@pytest.mark.parametrize(
    ("behaviour", "code"), [("crashes", "model_crashed"), ("exits", "model_exited")]
)
def test_a_model_that_fails_gives_the_payment_back_twice_then_keeps_it(
    paid_gateway: Running, behaviour: str, code: str
) -> None:
    where = paid_gateway.account()
    give(paid_gateway, caller_of(paid_gateway, where), behaviour)
    with paid_gateway.http(where) as http:
        stored = http.post("/fmus", files={"file": ("m.fmu", compiled.fmu(behaviour))}).json()
        request = {"fmu_id": stored["id"], "stop_time": 1.0}
        quote = http.post("/quotes", json=request).json()["quote_id"]
        http.post("/pay", json={"quote_id": quote, "offer": "credits"})
        codes = [http.post("/simulate", json={"quote_id": quote}).json()["code"] for _ in range(4)]
        assert codes == [code] * 3 + ["payment_exhausted"]
        usage = http.get("/usage").json()["usage"]
        assert [row["price"] for row in usage] == [1.0, 0.0, 0.0]
        assert http.get("/health").json()["status"] == "ok"
    with paid_gateway.embedded.gateway.database.read() as db:
        assert not audit(db)


def test_a_run_that_could_not_be_settled_gives_its_payment_back_at_the_next_round(
    paid_gateway: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    where = paid_gateway.account()
    give(paid_gateway, caller_of(paid_gateway, where), "unsettled")
    system = paid_gateway.embedded.gateway

    def broken(*_: object) -> None:
        raise DatabaseUnavailableError

    with paid_gateway.http(where) as http:
        quote = http.post("/quotes", json=REQUEST).json()["quote_id"]
        http.post("/pay", json={"quote_id": quote, "offer": "credits"})
        run = {"quote_id": quote, "idempotency_key": "once"}
        with monkeypatch.context() as patched:
            patched.setattr(Payments, "capture", broken)
            refused = http.post("/simulate", json=run)
            assert (refused.status_code, refused.json()["code"]) == (503, "database_unavailable")
            assert refused.headers["Retry-After"]
        recover(system)
        assert http.post("/simulate", json=run).status_code == 200
    with system.database.read() as db:
        assert not audit(db)
