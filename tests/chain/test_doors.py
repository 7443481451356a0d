"""Real purchases through each door, by the clients that x402 has for it."""

from __future__ import annotations

import asyncio
import base64
import itertools
import json
import logging
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
from a2a.helpers import new_data_message
from a2a.types.a2a_pb2 import Message, Part, Role
from chain.conftest import CENT
from chain.node import Chain
from chain.payer import client, payment
from conftest import Running, running_gateway
from doors.clients import Where
from eth_account.signers.local import LocalAccount
from google.protobuf.json_format import MessageToDict, ParseDict
from mcp import Client
from mcp.client.streamable_http import streamable_http_client
from mcp.shared._httpx_utils import create_mcp_http_client
from x402.http import decode_payment_response_header
from x402.http.clients.httpx import x402HttpxClient
from x402.mcp.client_async import x402MCPClient

from fmu_gateway_sdk import FMUGatewayClient, PaymentRequired
from gateway_a2a import client as a2a
from gateway_a2a.numbers import integral
from gateway_a2a.x402 import URI
from gateway_payments.audit import audit
from gateway_simulation.exceptions import BusyError

pytestmark = pytest.mark.slow

_times = itertools.count(1)
_log = logging.getLogger(__name__)


@pytest.fixture(scope="module")
def till(chain: Chain) -> str:
    return chain.purse().address


@pytest.fixture(scope="module")
def gateway(
    tmp_path_factory: pytest.TempPathFactory, chain: Chain, gas: str, till: str
) -> Iterator[Running]:
    environment = {
        "STRIPE_ENABLED": "false",
        "PAYMENT_OFFERS": "x402,credits",
        "X402_PAY_TO": till,
        "X402_NETWORK": chain.network,
        "X402_ASSET": chain.token.address,
        "X402_ASSET_NAME": "USDC",
        "X402_ASSET_VERSION": "2",
        "X402_RPC_URL": chain.url,
        "X402_PRIVATE_KEY": gas,
    }
    with running_gateway(tmp_path_factory.mktemp("x402"), environment, None) as gateway:
        yield gateway
        with gateway.embedded.gateway.database.read() as db:
            assert not audit(db)


@pytest.fixture
def where(gateway: Running) -> Where:
    return gateway.account()


@pytest.fixture
def purse(chain: Chain) -> LocalAccount:
    return chain.purse(dollars=1)


def fresh() -> dict[str, Any]:
    return {"fmu_id": "msl:BouncingBall", "stop_time": 1 + next(_times) / 1000, "kpis": ["h_max"]}


def sold(chain: Chain, purse: LocalAccount, till: str, receipt: dict[str, Any], door: str) -> None:
    """The receipt's transaction is on the chain, and it pays exactly one run."""
    assert receipt["success"] is True
    assert chain.paid(receipt["transaction"]) == (purse.address, till, CENT)
    assert chain.balance(purse.address) == 1_000_000 - CENT
    _log.info("%s: %s", door, receipt["transaction"])


def test_x402s_http_client_buys_a_run(
    chain: Chain, where: Where, purse: LocalAccount, till: str
) -> None:
    before = chain.balance(till)

    async def buy() -> httpx.Response:
        headers = {"Authorization": f"Bearer {where.key}"}
        async with x402HttpxClient(client(purse), headers=headers, timeout=60) as http:
            return await http.post(f"{where.url}/simulate", json=fresh())

    response = asyncio.run(buy())
    assert response.status_code == 200
    assert response.json()["kpis"]["h_max"]["value"] == 1.0
    receipt = decode_payment_response_header(response.headers["PAYMENT-RESPONSE"])
    sold(chain, purse, till, receipt.model_dump(), "HTTP")
    assert chain.balance(till) == before + CENT


class ForX402:
    """What x402's client expects of an MCP client (the spelling of MCP's SDK 1), over SDK 2's."""

    def __init__(self, client: Client) -> None:
        self._client = client

    async def call_tool(self, params: dict[str, Any], read_timeout_seconds: timedelta) -> Any:  # noqa: ANN401
        result = await self._client.call_tool(
            params["name"],
            params["arguments"],
            meta=params.get("_meta"),
            read_timeout_seconds=read_timeout_seconds.total_seconds(),
        )
        return SimpleNamespace(
            content=[block.model_dump() for block in result.content],
            isError=result.is_error,
            structuredContent=result.structured_content,
            _meta=result.meta,
        )


def test_x402s_mcp_client_buys_a_run(
    chain: Chain, where: Where, purse: LocalAccount, till: str
) -> None:
    async def buy() -> Any:  # noqa: ANN401
        async with (
            create_mcp_http_client(headers={"Authorization": f"Bearer {where.key}"}) as http,
            Client(streamable_http_client(f"{where.url}/mcp", http_client=http)) as mcp,
        ):
            return await x402MCPClient(ForX402(mcp), client(purse)).call_tool("simulate", fresh())

    result = asyncio.run(buy())
    assert not result.is_error
    assert result.payment_made
    assert json.loads(result.content[0]["text"])["kpis"]["h_max"]["value"] == 1.0
    sold(chain, purse, till, result.payment_response.model_dump(), "MCP")


@pytest.mark.parametrize("binding", ["JSONRPC", "HTTP+JSON"])
def test_an_agent_buys_a_run_within_its_task(
    chain: Chain, where: Where, purse: LocalAccount, till: str, binding: str
) -> None:
    async def buy() -> tuple[dict[str, Any], Any]:
        async with a2a.connect(where.url, where.key, binding=binding) as agent:
            asking = await agent.call("simulate", fresh())
            assert a2a.state(asking) == "input_required"
            asked = told(asking.status.message)
            paying = new_data_message(
                {}, context_id=asking.context_id, task_id=asking.id, role=Role.ROLE_USER
            )
            paying.parts[0].CopyFrom(Part(text="Here is the payment authorization."))
            metadata = {
                "x402.payment.status": "payment-submitted",
                "x402.payment.payload": payment(purse, asked["x402.payment.required"]),
            }
            ParseDict(metadata, paying.metadata)
            return asked, await agent.send(paying)

    asked, task = asyncio.run(buy())
    assert asked["x402.payment.status"] == "payment-required"
    assert a2a.state(task) == "completed"
    assert a2a.data(task)["kpis"]["h_max"]["value"] == 1.0
    end = told(task.status.message)
    assert end["x402.payment.status"] == "payment-completed"
    (receipt,) = end["x402.payment.receipts"]
    sold(chain, purse, till, receipt, f"A2A {binding}")


def test_the_agent_card_names_the_extension_and_answers_confirm_it(where: Where) -> None:
    card = httpx.get(f"{where.url}/.well-known/agent-card.json", headers={"A2A-Extensions": URI})
    (extension,) = card.json()["capabilities"]["extensions"]
    assert extension["uri"] == URI
    assert not extension.get("required", False)
    assert card.headers["A2A-Extensions"] == URI
    assert "A2A-Extensions" not in httpx.get(f"{where.url}/.well-known/agent-card.json").headers


def test_a_402_has_x402s_form_beside_ours(gateway: Running, where: Where) -> None:
    with gateway.http(where) as http:
        response = http.post("/simulate", json=fresh())
    body = response.json()
    required = json.loads(base64.b64decode(response.headers["PAYMENT-REQUIRED"]))
    assert response.status_code == 402
    assert body["methods"] == ["x402", "credits"]
    assert (body["amount"], body["amount_micros"], body["checkout_url"]) == (0.01, CENT, None)
    assert required == {name: body[name] for name in required} == body["offers"][0]["data"]
    (accepted,) = required["accepts"]
    assert accepted["extra"]["paymentFlow"] == "upfront"
    assert accepted["extra"]["quoteId"] == body["quote_id"]
    assert accepted["amount"] == str(CENT)


def test_five_calls_with_one_payment_run_once_and_all_hear_of_the_same_run(
    gateway: Running, where: Where, chain: Chain, purse: LocalAccount, till: str
) -> None:
    request, before = fresh(), chain.balance(till)
    headers = _paid(gateway, where, purse, request)

    def call(_: int) -> httpx.Response:
        with gateway.http(where) as http:
            return http.post("/simulate", json=request, headers=headers)

    with ThreadPoolExecutor(5) as at_once:
        answers = list(at_once.map(call, range(5)))
    assert {a.status_code for a in answers} <= {200, 409}
    assert {a.json()["code"] for a in answers if a.status_code == 409} <= {
        "payment_pending",
        "payment_in_use",
    }
    later = call(0)  # as if the answer had been lost
    ran = {a.json()["result_id"] for a in (*answers, later) if a.status_code == 200}
    assert ran == {later.json()["result_id"]}
    assert chain.balance(till) == before + CENT
    with gateway.http(where) as http:
        assert len(http.get("/usage").json()["usage"]) == 1


def test_a_payment_is_good_at_every_door_once(
    gateway: Running, where: Where, chain: Chain, purse: LocalAccount, till: str
) -> None:
    request, before = fresh(), chain.balance(till)
    headers = _paid(gateway, where, purse, request)
    payload = json.loads(base64.b64decode(headers["PAYMENT-SIGNATURE"]))
    with gateway.http(where) as http:
        result = http.post("/simulate", json=request, headers=headers).json()

    repeated = asyncio.run(_by_mcp(where, request, payload)).structured_content
    assert repeated["result_id"] == result["result_id"]
    stolen = asyncio.run(_by_mcp(gateway.account(), request, payload))
    assert stolen.is_error
    assert stolen.structured_content["code"] == "payment_used"
    other = fresh()
    with gateway.http(where) as http:
        refused = http.post("/simulate", json=other, headers=headers)
    assert refused.json()["code"] == "payment_token_spent"
    assert chain.balance(till) == before + CENT


def test_of_two_accounts_with_one_payment_at_two_doors_at_once_its_own_runs_once(
    gateway: Running, where: Where, chain: Chain, purse: LocalAccount, till: str
) -> None:
    request, before, thief = fresh(), chain.balance(till), gateway.account()
    headers = _paid(gateway, where, purse, request)
    payload = json.loads(base64.b64decode(headers["PAYMENT-SIGNATURE"]))

    def own() -> str | None:
        with gateway.http(where) as http:
            answer: dict[str, Any] = http.post("/simulate", json=request, headers=headers).json()
        return answer.get("code")

    def steal() -> str | None:
        answer = asyncio.run(_by_mcp(thief, request, payload)).structured_content
        return str(answer["code"]) if "code" in answer else None

    with ThreadPoolExecutor(6) as at_once:
        own_calls = [at_once.submit(own) for _ in range(3)]
        stolen = {call.result() for call in [at_once.submit(steal) for _ in range(3)]}
        mine = {call.result() for call in own_calls}
    assert stolen <= {"payment_used", "unknown_quote", "payment_refused"}
    assert mine <= {None, "payment_pending", "payment_in_use"}
    assert own() is None
    assert chain.balance(till) == before + CENT
    with gateway.http(where) as http, gateway.http(thief) as other:
        assert len(http.get("/usage").json()["usage"]) == 1
        assert other.get("/usage").json()["usage"] == []


def test_pay_takes_the_payment_and_simulate_the_quote(
    gateway: Running, where: Where, purse: LocalAccount
) -> None:
    with gateway.http(where) as http:
        quote = http.post("/quotes", json=fresh()).json()["quote_id"]
        body = {"quote_id": quote, "offer": "x402"}
        asked = http.post("/pay", json=body)
        assert asked.status_code == 402
        required = json.loads(base64.b64decode(asked.headers["PAYMENT-REQUIRED"]))
        headers = {"PAYMENT-SIGNATURE": _encoded(payment(purse, required))}
        paid = http.post("/pay", json=body, headers=headers)
        assert paid.status_code == 200
        assert decode_payment_response_header(paid.headers["PAYMENT-RESPONSE"]).success
        assert http.post("/pay", json=body).json()["payment_token"] == paid.json()["payment_token"]
        assert http.post("/simulate", json={"quote_id": quote}).status_code == 200


def test_a_refused_payment_says_why_in_x402s_form(
    gateway: Running, where: Where, chain: Chain
) -> None:
    headers = _paid(gateway, where, chain.purse(), request := fresh())
    with gateway.http(where) as http:
        response = http.post("/simulate", json=request, headers=headers)
    required = json.loads(base64.b64decode(response.headers["PAYMENT-REQUIRED"]))
    receipt = json.loads(base64.b64decode(response.headers["PAYMENT-RESPONSE"]))
    assert (response.status_code, response.json()["code"]) == (402, "payment_refused")
    reason = "invalid_exact_evm_insufficient_balance"
    assert required["error"] == receipt["errorReason"] == response.json()["error"] == reason
    assert receipt["success"] is False


@pytest.mark.parametrize("text", ["", "x", "e30", "W10=", "/" * 20_000])
def test_what_is_no_payment_is_a_mistake_of_the_callers(
    gateway: Running, where: Where, text: str
) -> None:
    with gateway.http(where) as http:
        response = http.post("/simulate", json=fresh(), headers={"PAYMENT-SIGNATURE": text})
    assert (response.status_code, response.json()["code"]) == (400, "payment_malformed")


def test_a_run_that_fails_gives_its_price_back_as_credits(
    gateway: Running, where: Where, purse: LocalAccount, monkeypatch: pytest.MonkeyPatch
) -> None:
    def busy(*_: object) -> None:
        message = "no core came free"
        raise BusyError(message)

    headers = _paid(gateway, where, purse, request := fresh())
    monkeypatch.setattr(type(gateway.embedded.gateway.simulator), "run", busy)
    with gateway.http(where) as http:
        failed = http.post("/simulate", json=request, headers=headers)
        assert failed.json()["code"] == "busy"
        assert failed.json()["details"]["given_back_as"] == "credits"
        assert decode_payment_response_header(failed.headers["PAYMENT-RESPONSE"]).success
        assert http.get("/account").json()["balance"]["amount_micros"] == CENT
        again = http.post("/simulate", json=request, headers=headers)
    assert again.json()["code"] == "payment_returned"


def test_events_tell_of_the_payment_before_the_result(
    gateway: Running, where: Where, purse: LocalAccount
) -> None:
    headers = _paid(gateway, where, purse, request := fresh())
    headers["Accept"] = "text/event-stream"
    with gateway.http(where) as http:
        text = http.post("/simulate", json=request, headers=headers).text
    events = [line.removeprefix("event: ") for line in text.splitlines() if "event: " in line]
    assert events[-2:] == ["payment", "result"]


async def _by_mcp(where: Where, request: dict[str, Any], payload: dict[str, Any]) -> Any:  # noqa: ANN401
    async with (
        create_mcp_http_client(headers={"Authorization": f"Bearer {where.key}"}) as http,
        Client(streamable_http_client(f"{where.url}/mcp", http_client=http)) as mcp,
    ):
        meta: Any = {"x402/payment": payload}
        return await mcp.call_tool("simulate", request, meta=meta)


def _paid(
    gateway: Running, where: Where, purse: LocalAccount, request: dict[str, Any]
) -> dict[str, str]:
    """The header with which this request is paid."""
    with gateway.http(where) as http:
        response = http.post("/simulate", json=request)
    required = json.loads(base64.b64decode(response.headers["PAYMENT-REQUIRED"]))
    return {"PAYMENT-SIGNATURE": _encoded(payment(purse, required))}


def _encoded(payload: dict[str, Any]) -> str:
    return base64.b64encode(json.dumps(payload).encode()).decode()


def told(message: Message) -> dict[str, Any]:
    metadata: dict[str, Any] = integral(MessageToDict(message.metadata))
    return metadata


def test_the_sdks_wallet_buys_a_run(
    chain: Chain, where: Where, purse: LocalAccount, till: str
) -> None:
    before = chain.balance(till)
    with FMUGatewayClient(where.url, where.key) as gateway:
        quote = gateway.quote(fresh())
        paid = gateway.pay_by_wallet(quote.quote_id, purse)
        assert (paid.status, paid.offer) == ("paid", "x402")
        assert gateway.pay_by_wallet(quote.quote_id, purse).payment_token == paid.payment_token
        answer = gateway.simulate({"payment_token": paid.payment_token})
    assert answer.kpis["h_max"].value == 1.0
    assert chain.balance(purse.address) == 1_000_000 - CENT
    assert chain.balance(till) == before + CENT


def test_a_wallet_without_money_is_told_so(where: Where, chain: Chain) -> None:
    with FMUGatewayClient(where.url, where.key) as gateway:
        quote = gateway.quote(fresh())
        with pytest.raises(PaymentRequired):
            gateway.pay_by_wallet(quote.quote_id, chain.purse())
