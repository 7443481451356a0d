"""What `/health` says of a process that has to be restarted, and after that."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import running_gateway

import gateway_storage.log
from gateway_storage.database import RestartNeededError

FREE = {"PAYMENT_OFFERS": ""}


def _broken(folder: Path) -> Callable[[str], None]:
    """A disk that fails under `folder`, and nowhere else: other gateways of this process go on."""
    real = gateway_storage.log._to_disk  # noqa: SLF001

    def to_disk(path: str) -> None:
        if Path(path).is_relative_to(folder):
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        real(path)

    return to_disk


def test_a_disk_that_loses_the_log_makes_the_process_ill_until_it_is_restarted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with running_gateway(tmp_path, FREE, None) as gateway, gateway.http() as http:
        key = http.headers["Authorization"]
        assert http.get("/health").json()["status"] == "ok"
        with monkeypatch.context() as disk:
            disk.setattr(gateway_storage.log, "_to_disk", _broken(tmp_path))
            assert http.post("/keys").status_code == 500
        health = http.get("/health")
        assert health.status_code == 503
        assert health.json()["status"] == "restart_needed"
        assert "restart the process" in health.json()["reason"]
        assert http.get("/ready").status_code == 503
        with pytest.raises(RestartNeededError, match="restart the process"):
            gateway.embedded.gateway.database.check()
    with running_gateway(tmp_path, FREE, None) as gateway, gateway.http() as http:
        assert http.get("/health").json()["status"] == "ok"
        assert http.get("/account", headers={"Authorization": key}).status_code == 200
