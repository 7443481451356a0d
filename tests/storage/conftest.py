from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from postgres import fresh_database

from gateway_storage.database import Database


@pytest.fixture(params=["sqlite", "postgres"])
def any_database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    url = f"sqlite:///{tmp_path}/any.sqlite3"
    if request.param == "postgres":
        url = fresh_database(request.getfixturevalue("postgres_url"))
    made = Database(url)
    yield made
    made.close()
