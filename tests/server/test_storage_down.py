"""A store of blobs that doesn't answer costs nobody anything, and is used again when it does."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from conftest import Running, running_gateway
from s3_server import BUCKET, S3, s3_server

import gateway_storage.bucket
from gateway_library.build import built_folder
from gateway_payments.accounts import find_caller
from gateway_payments.audit import audit
from gateway_payments.ledger import grant_credits
from gateway_payments.money import from_minor

pytestmark = pytest.mark.slow

LARGE = {"fmu_id": "msl:Dahlquist", "stop_time": 1.0, "step": 1e-4}
SMALL = {"fmu_id": "msl:Dahlquist", "stop_time": 1.0, "step": 0.1}


@pytest.fixture
def s3(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[S3]:
    monkeypatch.setattr(gateway_storage.bucket, "REQUEST_S", 0.5)
    monkeypatch.setattr(gateway_storage.bucket, "RETRY_S", 0.5)
    with s3_server(tmp_path / "s3") as server:
        for name, value in server.environment.items():
            monkeypatch.setenv(name, value)
        yield server


@pytest.fixture
def gateway(tmp_path: Path, s3: S3) -> Iterator[Running]:
    assert s3.folder.is_dir()
    environment = {"PAYMENT_OFFERS": "credits", "STORAGE_URL": f"s3://{BUCKET}"}
    with running_gateway(tmp_path, environment, None) as running:
        yield running


def balance(http: httpx.Client) -> float:
    return float(http.get("/account").json()["balance"]["amount"])


def test_nothing_is_charged_for_what_could_not_be_stored_or_read(gateway: Running, s3: S3) -> None:
    where, system = gateway.account(), gateway.embedded.gateway
    with system.database.write() as db:
        caller = find_caller(db, where.key)
        assert caller
        grant_credits(db, caller.account_id, "gift", from_minor(300, "usd"), system.clock())
    model = (built_folder() / "VanDerPol.fmu").read_bytes()
    with gateway.http(where) as http:
        http.put("/account/budget", json={"auto_pay": "credits"})
        kept = http.post("/simulate", json=LARGE).json()["result_id"]
        assert balance(http) == 2.0
        with s3.silent():
            again = {**LARGE, "start_values": {"k": 2.0}}
            for answer in (
                http.post("/simulate", json=again),
                http.get(f"/results/{kept}"),
                http.post("/fmus", files={"file": ("m.fmu", model)}),
            ):
                assert (answer.status_code, answer.json()["code"]) == (503, "storage_unavailable")
                assert answer.headers["retry-after"] == "5"
            assert http.get("/fmus").json()["models"] == []
            assert http.get("/account").json()["usage"][0]["outcome"] == "failed"
            assert balance(http) == 2.0
            assert http.post("/simulate", json=SMALL).status_code == 200  # is in the database
        assert http.post("/simulate", json=again).status_code == 200
        assert balance(http) == 0.0
        assert http.get(f"/results/{kept}").status_code == 200
        assert http.post("/fmus", files={"file": ("m.fmu", model)}).status_code == 201
    with system.database.read() as db:
        assert audit(db) == []


def test_a_result_that_was_changed_in_the_store_is_not_given_out(gateway: Running, s3: S3) -> None:
    with gateway.http() as http:
        http.put("/account/budget", json={"auto_pay": "credits"})
        system = gateway.embedded.gateway
        account = http.get("/account").json()["account_id"]
        with system.database.write() as db:
            grant_credits(db, account, "gift", from_minor(100, "usd"), system.clock())
        kept = http.post("/simulate", json=LARGE).json()["result_id"]
        (stored,) = s3.folder.rglob("*.parquet")
        data = bytearray(stored.read_bytes())
        data[len(data) // 2] ^= 1
        stored.write_bytes(data)
        answer = http.get(f"/results/{kept}")
    assert (answer.status_code, answer.json()["code"]) == (500, "stored_file_damaged")
