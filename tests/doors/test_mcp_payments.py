"""Money over MCP: a person pays in one call where the client can ask; a cancelled run is free."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import anyio
import mcp_types as types
import pytest
from conftest import Running, running_gateway
from doors.credit import give_credits
from doors.mcp_clients import Talk, talking
from doors.test_paid import complete, fresh_request
from fmus import compiled
from mcp.client.context import ClientRequestContext

from gateway_server import mcp_checkout

DEADLINE_S = 12


class Person:
    """Somebody who is asked, and pays or doesn't."""

    def __init__(self, gateway: Running) -> None:
        self._gateway = gateway
        self.asked: list[types.ElicitRequestURLParams] = []
        self.accepts = self.pays = True

    async def answer(
        self, _: ClientRequestContext, params: types.ElicitRequestParams
    ) -> types.ElicitResult:
        assert isinstance(params, types.ElicitRequestURLParams)
        self.asked.append(params)
        if not self.accepts:
            return types.ElicitResult(action="decline")
        if self.pays:
            session_id = params.url.rstrip("/").rpartition("/")[2]
            await anyio.to_thread.run_sync(complete, self._gateway, session_id)
        return types.ElicitResult(action="accept")


@pytest.fixture(params=["2026-07-28", "legacy"])
def asking(request: pytest.FixtureRequest, paid_gateway: Running) -> Iterator[tuple[Talk, Person]]:
    person = Person(paid_gateway)
    where = paid_gateway.account()
    with talking("http", request.param, where, elicitation_callback=person.answer) as talk:
        yield talk, person


def quoted(talk: Talk) -> dict[str, Any]:
    quote_id = talk.call("quote", fresh_request())["quote_id"]
    return {"quote_id": quote_id, "offer": "stripe_checkout"}


def test_who_is_asked_and_pays_gets_the_token_by_the_same_call(asking: tuple[Talk, Person]) -> None:
    talk, person = asking
    chosen = quoted(talk)
    paid = talk.call("pay", chosen)
    assert paid["status"] == "paid"
    (question,) = person.asked
    assert question.url.startswith("http")
    assert "1.00 USD" in question.message
    assert talk.call("simulate", {"quote_id": chosen["quote_id"]})["status"] == "done"


def test_who_declines_gets_what_clients_without_questions_get(
    asking: tuple[Talk, Person],
) -> None:
    talk, person = asking
    person.accepts = False
    pending = talk.call("pay", quoted(talk))
    assert pending["status"] == "pending"
    assert pending["checkout_url"] == person.asked[0].url


def test_nobody_is_asked_where_credits_could_pay(asking: tuple[Talk, Person]) -> None:
    talk, person = asking
    need = talk.do(talk.client.call_tool, "simulate", fresh_request())
    assert need.structured_content["code"] == "payment_required"
    assert not person.asked


@pytest.mark.parametrize("mode", ["2026-07-28", "legacy"])
def test_a_run_that_only_a_page_can_pay_asks_and_runs_in_one_call(
    mode: str, paid_gateway: Running, tmp_path: Path
) -> None:
    environment = {**paid_gateway.environment, "PAYMENT_OFFERS": "stripe_checkout"}
    with running_gateway(tmp_path, environment, paid_gateway.stripe) as gateway:
        person = Person(gateway)
        answer = {"elicitation_callback": person.answer}
        with talking("http", mode, gateway.account(), **answer) as talk:
            assert talk.call("simulate", fresh_request())["status"] == "done"
    assert len(person.asked) == 1


def test_who_accepts_and_pays_nothing_is_told_so_in_time(
    asking: tuple[Talk, Person], monkeypatch: pytest.MonkeyPatch
) -> None:
    talk, person = asking
    monkeypatch.setattr(mcp_checkout, "_PATIENCE_S", 0.2)
    person.pays = False
    assert talk.call("pay", quoted(talk))["status"] == "pending"
    assert len(person.asked) == 1


def test_a_client_that_cannot_ask_gets_the_page_as_ever(paid_gateway: Running) -> None:
    for mode in ("2026-07-28", "legacy"):
        with talking("http", mode, paid_gateway.account()) as talk:
            assert talk.call("pay", quoted(talk))["checkout_url"]


@pytest.mark.parametrize("mode", ["2026-07-28", "legacy"])
def test_a_cancelled_run_costs_nothing(mode: str, paid_gateway: Running) -> None:
    where = paid_gateway.account()
    give_credits(paid_gateway, where, 100)
    with paid_gateway.http(where) as http:
        fmu_id = http.post("/fmus", files={"file": compiled.fmu("spins")}).json()["id"]
    with talking("http", mode, where) as talk:
        quote_id = talk.call("quote", {"fmu_id": fmu_id})["quote_id"]
        token = talk.call("pay", {"quote_id": quote_id, "offer": "credits"})["payment_token"]

        async def run_and_cancel() -> None:
            async with anyio.create_task_group() as calls:
                calls.start_soon(talk.client.call_tool, "simulate", {"payment_token": token})
                await anyio.to_thread.run_sync(until, lambda: talk.running_runs() == 1)
                calls.cancel_scope.cancel()

        talk.do(run_and_cancel)
        until(lambda: talk.running_runs() == 0)
        assert talk.failures() == ["run_cancelled"]
        other = {**fresh_request(), "payment_token": token}
        assert talk.call("simulate", other)["status"] == "done"


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + DEADLINE_S
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)
