"""One folder of models and one bridge in it, to the free gateway."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from bridge.bridged import bridge
from conftest import Running
from doors.clients import Mcp, Where

from gateway_library.build import built_folder


@dataclass(frozen=True, slots=True)
class Desk:
    """Somebody's folder, the account that works there, and the client of the bridge."""

    folder: Path
    where: Where
    door: Mcp


@pytest.fixture(scope="module", params=["auto", "legacy"])
def desk(
    request: pytest.FixtureRequest,
    free_gateway: Running,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Desk]:
    """In both eras of the protocol."""
    folder = tmp_path_factory.mktemp("desk") / "work"
    folder.mkdir()
    (folder / "pümpe 泵.fmu").write_bytes((built_folder() / "VanDerPol.fmu").read_bytes())
    where = free_gateway.account()
    with bridge(where.url, folder, key=where.key, mode=request.param) as door:
        yield Desk(folder, where, door)
