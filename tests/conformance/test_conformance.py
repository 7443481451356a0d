"""The official MCP conformance suite against the whole application, with its authorization on."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import httpx
import pytest
import uvicorn
from conformance.extended import extend
from starlette.types import ASGIApp, Receive, Scope, Send

from gateway_server import mcp_http
from gateway_server.compose import address_of, close
from gateway_server.mcp_door import mcp_server
from gateway_server.metrics import Metrics
from gateway_server.serving import application, bound, uvicorn_config
from gateway_server.settings import read_settings

pytestmark = pytest.mark.slow

HERE: Final = Path(__file__).parent
REQUIRED: Final = "CONFORMANCE_REQUIRED" in os.environ
COMMANDS: Final = {
    "stable": ["stable", "--suite", "all"],
    "2026-07-28": ["next", "--requirements", "2026-07-28"],
    "2025-11-25": ["next", "--requirements", "2025-11-25"],
}


class Keyed:
    """The suite can't send headers, so a key is put into each request on its way in."""

    def __init__(self, app: ASGIApp, url: str) -> None:
        self._app = app
        self.url = url
        self.key: str | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and self.key is not None:
            header = (b"authorization", f"Bearer {self.key}".encode())
            scope = {**scope, "headers": [*scope["headers"], header]}
        await self._app(scope, receive, send)


@pytest.fixture(scope="module")
def keyed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Keyed]:
    """A gateway whose MCP server has the suite's fixtures."""
    with pytest.MonkeyPatch.context() as patched:
        folder = tmp_path_factory.mktemp("conformance")
        patched.setenv("PAYMENT_OFFERS", "")
        patched.setenv("FMU_GATEWAY_DB_PATH", str(folder / "gateway.sqlite3"))
        patched.setattr(mcp_http, "mcp_server", lambda *args: extend(mcp_server(*args)))
        settings = read_settings(port=0)
        with bound(settings) as sock:
            address = address_of(settings, sock.getsockname()[1])
            gateway, app = application(settings, address, Metrics())
            keyed = Keyed(app, address.base_url)
            server = uvicorn.Server(uvicorn_config(keyed, settings.stop_timeout_s))
            thread = threading.Thread(target=server.run, kwargs={"sockets": [sock]})
            thread.start()
            try:
                refused = httpx.post(f"{address.base_url}/mcp", json={})
                assert refused.status_code == 401
                yield keyed
            finally:
                server.should_exit = True
                thread.join()
                close(gateway)


@pytest.fixture(scope="module")
def suite(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where npm has put the suite and a Node for it."""
    npm = shutil.which("npm")
    if npm is None:
        _lacks("npm is not installed")
    folder = tmp_path_factory.mktemp("suite")
    for name in ("package.json", "package-lock.json", ".npmrc"):
        shutil.copy(HERE / name, folder)
    installed = subprocess.run(
        [str(npm), "ci"], cwd=folder, capture_output=True, text=True, timeout=300, check=False
    )
    if installed.returncode:
        _lacks(f"npm can't install the suite: {installed.stderr[-500:]}")
    return folder / "node_modules"


def _lacks(reason: str) -> None:
    if REQUIRED:
        pytest.fail(reason)
    pytest.skip(reason)


@pytest.mark.parametrize("name", COMMANDS)
def test_the_official_suite_passes(name: str, keyed: Keyed, suite: Path, tmp_path: Path) -> None:
    keyed.key = httpx.post(f"{keyed.url}/keys").json()["key"]  # with sessions of its own
    machine = {"x86_64": "x64", "aarch64": "arm64"}.get(platform.machine(), "none")
    node = suite / f"node-linux-{machine}" / "bin" / "node"
    if not node.is_file():
        _lacks("npm has no Node for this machine")
    package, *options = COMMANDS[name]
    command = [str(node), str(suite / package / "dist" / "index.js"), "server"]
    ended = subprocess.run(
        [*command, "--url", f"{keyed.url}/mcp", *options],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    print(ended.stdout[-6000:])  # noqa: T201  the numbers, for whoever reads the log
    assert ended.returncode == 0, ended.stdout[-6000:] + ended.stderr[-2000:]
