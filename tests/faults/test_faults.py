"""500 paid runs with a fault in their midst: in the end each is paid once and delivered once.

`-rP` prints the table of faults. What the buyers repeat, and how often, stands in it too.
"""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import httpx
import pytest
from conftest import Running
from faults.buyers import KINDS, Crowd, Purchase
from faults.site import PRICE_CENTS, Site, opened_site
from postgres import Postgres, postgres_to_kill

pytestmark = pytest.mark.slow

PURCHASES: Final = 500
TIMES: Final = (100, 250, 400)  # delivered when the fault is done
_CAPTURED: Final = "SELECT state, COUNT(*) FROM entitlements GROUP BY state"
_DELIVERED: Final = "SELECT outcome, COUNT(*) FROM usage GROUP BY outcome"


@pytest.fixture(scope="module")
def numbers(free_gateway: Running) -> list[dict[str, Any]]:
    """What each of the runs gives on a gateway that nothing happens to."""
    with free_gateway.http() as http:
        return [http.post("/simulate", json=Purchase(n).request).json() for n in range(KINDS)]


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of its own of 256 MB."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=256m", "tmpfs", str(disk)]
    if subprocess.run(mount, check=False, capture_output=True).returncode:
        pytest.skip("only root makes a disk")
    try:
        yield disk
    finally:
        subprocess.run(["umount", "--lazy", str(disk)], check=True)


@pytest.fixture
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Postgres]:
    """A server of its own, to be killed."""
    with postgres_to_kill(tmp_path_factory.mktemp("mortal")) as postgres:
        yield postgres


def _kill_the_server(site: Site) -> None:
    site.restart()


def _kill_the_zygote(site: Site) -> None:
    os.kill(site.zygote(), signal.SIGKILL)


def _kill_simulations(site: Site) -> None:
    """The next five that are seen."""
    until, killed = time.monotonic() + 5, 0
    while killed < 5 and time.monotonic() < until:
        for process in site.simulations():
            with suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)
                killed += 1
    assert killed, "no simulation was seen"


def _take_the_storage_away(site: Site) -> None:
    """The blobs' folder can't be reached for a while."""
    blobs = site.folder / "blobs"
    away = blobs.rename(site.folder / "away")
    blobs.write_bytes(b"no folder")
    time.sleep(0.5)
    blobs.unlink()
    away.rename(blobs)


def _fill_the_disk(site: Site) -> None:
    """With a file that takes all that is left; nothing can be written for a while."""
    ballast = site.folder / "ballast"
    with ballast.open("wb", buffering=0) as file, suppress(OSError):
        while True:
            file.write(bytes(2**16))
    with ballast.open("ab", buffering=0) as file, suppress(OSError):
        while True:
            file.write(b"0")
    time.sleep(0.5)
    ballast.unlink()


def _put_the_clock(site: Site, by_s: float) -> None:
    site.clock_file.write_text(str(by_s), encoding="ascii")


@dataclass(frozen=True, slots=True)
class Fault:
    """What is done, in words, and the ways of doing it, one after another."""

    how: str
    times: tuple[Callable[[Site], None], ...]


FAULTS: Final = {
    "the server dies": Fault("kill -9, started again", (_kill_the_server,) * 3),
    "the zygote dies": Fault("kill -9", (_kill_the_zygote,) * 3),
    "simulations die": Fault("kill -9 of five at a time", (_kill_simulations,) * 3),
    "the storage is away": Fault("its folder is moved for 0.5 s", (_take_the_storage_away,) * 3),
    "the clock jumps": Fault(
        "2 h forward, 26 h back, right again",
        tuple(lambda site, s=s: _put_the_clock(site, s) for s in (7200, -86400, 0)),  # type: ignore[misc]
    ),
}


def test_a_full_disk_costs_nobody_anything(small_disk: Path, numbers: list[dict[str, Any]]) -> None:
    with opened_site(small_disk, f"sqlite:///{small_disk}/gateway.sqlite3") as site:
        crowd, before = _bought(site, (_fill_the_disk,) * 3)
        _require_sound(site, crowd, numbers)
    print(_row("the disk is full", "for 0.5 s", before, crowd))  # noqa: T201


def test_a_death_of_postgres_costs_nobody_anything(
    postgres: Postgres, tmp_path: Path, numbers: list[dict[str, Any]]
) -> None:
    with opened_site(tmp_path, postgres.url) as site:
        crowd, before = _bought(site, (lambda _: postgres.die_and_rise(),) * 3)
        _require_sound(site, crowd, numbers)
    print(_row("Postgres dies", "kill -9 of all of it, started again", before, crowd))  # noqa: T201


@pytest.mark.parametrize("name", FAULTS)
def test_whatever_happens_each_run_is_paid_once_and_delivered_once(
    site: Site, numbers: list[dict[str, Any]], name: str
) -> None:
    fault = FAULTS[name]
    crowd, before = _bought(site, fault.times)
    _require_sound(site, crowd, numbers)
    print(_row(name, fault.how, before, crowd))  # noqa: T201


def _bought(
    site: Site, times: tuple[Callable[[Site], None], ...]
) -> tuple[Crowd, list[dict[str, int]]]:
    """The crowd has bought all; what the books said when each fault was done."""
    before: list[dict[str, int]] = []

    def done(act: Callable[[Site], None]) -> None:
        before.append(site.counted(_CAPTURED))
        act(site)

    crowd = Crowd(site.url, site.key, PURCHASES)
    crowd.buy({count: lambda act=act: done(act) for count, act in zip(TIMES, times, strict=True)})  # type: ignore[misc]
    return crowd, before


def _require_sound(site: Site, crowd: Crowd, numbers: list[dict[str, Any]]) -> None:
    assert crowd.refused == []
    assert site.audit() == []
    rights = site.counted(_CAPTURED)  # of a run that failed, what it was paid with went back
    assert rights.pop("captured") == PURCHASES
    assert set(rights) <= {"returned"}
    assert site.counted(_DELIVERED)["delivered"] == PURCHASES
    assert site.spent_cents() == PURCHASES * PRICE_CENTS
    results = {answer["result_id"] for answer in crowd.delivered.values()}
    assert len(results) == PURCHASES
    for number, answer in crowd.delivered.items():
        alone = numbers[number % KINDS]
        for field in ("request_sha256", "kpis", "outputs", "events"):
            assert answer[field] == alone[field]
    with httpx.Client(headers={"Authorization": f"Bearer {site.key}"}) as http:
        for result in results:
            assert http.get(f"{site.url}/results/{result}?format=csv").is_success


def _row(name: str, how: str, before: list[dict[str, int]], crowd: Crowd) -> str:
    paid = ", ".join(str(each.get("captured", 0)) for each in before)
    repeated = ", ".join(f"{code} {times}" for code, times in sorted(crowd.repeated.items()))
    return f"| {name} | {how} | {paid} | {PURCHASES} | 0 | 0 | {repeated or 'nothing'} |"
