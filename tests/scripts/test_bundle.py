"""The bundle is what the official tool takes, and starts as its manifest says."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import zipfile
from importlib.metadata import version
from pathlib import Path
from typing import Any

import anyio
import pytest
from mcp import Client, StdioServerParameters

from gateway_tools.registry import TOOLS

pytestmark = pytest.mark.slow

SCRIPT = Path(__file__).parents[2] / "scripts" / "bundle.py"
TOOL = "@anthropic-ai/mcpb@2.1.2"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("bundle")
    more = ["--name", "io.github.you/fmu-gateway", "--url", "https://x.example/fmu-gateway.mcpb"]
    subprocess.run([sys.executable, SCRIPT, folder, *more], check=True, cwd=folder)
    return folder


def test_the_manifest_asks_for_a_folder_and_hides_the_key(made: Path) -> None:
    with zipfile.ZipFile(made / "fmu-gateway.mcpb") as archive:
        asked = json.loads(archive.read("manifest.json"))["user_config"]
        assert archive.read("icon.png").startswith(b"\x89PNG")
        assert not [one for one in archive.namelist() if one.startswith((".", "tests", "docs"))]
    required = {name: one["required"] for name, one in asked.items()}
    assert required == {"folder": True, "gateway": False, "key": False}
    assert asked["key"]["sensitive"] is True


def test_the_registry_is_told_the_bundles_hash_and_where_it_is(made: Path) -> None:
    told = json.loads((made / "server.json").read_bytes())
    (package,) = told["packages"]
    bundled = (made / "fmu-gateway.mcpb").read_bytes()
    assert package["fileSha256"] == hashlib.sha256(bundled).hexdigest()
    assert package["registryType"] == "mcpb"
    assert package["transport"] == {"type": "stdio"}
    assert told["version"] == version("fmu-gateway")
    assert re.fullmatch(r"[a-zA-Z0-9.-]+/[a-zA-Z0-9._-]+", told["name"])
    assert 1 <= len(told["description"]) <= 100, "the registry's limits"
    assert "remotes" not in told


def test_the_same_sources_give_the_same_bundle(made: Path, tmp_path: Path) -> None:
    subprocess.run([sys.executable, SCRIPT, tmp_path], check=True)
    assert (tmp_path / "fmu-gateway.mcpb").read_bytes() == (made / "fmu-gateway.mcpb").read_bytes()
    assert not (tmp_path / "server.json").exists()


def test_the_official_tool_takes_the_bundle(made: Path, tmp_path: Path) -> None:
    mcpb = official_tool(tmp_path)
    unpacked = tmp_path / "unpacked"
    subprocess.run([mcpb, "unpack", made / "fmu-gateway.mcpb", unpacked], check=True)
    subprocess.run([mcpb, "validate", unpacked / "manifest.json"], check=True)


def official_tool(folder: Path) -> Path:
    npm = shutil.which("npm")
    required = os.environ.get("CONFORMANCE_REQUIRED") == "1"
    if npm is None and not required:
        pytest.skip("there is no npm")
    install = [npm or "npm", "install", "--silent", "--prefix", str(folder), TOOL]
    done = subprocess.run(install, check=required, capture_output=True)
    if done.returncode:
        pytest.skip("npm can't install the tool here")
    return folder / "node_modules" / ".bin" / "mcpb"


def test_the_unpacked_bundle_starts_as_its_manifest_says(made: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(made / "fmu-gateway.mcpb") as archive:
        archive.extractall(tmp_path / "unpacked")
    written = json.loads((tmp_path / "unpacked" / "manifest.json").read_bytes())
    models = tmp_path / "models"
    models.mkdir()
    filled = _filled(written, tmp_path / "unpacked", {"folder": str(models)}, tmp_path)
    assert anyio.run(_run, filled, tmp_path) == (list(TOOLS), 1.0)
    assert (tmp_path / ".fmu-gateway.sqlite3").is_file()


def _filled(
    written: dict[str, Any], unpacked: Path, given: dict[str, str], home: Path
) -> dict[str, Any]:
    """What a client starts, with the defaults where the person gave nothing."""
    asked = written["user_config"].items()
    values = {name: one["default"] for name, one in asked if "default" in one} | given
    text = json.dumps(written["server"]["mcp_config"])
    for name, value in values.items():
        text = text.replace(f"${{user_config.{name}}}", value)
    text = text.replace("${__dirname}", str(unpacked)).replace("${HOME}", str(home))
    assert "${" not in text
    filled: dict[str, Any] = json.loads(text)
    return filled


async def _run(filled: dict[str, Any], folder: Path) -> tuple[list[str], float]:
    inherited = {k: v for k, v in os.environ.items() if not k.startswith("VIRTUAL_ENV")}
    server = StdioServerParameters(
        command=filled["command"],
        args=filled["args"],
        env={**inherited, **filled["env"], "PAYMENT_OFFERS": ""},
        cwd=str(folder),
    )
    async with Client(server, read_timeout_seconds=500) as client:
        tools = [tool.name for tool in (await client.list_tools()).tools]
        arguments = {"fmu_id": "msl:BouncingBall", "stop_time": 1.0, "kpis": ["h_max"]}
        result = await client.call_tool("simulate", arguments)
        assert result.structured_content
        return tools, result.structured_content["kpis"]["h_max"]["value"]
