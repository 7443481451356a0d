"""Several machines on one SQLite file: the second one finds out before it writes."""

from __future__ import annotations

import fcntl
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest

import gateway_storage.machines
from gateway_server.compose import address_of, close, compose, fly_machines
from gateway_server.settings import SettingsError, read_settings
from gateway_storage.database import Database
from gateway_storage.machines import Claim, OtherMachineError, machine

OTHER = """
    import sys
    from pathlib import Path
    import gateway_storage.machines as machines
    machines.machine = lambda: "another"
    machines.BEAT_S = 0.05
    try:
        claim = machines.Claim(Path(sys.argv[1]))
    except machines.OtherMachineError as error:
        sys.exit(str(error))
    print("claimed", flush=True)
    sys.stdin.read()
    claim.release()
"""


@pytest.fixture(autouse=True)
def _quickly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gateway_storage.machines, "BEAT_S", 0.05)


@pytest.fixture
def database(tmp_path: Path) -> Path:
    return tmp_path / "gateway.sqlite3"


@contextmanager
def another_machine(database: Path) -> Iterator[subprocess.Popen[str]]:
    """A process that takes itself for one of another machine."""
    command = [sys.executable, "-c", dedent(OTHER), str(database)]
    process = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    with process:
        yield process
        process.kill()


def claims(database: Path) -> list[str]:
    return sorted(path.name for path in database.parent.glob(f"{database.name}-machine-*"))


def test_a_second_machine_is_refused_while_the_first_is_there_and_let_in_after_it(
    database: Path,
) -> None:
    first = Claim(database)
    with another_machine(database) as second:
        _, told = second.communicate(timeout=60)
    assert f"another machine ({machine()}) uses {database}" in told
    first.release()
    first.release()
    assert claims(database) == []
    with another_machine(database) as second:
        assert second.stdout
        assert second.stdout.readline() == "claimed\n"
        with pytest.raises(OtherMachineError, match="another machine"):
            Claim(database)
    Claim(database).release()  # it was killed: nothing changes its file any more
    assert claims(database) == []


def test_processes_of_one_machine_share_its_claim_and_the_last_takes_it_away(
    database: Path,
) -> None:
    first, second = Claim(database), Claim(database)
    first.release()
    assert claims(database) == [f"{database.name}-machine-{machine()}"]
    second.release()
    assert claims(database) == []


def test_who_comes_as_the_last_one_leaves_isn_t_overlooked_by_the_next(
    database: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    last, flock = Claim(database), fcntl.flock

    def left_before(file: int, how: int) -> None:
        if how == fcntl.LOCK_SH:  # of the second, which has opened the file already
            last.release()
        flock(file, how)

    with monkeypatch.context() as meanwhile:
        meanwhile.setattr(fcntl, "flock", left_before)
        second = Claim(database)
    third = Claim(database)
    assert not third.first
    third.release()
    second.release()
    assert claims(database) == []


def test_a_claim_ends_with_its_thread(database: Path) -> None:
    made = Database(f"sqlite:///{database}")
    before = set(threading.enumerate())
    made.claim()
    (thread,) = set(threading.enumerate()) - before
    made.close()
    thread.join(10)
    assert not thread.is_alive()


def test_a_gateway_beside_another_machines_doesn_t_start(
    database: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FMU_GATEWAY_DB_PATH", str(database))
    settings = read_settings()
    with another_machine(database) as other:
        assert other.stdout
        other.stdout.readline()
        with pytest.raises(SettingsError, match="another machine"):
            close(compose(settings, address_of(settings, 8000)))
    close(compose(settings, address_of(settings, 8000)))


def test_on_fly_a_second_machine_with_a_volume_of_its_own_doesn_t_start(
    database: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    addresses = ["fdaa::1", "fdaa::2"]

    def resolved(name: str, *_: object) -> list[Any]:
        if name != "shop.internal":
            raise socket.gaierror
        return [(socket.AF_INET6, 1, 6, "", (address, 0, 0, 0)) for address in addresses]

    monkeypatch.setattr(socket, "getaddrinfo", resolved)
    assert fly_machines("elsewhere") == 1
    monkeypatch.setenv("FMU_GATEWAY_DB_PATH", str(database))
    monkeypatch.setenv("FLY_APP_NAME", "shop")
    settings = read_settings()
    with pytest.raises(SettingsError, match="2 machines of shop"):
        close(compose(settings, address_of(settings, 8000)))
    addresses.pop()
    close(compose(settings, address_of(settings, 8000)))
