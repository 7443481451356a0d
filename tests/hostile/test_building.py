"""No attack on the build has an effect in a jail, and each that counts has one without."""

from __future__ import annotations

import os
import shutil
from concurrent.futures import Future, ThreadPoolExecutor

import pytest
from hostile.building.catalogue import ATTACKS, BY_ID
from hostile.building.matrix import CARELESS, TIERS, Builds, measured

_SOMEBODY = 54_321
_ENOUGH = 45
_OF_CODE = [attack.id for attack in ATTACKS if attack.id.startswith("code ")]


@pytest.fixture(scope="session")
def builds() -> dict[str, Future[Builds]]:
    """What each attack on the build comes to, by who runs the gateway."""
    if shutil.which("cc") is None:
        pytest.skip("the attacks need a C compiler")
    with ThreadPoolExecutor() as pool:
        found = {"us": pool.submit(measured)}
        if os.geteuid() == 0:
            found["somebody"] = pool.submit(measured, _SOMEBODY)
        return found


@pytest.fixture(params=["us", "somebody"])
def by_way(request: pytest.FixtureRequest, builds: dict[str, Future[Builds]]) -> Builds:
    if request.param not in builds:
        pytest.skip("only root can become an ordinary user, and we are one")
    return builds[request.param].result()


@pytest.mark.parametrize("attack", BY_ID)
def test_the_control_of_a_build_succeeds(attack: str, by_way: Builds) -> None:
    found = by_way[CARELESS][attack]
    if found.missing:
        pytest.skip(found.missing)
    assert found.effect, found


@pytest.mark.parametrize("tier", TIERS)
@pytest.mark.parametrize("attack", BY_ID)
def test_an_uploaded_source_has_no_effect(attack: str, tier: str, by_way: Builds) -> None:
    _holds(by_way, f"uploaded {tier}", attack)


@pytest.mark.parametrize("tier", TIERS)
@pytest.mark.parametrize("attack", BY_ID)
def test_options_that_slipped_through_have_no_effect(
    attack: str, tier: str, by_way: Builds
) -> None:
    _holds(by_way, f"handed {tier}", attack)


@pytest.mark.parametrize("attack", _OF_CODE)
def test_code_in_the_compiler_is_not_even_loaded_where_there_are_namespaces(
    attack: str, by_way: Builds
) -> None:
    if "handed strong" not in by_way:
        pytest.skip("no namespaces here")
    assert "cannot load plugin" in by_way["handed strong"][attack].told


def test_enough_controls_of_builds_succeed(by_way: Builds) -> None:
    assert sum(found.effect for found in by_way[CARELESS].values()) >= _ENOUGH


def test_every_attack_on_the_build_is_in_the_table_once() -> None:
    assert len(BY_ID) == len(ATTACKS)


def _holds(by_way: Builds, way: str, attack: str) -> None:
    if way not in by_way:
        pytest.skip("no such jail here")
    found = by_way[way][attack]
    assert not found.effect, found
