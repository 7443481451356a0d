"""Who asks too often is told when to come again, at every door in its own words."""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import httpx
import pytest
from conftest import Running, running_gateway
from doors.clients import open_door
from redis_server import redis_client, redis_server
from served import free_port, served
from structlog.testing import capture_logs

import gateway_server.rates
from gateway_server.rates import Rates, network_of
from gateway_server.settings import Settings, SettingsError, rate_bounds, read_settings, redis_url

PROXY: Final = {"TRUSTED_PROXIES": "127.0.0.1"}  # so that a test may come from any address
LIMITED: Final = {
    **PROXY,
    "PAYMENT_OFFERS": "",
    "RATE_LIMIT_KEY": "5/hour",
    "RATE_LIMIT_ADDRESS": "12/hour",
    "RATE_LIMIT_NEW_KEYS": "2/hour",
    "RATE_LIMIT_WRONG_KEYS": "2/hour",
}
DOORS: Final = ("rest", "mcp_http", "a2a_jsonrpc", "a2a_rest")


@pytest.fixture(scope="module")
def limited(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with running_gateway(tmp_path_factory.mktemp("limited"), LIMITED, None) as gateway:
        yield gateway


def from_address(gateway: Running, address: str, key: str | None = None) -> httpx.Client:
    headers = {"X-Forwarded-For": address}
    if key:
        headers["Authorization"] = f"Bearer {key}"
    return httpx.Client(base_url=gateway.url, headers=headers)


def new_key(gateway: Running, address: str) -> str:
    with from_address(gateway, address) as http:
        return str(http.post("/keys").json()["key"])


def refused(answer: httpx.Response, bound: str) -> dict[str, Any]:
    told: dict[str, Any] = answer.json()
    assert (answer.status_code, told["code"]) == (429, "rate_limited")
    assert answer.headers["content-type"] == "application/problem+json"
    assert told["details"]["bound"] == bound
    assert answer.headers["retry-after"] == str(told["details"]["retry_after_s"])
    assert 0 < told["details"]["retry_after_s"] <= 3600
    return told


def test_a_key_that_calls_too_often_is_refused_and_told_when_to_come_again(
    limited: Running,
) -> None:
    with from_address(limited, "192.0.2.1", new_key(limited, "192.0.2.1")) as http:
        left = [_left(http.get("/account"), "key") for _ in range(5)]
        assert left == [4, 3, 2, 1, 0]
        told = refused(http.get("/account"), "key")
    assert (told["details"]["limit"], told["details"]["window_s"]) == (5, 3600)
    with from_address(limited, "192.0.2.1", new_key(limited, "192.0.2.99")) as http:
        assert http.get("/account").status_code == 200


def _left(answer: httpx.Response, bound: str) -> int:
    assert answer.status_code == 200
    assert f'"{bound}";q=' in answer.headers["ratelimit-policy"]
    found = re.search(rf'"{bound}";r=(\d+);t=\d+', answer.headers["ratelimit"])
    assert found
    return int(found[1])


@pytest.mark.parametrize("door", DOORS)
def test_at_every_door_a_tool_refuses_in_the_words_of_its_protocol(
    tmp_path: Path, door: str
) -> None:
    environment = {"PAYMENT_OFFERS": "", "RATE_LIMIT_KEY": "20/hour"}
    with running_gateway(tmp_path, environment, None) as gateway:
        where = gateway.account()
        with open_door(door, where) as client:
            answers = [client.call("account", {}) for _ in range(21)]
    assert not answers[0].failed
    assert answers[-1].code == "rate_limited"
    told = answers[-1].body
    assert told["remedy"]
    assert told["details"]["retry_after_s"] > 0


@pytest.mark.parametrize(
    ("method", "params"),
    [
        ("resources/list", {}),
        ("resources/read", {"uri": "fmu://msl%3ABouncingBall"}),
        (
            "completion/complete",
            {
                "ref": {"type": "ref/resource", "uri": "fmu://{fmu_id}"},
                "argument": {"name": "fmu_id", "value": "msl"},
            },
        ),
    ],
)
def test_over_mcp_what_is_read_and_completed_is_limited_like_tools(
    limited: Running, method: str, params: dict[str, Any]
) -> None:
    address = f"192.0.2.{100 + len(method) + len(params)}"
    with from_address(limited, address, new_key(limited, address)) as http:
        answers = [_mcp(http, method, params) for _ in range(6)]
    assert all("result" in answer for answer in answers[:5])
    assert answers[5]["error"]["code"] == -32603
    assert "more than 5" in answers[5]["error"]["message"]


def _mcp(http: httpx.Client, method: str, params: dict[str, Any]) -> dict[str, Any]:
    accepted = {"Accept": "application/json, text/event-stream"}
    version = {"MCP-Protocol-Version": "2025-11-25"}
    body = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
    told = http.post("/mcp", json=body, headers=accepted | version).text
    answer: dict[str, Any] = json.loads(told[told.index("{") :])
    return answer


def test_an_address_is_refused_at_every_path_but_those_that_machines_ask(limited: Running) -> None:
    with from_address(limited, "192.0.2.2") as http:
        for _ in range(12):
            assert http.get("/llms.txt").status_code == 200
        for path in ("/llms.txt", "/mcp", "/a2a/", "/library", "/nowhere"):
            refused(http.get(path), "address")
        assert http.get("/health").status_code == 200
        assert http.get("/ready").status_code == 200
    with from_address(limited, "192.0.2.3") as http:
        assert http.get("/llms.txt").status_code == 200


def test_an_address_makes_only_so_many_keys_and_no_more_by_another_route(limited: Running) -> None:
    key = new_key(limited, "192.0.2.4")
    with from_address(limited, "192.0.2.4", key) as http:
        assert http.post("/account/keys", json={}).status_code == 201
        refused(http.post("/keys"), "new_keys")
        refused(http.post("/account/keys", json={}), "new_keys")


@pytest.mark.parametrize("path", ["/account", "/mcp", "/a2a/"])
def test_wrong_keys_are_limited_and_good_ones_from_there_still_taken(
    limited: Running, path: str
) -> None:
    address = f"2001:db8::{len(path)}:0:0:0:1"
    good = new_key(limited, "192.0.2.5" + str(len(path)))
    with from_address(limited, address) as http:
        for _ in range(2):
            wrong = {"Authorization": f"Bearer {uuid.uuid4()}"}
            assert http.get(path, headers=wrong).status_code == 401
        refused(http.get(path, headers=wrong), "wrong_keys")
        assert http.get("/account", headers={"Authorization": f"Bearer {good}"}).status_code == 200
        assert http.get(path).status_code == 401  # nothing was guessed


def test_neighbours_of_one_ipv6_network_count_as_one_address() -> None:
    assert network_of("2001:db8::1") == network_of("2001:db8::ffff:1") == "2001:db8::/64"
    assert network_of("2001:db8:0:1::1") != network_of("2001:db8::1")
    assert network_of("192.0.2.1") == "192.0.2.1"
    assert network_of("unknown") == "unknown"


@pytest.mark.parametrize(
    ("environment", "bounds"),
    [
        ({}, set()),
        ({"HOST": "0.0.0.0"}, {"key", "address", "new_keys", "wrong_keys"}),  # noqa: S104
        ({"PUBLIC_BASE_URL": "https://g"}, {"key", "address", "new_keys", "wrong_keys"}),
        ({"HOST": "::", "RATE_LIMIT_KEY": "off"}, {"address", "new_keys", "wrong_keys"}),
        ({"RATE_LIMIT_NEW_KEYS": "1/day"}, {"new_keys"}),
    ],
)
def test_limits_hold_where_others_reach_the_gateway(
    monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], bounds: set[str]
) -> None:
    for name in Settings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert set(rate_bounds(read_settings())) == bounds


def test_a_rate_or_a_redis_that_is_none_stops_the_start(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RATE_LIMIT_KEY", "many")
    with pytest.raises(SettingsError, match="RATE_LIMIT_KEY"):
        read_settings()
    monkeypatch.setenv("RATE_LIMIT_KEY", "1/second")
    monkeypatch.setenv("REDIS_URL", "http://redis")
    with pytest.raises(SettingsError, match="REDIS_URL"):
        redis_url(read_settings())


@pytest.fixture(scope="module")
def redis() -> Iterator[str]:
    with redis_server() as url:
        yield url


async def _spent(rates: Rates, who: str) -> list[int]:
    standings = [await rates.spend("key", who) for _ in range(2)]
    return [standing.left for standing in standings if standing]


def _bounds() -> Any:  # noqa: ANN401
    from limits import parse  # noqa: PLC0415

    return {"key": parse("10/hour")}


@pytest.mark.anyio
async def test_processes_with_one_redis_count_together(redis: str) -> None:
    one, other = Rates(_bounds(), redis), Rates(_bounds(), redis)
    assert await _spent(one, "together") == [9, 8]
    assert await _spent(other, "together") == [7, 6]


@pytest.mark.anyio
async def test_a_redis_that_goes_and_comes_back_is_left_and_found_again_with_a_log_line(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(gateway_server.rates, "_REST_S", 0.0)
    port = free_port()
    with capture_logs() as logs:
        with redis_server(port) as url:
            rates = Rates(_bounds(), url)
            assert await _spent(rates, "x") == [9, 8]
        assert await _spent(rates, "x") == [9, 8]  # of its own
        with redis_server(port):
            assert await _spent(rates, "x") == [9, 8]  # this one began anew
    assert [line["event"] for line in logs] == [
        "rate_limits_not_shared",
        "rate_limits_shared_again",
    ]


@pytest.mark.anyio
async def test_a_redis_that_is_silent_is_not_waited_for_by_every_request(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(gateway_server.rates, "_PATIENCE_S", 0.05)
    with redis_server() as url, capture_logs() as logs, redis_client(url) as client:
        rates = Rates(_bounds(), url)
        client.client_pause(60_000, all=False)  # whoever writes waits
        assert await _spent(rates, "x") == [9, 8]
        client.client_unpause()
        assert await _spent(rates, "x") == [7, 6]
        assert client.keys("*/x/*") == []
    assert [line["event"] for line in logs] == ["rate_limits_not_shared"]


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.mark.slow
def test_two_servers_share_their_counts_through_redis(redis: str, tmp_path: Path) -> None:
    environment = {**LIMITED, "REDIS_URL": redis}
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
    with served(tmp_path / "a", **environment) as a, served(tmp_path / "b", **environment) as b:
        made = [httpx.post(f"{url}/keys").status_code for url in (a.url, b.url, a.url, b.url)]
    assert made == [201, 201, 429, 429]
