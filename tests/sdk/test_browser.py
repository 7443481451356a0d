"""The JavaScript client in a real browser, on a page of another origin than the gateway's."""

from __future__ import annotations

import http.server
import json
import queue
import shutil
import subprocess
import threading
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from conftest import running_gateway

PACKAGE = Path(__file__).parents[2] / "sdk/js"
BROWSER = shutil.which("chromium") or shutil.which("chromium-browser")
PAGE = """<!doctype html><script type="module">
import { FMUGatewayClient, NotFoundError } from "/index.js";
const told = {};
try {
  const gateway = new FMUGatewayClient({ gatewayUrl: "GATEWAY" });
  const file = await (await fetch("/model.fmu")).blob();
  told.upload = (await gateway.uploadFmuSmart(file)).model_name;
  const run = await gateway.simulate({ fmu_id: "msl:BouncingBall", stop_time: 3, kpis: ["h_max"] });
  told.kpi = run.kpis.h_max.value;
  told.rows = (await gateway.result(run.result_id)).time.length;
  told.png = [...(await gateway.plot(run.result_id)).slice(1, 4)];
  const refusal = await gateway.describe("msl:No").catch((error) => error);
  told.refused = refusal instanceof NotFoundError;
} catch (error) {
  told.error = String(error);
}
await fetch("/told", { method: "POST", body: JSON.stringify(told) });
</script>"""

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(BROWSER is None, reason="chromium is not installed"),
]


class Site(http.server.SimpleHTTPRequestHandler):
    """The package's files and the page; what the page tells goes into `told`."""

    def __init__(self, told: queue.Queue[Any], *arguments: Any, **named: Any) -> None:  # noqa: ANN401
        self.told = told
        super().__init__(*arguments, **named)

    def do_POST(self) -> None:
        self.told.put(json.loads(self.rfile.read(int(self.headers["content-length"]))))
        self.send_response(204)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def site(tmp_path: Path) -> Iterator[tuple[str, Path, queue.Queue[Any]]]:
    """Its address, its folder, and what its page tells."""
    folder, told = tmp_path / "site", queue.Queue[Any]()
    shutil.copytree(PACKAGE, folder, ignore=shutil.ignore_patterns("node_modules", "test"))
    handler = partial(Site, told, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}", folder, told
        finally:
            server.shutdown()
            thread.join()


def test_a_page_runs_a_model_at_a_gateway_that_allows_it(
    site: tuple[str, Path, queue.Queue[Any]], fmu_file: Path, tmp_path: Path
) -> None:
    origin, folder, told = site
    shutil.copy(fmu_file, folder)
    (tmp_path / "gateway").mkdir()
    environment = {"PAYMENT_OFFERS": "", "CORS_ORIGINS": origin}
    with running_gateway(tmp_path / "gateway", environment, None) as gateway:
        (folder / "page.html").write_text(PAGE.replace("GATEWAY", gateway.url), encoding="utf-8")
        assert BROWSER
        options = ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"]
        profile = f"--user-data-dir={tmp_path / 'profile'}"
        address = f"{origin}/page.html"
        with subprocess.Popen(
            [BROWSER, *options, profile, "--remote-debugging-port=0", address],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        ) as browser:
            try:
                answer = told.get(timeout=120)
            finally:
                browser.terminate()
    assert answer.pop("rows") > 100
    assert answer == {"upload": "VanDerPol", "kpi": 1, "png": [80, 78, 71], "refused": True}
