from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from faults.site import Site, opened_site


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    """On SQLite."""
    with opened_site(tmp_path, f"sqlite:///{tmp_path}/gateway.sqlite3") as site:
        yield site
