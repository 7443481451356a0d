"""`run_fmu_simulation.py` as a user starts it."""

from __future__ import annotations

import importlib.util
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from conftest import Running

from fmu_gateway_sdk import FMUGatewayClient
from gateway_library.build import built_folder
from gateway_payments.accounts import find_caller
from gateway_payments.ledger import grant_credits
from gateway_payments.money import from_minor

pytestmark = pytest.mark.slow

SCRIPT = Path(__file__).parents[2] / "run_fmu_simulation.py"
NOBODY = "http://127.0.0.1:1"

Main = Callable[[list[str]], int]


@pytest.fixture(scope="module")
def main() -> Main:
    spec = importlib.util.spec_from_file_location("run_fmu_simulation", SCRIPT)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    run: Main = module.main
    return run


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, free_gateway: Running, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working directory of a user who has never run this before."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("FMU_GATEWAY_URL", free_gateway.url)
    monkeypatch.delenv("FMU_GATEWAY_KEY", raising=False)
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    return tmp_path / "work"


def written(folder: Path, kind: str) -> Path:
    [path] = (folder / "simulation_results").glob(f"*.{kind}")
    return path


def test_with_no_model_it_runs_the_ball_and_says_so(
    main: Main, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--auto"]) == 0
    told = capsys.readouterr()
    assert "msl:BouncingBall" in told.err
    assert told.out.startswith("h: 1 ->")
    rows = np.loadtxt(written(folder, "csv"), delimiter=",", skiprows=1)
    assert rows.shape[1] == 3
    assert json.loads(written(folder, "json").read_text())["fmu_id"] == "msl:BouncingBall"
    assert written(folder, "png").read_bytes().startswith(b"\x89PNG")


def test_the_only_fmu_here_is_taken_and_sent_once(
    main: Main, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "pump.fmu").write_bytes((built_folder() / "VanDerPol.fmu").read_bytes())
    assert main([]) == main([]) == 0
    told = capsys.readouterr().err
    assert told.count("pump.fmu, the only FMU here") == 2
    assert told.count("(sent)") == told.count("(sent before)") == 1


def test_options_go_before_the_configuration_file(
    main: Main, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = {"fmu_id": "msl:VanDerPol", "stop_time": 9, "start_values": {"mu": 3}, "step": 0.5}
    (folder / "run.json").write_text(json.dumps({**config, "kpis": ["x0_max"]}))
    assert main(["--config", "run.json", "--stop", "2", "--set", "mu=1.5", "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer["fmu_id"] == "msl:VanDerPol"
    assert answer["kpis"]["x0_max"]["value"] >= 2
    rows = np.loadtxt(answer["files"]["csv"], delimiter=",", skiprows=1)
    assert rows[:, 0].tolist() == [0, 0.5, 1, 1.5, 2]


def test_start_values_that_are_none_are_a_mistake(
    main: Main, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "odd.json").write_text('{"start_values": [1]}')
    assert main(["--config", "odd.json", "--set", "e=0.5", "--json"]) == 1
    told = json.loads(capsys.readouterr().out)
    assert told["message"] == "odd.json: start_values holds no JSON object"


def test_what_a_remedy_points_at_is_shown(main: Main, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--set", "e=much"]) == 1
    assert 'expected: "a number"' in capsys.readouterr().err


@pytest.mark.parametrize(
    "name", ["msl:Modelica.Blocks.Examples.SlewRateLimiter", "SlewRateLimiter"]
)
def test_a_library_model_runs_locally_by_either_name(
    main: Main, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--mode", "local", "--fmu", name]) == 0
    assert "SlewRateLimiter.fmu by FMPy" in capsys.readouterr().err


def test_a_local_run_needs_no_token_and_names_a_model_that_it_has_not(
    main: Main, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--mode", "local", "--payment-token", "unused"]) == 0
    assert main(["--mode", "local", "--fmu", "msl:Nothing"]) == 1
    assert "no file of msl:Nothing on this machine" in capsys.readouterr().err


def test_a_price_of_nothing_is_free(main: Main, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--quote"]) == 0
    assert capsys.readouterr().out == "free\n"


def test_what_costs_is_quoted_refused_and_run_by_its_token(
    main: Main,
    paid_gateway: Running,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("FMU_GATEWAY_URL", paid_gateway.url)
    asked = ["--fmu", "msl:BouncingBall", "--stop", "1.25"]
    assert main([*asked, "--quote"]) == 0
    quote = capsys.readouterr().out
    assert "This run costs 1.00 USD" in quote
    assert "Pay at http" in quote
    assert main([*asked, "--json"]) == 2
    requirement = json.loads(capsys.readouterr().out)
    with FMUGatewayClient() as client:
        key = client.api_key()
        with paid_gateway.embedded.gateway.database.write() as db:
            caller = find_caller(db, key)
            assert caller
            price = from_minor(100, "usd")
            grant_credits(db, caller.account_id, "cli test", price, datetime.now(UTC))
        token = client.pay(quote_id=requirement["quote_id"], offer="credits").payment_token
    assert token
    assert main(["--payment-token", token, "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert np.loadtxt(answer["files"]["csv"], delimiter=",", skiprows=1)[-1, 0] == 1.25
    assert main(["--payment-token", token]) == 1
    assert "payment_token_spent" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["--fmu", "msl:BouncingBal"], "unknown_model"),
        (["--fmu", "missing.fmu"], "invalid_input"),
        (["--set", "ee=0.5"], "unknown_variable"),
        (["--set", "e"], "invalid_input"),
        (["--stop", "-1"], "invalid_time"),
        (["--config", "missing.json"], "invalid_input"),
        (["--mode", "local", "--fmu", "msl:Nothing"], "local_simulation"),
    ],
    ids=str,
)
def test_a_mistake_is_named_with_its_remedy(
    main: Main, arguments: list[str], code: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*arguments, "--json"]) == 1
    told = json.loads(capsys.readouterr().out)
    assert told["code"] == code
    assert told["remedy"]
    assert main(arguments) == 1
    assert f"({code})" in capsys.readouterr().err


def test_the_nearest_names_are_shown(main: Main, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--fmu", "msl:BouncingBal"]) == 1
    assert 'nearest: ["msl:BouncingBall"' in capsys.readouterr().err


def test_local_mode_needs_no_gateway_and_gives_the_same_numbers(
    main: Main,
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    asked = ["--fmu", "msl:VanDerPol", "--stop", "3", "--json"]
    assert main(asked) == 0
    there = json.loads(capsys.readouterr().out)
    monkeypatch.setenv("FMU_GATEWAY_URL", NOBODY)
    assert main([*asked, "--mode", "local"]) == 0
    here = json.loads(capsys.readouterr().out)
    assert here["engine"]["name"] == "fmpy"
    assert (folder / here["files"]["png"]).is_file()
    tables = [
        np.loadtxt(folder / run["files"]["csv"], delimiter=",", skiprows=1) for run in (there, here)
    ]
    assert np.allclose(tables[0], tables[1], rtol=1e-9)
    assert main([*asked, "--mode", "local", "--quote"]) == 0
    assert json.loads(capsys.readouterr().out) == {"amount": 0}


def test_an_address_where_nobody_answers_is_an_error(
    main: Main, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("FMU_GATEWAY_URL", NOBODY)
    assert main(["--auto"]) == 1
    assert NOBODY in capsys.readouterr().err


def command(folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    kept = {name: os.environ[name] for name in ("PATH", "XDG_CONFIG_HOME")}
    return subprocess.run(
        [sys.executable, SCRIPT, "--auto", "--json"],
        cwd=folder,
        env={**kept, **environment},
        capture_output=True,
        text=True,
        check=True,
    )


def test_where_no_gateway_answers_one_is_started_and_the_key_stays(folder: Path) -> None:
    with socket.socket() as sock:
        if sock.connect_ex(("127.0.0.1", 8000)) == 0:
            pytest.skip("something answers at port 8000 of this machine")
    config = Path(os.environ["XDG_CONFIG_HOME"]) / "fmu-gateway"
    done = command(folder)
    assert "Gateway: started one for this run" in done.stderr
    assert json.loads(done.stdout)["status"] == "done"
    [kept] = (config / "keys").iterdir()
    assert kept.stat().st_mode & 0o777 == 0o600
    assert (config / "embedded.sqlite3").exists()


def test_with_a_gateway_that_runs_it_takes_less_than_two_seconds(
    folder: Path, free_gateway: Running
) -> None:
    command(folder, FMU_GATEWAY_URL=free_gateway.url)
    cpu = os.times()
    started = time.monotonic()
    command(folder, FMU_GATEWAY_URL=free_gateway.url)
    after = os.times()
    used = (after.children_user + after.children_system) - (cpu.children_user + cpu.children_system)
    assert min(used, time.monotonic() - started) < 2
