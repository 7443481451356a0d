"""What a call costs through each door: p50 and p95 of a warm `simulate` of BouncingBall.

    uv run python benchmarks/simulate_by_door.py [--calls 200]

Prints each door in ms, its ratio to REST, and where the time of a REST call goes: the simulation
(its process and its numbers), the database (both transactions with the one sync, which makes result
and payment durable, and the two reads), encoding the result, and the door with the rest, its client
included. All in one run, one call at a time, free of charge; the doors' server is a process of its
own.
"""

from __future__ import annotations

import argparse
import logging
import sys
import tempfile
import time
from pathlib import Path
from typing import Final

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

import httpx
from doors.clients import DOORS, Where, open_door
from measurement import percentiles, watched, watched_blocks
from served import served

from gateway_runs.results import ResultStore
from gateway_server.embedded import embedded_gateway
from gateway_server.logs import configure_logs
from gateway_server.settings import read_settings
from gateway_simulation.runner import Simulator
from gateway_storage.database import Database

REQUEST: Final = {"fmu_id": "msl:BouncingBall", "stop_time": 3.0, "kpis": ["h_max", "v_rms"]}
_WARM_UP: Final = 10


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--calls", type=int, default=200)
    calls = parser.parse_args().calls
    with tempfile.TemporaryDirectory() as folder:
        database = Path(folder) / "bench.sqlite3"
        with served(Path(folder), FMU_GATEWAY_DB_PATH=str(database)) as server:
            _doors(_account(server.url, database), calls)
        configure_logs("console", least=logging.WARNING)
        settings = read_settings(port=0, fmu_gateway_db_path=str(database), payment_offers=())
        with embedded_gateway(settings) as gateway:
            _shares(_account(gateway.url, database), calls)


def _account(url: str, database: Path) -> Where:
    key = httpx.post(f"{url}/keys").json()["key"]
    return Where(url, database, key, {"PAYMENT_OFFERS": ""})


def _doors(where: Where, calls: int) -> None:
    base = 0.0
    print(f"{'door':12} {'p50 ms':>8} {'p95 ms':>8} {'to REST':>8}   ({calls} calls each)")
    for name in DOORS:
        p50, p95 = percentiles(_timed(name, where, calls))
        base = base or p50
        print(f"{name:12} {p50:8.2f} {p95:8.2f} {p50 / base:7.2f}x")


def _timed(name: str, where: Where, calls: int) -> list[float]:
    with open_door(name, where) as door:
        times = []
        for _ in range(_WARM_UP + calls):
            started = time.perf_counter()
            assert not door.call("simulate", REQUEST).failed
            times.append(time.perf_counter() - started)
    return times[_WARM_UP:]


def _shares(where: Where, calls: int) -> None:
    with (
        watched(Simulator, "run") as simulation,
        watched_blocks(Database, "write") as writing,
        watched_blocks(Database, "read") as reading,
        watched(ResultStore, "prepare") as preparing,
    ):
        whole = sum(_timed("rest", where, calls))
    rounds = (calls + _WARM_UP) / calls  # the parts were watched while warming up too
    parts = {
        "simulation": sum(simulation) / rounds,
        "database": (sum(writing) + sum(reading)) / rounds,
        "result": sum(preparing) / rounds,
    }
    parts["door and rest"] = whole - sum(parts.values())
    print("\nwhere a REST call goes")
    for part, seconds in parts.items():
        print(f"{part:14} {1000 * seconds / calls:7.2f} ms {seconds / whole:6.0%}")


if __name__ == "__main__":
    main()
