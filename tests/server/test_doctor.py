"""The doctor on machines that lack something: it names it and says what to do.

`-rP` prints what it says on each.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

import pytest
from conftest import Running, running_gateway
from served import COMMAND
from sqlalchemy import text
from stripe_standin.server import running

from gateway_payments.providers.stripe_api import StripeApi
from gateway_server import compose
from gateway_server.doctor import examination, keeping, machine, money
from gateway_server.settings import read_settings
from gateway_storage import migrate

LAUNCHER: Final = str(Path(__file__).parents[1] / "lacking.py")
STRIPE: Final = {
    "PAYMENT_OFFERS": "stripe_checkout",
    "STRIPE_ENABLED": "true",
    "STRIPE_SECRET_KEY": "sk_test_gateway",
    "STRIPE_WEBHOOK_SECRET": "whsec_" + "0" * 24,
}
SMALL_DISK: Final = (
    *("unshare", "-m" if os.geteuid() == 0 else "-rm", "sh", "-c"),
    'mount -t tmpfs -o size=192k none "$PWD" && cd "$PWD" && exec "$0" "$@"',
)


@dataclass(frozen=True)
class Machine:
    """What is wrong with it, and what the doctor must say: the check, what is so, what to do."""

    check: str
    told: str
    remedy: str
    launcher: tuple[str, ...] = ()
    environment: dict[str, str] = field(default_factory=dict)
    fails: bool = True


MACHINES: Final = {
    "a kernel without namespaces": Machine(
        "sandbox",
        "standard",
        "for `strong`, ",
        launcher=(sys.executable, LAUNCHER, "namespaces"),
        fails=False,
    ),
    "a kernel without Landlock": Machine(
        "sandbox",
        "the kernel has no Landlock",
        "CONFIG_SECURITY_LANDLOCK",
        launcher=(sys.executable, LAUNCHER, "landlock"),
    ),
    "a kernel without seccomp": Machine(
        "sandbox",
        "seccomp filters",
        "CONFIG_SECCOMP_FILTER",
        launcher=(sys.executable, LAUNCHER, "seccomp"),
    ),
    "no sandbox by the operator's will": Machine(
        "sandbox",
        "development",
        "unset SANDBOX_OVERRIDE",
        environment={"SANDBOX_OVERRIDE": "development"},
    ),
    "a database's folder that can't be written to": Machine(
        "database",
        "/proc",
        "a folder that it may write to",
        environment={"FMU_GATEWAY_DB_PATH": "/proc/gateway.sqlite3", "GATEWAY_SECRET": "s" * 32},
    ),
    "a storage folder that can't be written to": Machine(
        "storage", "/proc/blobs", "STORAGE_URL", environment={"STORAGE_URL": "file:/proc/blobs"}
    ),
    "a database that doesn't answer": Machine(
        "database",
        "postgres://gateway:***@127.0.0.1:1/db",
        "start it, or correct DATABASE_URL",
        environment={
            "DATABASE_URL": "postgres://gateway:pass1word@127.0.0.1:1/db",
            "GATEWAY_SECRET": "s" * 32,
            "STORAGE_URL": "file:blobs",
        },
    ),
    "a full disk": Machine("disk", "0 MB free", "make room", launcher=SMALL_DISK),
    "no compiler": Machine(
        "sources",
        "refused: there is no C compiler here",
        "install gcc",
        environment={"PATH": "/nonexistent", "CC": ""},
        fails=False,
    ),
    "a setting that is wrong": Machine("settings", "PORT: ", "", environment={"PORT": "eighty"}),
    "a price that Stripe would refuse": Machine(
        "settings",
        "STRIPE_SIMULATION_PRICE_CENTS",
        "",
        environment={**STRIPE, "STRIPE_SIMULATION_PRICE_CENTS": "49"},
    ),
    "a folder of models that isn't there": Machine(
        "library", "LIBRARY_PATH", "make that folder", environment={"LIBRARY_PATH": "nowhere"}
    ),
    "no way to Stripe": Machine(
        "stripe",
        "doesn't answer",
        "check STRIPE_SECRET_KEY",
        environment={**STRIPE, "STRIPE_API_BASE": "http://127.0.0.1:1"},
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize("lacking", MACHINES)
def test_the_doctor_names_what_is_wrong_and_what_to_do(tmp_path: Path, lacking: str) -> None:
    case = MACHINES[lacking]
    done = subprocess.run(
        [*case.launcher, COMMAND, "doctor"],
        cwd=tmp_path,
        env={**os.environ, "PAYMENT_OFFERS": "", **case.environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    print(f"## {lacking}\n{done.stdout}{done.stderr}")  # noqa: T201
    if "unshare" in done.stderr:
        pytest.skip("nobody may make a namespace here")
    said = done.stdout.splitlines()
    word = "FAIL" if case.fails else "ok  "
    place = next(
        (
            place
            for place, line in enumerate(said)
            if line.startswith(f"{word} {case.check} ") and case.told in line
        ),
        None,
    )
    assert place is not None, done.stdout
    assert case.remedy in [*said, ""][place + 1]
    assert done.returncode == (1 if case.fails else 0)
    assert done.stderr == ""
    assert "pass1word" not in done.stdout


@contextmanager
def environment(monkeypatch: pytest.MonkeyPatch, **values: str) -> Iterator[None]:
    for name, value in {"PAYMENT_OFFERS": "", **values}.items():
        monkeypatch.setenv(name, value)
    yield


def test_a_missing_library_is_told_and_the_other_checks_still_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(compose, "built_folder", lambda: tmp_path / "nothing")
    with environment(monkeypatch):
        assert not examination.examine()
    said = capsys.readouterr().out
    assert "FAIL library" in said
    assert "FAIL simulation" in said
    assert "ok   sandbox" in said
    assert "ok   clock" in said


@pytest.fixture
def used(tmp_path: Path) -> Iterator[Running]:
    """A gateway that has run something."""
    with running_gateway(tmp_path, {"PAYMENT_OFFERS": ""}, None) as gateway:
        with gateway.http() as http:
            answer = http.post("/simulate", json={"fmu_id": "msl:BouncingBall"})
            answer.raise_for_status()
        yield gateway


def test_another_schema_is_told(used: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    with environment(monkeypatch, FMU_GATEWAY_DB_PATH=str(used.database)):
        (now,) = keeping.database(read_settings())
        monkeypatch.setattr(keeping, "SCHEMA", "0002")
        (newer,) = keeping.database(read_settings())
        monkeypatch.setattr(keeping, "SCHEMA", "9999")
        (older,) = keeping.database(read_settings())
    assert now.passed
    assert f"schema {migrate.SCHEMA}" in now.told
    assert (newer.passed, newer.remedy) == (
        False,
        "install the version that wrote it, or a newer one",
    )
    assert (older.passed, older.remedy) == (True, "make a backup first")


def test_a_clock_behind_what_happened_is_told(
    used: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    with environment(monkeypatch, FMU_GATEWAY_DB_PATH=str(used.database)):
        (right,) = keeping.clock(read_settings())
        with used.embedded.gateway.database.write() as db:
            later = datetime.now(UTC) + timedelta(hours=1)
            db.execute(text("UPDATE runs SET created_at = :at"), {"at": later})
        (behind,) = keeping.clock(read_settings())
    assert right.passed
    assert not behind.passed
    assert "the newest run began" in behind.told


@pytest.mark.parametrize(("minutes", "passed"), [(0, True), (1, True), (10, False), (-10, False)])
def test_a_clock_apart_from_stripes_is_told(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, minutes: int, *, passed: bool
) -> None:
    monkeypatch.chdir(tmp_path)
    real = StripeApi.time
    apart = timedelta(minutes=minutes)
    monkeypatch.setattr(StripeApi, "time", lambda self: real(self) + apart)
    with running() as stripe, environment(monkeypatch, **STRIPE, STRIPE_API_BASE=stripe.base_url):
        findings = {finding.what: finding for finding in money.payments(read_settings())}
    assert findings["payments"].told == "stripe_checkout"
    assert findings["stripe"].passed == passed


def test_a_key_that_stripe_refuses_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    wrong = {**STRIPE, "STRIPE_SECRET_KEY": "no_key_of_stripes"}
    with running() as stripe, environment(monkeypatch, **wrong, STRIPE_API_BASE=stripe.base_url):
        told = [finding for finding in money.payments(read_settings()) if finding.what == "stripe"]
    assert not told[0].passed
    assert "no_key_of_stripes" not in str(told)


@pytest.mark.parametrize(
    ("knob", "value", "remedy"),
    [
        ("kernel/unprivileged_userns_clone", "0", "sysctl -w kernel.unprivileged_userns_clone=1"),
        ("user/max_user_namespaces", "0", "sysctl -w user.max_user_namespaces=10000"),
        (
            "kernel/apparmor_restrict_unprivileged_userns",
            "1",
            "sysctl -w kernel.apparmor_restrict_unprivileged_userns=0",
        ),
        ("user/max_user_namespaces", "15000", "let it make namespaces"),
    ],
)
def test_the_knob_that_forbids_namespaces_is_named(
    tmp_path: Path, knob: str, value: str, remedy: str
) -> None:
    file = tmp_path / "proc" / "sys" / knob
    file.parent.mkdir(parents=True)
    file.write_text(f"{value}\n")
    assert machine.namespaces_remedy(tmp_path).startswith(remedy)
