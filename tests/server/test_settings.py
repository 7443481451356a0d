"""A wrong setting stops the start with one line that names it; secrets stay secret."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from gateway_server.compose import address_of, close, compose
from gateway_server.settings import (
    Settings,
    SettingsError,
    database_url,
    described,
    read_settings,
    secret,
    storage_place,
)

COMMAND = str(Path(sys.executable).with_name("fmu-gateway"))


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize(
    ("environment", "named"),
    [
        ({"PORT": "eighty"}, "PORT"),
        ({"MEMORY_LIMIT": "1"}, "MEMORY_LIMIT"),
        ({"STRIPE_ENABLED": "true"}, "STRIPE_SECRET_KEY"),
        ({"STRIPE_ENABLED": "true", "STRIPE_SECRET_KEY": "sk"}, "STRIPE_WEBHOOK_SECRET"),
        ({"PAYMENT_OFFERS": "barter"}, "PAYMENT_OFFERS"),
        ({"PAYMENT_OFFERS": "stripe_checkout"}, "STRIPE_ENABLED"),
        ({"STORAGE_URL": "gs://bucket"}, "STORAGE_URL"),
        ({"STORAGE_URL": "s3:///prefix"}, "STORAGE_URL"),
        (
            {"STORAGE_URL": "s3://bucket", "AWS_ENDPOINT_URL": "http://127.0.0.1:1"},
            "STORAGE_URL",
        ),
        ({"STORAGE_URL": f"file:{__file__}"}, "STORAGE_URL"),
        ({"FMU_GATEWAY_DB_PATH": "/nonexistent/x.db"}, "GATEWAY_SECRET"),
        (
            {"DATABASE_URL": "mysql://h/d", "GATEWAY_SECRET": "s" * 32, "STORAGE_URL": "file:b"},
            "DATABASE_URL",
        ),
        (
            {"DATABASE_URL": "nonsense", "GATEWAY_SECRET": "s" * 32, "STORAGE_URL": "file:b"},
            "DATABASE_URL",
        ),
        ({"DATABASE_URL": "postgres://u:p@127.0.0.1:1/d"}, "GATEWAY_SECRET"),
        (
            {
                "DATABASE_URL": "postgres://u:p@127.0.0.1:1/d",
                "GATEWAY_SECRET": "s" * 32,
                "STORAGE_URL": "file:blobs",
            },
            "DATABASE_URL",
        ),
        (
            {
                "STRIPE_ENABLED": "true",
                "STRIPE_SECRET_KEY": "sk",
                "STRIPE_WEBHOOK_SECRET": "whsec",
                "STRIPE_SIMULATION_PRICE_CENTS": "49",
            },
            "STRIPE_SIMULATION_PRICE_CENTS",
        ),
    ],
)
def test_a_wrong_setting_stops_the_start_and_is_named(
    monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], named: str
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError) as raised:
        settings = read_settings()
        close(compose(settings, address_of(settings, 8000)))
    assert any(named in line for line in raised.value.mistakes)


def test_the_command_prints_mistakes_and_no_traceback() -> None:
    done = subprocess.run(
        [COMMAND, "serve"],
        env={**os.environ, "PORT": "x", "MEMORY_LIMIT": "y"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert [line.split(":")[1].strip() for line in done.stderr.splitlines()] == [
        "PORT",
        "MEMORY_LIMIT",
    ]


def test_settings_are_printed_with_their_source_and_secrets_masked() -> None:
    done = subprocess.run(
        [COMMAND, "settings"],
        env={
            **os.environ,
            "STRIPE_SECRET_KEY": "sk_live_1",
            "PORT": "9000",
            "DATABASE_URL": "postgresql://user:hush@db/gateway",
        },
        capture_output=True,
        text=True,
        check=True,
    )
    assert "PORT=9000  (environment)" in done.stdout
    assert "HOST=127.0.0.1  (default)" in done.stdout
    assert "sk_live_1" not in done.stdout
    assert "DATABASE_URL=postgresql://user:***@db/gateway  (environment)" in done.stdout


def test_the_database_is_where_the_settings_say(monkeypatch: pytest.MonkeyPatch) -> None:
    assert database_url(read_settings()) in {
        "sqlite:///local.db",
        "sqlite:////data/fmu_gateway.sqlite3",
    }
    monkeypatch.setenv("FMU_GATEWAY_DB_PATH", "own.sqlite3")
    assert database_url(read_settings()) == "sqlite:///own.sqlite3"
    assert storage_place(read_settings()) == Path("own.storage")
    monkeypatch.setenv("DATABASE_URL", "sqlite:///other.sqlite3")
    assert database_url(read_settings()) == "sqlite:///other.sqlite3"


def test_a_secret_is_made_once_and_only_its_owner_reads_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FMU_GATEWAY_DB_PATH", "own.sqlite3")
    first = secret(read_settings())
    assert len(first) == 64
    assert secret(read_settings()) == first
    assert stat.S_IMODE(Path("own.secret").stat().st_mode) == 0o600


def test_every_setting_is_described() -> None:
    names = [name for name, _, _ in described(read_settings())]
    assert names == [name.upper() for name in Settings.model_fields]
