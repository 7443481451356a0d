"""What the documents say works as it is written there."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import Running

ROOT = Path(__file__).parents[2]


def test_the_curl_lines_of_the_readme_work_as_typed(free_gateway: Running, tmp_path: Path) -> None:
    (script,) = re.findall(r"```bash\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", _here(script)],
        cwd=tmp_path,
        env={**os.environ, "GATEWAY": free_gateway.url},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert '"h_max":{"value":1.0,"unit":"m"}' in done.stdout
    assert (tmp_path / "result.csv").read_text().startswith("time,x0,x1\n")
    assert (tmp_path / "result.png").read_bytes().startswith(b"\x89PNG")


def test_the_curl_lines_about_payments_work_as_typed(paid_gateway: Running, tmp_path: Path) -> None:
    page = (ROOT / "docs" / "payments.md").read_text()
    (script,) = re.findall(r"```bash\n(.*?)```", page, re.DOTALL)
    command = str(Path(sys.executable).with_name("fmu-gateway"))
    assert paid_gateway.stripe
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script.replace("uv run fmu-gateway", command)],
        cwd=tmp_path,
        env={
            **os.environ,
            "GATEWAY": paid_gateway.url,
            "STRIPE": paid_gateway.stripe.base_url,
            "FMU_GATEWAY_DB_PATH": str(paid_gateway.database),
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    told = re.findall(r'"status": ?"(\w+)"|"code": ?"(\w+)"', done.stdout)
    assert [status or code for status, code in told] == [
        "pending",  # the claim before the person paid
        "done",
        "payment_token_spent",
        "done",
        "done",
        "budget_exceeded",
    ]
    assert done.stdout.startswith("payment_required\n")
    assert '"left_today":0.0' in done.stdout
    assert done.stdout.endswith("every rule holds\n")


def _here(script: str) -> str:
    """The script with the command of this installation, and failures that end it."""
    command = str(Path(sys.executable).with_name("fmu-gateway"))
    script = script.replace("uv run fmu-gateway", command)
    return script.replace("curl -sS", "curl -sS --fail-with-body")


def test_every_link_of_the_documents_leads_somewhere() -> None:
    for page in (*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")):
        for target in re.findall(r"\]\(([^)#]+)\)", page.read_text()):
            assert target.startswith("http") or (page.parent / target).exists(), (page, target)


@pytest.mark.parametrize("page", ["SECURITY.md", "docs/threat-model.md"])
def test_every_promise_names_a_test_that_exists(page: str) -> None:
    (table,) = re.findall(r"\| test \|\n\|[-|]+\n((?:\|.*\n)+)", (ROOT / page).read_text())
    for promise in table.splitlines():
        named = re.findall(r"`(tests/[\w/.]+)(?:::(\w+))?`", promise.rpartition(" | ")[2])
        assert named, promise
        for path, test in named:
            text = (ROOT / path).read_text()
            assert not test or f"def {test}(" in text, (path, test)
