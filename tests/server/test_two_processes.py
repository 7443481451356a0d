"""Two servers on one Postgres, one object store and one Redis: a client can't tell them apart."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass

import httpx
import pytest
from conftest import WEBHOOK_SECRET
from postgres import fresh_database
from redis_server import redis_server
from s3_server import BUCKET, s3_server
from served import served
from stripe_standin.server import running, signed
from stripe_standin.sessions import Stripe

from gateway_library.build import built_folder
from gateway_payments.audit import audit
from gateway_storage.database import Database

pytestmark = pytest.mark.slow

MODEL = (built_folder() / "VanDerPol.fmu").read_bytes()


@dataclass(frozen=True)
class Pair:
    """Two servers, what they share, and Stripe's stand-in."""

    one: str
    other: str
    database: str
    stripe: Stripe


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory, postgres_url: str) -> Iterator[Pair]:
    folder = tmp_path_factory.mktemp("pair")
    with ExitStack() as stack:
        stripe = stack.enter_context(running())
        s3 = stack.enter_context(s3_server(folder / "s3"))
        database = fresh_database(postgres_url)
        environment = {
            "DATABASE_URL": database,
            "STORAGE_URL": f"s3://{BUCKET}/shared",
            "REDIS_URL": stack.enter_context(redis_server()),
            "GATEWAY_SECRET": "0" * 32,
            "STRIPE_ENABLED": "true",
            "STRIPE_SECRET_KEY": "sk_test_gateway",
            "STRIPE_WEBHOOK_SECRET": WEBHOOK_SECRET,
            "STRIPE_API_BASE": stripe.base_url,
            "PAYMENT_OFFERS": "stripe_checkout,credits",
            "RATE_LIMIT_NEW_KEYS": "6/hour",
            **s3.environment,
        }
        urls = []
        for name in ("one", "other"):
            (folder / name).mkdir()
            own = {**environment, "CACHE_PATH": str(folder / name / "cache")}
            urls.append(stack.enter_context(served(folder / name, **own)).url)
        one, other = urls
        yield Pair(one, other, database, stripe)


def client(url: str, key: str) -> httpx.Client:
    return httpx.Client(base_url=url, headers={"Authorization": f"Bearer {key}"}, timeout=60)


def new_key(url: str) -> str:
    return str(httpx.post(f"{url}/keys").json()["key"])


def test_a_key_an_upload_a_ticket_a_payment_and_a_result_are_the_same_at_both(pair: Pair) -> None:
    key = new_key(pair.one)
    with client(pair.one, key) as one, client(pair.other, key) as other:
        ticket = one.post("/fmus", json={}).json()["upload_url"].rpartition("/")[2]
        sent = other.put(f"/uploads/{ticket}", content=MODEL)
        assert sent.status_code == 201, sent.text
        assert one.put(f"/uploads/{ticket}", content=MODEL).status_code == 404
        assert one.post("/fmus", files={"file": ("m.fmu", MODEL)}).json()["already_known"]

        request = {"fmu_id": sent.json()["id"], "stop_time": 2.0, "step": 1e-4}
        asked = one.post("/simulate", json=request)
        assert asked.status_code == 402
        session, quote = asked.json()["session_id"], asked.json()["quote_id"]
        assert other.get(f"/payments/checkout/{session}").status_code == 202
        event = pair.stripe.complete(session)
        body, signature = signed(event, WEBHOOK_SECRET)
        for server in (other, one):
            headers = {"Stripe-Signature": signature}
            assert server.post("/webhooks/stripe", content=body, headers=headers).is_success
        tokens = {
            server.get(f"/payments/checkout/{session}").json()["payment_token"]
            for server in (one, other)
        }
        assert len(tokens) == 1

        run = other.post("/simulate", json={"payment_token": tokens.pop()})
        assert run.status_code == 200, run.text
        assert one.post("/simulate", json={"quote_id": quote}).status_code == 409
        result = run.json()["result_id"]
        texts = {s.get(f"/results/{result}?format=csv").text for s in (one, other)}
        assert len(texts) == 1
        assert json.loads(one.get("/usage").text)["usage"][0]["run_id"] == result

        new = one.post("/account/keys", json={}).json()
        assert other.get("/account", headers=_bearer(new["key"])).status_code == 200
        assert other.delete(f"/account/keys/{new['key_id']}").status_code == 204
        assert one.get("/account", headers=_bearer(new["key"])).status_code == 401
        assert one.delete(f"/fmus/{sent.json()['id']}").status_code == 204
        assert other.get(f"/fmus/{sent.json()['id']}").status_code == 404
    database = Database(pair.database)
    with database.read() as db:
        assert audit(db) == []
    database.close()


def test_they_count_together(pair: Pair) -> None:
    made = [httpx.post(f"{url}/keys").status_code for url in (pair.one, pair.other) * 4]
    assert made[-1] == 429
    assert made.count(201) <= 6


def _bearer(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}
