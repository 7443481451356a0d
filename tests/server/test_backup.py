"""A backup made while paid runs go on restores to sound books and readable results, anywhere."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
import tarfile
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final, Self

import pytest
from conftest import Running, running_gateway
from doors.clients import Where
from postgres import fresh_database
from s3_server import BUCKET, S3, s3_server
from sqlalchemy import text

from gateway_library.build import built_folder
from gateway_payments.accounts import find_caller
from gateway_payments.ledger import grant_credits
from gateway_payments.money import from_minor

pytestmark = pytest.mark.slow

COMMAND: Final = str(Path(sys.executable).with_name("fmu-gateway"))
MODEL: Final = (built_folder() / "VanDerPol.fmu").read_bytes()
SECRET: Final = "0" * 32
MOST_RUNS: Final = 60  # meanwhile
SMALL: Final = {"step": 0.1}
LARGE: Final = {"step": 1e-4}  # its result lies in a blob


@dataclass(frozen=True)
class Place:
    """Where a gateway keeps its things."""

    folder: Path
    environment: dict[str, str]

    def command(self, *words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [COMMAND, *words],
            cwd=self.folder,
            env={
                **os.environ,
                "FMU_GATEWAY_DB_PATH": str(self.folder / "gateway.sqlite3"),
                **self.environment,
            },
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )


@pytest.fixture
def s3(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[S3]:
    with s3_server(tmp_path / "s3") as server:
        for name, value in server.environment.items():
            monkeypatch.setenv(name, value)
        yield server


def sqlite_and_folder(folder: Path) -> Place:
    folder.mkdir()
    return Place(folder, {"PAYMENT_OFFERS": "credits"})


def postgres_and_bucket(folder: Path, postgres_url: str) -> Place:
    folder.mkdir()
    environment = {
        "PAYMENT_OFFERS": "credits",
        "DATABASE_URL": fresh_database(postgres_url),
        "STORAGE_URL": f"s3://{BUCKET}/{folder.name}",
        "CACHE_PATH": str(folder / "cache"),
        "GATEWAY_SECRET": SECRET,
    }
    return Place(folder, environment)


@pytest.mark.parametrize("here", ["sqlite", "postgres"])
def test_what_was_saved_while_paid_runs_went_on_is_whole_elsewhere(
    tmp_path: Path, postgres_url: str, s3: S3, here: str
) -> None:
    assert s3.folder.is_dir()
    kinds = {
        "sqlite": sqlite_and_folder(tmp_path / f"a-{here}"),
        "postgres": postgres_and_bucket(tmp_path / f"b-{here}", postgres_url),
    }
    source = kinds.pop(here)
    (target,) = kinds.values()
    saved = tmp_path / "saved.tar"
    with running_gateway(source.folder, source.environment, None) as gateway:
        where = gateway.account()
        _give(gateway, where)
        with gateway.http(where) as http:
            model = http.post("/fmus", files={"file": ("m.fmu", MODEL)}).json()["id"]
            before = [_paid_run(http, model, step) for step in (SMALL, LARGE)]
            with _runs_going_on(gateway, where, model) as going:
                done = source.command("backup", str(saved))
            assert done.returncode == 0, done.stdout + done.stderr
            assert going.delivered > 0
            told = {run: http.get(f"/results/{run}?format=csv").text for run in before}
    assert stat.S_IMODE(saved.stat().st_mode) == 0o600
    done = target.command("restore", str(saved))
    assert done.returncode == 0, done.stdout + done.stderr
    audited = target.command("ledger", "audit")
    assert audited.returncode == 0, audited.stdout + audited.stderr
    environment = {**target.environment, "GATEWAY_SECRET": SECRET}
    with running_gateway(target.folder, environment, None) as again:
        there = replace(where, url=again.url)
        with again.http(there) as http:
            for run in _delivered(again):
                answer = http.get(f"/results/{run}?format=csv")
                assert answer.status_code == 200, answer.text
                assert told.get(run, answer.text) == answer.text
            assert set(before) <= set(_delivered(again))
            assert http.post("/fmus", files={"file": ("m.fmu", MODEL)}).json()["already_known"]
            _paid_run(http, model, {"step": 0.3})
    refused = target.command("restore", str(saved))
    assert refused.returncode == 2
    assert "holds a gateway already" in refused.stderr


def _give(gateway: Running, where: Where) -> None:
    system = gateway.embedded.gateway
    with system.database.write() as db:
        caller = find_caller(db, where.key)
        assert caller
        grant_credits(db, caller.account_id, "much", from_minor(50_000, "usd"), system.clock())


def _paid_run(http: Any, model: str, step: dict[str, float]) -> str:  # noqa: ANN401
    quote = http.post("/quotes", json={"fmu_id": model, "stop_time": 2.0, **step}).json()
    paid = http.post("/pay", json={"quote_id": quote["quote_id"], "offer": "credits"})
    assert paid.status_code == 200, paid.text
    run = http.post("/simulate", json={"quote_id": quote["quote_id"]})
    assert run.status_code == 200, run.text
    return str(run.json()["result_id"])


class _runs_going_on:  # noqa: N801  reads as what it is
    """Paid runs one after the other, in two threads, until the block ends."""

    def __init__(self, gateway: Running, where: Where, model: str) -> None:
        self._gateway = gateway
        self._where = where
        self._model = model
        self._over = threading.Event()
        self._stack = ExitStack()
        self._threads = [threading.Thread(target=self._run, args=(n,)) for n in range(2)]
        self.delivered = 0

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
            self._stack.callback(thread.join)
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._stack.close()

    def _run(self, number: int) -> None:
        with self._gateway.http(self._where) as http:
            while not self._over.is_set() and self.delivered < MOST_RUNS:
                step = {"step": (1e-3 if number else 0.01) + self.delivered * 1e-6}
                _paid_run(http, self._model, {**step, "communication_step": step["step"]})
                self.delivered += 1


def _delivered(gateway: Running) -> list[str]:
    with gateway.embedded.gateway.database.read() as db:
        return list(db.execute(text("SELECT id FROM runs WHERE state = 'done'")).scalars())


def test_a_damaged_file_is_named_and_the_rest_is_saved(tmp_path: Path) -> None:
    place = sqlite_and_folder(tmp_path / "a")
    with running_gateway(place.folder, {"PAYMENT_OFFERS": ""}, None) as gateway:
        with gateway.http() as http:
            for name in ("VanDerPol", "Dahlquist"):
                data = (built_folder() / f"{name}.fmu").read_bytes()
                assert http.post("/fmus", files={"file": ("m.fmu", data)}).status_code == 201
        damaged, _ = sorted((place.folder / "gateway.storage" / "fmus").iterdir())
        damaged.write_bytes(b"not what it was")
        done = place.command("backup", "saved.tar")
    assert done.returncode == 1
    assert f"fmus/{damaged.name} is damaged or missing" in done.stderr
    with tarfile.open(place.folder / "saved.tar") as archive:
        kept = [name for name in archive.getnames() if name.startswith("blobs/")]
    assert len(kept) == 1
    other = sqlite_and_folder(tmp_path / "b")
    assert other.command("restore", str(place.folder / "saved.tar")).returncode == 0


def test_a_backup_that_is_not_whole_is_refused_and_leaves_no_gateway(tmp_path: Path) -> None:
    place = sqlite_and_folder(tmp_path / "a")
    saved = place.folder / "saved.tar"
    with (
        running_gateway(place.folder, {"PAYMENT_OFFERS": ""}, None) as gateway,
        gateway.http() as http,
    ):
        http.post("/fmus", files={"file": ("m.fmu", MODEL)})
        assert place.command("backup", str(saved)).returncode == 0
    data = saved.read_bytes()
    at = data.index(MODEL[100:200])
    other = sqlite_and_folder(tmp_path / "b")
    for harmed in (
        b"hello",
        data[: len(data) // 2 // 512 * 512],
        data[:at] + b"x" * 100 + data[at + 100 :],
    ):
        saved.write_bytes(harmed)
        done = other.command("restore", str(saved))
        assert done.returncode == 2
        assert "Traceback" not in done.stderr
    assert "holds no gateway" in other.command("ledger", "audit").stderr
