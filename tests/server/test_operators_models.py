"""Operators' own models, as their clients and their command line see them."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from conftest import Running, running_gateway
from typer.testing import CliRunner

from gateway_library.build import built_folder
from gateway_server.cli import app
from gateway_server.settings import SettingsError

CARD = """\
description: Pump of the north plant
tags: [zirconia]
notes: Flow in l/min
kpis: [x0_final]
verified: {against: measurement, error: 0.02, how: Test bench in May}
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("library")


@pytest.fixture(scope="module")
def gateway(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    environment = {"PAYMENT_OFFERS": "", "LIBRARY_PATH": str(folder)}
    with running_gateway(tmp_path_factory.mktemp("gateway"), environment, None) as running:
        yield running


pytestmark = pytest.mark.usefixtures("logs_restored")  # commands send logs elsewhere

Command = Callable[..., Any]


def fmu(folder: Path, name: str, model: str = "VanDerPol") -> Path:
    shutil.copy(built_folder() / f"{model}.fmu", folder / f"{name}.fmu")
    return folder / f"{name}.fmu"


@pytest.fixture
def command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Command:
    """`fmu-gateway library ...` in a folder whose `models` is LIBRARY_PATH."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LIBRARY_PATH", "models")
    monkeypatch.setenv("FMU_GATEWAY_DB_PATH", str(tmp_path / "gateway.sqlite3"))
    return lambda *arguments: CliRunner().invoke(app, ["library", *arguments])


def eventually(answer: Callable[[], Any], *, within_s: float = 30) -> Any:  # noqa: ANN401
    ends = time.monotonic() + within_s
    while not (found := answer()) and time.monotonic() < ends:
        time.sleep(0.1)
    assert found
    return found


def test_a_model_comes_and_goes_while_the_gateway_serves(gateway: Running, folder: Path) -> None:
    with gateway.http() as http:
        assert http.get("/library", params={"query": "zirconia"}).json()["models"] == []
        (folder / "Acme.Pump.yaml").write_text(CARD)
        path = fmu(folder, "Acme.Pump")
        (found,) = eventually(
            lambda: http.get("/library", params={"query": "zirconia"}).json()["models"]
        )
        assert (found["id"], found["verified_against"], found["error"]) == (
            "msl:Acme.Pump",
            "measurement",
            0.02,
        )
        described = http.get("/fmus/Pump").json()
        assert described["notes"] == "Flow in l/min"
        assert described["example_request"]["kpis"] == ["x0_final"]
        done = http.post("/simulate", json=described["example_request"])
        assert done.json()["fmu_id"] == "msl:Acme.Pump"
        path.unlink()
        gone = eventually(lambda: (r := http.get("/fmus/msl:Acme.Pump")).status_code != 200 and r)
        assert (gone.status_code, gone.json()["code"]) == (410, "model_removed")
        again = http.post("/simulate", json=described["example_request"])
        assert again.json()["code"] == "model_removed"
        result = done.json()["result_id"]
        assert http.get(f"/results/{result}").status_code == 200


def test_a_folder_that_is_not_there_stops_the_start(command: Command) -> None:
    done = command("list")
    assert isinstance(done.exception, SettingsError)
    assert done.exception.mistakes == ["LIBRARY_PATH: there is no folder models"]


def test_add_checks_and_copies_and_list_shows(tmp_path: Path, command: Command) -> None:
    (tmp_path / "models").mkdir()
    (tmp_path / "Pump.yaml").write_text(CARD)
    fmu(tmp_path, "Pump")
    done = command("add", "Pump.fmu")
    assert done.stdout == "ok   Pump.fmu: served as msl:Pump\n", done.stderr
    assert sorted(p.name for p in (tmp_path / "models").iterdir()) == ["Pump.fmu", "Pump.yaml"]
    again = command("add", "Pump.fmu")
    assert (again.exit_code, "--replace" in again.stderr) == (2, True)
    assert command("add", "Pump.fmu", "--replace").exit_code == 0
    listed = command("list").stdout
    assert "msl:BouncingBall@fmi3" in listed
    assert "Pump of the north plant  [measurement]  (Pump.fmu)" in listed


def test_add_refuses_what_would_not_be_served_and_copies_nothing(
    tmp_path: Path, command: Command
) -> None:
    (tmp_path / "models").mkdir()
    fmu(tmp_path / "models", "Pump")
    card = tmp_path / "other.yaml"
    card.write_text("name: Pump\n")
    fmu(tmp_path, "Motor")
    taken = command("add", "Motor.fmu", "--card", "other.yaml")
    assert taken.exit_code == 2
    assert "has a model of its own named 'Pump'" in taken.stderr
    (tmp_path / "Text.fmu").write_text("no zip")
    assert "not a zip archive" in command("add", "Text.fmu").stderr
    assert "there is no FMU" in command("add", "Nothing.fmu").stderr
    assert [p.name for p in (tmp_path / "models").iterdir()] == ["Pump.fmu"]


def test_verify_says_a_line_of_each_file_and_fails_for_a_broken_one(
    tmp_path: Path, command: Command
) -> None:
    (tmp_path / "models").mkdir()
    fmu(tmp_path / "models", "Pump")
    good = command("verify")
    assert (good.exit_code, good.stdout) == (0, "ok   Pump.fmu: served as msl:Pump\n")
    (tmp_path / "models" / "Pump.yaml").write_text("name: [")
    (tmp_path / "models" / "Text.fmu").write_text("no zip")
    bad = command("verify")
    assert bad.exit_code == 1
    assert "FAIL Text.fmu: the bytes are not a zip archive" in bad.stdout
    assert "FAIL Pump.fmu: Pump.yaml: line 2: " in bad.stdout
    assert command("verify", "models/Pump.fmu").exit_code == 1
    alone = fmu(tmp_path, "Alone")
    assert command("verify", str(alone)).stdout.startswith("ok   Alone.fmu")
    assert "no such file" in command("verify", "nothing").stderr
