"""Models go out of OpenModelica and into the library: with a stand-in for its compiler."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from gateway_library.build import built_folder
from gateway_library.operator_card import read_card

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
EXPORTER = ROOT / "scripts" / "msl_catalog_exporter.py"
STANDIN = Path(__file__).with_name("omc_standin.py")
PACKAGE = "Modelica.Blocks"
EXAMPLES = f"{PACKAGE}.Examples"
GOOD = f"{EXAMPLES}.Accepted"


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """One in which `omc` is the stand-in."""
    (tmp_path / "bin").mkdir()
    omc = tmp_path / "bin" / "omc"
    omc.write_text(f'#!/bin/sh\nexec "{sys.executable}" "{STANDIN}" "$@"\n')
    omc.chmod(0o755)
    return {
        **os.environ,
        "PATH": f"{tmp_path / 'bin'}:{os.environ['PATH']}",
        "OMC_STANDIN_FMU": str(built_folder() / "VanDerPol.fmu"),
        "OMC_STANDIN_LOG": str(tmp_path / "built.log"),
    }


def export(
    folder: Path, environment: dict[str, str], *arguments: str
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, EXPORTER, *arguments],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


def report(folder: Path) -> dict[str, dict[str, Any]]:
    found = json.loads((folder / "fmus" / "report.json").read_text())
    return {one["model"].rpartition(".")[2]: one for one in found["models"]}


def test_every_example_is_exported_and_what_fails_stops_no_other(
    tmp_path: Path, environment: dict[str, str]
) -> None:
    done = export(
        tmp_path, environment,
        "--packages", "Modelica.Blocks", "--only-examples", "--jobs", "3", "--timeout", "8",
    )  # fmt: skip
    assert done.returncode == 1, done.stderr
    found = report(tmp_path)
    assert {name: one["status"] for name, one in found.items()} == {
        "Accepted": "exported",
        "Fails": "failed",
        "Hangs": "failed",
        "Crashes": "failed",
        "Windows": "unusable",
    }
    assert found["Fails"]["message"].startswith('Error: Class "Nothing" not found in scope')
    assert found["Hangs"]["message"] == "took longer than 8 s"
    assert "status -11" in found["Crashes"]["message"]
    assert "no linux64 binary" in found["Windows"]["message"]
    names = sorted(path.name for path in (tmp_path / "fmus").iterdir())
    assert names == [f"{GOOD}.fmu", f"{GOOD}.yaml", "report.json", "report.md"]
    card = read_card((tmp_path / "fmus" / f"{GOOD}.yaml").read_bytes())
    assert card.description == 'A "good" example'
    assert card.tags == ("Blocks",)
    table = (tmp_path / "fmus" / "report.md").read_text()
    assert "1 exported, 3 failed, 1 unusable." in table
    assert f"| {GOOD} | exported |" in table


def test_begun_again_it_keeps_what_is_there_and_tries_the_rest(
    tmp_path: Path, environment: dict[str, str]
) -> None:
    names = tmp_path / "models.txt"
    names.write_text(f"# two\n{GOOD}\n{EXAMPLES}.Fails  # not yet\n")
    asked = ("--models", str(names), "--prefix", "om.")
    assert export(tmp_path, environment, *asked).returncode == 1
    assert export(tmp_path, environment, *asked).returncode == 1
    built = Path(environment["OMC_STANDIN_LOG"]).read_text().split()
    assert sorted(built) == sorted([GOOD, f"{EXAMPLES}.Fails", f"{EXAMPLES}.Fails"])
    assert report(tmp_path)["Accepted"]["status"] == "kept"
    (tmp_path / "fmus" / f"om.{GOOD}.fmu").write_bytes(b"damaged")
    export(tmp_path, environment, *asked)
    assert report(tmp_path)["Accepted"]["status"] == "exported"


def test_a_dry_run_lists_and_a_limit_counts(tmp_path: Path, environment: dict[str, str]) -> None:
    listed = export(tmp_path, environment, "--packages", "Modelica.Blocks", "--dry-run").stdout
    assert f'{GOOD}  A "good" example' in listed
    assert "Modelica.Blocks.Continuous.Integrator" in listed
    assert "Interfaces.Base" not in listed  # partial
    assert "Types.Init" not in listed
    few = export(tmp_path, environment, "--packages", PACKAGE, "--dry-run", "--limit", "2").stdout
    assert few.endswith("2 models, nothing exported (--dry-run)\n")
    assert not (tmp_path / "fmus").exists()


def test_a_missing_compiler_is_said_plainly(tmp_path: Path) -> None:
    done = export(tmp_path, {**os.environ, "PATH": ""}, "--packages", PACKAGE)
    assert done.returncode == 2
    assert done.stderr.startswith("There is no `omc` here")
    assert "apt install omc" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--packages", "Modelica.Nothing"], "there is no package Modelica.Nothing"),
        (["--packages", "system(rm)"], "no name of a package"),
        (["--packages", PACKAGE, "--load", "Nothing"], "Error: Failed to load package"),
        (["--models", "wrong.txt"], "wrong.txt:2: no name of a model: a); system("),
        (["--models", "unknown.txt"], "there is no Modelica.Unknown"),
        (["--models", "missing.txt"], "missing.txt"),
        ([], "--packages"),
    ],
)
def test_a_wrong_request_is_refused_before_anything_is_built(
    tmp_path: Path, environment: dict[str, str], arguments: list[str], told: str
) -> None:
    (tmp_path / "wrong.txt").write_text(f"{GOOD}\na); system(\n")
    (tmp_path / "unknown.txt").write_text("Modelica.Unknown\n")
    done = export(tmp_path, environment, *arguments)
    assert done.returncode == 2
    assert told in done.stderr
    assert not Path(environment["OMC_STANDIN_LOG"]).exists()


def test_an_interrupted_export_ends_its_compilers_and_keeps_what_is_done(
    tmp_path: Path, environment: dict[str, str]
) -> None:
    (tmp_path / "models.txt").write_text(f"{GOOD}\n{EXAMPLES}.Hangs\n")
    process = subprocess.Popen(
        [sys.executable, EXPORTER, "--models", "models.txt", "--jobs", "1"],
        cwd=tmp_path,
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        # where tests run in the background, programs are born deaf to an interrupt
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509
    )
    log = Path(environment["OMC_STANDIN_LOG"])
    ends = time.monotonic() + 60
    while not (log.exists() and "Hangs" in log.read_text()) and time.monotonic() < ends:
        time.sleep(0.1)
    process.send_signal(signal.SIGINT)
    assert process.wait(30) != 0
    assert report(tmp_path)["Accepted"]["status"] == "exported"
