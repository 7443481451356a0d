"""Health, doctor and results name the tier that this machine gives; without one nothing serves."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

import httpx
import pytest
from served import COMMAND, SERVE, free_port, served

pytestmark = pytest.mark.slow

LAUNCHER: Final = str(Path(__file__).parents[1] / "lacking.py")
OVERRIDE: Final = {"SANDBOX_OVERRIDE": "development"}
SHOUT: Final = "NO SANDBOX"


def without(lacks: str | None, command: tuple[str, ...]) -> tuple[str, ...]:
    return command if lacks is None else (sys.executable, LAUNCHER, lacks, *command)


def ended(
    folder: Path, lacks: str | None, command: tuple[str, ...], **environment: str
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        without(lacks, command),
        cwd=folder,
        env={**os.environ, "PAYMENT_OFFERS": "", **environment},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def simulated(url: str) -> dict[str, Any]:
    key = httpx.post(f"{url}/keys").json()["key"]
    headers = {"Authorization": f"Bearer {key}"}
    answer = httpx.post(f"{url}/simulate", json={"fmu_id": "msl:BouncingBall"}, headers=headers)
    found: dict[str, Any] = answer.raise_for_status().json()
    return found


@pytest.mark.parametrize(("lacks", "tier"), [(None, "strong"), ("namespaces", "standard")])
def test_health_results_and_doctor_name_the_tier(
    tmp_path: Path, lacks: str | None, tier: str
) -> None:
    with served(tmp_path, without(lacks, SERVE)) as server:
        told = httpx.get(f"{server.url}/health").json()["sandbox"]
        if told == "standard" and os.environ.get("STRONG_SANDBOX_REQUIRED") != "1":
            tier = "standard"  # a machine that forbids namespaces to everybody
        assert told == tier
        result = simulated(server.url)
        assert result["engine"]["sandbox"] == tier
        assert not any(SHOUT in warning for warning in result["warnings"])
        assert SHOUT not in server.written
    examined = ended(tmp_path, lacks, (COMMAND, "doctor"))
    assert examined.returncode == 0, examined.stdout
    assert f"ok   sandbox     {tier}\n" in examined.stdout


@pytest.mark.parametrize("lacks", [None, "landlock"])
def test_without_a_sandbox_health_results_doctor_and_logs_shout(
    tmp_path: Path, lacks: str | None
) -> None:
    with served(tmp_path, without(lacks, SERVE), **OVERRIDE) as server:
        assert httpx.get(f"{server.url}/health").json()["sandbox"] == "development"
        result = simulated(server.url)
        assert result["engine"]["sandbox"] == "development"
        assert any(warning.startswith(SHOUT) for warning in result["warnings"])
        assert server.written.count(SHOUT) == 1
    examined = ended(tmp_path, lacks, (COMMAND, "doctor"), **OVERRIDE)
    assert examined.returncode == 1
    assert "FAIL sandbox     development\n" in examined.stdout


@pytest.mark.parametrize("lacks", ["landlock", "seccomp"])
def test_where_no_sandbox_holds_nothing_serves(tmp_path: Path, lacks: str) -> None:
    refused = ended(tmp_path, lacks, SERVE)
    assert refused.returncode == 2
    assert refused.stdout == ""
    (line,) = refused.stderr.splitlines()
    assert line.startswith("fmu-gateway: there is no sandbox in which a model could be run: ")
    assert lacks in line.lower()
    assert line.endswith("SANDBOX_OVERRIDE=development runs models without: only those you trust")
    examined = ended(tmp_path, lacks, (COMMAND, "doctor"))
    assert examined.returncode == 1
    assert lacks in examined.stdout.lower()


def test_where_no_sandbox_holds_uvicorn_doesnt_start_either(tmp_path: Path) -> None:
    port = str(free_port())
    command = (sys.executable, "-m", "uvicorn", "gateway_server.main:app", "--port", port)
    refused = ended(tmp_path, "landlock", command, PORT=port)
    assert refused.returncode == 3
    assert "the kernel has no Landlock" in refused.stderr


def test_uvicorn_shouts_where_there_is_no_sandbox(tmp_path: Path) -> None:
    port = str(free_port())
    command = (sys.executable, "-m", "uvicorn", "gateway_server.main:app", "--port", port)
    with served(tmp_path, command, PORT=port, **OVERRIDE) as server:
        assert SHOUT in server.written


def test_stdio_shouts_where_there_is_no_sandbox(tmp_path: Path) -> None:
    done = ended(tmp_path, None, (COMMAND, "mcp"), **OVERRIDE)
    assert SHOUT in done.stderr
