"""/metrics counts what happens, for whoever has its token; its labels are ours alone."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from conftest import Running, running_gateway
from doors.clients import open_door
from doors.credit import give_credits
from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy import text
from sqlalchemy.exc import OperationalError
from stripe_standin.server import running

from gateway_server import background, metrics_state
from gateway_server.pulse import Pulse
from gateway_server.settings import SettingsError, read_settings
from gateway_tools.errors import FAILURES
from gateway_tools.registry import TOOLS

TOKEN = "a-token-of-the-operator"  # noqa: S105
CALL = {"fmu_id": "msl:BouncingBall", "stop_time": 0.1}
Samples = dict[tuple[str, tuple[tuple[str, str], ...]], float]


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """One where runs cost credits, or a card."""
    with running() as stripe, pytest.MonkeyPatch.context() as patched:
        patched.setattr(metrics_state, "_COUNTED_S", 0.0)
        patched.setattr(metrics_state, "_WALKED_S", 0.0)
        environment = {
            "STRIPE_ENABLED": "true",
            "STRIPE_SECRET_KEY": "sk_test_gateway",
            "STRIPE_WEBHOOK_SECRET": "whsec_" + "0" * 24,
            "STRIPE_API_BASE": stripe.base_url,
            "METRICS_TOKEN": TOKEN,
        }
        folder = tmp_path_factory.mktemp("metered")
        with running_gateway(folder, environment, stripe) as running_one:
            yield running_one


def scraped(gateway: Running) -> Samples:
    headers = {"Authorization": f"Bearer {TOKEN}"}
    answer = httpx.get(f"{gateway.url}/metrics", headers=headers).raise_for_status()
    assert answer.headers["content-type"].startswith("text/plain; version=")
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
    }


def value(samples: Samples, name: str, **labels: str) -> float:
    return samples.get((f"fmu_gateway_{name}", tuple(sorted(labels.items()))), 0.0)


def test_calls_runs_and_answers_are_counted_by_door_and_outcome(gateway: Running) -> None:
    before, where = scraped(gateway), gateway.account()
    give_credits(gateway, where, 500)
    with open_door("mcp_http", where) as door:
        asked = door.call("simulate", CALL)
        token = door.call("pay", {"quote_id": asked.body["quote_id"], "offer": "credits"})
        door.call("simulate", {"payment_token": token.body["payment_token"]})
    after = scraped(gateway)

    def more(name: str, **labels: str) -> float:
        return value(after, name, **labels) - value(before, name, **labels)

    said = {"tool": "simulate", "door": "mcp"}
    assert more("tool_calls_total", **said, outcome="payment_required") == 1
    assert more("tool_calls_total", **said, outcome="done") == 1
    assert more("tool_call_seconds_count", tool="simulate") == 2
    assert more("runs_total", outcome="done") == 1
    assert more("run_wait_seconds_count") == more("run_seconds_count") == 1
    assert more("run_cpu_seconds_total") > 0
    answers = {"door": "mcp", "method": "POST", "route": "/mcp"}
    assert more("http_requests_total", **answers, status="200") >= 3
    paid = {"offer": "credits", "state": "paid", "currency": "usd"}
    assert more("payments", **paid) == 1
    assert more("payments_amount", **paid) == 1.0
    spent = {"offer": "credits", "state": "captured", "currency": "usd"}
    assert more("entitlements", **spent) == 1


def test_the_machine_and_the_background_are_told(gateway: Running) -> None:
    assert background._EVERY_S == 30  # noqa: SLF001  so there was a first round only
    samples = scraped(gateway)
    system = gateway.embedded.gateway
    tier = system.simulator.tier.name.lower()
    assert value(samples, "info", version=system.version, sandbox=tier) == 1
    assert value(samples, "cores") == system.simulator.cores
    assert value(samples, "queue_length") == value(samples, "cores_busy") == 0
    assert value(samples, "disk_free_bytes") > 0
    assert value(samples, "reconciler_age_seconds") >= 0
    assert value(samples, "audit_violations") == 0


def test_bytes_of_blobs_and_errors_of_the_database_are_told(gateway: Running) -> None:
    system, before = gateway.embedded.gateway, scraped(gateway)
    system.blobs.put("fmus/one", b"12345")
    with pytest.raises(OperationalError), system.database.read() as db:
        db.execute(text("SELECT nothing FROM nowhere"))
    after = scraped(gateway)
    for name, labels, more in [
        ("blob_bytes", {"kind": "fmus"}, 5),
        ("database_errors_total", {"error": "OperationalError"}, 1),
    ]:
        assert value(after, name, **labels) - value(before, name, **labels) == more


def test_no_label_holds_what_a_caller_wrote(gateway: Running) -> None:
    mark = "zz-a-strangers-text"
    with gateway.http() as http:
        http.get(f"/{mark}", headers={"X-Request-Id": mark, "User-Agent": mark})
        http.get(f"/fmus/{mark}")
        http.request("BREW", "/simulate")
        http.post("/simulate", json={"fmu_id": mark, mark: 1})
        http.put(f"/uploads/{mark}", content=b"x")
        for path in ("/mcp", "/a2a/"):
            http.post(path, json={"jsonrpc": "2.0", "id": 1, "method": mark, "params": {mark: 1}})
        http.get(f"/a2a/{mark}")
    samples = scraped(gateway)
    assert mark not in str(samples)
    codes = {failure.code for failure in FAILURES.values()} | {"done", "internal_error"}
    known: dict[str, set[str]] = {
        "tool": set(TOOLS),
        "door": {"rest", "mcp", "a2a"},
        "outcome": codes,
        "method": {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "other"},
    }
    for _, labels in samples:
        for name, told in labels:
            assert told in known.get(name, {told}), (name, told)


@pytest.mark.parametrize(
    "header", [None, f"Bearer {TOKEN}x", "Bearer", f"Basic {TOKEN}", TOKEN, "Bearer \xe9"]
)
def test_nobody_else_reads_them(gateway: Running, header: str | None) -> None:
    headers = {} if header is None else {b"Authorization": header.encode("latin1")}
    answer = httpx.get(f"{gateway.url}/metrics", headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (401, "metrics_token")
    with gateway.http() as http:
        assert http.get("/metrics").status_code == 401, "an API key is none"


def test_without_a_token_there_are_none(free_gateway: Running) -> None:
    answer = httpx.get(f"{free_gateway.url}/metrics", headers={"Authorization": "Bearer"})
    assert (answer.status_code, answer.json()["code"]) == (404, "unknown_path")


def test_a_token_that_could_be_guessed_stops_the_start(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("METRICS_TOKEN", "short")
    with pytest.raises(SettingsError, match="METRICS_TOKEN"):
        read_settings()


def test_books_that_do_not_balance_are_counted_and_shouted(
    gateway: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[tuple[str, Any]] = []
    monkeypatch.setattr(background._log, "error", lambda event, **more: told.append((event, more)))  # noqa: SLF001
    monkeypatch.setattr(background, "_FIRST_AUDIT_S", 0)
    pulse, database = Pulse(), gateway.embedded.gateway.database
    where = gateway.account()
    give_credits(gateway, where, 100)
    bend = "UPDATE ledger_accounts SET balance_micros = balance_micros + :by WHERE role = 'credits'"
    try:
        with database.write() as db:
            db.execute(text(bend), {"by": 1})
        background._audit(gateway.embedded.gateway, pulse)  # noqa: SLF001
    finally:
        with database.write() as db:
            db.execute(text(bend), {"by": -1})
    assert pulse.violations > 0
    assert [event for event, _ in told] == ["ledger_unsound"]
