"""`fmu-gateway simulate` and `describe`: here, without a server, and at a gateway."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from conftest import Running
from typer.testing import CliRunner

from gateway_library.build import built_folder
from gateway_server import places
from gateway_server.cli import app
from gateway_server.settings import read_settings

pytestmark = [
    pytest.mark.slow,  # each call starts a gateway of its own
    pytest.mark.usefixtures("logs_restored"),  # which it sends where only it looks
]

Command = Callable[..., Any]
BALL = ("simulate", "msl:BouncingBall", "--stop", "1", "--kpi", "h_max")


@pytest.fixture
def command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Command:
    """The command line in an empty folder of a user who has nothing yet."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("PAYMENT_OFFERS", "")
    monkeypatch.setattr(places, "LOCAL_GATEWAY", "http://127.0.0.1:1")  # nobody is there
    for name in ("FMU_GATEWAY_KEY", "FMU_GATEWAY_DB_PATH", "DATABASE_URL"):
        monkeypatch.delenv(name, raising=False)
    for name in ("FMU_GATEWAY_URL", "PUBLIC_GATEWAY_URL"):
        monkeypatch.delenv(name, raising=False)
    return lambda *arguments: CliRunner().invoke(app, arguments)


def files(folder: Path) -> set[str]:
    return {path.suffix for path in (folder / "simulation_results").iterdir()}


def test_a_model_runs_without_a_server_and_leaves_its_files(
    command: Command, tmp_path: Path
) -> None:
    done = command(*BALL)
    assert done.exit_code == 0, done.output
    assert done.stdout.startswith("h_max = 1 m\nh: 1 -> ")
    assert files(tmp_path) == {".csv", ".json", ".png"}
    assert (tmp_path / "config/fmu-gateway/embedded.sqlite3").exists()
    assert {path.name for path in tmp_path.iterdir()} == {"config", "simulation_results"}


def test_a_program_gets_json_alone_on_stdout(command: Command) -> None:
    told = json.loads(command(*BALL, "--set", "e=0.5", "--json").stdout)
    assert told["kpis"]["h_max"]["value"] == 1.0
    assert all(Path(path).exists() for path in told["files"].values())
    refused = command("simulate", "msl:BouncingBal", "--json")
    assert refused.exit_code == 1
    assert "msl:BouncingBall" in json.loads(refused.stdout)["details"]["nearest"]


@pytest.mark.parametrize("there", [False, True])
def test_ones_own_file_is_taken_and_known_the_next_time(
    command: Command, tmp_path: Path, free_gateway: Running, *, there: bool
) -> None:
    (tmp_path / "pump.fmu").write_bytes((built_folder() / "VanDerPol.fmu").read_bytes())
    place = ("--gateway", free_gateway.url) if there else ()
    first, second = command("simulate", *place), command("simulate", *place)
    assert "pump.fmu, the only FMU here" in first.stderr
    assert "(new)" in first.stderr
    assert "(known)" in second.stderr
    assert first.stdout == second.stdout
    assert first.stdout.startswith("x0: 2 -> ")


def test_a_price_is_told_readably_or_as_json(command: Command, paid_gateway: Running) -> None:
    assert command(*BALL, "--quote").stdout == "free\n"
    assert json.loads(command(*BALL, "--quote", "--json").stdout) == {"amount": 0}
    there = ("--gateway", paid_gateway.url)
    priced = command(*BALL, *there, "--quote")
    assert priced.exit_code == 0
    assert priced.stdout.startswith("This run costs 1.00 USD (quote qt_")
    assert "  credits: 1 USD\nPay at http" in priced.stdout
    assert re.search(r"^Valid until \d{4}-\d\d-\d\d \d\d:\d\d UTC\.$", priced.stdout, re.MULTILINE)
    then = f"Then: fmu-gateway simulate --gateway {paid_gateway.url} --payment-token TOKEN"
    assert then in priced.stdout
    as_json = json.loads(command(*BALL, *there, "--quote", "--json").stdout)
    assert (as_json["code"], as_json["amount"]) == ("payment_required", 1.0)
    unpaid = command(*BALL, *there)
    assert unpaid.exit_code == 2
    assert "has to be paid first" in unpaid.stderr


def test_a_configuration_stands_behind_the_options(command: Command, tmp_path: Path) -> None:
    asked: dict[str, Any] = {"fmu_id": "msl:BouncingBall", "stop_time": 2, "outputs": ["h"]}
    (tmp_path / "run.json").write_text(json.dumps(asked))
    told = json.loads(command("simulate", "--config", "run.json", "--stop", "1", "--json").stdout)
    rows = Path(told["files"]["csv"]).read_text().splitlines()
    assert rows[0] == "time,h"
    assert float(rows[-1].partition(",")[0]) == 1.0


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("simulate", "no.fmu"), "no.fmu: there is no such file"),
        (("simulate", "--set", "e"), "--set e: write NAME=VALUE"),
        (("simulate", "--config", "broken.json"), "--config broken.json: "),
        (("simulate", "--config", "list.json"), "holds no JSON object"),
        (("simulate", "--config", "missing.json"), "missing.json: No such file or directory"),
        (("simulate", "--config", "odd.json", "--set", "e=1"), "start_values holds no JSON object"),
    ],
)
def test_a_mistake_on_the_command_line_is_told_to_people_and_programs(
    command: Command, tmp_path: Path, arguments: tuple[str, ...], words: str
) -> None:
    (tmp_path / "broken.json").write_text("{")
    (tmp_path / "list.json").write_text("[]")
    (tmp_path / "odd.json").write_text('{"start_values": [1]}')
    done = command(*arguments)
    assert (done.exit_code, done.stdout) == (1, "")
    assert words in done.stderr
    told = command(*arguments, "--json")
    assert told.exit_code == 1
    assert json.loads(told.stdout)["code"] == "invalid_input"
    assert words in json.loads(told.stdout)["message"]


def test_what_a_remedy_points_at_is_shown(command: Command) -> None:
    done = command(*BALL, "--set", "e=much")
    assert 'expected: "a number"' in done.stderr
    assert "details.expected" in done.stderr


def test_a_model_is_described(command: Command, free_gateway: Running) -> None:
    here = command("describe", "msl:BouncingBall", "--query", "restitution")
    assert "parameter  e = 0.7" in here.stdout
    there = command("describe", "msl:BouncingBall", "--json", "--gateway", free_gateway.url)
    assert json.loads(there.stdout)["states"] == 2
    unknown = command("describe", "msl:No")
    assert (unknown.exit_code, unknown.stdout) == (1, "")
    assert "unknown_model" in unknown.stderr


@pytest.mark.usefixtures("command")
def test_a_file_that_can_t_be_had_is_refused_like_any_call() -> None:
    settings = read_settings(**places.own_database())
    with places.here(settings) as place, pytest.raises(places.RefusedError) as refused:
        place.file("res_0", "csv")
    assert refused.value.body["code"] == "unknown_result"


def test_a_gateway_that_is_not_there_is_named(command: Command) -> None:
    done = command(*BALL, "--gateway", "http://127.0.0.1:1")
    assert done.exit_code == 1
    assert "no gateway answers at http://127.0.0.1:1 (gateway_unreachable)" in done.stderr
    told = command(*BALL, "--gateway", "http://127.0.0.1:1", "--json")
    assert json.loads(told.stdout)["code"] == "gateway_unreachable"


@pytest.mark.parametrize("found", ["local", "public"])
def test_a_gateway_that_runs_is_found(
    command: Command, free_gateway: Running, monkeypatch: pytest.MonkeyPatch, found: str
) -> None:
    if found == "local":
        monkeypatch.setattr(places, "LOCAL_GATEWAY", free_gateway.url)
        monkeypatch.setenv("PUBLIC_GATEWAY_URL", "http://127.0.0.1:1")
    else:
        monkeypatch.setenv("PUBLIC_GATEWAY_URL", free_gateway.url)
    done = command(*BALL, "--json")
    assert f"Gateway: {free_gateway.url}" in done.stderr
    assert json.loads(done.stdout)["links"]["csv"].startswith(free_gateway.url)


def test_a_kept_key_that_its_gateway_lost_is_replaced(
    command: Command, free_gateway: Running, tmp_path: Path
) -> None:
    place = ("--gateway", free_gateway.url)
    assert command(*BALL, *place).exit_code == 0
    [kept] = (tmp_path / "config/fmu-gateway/keys").iterdir()
    lost = {"gateway": free_gateway.url, "key": "00000000-0000-4000-8000-000000000000"}
    kept.write_text(json.dumps(lost))
    assert command(*BALL, *place).exit_code == 0
    assert json.loads(kept.read_text())["key"] != lost["key"]
    assert json.loads(kept.with_suffix(".1.json").read_text()) == lost


def test_a_key_that_is_none_is_told(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(os.environ, "FMU_GATEWAY_KEY", "00000000-0000-4000-8000-000000000000")
    done = command(*BALL)
    assert done.exit_code == 1
    assert "FMU_GATEWAY_KEY: is no key of this gateway" in done.stderr
