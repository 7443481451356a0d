"""`scripts/audit.py` audits where the advisory database answers, and says so where none does."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Final

import pytest

SCRIPT: Final = Path(__file__).parents[2] / "scripts" / "audit.py"
PINS: Final = "".join(
    f"{name}=={version} --hash=sha256:{'0' * 64}\n"
    for name, version in (("sound", "1.0"), ("weak", "1.0"))
)
ADVISORY: Final = {
    "id": "PYSEC-2026-1",
    "summary": "It is weak.",
    "affected": [
        {
            "package": {"name": "weak", "ecosystem": "PyPI"},
            "ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": "1.1"}]}],
        }
    ],
}


class Osv(BaseHTTPRequestHandler):
    """Answers as OSV's `/v1/query` does."""

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["content-length"])))
        weak = asked["package"]["name"] == "weak"
        answer = json.dumps({"vulns": [ADVISORY]} if weak else {}).encode()
        self.send_response(200)
        self.send_header("content-length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        pass


@pytest.fixture
def osv() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Osv)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}/v1/query"
    server.shutdown()
    server.server_close()
    thread.join()


def audit(folder: Path, url: str, pins: str, *more: str) -> tuple[int, str]:
    requirements = folder / "requirements.txt"
    requirements.write_text(pins, encoding="utf-8")
    command = [sys.executable, str(SCRIPT), "--requirements", str(requirements), "--osv-url", url]
    command += more
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout


def test_a_known_weakness_fails_and_names_the_version_without_it(tmp_path: Path, osv: str) -> None:
    status, told = audit(tmp_path, osv, PINS)
    assert status == 1
    assert "weak 1.0: PYSEC-2026-1; mended in: 1.1\n" in told
    assert told.endswith("2 dependencies audited, 1 known weaknesses\n")


def test_pins_without_a_known_weakness_pass(tmp_path: Path, osv: str) -> None:
    status, told = audit(tmp_path, osv, PINS.splitlines()[0])
    assert (status, told) == (0, "1 dependencies audited, 0 known weaknesses\n")


def test_every_pin_of_this_project_is_asked_for(tmp_path: Path, osv: str) -> None:
    pins = (SCRIPT.parents[1] / "requirements.txt").read_text(encoding="utf-8")
    status, told = audit(tmp_path, osv, pins)
    assert status == 0
    assert int(told.split()[0]) > 60
    assert "NOT AUDITED" not in told


@pytest.mark.parametrize(("more", "status"), [((), 0), (("--required",), 1)])
def test_where_nobody_answers_nothing_is_claimed(
    tmp_path: Path, more: tuple[str, ...], status: int
) -> None:
    nobody = "http://127.0.0.1:9/v1/query"
    found, told = audit(tmp_path, nobody, PINS, *more)
    assert (found, told.startswith("NOT AUDITED: ")) == (status, True)


def test_pins_that_cant_be_read_are_a_failure(tmp_path: Path, osv: str) -> None:
    status, told = audit(tmp_path, osv, "weak ==")
    assert (status, told) == (2, "NOT AUDITED: pip-audit failed\n")
