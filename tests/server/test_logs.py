"""What is logged can't pose as another line of the log."""

from __future__ import annotations

import json
import logging
import sys
from contextlib import suppress
from pathlib import Path
from typing import Literal

import pytest
import structlog

from gateway_server.logs import configure_logs

FORGED = "x\n2026-01-01T00:00:00Z [error    ] all_paid\r\x1b[2J\u202e\x00"


def fail() -> None:
    raise ValueError(FORGED)


@pytest.mark.usefixtures("logs_restored")
@pytest.mark.parametrize("form", ["console", "json"])
@pytest.mark.parametrize("source", ["ours", "the library's"])
def test_a_value_and_a_traceback_stay_where_they_are(
    form: Literal["console", "json"], source: str, capsys: pytest.CaptureFixture[str]
) -> None:
    configure_logs(form)
    log, plain = structlog.get_logger(), logging.getLogger("library")
    try:
        fail()
    except ValueError:
        if source == "ours":
            log.exception("model_said", text=FORGED)
        else:
            plain.exception(FORGED)
    out = capsys.readouterr().err
    assert "all_paid" in out
    assert not any(c in out for c in "\r\x1b\u202e\x00")
    assert not any(line.startswith("2026-01-01T00:00:00Z [error") for line in out.split("\n"))
    if form == "json":
        assert [json.loads(line)["level"] for line in out.splitlines()] == ["error"]


@pytest.mark.usefixtures("logs_restored")
def test_a_line_that_can_not_be_written_fails_no_call(monkeypatch: pytest.MonkeyPatch) -> None:
    full = Path("/dev/full").open("w", encoding="utf-8", buffering=1)  # noqa: SIM115
    monkeypatch.setattr(sys, "stderr", full)
    configure_logs("json")
    structlog.get_logger().info("run_finished")
    with suppress(OSError):
        full.close()
