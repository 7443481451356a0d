"""What goes wrong between a program and its gateway reaches the program as a typed error."""

from __future__ import annotations

import http.server
import json
import os
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import Running
from doors.credit import give_credits
from served import COMMAND, free_port, served

from fmu_gateway_sdk import (
    ConflictError,
    FMUGatewayClient,
    InvalidAnswerError,
    InvalidRequestError,
    KeyStore,
    NotFoundError,
    UnauthorizedError,
    UnreachableError,
)

BALL: dict[str, Any] = {"fmu_id": "msl:BouncingBall", "stop_time": 3.0}
LONG: dict[str, Any] = {"fmu_id": "msl:CoupledClutches", "stop_time": 500.0, "step": 0.5}


@contextmanager
def answering(status: int, headers: dict[str, str], body: bytes) -> Iterator[str]:
    """Something that answers every request so."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers.get("content-length", 0)))
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    with http.server.HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


@pytest.mark.parametrize(
    ("status", "headers", "body"),
    [
        (200, {}, b"<html>Welcome</html>"),
        (502, {"Content-Type": "text/html"}, b"<html>Bad gateway</html>"),
        (200, {}, b'{"result_id": "res_'),
        (200, {}, b"null"),
        (302, {"Location": "https://login.example/"}, b""),
    ],
)
def test_what_is_no_answer_of_a_gateway_is_an_error_of_its_own(
    status: int, headers: dict[str, str], body: bytes
) -> None:
    with (
        answering(status, headers, body) as url,
        FMUGatewayClient(url, "key", patience_s=0) as client,
        pytest.raises(InvalidAnswerError) as told,
    ):
        client.simulate(BALL)
    assert told.value.status == status
    assert told.value.remedy


@pytest.mark.parametrize(
    ("headers", "body"),
    [({"Content-Length": "1000"}, b'{"result_id"'), ({"Content-Encoding": "gzip"}, b"no gzip")],
)
def test_an_answer_that_is_broken_on_its_way_is_no_answer(
    headers: dict[str, str], body: bytes
) -> None:
    with (
        answering(200, headers, body) as url,
        FMUGatewayClient(url, "key", patience_s=0) as client,
        pytest.raises(UnreachableError),
    ):
        client.simulate(BALL)


@pytest.mark.parametrize("key", ["ключ", "a\nb", " "])
def test_a_key_that_no_header_can_carry_is_refused_here(free_gateway: Running, key: str) -> None:
    with FMUGatewayClient(free_gateway.url, key) as client, pytest.raises(UnauthorizedError) as no:
        client.account()
    assert no.value.code == "invalid_key"


def test_half_a_file_is_refused_and_not_kept(client: FMUGatewayClient, fmu_file: Path) -> None:
    whole = fmu_file.read_bytes()
    fmu_file.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(InvalidRequestError) as refused:
        client.upload_fmu_smart(fmu_file)
    assert refused.value.code == "not_a_zip"
    assert client.uploads().models == ()


def test_ten_megabytes_are_refused_without_being_told_back(client: FMUGatewayClient) -> None:
    with pytest.raises(InvalidRequestError) as refused:
        client.simulate({**BALL, "outputs": ["h" * 10 * 2**20]})
    assert len(json.dumps(dict(refused.value.details))) < 10_000


def test_names_in_any_script_come_back_whole(client: FMUGatewayClient) -> None:
    with pytest.raises(InvalidRequestError) as refused:
        client.simulate({**BALL, "start_values": {"温度 🌡": 1}})
    assert refused.value.code == "unknown_variable"
    assert refused.value.details["name"] == "温度 🌡"


def test_a_key_of_idempotency_stands_for_one_request(client: FMUGatewayClient) -> None:
    first = client.simulate({**BALL, "idempotency_key": "once"})
    assert client.simulate({**BALL, "idempotency_key": "once"}).result_id == first.result_id
    with pytest.raises(ConflictError) as conflict:
        client.simulate({**BALL, "stop_time": 2.0, "idempotency_key": "once"})
    assert conflict.value.code == "idempotency_conflict"


def test_a_result_of_another_account_is_not_there(
    client: FMUGatewayClient, free_gateway: Running, tmp_path: Path
) -> None:
    result_id = client.simulate(BALL).result_id
    with FMUGatewayClient(free_gateway.url, keys=KeyStore(tmp_path / "other")) as other:
        for read in (other.result, other.csv, other.plot, other.script):
            with pytest.raises(NotFoundError):
                read(result_id)


def test_numbers_of_numpy_are_numbers(client: FMUGatewayClient) -> None:
    values = {"e": np.float64(0.7), "v": np.int64(0)}
    assert client.simulate({**BALL, "start_values": values}).status == "done"
    with pytest.raises(InvalidRequestError):
        client.simulate({**BALL, "stop_time": float("nan")})


PAYS = """
import time
real = time.time
time.time = lambda: real() + {hours} * 3600
from fmu_gateway_sdk import FMUGatewayClient
with FMUGatewayClient({url!r}, {key!r}) as client:
    quote = client.quote({ball!r})
    token = client.pay(quote_id=quote.quote_id, offer="credits").payment_token
    print(client.simulate({{"payment_token": token}}).status)
"""


@pytest.mark.parametrize("hours", [-10, 10])
def test_only_the_gateways_clock_counts(paid_gateway: Running, hours: int) -> None:
    where = paid_gateway.account()
    give_credits(paid_gateway, where, 100)
    code = PAYS.format(hours=hours, url=where.url, key=where.key, ball=BALL)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "done\n"


@pytest.mark.slow  # two servers as processes
def test_a_gateway_that_dies_in_the_middle_of_a_run_is_asked_again_and_paid_once(
    tmp_path: Path,
) -> None:
    database, port = tmp_path / "gateway.sqlite3", free_port()
    environment = {
        "PAYMENT_OFFERS": "credits",
        "CREDITS_PRICE_CENTS": "100",
        "FMU_GATEWAY_DB_PATH": str(database),
        "SIMULATION_TIMEOUT_S": "5",  # what is older was left behind by a crash
    }
    serve = (COMMAND, "serve", "--port", str(port))
    for name in ("first", "second"):
        (tmp_path / name).mkdir()
    url, keys = f"http://127.0.0.1:{port}", KeyStore(tmp_path / "keys")
    with (
        ThreadPoolExecutor() as threads,
        FMUGatewayClient(url, keys=keys, patience_s=300) as client,
    ):
        with served(tmp_path / "first", serve, **environment) as first:
            account = client.account().account_id
            grant = [COMMAND, "credits", "grant", account, "5.00", "--reason", "test"]
            subprocess.run(grant, check=True, env={**os.environ, **environment})
            client.set_auto_pay("credits")
            asked = threads.submit(client.simulate, LONG)
            until_running(database)
            os.kill(first.pid, signal.SIGKILL)
        with served(tmp_path / "second", serve, **environment):
            assert asked.result(300).status == "done"
            assert client.account().balance.amount == 4.0
            paid = [run.outcome for run in client.usage().usage if run.price]
            assert paid == ["delivered"]


def until_running(database: Path) -> None:
    """Until a run has begun and not ended."""
    until = time.monotonic() + 30
    while time.monotonic() < until:
        with sqlite3.connect(database) as db:
            (begun,) = db.execute("SELECT count(*) FROM runs WHERE state = 'running'").fetchone()
        db.close()
        if begun:
            return
        time.sleep(0.01)
    pytest.fail("no run began")
