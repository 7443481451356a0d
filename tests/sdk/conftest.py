"""A user's machine: an own folder for keys, and nothing in the environment."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import Running

from fmu_gateway_sdk import FMUGatewayClient, KeyStore
from gateway_library.build import built_folder


@pytest.fixture(autouse=True)
def user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    for name in ("FMU_GATEWAY_URL", "FMU_GATEWAY_KEY", "PUBLIC_GATEWAY_URL"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def keys(tmp_path: Path) -> KeyStore:
    return KeyStore(tmp_path / "keys")


@pytest.fixture
def client(free_gateway: Running, keys: KeyStore) -> Iterator[FMUGatewayClient]:
    """A fresh account where runs are free."""
    with FMUGatewayClient(free_gateway.url, keys=keys) as client:
        yield client


@pytest.fixture
def customer(paid_gateway: Running, keys: KeyStore) -> Iterator[FMUGatewayClient]:
    """A fresh account where runs cost money."""
    with FMUGatewayClient(paid_gateway.url, keys=keys) as client:
        yield client


@pytest.fixture
def fmu_file(tmp_path: Path) -> Path:
    """A model on the user's disk."""
    path = tmp_path / "model.fmu"
    path.write_bytes((built_folder() / "VanDerPol.fmu").read_bytes())
    return path
