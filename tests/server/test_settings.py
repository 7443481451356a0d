"""A wrong setting stops the start with one line that names it; secrets stay secret."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from gateway_server.compose import address_of, close, compose, open_blobs
from gateway_server.serving import bound
from gateway_server.settings import (
    Settings,
    SettingsError,
    database_url,
    described,
    read_settings,
    secret,
    storage_place,
    without_password,
)

COMMAND = str(Path(sys.executable).with_name("fmu-gateway"))


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def mistakes_of(monkeypatch: pytest.MonkeyPatch, environment: dict[str, str]) -> list[str]:
    """What a start with these settings is refused for."""
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError) as raised:
        settings = read_settings()
        close(compose(settings, address_of(settings, 8000)))
    return list(raised.value.mistakes)


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
    assert any(named in line for line in mistakes_of(monkeypatch, environment))


@pytest.mark.parametrize(
    ("environment", "line"),
    [
        ({"PUBLIC_BASE_URL": "gateway.example"}, "PUBLIC_BASE_URL: give an address"),
        ({"PUBLIC_BASE_URL": "ftp://gateway.example"}, "PUBLIC_BASE_URL: give an address"),
        ({"PUBLIC_BASE_URL": "https://gateway.example/?a=1"}, "PUBLIC_BASE_URL: give an address"),
        ({"PUBLIC_BASE_URL": "https://gateway.example:port"}, "PUBLIC_BASE_URL: give an address"),
        ({"STRIPE_API_BASE": "localhost"}, "STRIPE_API_BASE: give an address"),
        ({"ALLOWED_HOSTS": "a.example https://b.example"}, "ALLOWED_HOSTS: give names"),
        ({"CORS_ORIGINS": "app.example"}, "CORS_ORIGINS: give origins"),
        ({"CORS_ORIGINS": "https://app.example/page"}, "CORS_ORIGINS: give origins"),
        ({"TRUSTED_PROXIES": "10.0.0.0/8,*"}, "TRUSTED_PROXIES: '*' is no address"),
        ({"RATE_LIMIT_KEY": "often"}, "RATE_LIMIT_KEY: write NUMBER/second"),
        ({"RATE_LIMIT_ADDRESS": "0/minute"}, "RATE_LIMIT_ADDRESS: write NUMBER/second"),
        ({"STORAGE_URL": "file:"}, "STORAGE_URL: give file:FOLDER"),
        ({"DATABASE_URL": "mysql://h/d"}, "DATABASE_URL: give postgresql://"),
        ({"DATABASE_URL": "sqlite://"}, "DATABASE_URL: give postgresql://"),
        ({"DATABASE_URL": "sqlite:///:memory:"}, "DATABASE_URL: give postgresql://"),
        ({"CACHE_PATH": "/proc/nothing"}, "CACHE_PATH: the folder /proc/nothing can't be made"),
        ({"CREDIT_PACKS_CENTS": "500,-5"}, "CREDIT_PACKS_CENTS: Input should be greater"),
        ({"GATEWAY_SECRET": "short"}, "GATEWAY_SECRET: at least 16 bytes"),
        ({"METRICS_TOKEN": "short"}, "METRICS_TOKEN: at least 8 bytes"),
    ],
)
def test_a_wrong_setting_is_told_in_one_line_that_begins_with_its_name(
    monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], line: str
) -> None:
    (told,) = mistakes_of(monkeypatch, environment)
    assert told.startswith(line)
    assert "short" not in told  # a secret, even one that is no good
    assert "\n" not in told


def test_all_that_postgres_needs_is_told_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgres://u:p@127.0.0.1:1/d")
    settings = read_settings()
    with pytest.raises(SettingsError) as raised:
        compose(settings, address_of(settings, 8000))
    assert [line.partition(":")[0] for line in raised.value.mistakes] == [
        "GATEWAY_SECRET",
        "STORAGE_URL",
    ]


def test_a_store_that_is_away_is_told_without_its_librarys_insides(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "given")
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    monkeypatch.setenv("STORAGE_URL", "s3://bucket")
    with pytest.raises(SettingsError) as raised:
        open_blobs(read_settings())
    (told,) = raised.value.mistakes
    assert "http://127.0.0.1:1" in told
    assert "Debug source" not in told


def test_what_a_driver_tells_in_many_lines_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgres://u@127.0.0.1:1/d?password=hush")
    monkeypatch.setenv("GATEWAY_SECRET", "s" * 32)
    monkeypatch.setenv("STORAGE_URL", "file:blobs")
    settings = read_settings()
    with pytest.raises(SettingsError) as raised:
        compose(settings, address_of(settings, 8000))
    (told,) = raised.value.mistakes
    assert "Connection refused" in told
    assert "\n" not in told


@pytest.mark.parametrize(
    ("environment", "named"),
    [({"HOST": "192.0.2.1"}, "HOST: 192.0.2.1:0: "), ({"HOST": "no such host"}, "HOST: ")],
)
def test_an_address_that_is_not_this_machines_is_told_as_such(
    monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], named: str
) -> None:
    for name, value in {**environment, "PORT": "0"}.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError) as raised:
        bound(read_settings())
    assert raised.value.mistakes[0].startswith(named)


@pytest.mark.parametrize(
    ("url", "host", "known"),
    [
        ("https://gateway.example", "gateway.example:443", True),
        ("https://Gateway.example/", "gateway.example", True),
        ("https://gateway.example", "gateway.example:8443", False),
        ("https://gateway.example:8443", "gateway.example:8443", True),
        ("https://gateway.example:8443", "gateway.example", False),
        ("http://gateway.example", "gateway.example:80", True),
    ],
)
def test_the_public_name_is_known_with_its_schemes_own_port_too(
    monkeypatch: pytest.MonkeyPatch, url: str, host: str, *, known: bool
) -> None:
    monkeypatch.setenv("PUBLIC_BASE_URL", url)
    assert (host in address_of(read_settings(), 8000).hosts) is known


def test_no_password_is_shown_wherever_it_stands() -> None:
    assert without_password("postgres://u:a@h/d?password=b&sslpassword=c&x=1") == (
        "postgres://u:***@h/d?password=***&sslpassword=***&x=1"
    )
    assert without_password("http://127.0.0.1:8000/x") == "http://127.0.0.1:8000/x"


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


@pytest.mark.parametrize("kept", ["", "half of it"])
def test_what_a_crash_left_of_a_kept_secret_signs_nothing(tmp_path: Path, kept: str) -> None:
    (tmp_path / "local.secret").write_text(kept)
    with pytest.raises(SettingsError, match="holds no whole secret"):
        secret(read_settings())


def test_every_setting_is_described() -> None:
    names = [name for name, _, _ in described(read_settings())]
    assert names == [name.upper() for name in Settings.model_fields]
