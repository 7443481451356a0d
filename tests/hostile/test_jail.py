"""The jail by itself: on kernels that know less than this one, and with its zygote gone."""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final

import pytest
from hostile import fmu
from hostile.users import SOMEBODY

from gateway_simulation import layout, native
from gateway_simulation.layout import Tier

_HERE: Final = Path(__file__).resolve().parent
_NATIVE: Final = Path(native.__file__).resolve().parent
_UNAVAILABLE: Final = 2
_MOMENT_S: Final = 0.05
_SANDBOXES: Final = (Tier.STRONG, Tier.STANDARD)
LANDLOCKS: Final = (1, 2, 3, 4, 5, 6)
"""Versions of it: 3 knows of cutting files, 6 of signals."""
USERS: Final = (None, SOMEBODY) if os.geteuid() == 0 else (None,)


@pytest.fixture(scope="module")
def jailed(library: Path) -> Path:
    """The compiled program, beside the library, where other users can read it."""
    target = library.with_name("jailed")
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "layout.h").write_text(layout.c_header())
        includes = ["-I", folder, "-I", str(_NATIVE)]
        subprocess.run(
            ["cc", "-std=c11", "-O1", "-w", *includes, "-o", target, _HERE / "jailed.c"], check=True
        )
    return target


@pytest.fixture(params=USERS, ids=lambda user: "somebody" if user else "us")
def place(request: pytest.FixtureRequest, library: Path) -> Iterator[tuple[int | None, Path]]:
    """A user, and a folder of its own with a model, a file, and a home for a zygote."""
    with tempfile.TemporaryDirectory(dir=library.parent) as name:
        folder = Path(name)
        fmu.install(library.read_bytes(), folder / "model")
        (folder / "home").mkdir()
        (folder / "file").write_text("ours")
        if request.param is not None:
            for path in (folder, *folder.rglob("*")):
                os.chown(path, request.param, request.param)
        yield request.param, folder


def run(program: Path, user: int | None, *arguments: object) -> list[str]:
    done = subprocess.run(
        [program, *map(str, arguments)],
        user=user,
        group=user,
        extra_groups=None if user is None else [],
        capture_output=True,
        text=True,
        check=False,
        timeout=20,
    )
    if done.returncode == _UNAVAILABLE:
        pytest.skip(done.stderr)
    assert done.returncode == 0, done
    return done.stdout.split()


def attempts(jailed: Path, user: int | None, folder: Path, tier: Tier, landlock: int) -> list[str]:
    """What succeeded, aimed at a bystander."""
    with subprocess.Popen(["/bin/sleep", "60"], user=user, group=user) as bystander:
        try:
            home, model, file = (folder / name for name in ("home", "model", "file"))
            given = (int(tier), landlock, home, model, file, bystander.pid)
            found = run(jailed, user, "attack", *given)
            with suppress(subprocess.TimeoutExpired):
                bystander.wait(_MOMENT_S)
                found.append("and reaches another process")
            return found
        finally:
            bystander.kill()


def test_without_a_sandbox_all_of_it_succeeds(jailed: Path, place: tuple[int | None, Path]) -> None:
    found = attempts(jailed, *place, Tier.DEVELOPMENT, LANDLOCKS[0])
    assert len(found) == 14, found
    assert found[-1] == "and reaches another process"


@pytest.mark.parametrize("landlock", LANDLOCKS)
@pytest.mark.parametrize("tier", _SANDBOXES, ids=lambda tier: tier.name.lower())
def test_what_old_kernels_cannot_forbid_is_refused_all_the_same(
    tier: Tier, landlock: int, jailed: Path, place: tuple[int | None, Path]
) -> None:
    _, folder = place
    before = (folder / "model" / "modelDescription.xml").stat()
    assert attempts(jailed, *place, tier, landlock) == []
    assert (folder / "file").read_text() == "ours"
    assert (folder / "model" / "modelDescription.xml").stat().st_size == before.st_size


@pytest.mark.parametrize("tier", Tier, ids=lambda tier: tier.name.lower())
def test_a_process_whose_zygote_is_gone_is_never_confined(
    tier: Tier, jailed: Path, place: tuple[int | None, Path]
) -> None:
    user, folder = place
    given = (int(tier), folder / "home", folder / "model")
    assert run(jailed, user, "orphan", *given) == ["given", "up"]
