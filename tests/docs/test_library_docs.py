"""The commands of the library's documents work as typed; OpenModelica is the stand-in."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from gateway_library.build import built_folder
from gateway_library.operator_card import read_card

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
BIN = Path(sys.executable).parent


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    (tmp_path / "bin").mkdir()
    omc = tmp_path / "bin" / "omc"
    standin = ROOT / "tests" / "scripts" / "omc_standin.py"
    omc.write_text(f'#!/bin/sh\nexec "{sys.executable}" "{standin}" "$@"\n')
    omc.chmod(0o755)
    return {
        **os.environ,
        "PATH": f"{tmp_path / 'bin'}:{BIN}:{os.environ['PATH']}",
        "OMC_STANDIN_FMU": str(built_folder() / "VanDerPol.fmu"),
        "OMC_STANDIN_LOG": str(tmp_path / "built.log"),
    }


def block(page: str, language: str, *, holding: str = "") -> str:
    text = (ROOT / "docs" / page).read_text()
    found = re.findall(rf"```{language}\n(.*?)```", text, re.DOTALL)
    (only,) = (str(one) for one in found if holding in one)
    return only


def run(script: str, folder: Path, environment: dict[str, str]) -> str:
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_operators_commands(tmp_path: Path, environment: dict[str, str]) -> None:
    shutil.copy(built_folder() / "VanDerPol.fmu", tmp_path / "Pump.fmu")
    (tmp_path / "Pump.yaml").write_text("description: Gear pump\n")
    script = block("library_management.md", "bash", holding="LIBRARY_PATH")
    told = run(script, tmp_path, environment)
    assert told.count("ok   Pump.fmu: served as msl:Pump") == 3
    assert "Gear pump  [not verified]  (Pump.fmu)" in told


def test_the_card_of_the_document_is_one() -> None:
    card = read_card(block("library_management.md", "yaml").encode())
    assert card.name == "Acme.Pump"
    assert card.verified is not None


def test_the_exporters_commands(tmp_path: Path, environment: dict[str, str]) -> None:
    script = block("openmodelica.md", "bash").replace("scripts/", f"{ROOT}/scripts/")
    told = run(script, tmp_path, environment)
    assert "1 exported." in told
    assert re.search(
        r"^ok   om\.Modelica\.Blocks\.Examples\.\w+\.fmu: served as", told, re.MULTILINE
    )


def test_the_script_for_omc(tmp_path: Path, environment: dict[str, str]) -> None:
    (tmp_path / "export.mos").write_text(block("openmodelica.md", "modelica"))
    run("omc export.mos", tmp_path, environment)
    assert (tmp_path / "Modelica.Blocks.Examples.PID_Controller.fmu").is_file()
