"""The matrix of attacks, measured once: as this user and, as root, as an ordinary one too."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest
from fmus import compiled
from hostile import fmu, matrix
from hostile.users import SOMEBODY

USERS = ("us", "somebody", "us, by FMPy")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """They take minutes and attack the sandbox: run by -m hostile."""
    for item in items:
        if item.path.is_relative_to(Path(__file__).parent):
            item.add_marker(pytest.mark.hostile)


@pytest.fixture(scope="session")
def library() -> Iterator[Path]:
    """The compiled attacks, where other users can read them."""
    if not sys.platform.startswith("linux") or not compiled.available():
        pytest.skip("the attacks need Linux and a C compiler")
    with tempfile.TemporaryDirectory(prefix="hostile-library-") as folder:
        Path(folder).chmod(0o755)
        target = Path(folder) / "hostile.so"
        fmu.build(target)
        yield target


@pytest.fixture(scope="session")
def matrices(library: Path) -> dict[str, Future[matrix.Matrix]]:
    """What every attack comes to in every tier, by who runs the gateway."""
    with ThreadPoolExecutor() as pool:
        found = {"us": pool.submit(matrix.measured, library)}
        if os.geteuid() == 0:
            found["somebody"] = pool.submit(matrix.measured, library, SOMEBODY)
        return found


@pytest.fixture(scope="session")
def by_fmpy(library: Path) -> matrix.Matrix:
    """The same with FMPy as the engine."""
    return matrix.measured(library, None, "--engine", "fmpy")


@pytest.fixture(params=USERS)
def by_tier(
    request: pytest.FixtureRequest, matrices: dict[str, Future[matrix.Matrix]]
) -> matrix.Matrix:
    """One user's matrix."""
    if request.param == "us, by FMPy":
        found: matrix.Matrix = request.getfixturevalue("by_fmpy")
        return found
    if request.param not in matrices:
        pytest.skip("only root can become an ordinary user, and we are one")
    return matrices[request.param].result()
