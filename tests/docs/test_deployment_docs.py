"""docs/deployment.md: its commands can be typed, its names exist."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from served import COMMAND

from gateway_server.settings import Settings

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "deployment.md").read_text(encoding="utf-8")
SETTINGS = {name.upper() for name in Settings.model_fields}
BLOCKS = [
    re.sub(r"^ {3}", "", block, flags=re.MULTILINE)
    for block in re.findall(r"```bash\n(.*?)```", PAGE, re.DOTALL)
]


@pytest.mark.parametrize("block", BLOCKS)
def test_a_block_is_clean_shell(block: str) -> None:
    shellcheck = Path(sys.executable).with_name("shellcheck")
    done = subprocess.run(
        [shellcheck, "--shell=bash", "-"], input=block, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout


def test_each_command_of_the_gateway_is_one() -> None:
    named = set(re.findall(r"fmu-gateway ((?:ledger )?[a-z]+)\b(?![-.:])", PAGE))
    commands = {name for name in named if name.split()[0] in {"doctor", "ledger", "serve"}}
    assert {"doctor", "ledger audit", "ledger letters"} <= commands
    for command in commands:
        subprocess.run(
            [COMMAND, *command.split(), "--help"], check=True, capture_output=True, timeout=60
        )


def test_each_file_is_there() -> None:
    named = set(re.findall(r"`((?:deploy|scripts)/[\w.-]+)", PAGE))
    named |= {part for block in BLOCKS for part in re.findall(r"\bdeploy/[\w.-]+", block)}
    assert len(named) >= 6
    assert [name for name in named if not (ROOT / name).exists()] == []


def test_the_environment_file_is_settings() -> None:
    (block,) = re.findall(r"```ini\n(.*?)```", PAGE, re.DOTALL)
    names = {line.partition("=")[0] for line in block.splitlines()}
    assert names <= SETTINGS | {"TRUSTED_PROXIES"}
