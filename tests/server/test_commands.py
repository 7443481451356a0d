"""The commands of the README, as processes of their own."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import httpx
import pytest
from conftest import Running

pytestmark = pytest.mark.slow

COMMAND = str(Path(sys.executable).with_name("fmu-gateway"))


def run(folder: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [COMMAND, *arguments],
        cwd=folder,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=90,
    )


def test_the_demo_shows_the_whole_way_and_leaves_a_plot(tmp_path: Path) -> None:
    done = run(tmp_path, "demo")
    assert done.returncode == 0, done.stderr
    for shown in (
        "msl:BouncingBall",
        "VanDerPol.fmu is fmu_",
        "1.00 USD",
        "payment_required",
        "paid with credits",
        "demo money",
        "h_max = 1 m",
        "payment_token_spent",
        "completed after payment",
        "3.00 USD of credits left",
    ):
        assert shown in done.stdout
    assert (tmp_path / "demo.png").read_bytes().startswith(b"\x89PNG")
    assert [path.name for path in tmp_path.iterdir()] == ["demo.png"]


def test_serve_answers_and_ends_cleanly_on_sigterm(tmp_path: Path) -> None:
    process = subprocess.Popen(
        [COMMAND, "serve", "--port", "0"],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )
    try:
        assert process.stdout is not None
        found = re.search(r"http://[\d.:]+", process.stdout.readline())
        assert found
        assert httpx.get(f"{found[0]}/health").json()["status"] == "ok"
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) in {0, -signal.SIGTERM}
    finally:
        process.kill()
        process.wait()
        process.stdout.close() if process.stdout else None


def test_a_port_that_is_taken_is_said_plainly(tmp_path: Path, free_gateway: object) -> None:
    port = re.findall(r":(\d+)", getattr(free_gateway, "url", ""))[0]
    done = run(tmp_path, "serve", "--port", port)
    assert done.returncode == 2
    assert done.stderr.startswith("fmu-gateway: PORT: ")


def test_doctor_runs_a_model(tmp_path: Path) -> None:
    done = run(tmp_path, "doctor")
    assert done.returncode == 0, done.stdout
    assert "ok   simulation" in done.stdout
    assert re.search("^ok   sources .*(compiled by|refused)", done.stdout, re.MULTILINE)


def test_the_library_is_listed_and_built(tmp_path: Path) -> None:
    assert "msl:BouncingBall@fmi3" in run(tmp_path, "library", "list").stdout
    built = run(tmp_path, "library", "build")
    assert built.returncode == 0, built.stderr
    names = {path.name for path in (tmp_path / "library" / "msl").glob("*.fmu")}
    assert {"BouncingBall.fmu", "BouncingBall@fmi3.fmu"} <= names


def test_credits_are_granted_once_for_each_reason(tmp_path: Path, paid_gateway: Running) -> None:
    account = httpx.post(f"{paid_gateway.url}/keys").json()
    here = {"FMU_GATEWAY_DB_PATH": str(paid_gateway.database)}
    grant = ("credits", "grant", account["account_id"], "12.5", "--reason", "welcome")
    assert "got 12.50 USD" in run(tmp_path, *grant, **here).stdout
    assert "nothing changed" in run(tmp_path, *grant, **here).stdout
    with httpx.Client(headers={"Authorization": f"Bearer {account['key']}"}) as http:
        balance = http.get(f"{paid_gateway.url}/account").json()["balance"]
    assert balance == {"amount": 12.5, "amount_micros": 12_500_000, "currency": "usd"}
    for amount in ("nan", "inf", "0", "much"):
        wrong = run(tmp_path, "credits", "grant", account["account_id"], amount, "--reason", "x")
        assert wrong.stderr.startswith("fmu-gateway: amount: "), amount
    unknown = run(tmp_path, "credits", "grant", "acc_no", "5", "--reason", "x", **here)
    assert unknown.returncode == 2
    assert unknown.stderr == "fmu-gateway: no such account\n"


def test_the_application_loads_in_a_server_of_ones_own(tmp_path: Path) -> None:
    code = "from gateway_server.main import app; print(callable(app))"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert done.stdout == "True\n"


def test_nothing_heavy_is_imported_on_the_way_to_serving(tmp_path: Path) -> None:
    heavy = ["fmpy", "matplotlib", "scipy", "pyarrow", "mcp", "a2a", "stripe", "alembic"]
    code = (
        "import sys; from gateway_server.main import app; "
        f"print([name for name in {heavy} if name in sys.modules])"
    )
    env = {**os.environ, "FMU_GATEWAY_DB_PATH": str(tmp_path / "g.sqlite3")}
    subprocess.run(
        [sys.executable, "-c", "from gateway_server.main import app"], env=env, check=True
    )
    done = subprocess.run(
        [sys.executable, "-c", code], env=env, capture_output=True, text=True, check=True
    )
    assert done.stdout == "[]\n"
