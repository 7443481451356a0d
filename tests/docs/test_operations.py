"""docs/operations.md names every metric, and no other."""

from __future__ import annotations

import re
from pathlib import Path

from conftest import Running

from gateway_server.metrics import Metrics
from gateway_server.metrics_state import GatewayState
from gateway_server.pulse import Pulse
from gateway_server.settings import Settings

PAGE = (Path(__file__).parents[2] / "docs" / "operations.md").read_text(encoding="utf-8")


def test_the_page_names_every_metric_and_no_other(free_gateway: Running, tmp_path: Path) -> None:
    metrics, pulse = Metrics(), Pulse()
    pulse.reconciled_now()
    pulse.audited_now(0)
    metrics.watch(GatewayState(free_gateway.embedded.gateway, pulse, (tmp_path,)))
    told = metrics.text().decode()
    known = set(re.findall(r"^# TYPE (fmu_gateway_\w+) ", told, re.MULTILINE))
    names = {name for name in known if not name.endswith("_created")}
    assert set(re.findall(r"`(fmu_gateway_\w+)`", PAGE)) == names


def test_the_page_tells_the_settings_as_they_are() -> None:
    fields = Settings.model_fields
    assert f"`STOP_TIMEOUT_S` ({fields['stop_timeout_s'].default:g})" in PAGE
    for name in re.findall(r"`([A-Z_]{4,})`", PAGE):
        assert name.lower() in fields or name.startswith("OTEL_"), name
