"""The README's code runs as it stands."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import Running

README = Path(__file__).parents[2] / "sdk/python/README.md"
BLOCKS = re.findall(r"```python\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL)


@pytest.mark.parametrize("number", range(len(BLOCKS)))
def test_the_readmes_code_runs(
    number: int,
    free_gateway: Running,
    fmu_file: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(fmu_file.parent)
    monkeypatch.setenv("FMU_GATEWAY_URL", free_gateway.url)
    exec(compile(BLOCKS[number], f"README block {number}", "exec"), {"__name__": "__main__"})  # noqa: S102
    assert capsys.readouterr().out.strip()


def test_where_runs_cost_money_the_readmes_code_says_where_to_pay(
    paid_gateway: Running, fmu_file: Path
) -> None:
    block = next(block for block in BLOCKS if "PaymentRequired" in block)
    environment = {"FMU_GATEWAY_URL": paid_gateway.url, "XDG_CONFIG_HOME": str(fmu_file.parent)}
    done = subprocess.run(
        [sys.executable, "-c", block], env=environment, capture_output=True, text=True, check=True
    )
    assert "1.0 usd ['stripe_checkout', 'credits']" in done.stdout
    assert "pay at http" in done.stdout
