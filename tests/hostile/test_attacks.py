"""No attack has an effect in a sandbox, and each that counts has one without."""

from __future__ import annotations

import pytest
from hostile.catalogue import ATTACKS, BY_ID, Attack
from hostile.known import known
from hostile.matrix import TIERS, Finding, Matrix

SANDBOXES = [tier for tier in TIERS if tier != "development"]
CONTROLLED = [attack.id for attack in ATTACKS if not attack.ends and not attack.held]
HELD = [attack.id for attack in ATTACKS if attack.held]
MISBEHAVIOURS = [attack.id for attack in ATTACKS if attack.ends]
IN_TIME_S = 2.0
ENOUGH = 80


def found_in(by_tier: Matrix, tier: str, attack: str) -> Finding:
    if by_tier[tier].unavailable:
        pytest.skip(by_tier[tier].unavailable)
    return by_tier[tier].findings[attack]


def allow_for(request: pytest.FixtureRequest, attack: str, tier: str) -> None:
    """What is beyond a tier fails as expected."""
    reason = known(attack, tier)
    if reason:
        request.applymarker(pytest.mark.xfail(reason=reason, strict=False))


@pytest.mark.parametrize("attack", CONTROLLED)
def test_the_control_succeeds(attack: str, by_tier: Matrix) -> None:
    found = found_in(by_tier, "development", attack)
    if found.missing:
        pytest.skip(found.missing)
    assert found.effect, found


@pytest.mark.parametrize("tier", SANDBOXES)
@pytest.mark.parametrize("attack", [*CONTROLLED, *HELD])
def test_an_attack_has_no_effect(
    attack: str, tier: str, by_tier: Matrix, request: pytest.FixtureRequest
) -> None:
    allow_for(request, attack, tier)
    found = found_in(by_tier, tier, attack)
    assert not found.effect, found
    assert found.outcome == "done" or found.outcome.endswith("Error")


@pytest.mark.parametrize("attack", HELD)
def test_what_every_tier_holds_has_no_control(attack: str, by_tier: Matrix) -> None:
    assert not found_in(by_tier, "development", attack).effect


@pytest.mark.parametrize("tier", TIERS)
@pytest.mark.parametrize("attack", MISBEHAVIOURS)
def test_a_misbehaviour_ends_in_its_own_way_and_in_time(
    attack: str, tier: str, by_tier: Matrix, request: pytest.FixtureRequest
) -> None:
    allow_for(request, attack, tier)
    found = found_in(by_tier, tier, attack)
    if found.missing:
        pytest.skip(found.missing)
    assert found.outcome in BY_ID[attack].ends, found
    assert not found.effect, found
    assert found.seconds < BY_ID[attack].deadline_s + IN_TIME_S


@pytest.mark.parametrize("tier", TIERS)
def test_the_next_run_of_another_model_is_what_it_always_was(tier: str, by_tier: Matrix) -> None:
    if by_tier[tier].unavailable:
        pytest.skip(by_tier[tier].unavailable)
    spoilt = {name for name, f in by_tier[tier].findings.items() if f.next_run != "done"}
    assert not spoilt


@pytest.mark.parametrize("tier", TIERS)
def test_a_tier_that_was_asked_for_is_the_one_that_is_had(tier: str, by_tier: Matrix) -> None:
    assert by_tier[tier].unavailable or by_tier[tier].tier == tier


@pytest.mark.parametrize("tier", TIERS)
def test_nothing_remains_of_a_closed_simulator(tier: str, by_tier: Matrix) -> None:
    assert not by_tier[tier].remains


def test_enough_controls_succeed(by_tier: Matrix) -> None:
    found = by_tier["development"].findings
    assert sum(found[attack].effect for attack in CONTROLLED) >= ENOUGH


def test_every_attack_is_in_the_table_once() -> None:
    assert len(BY_ID) == len(ATTACKS)
    assert {attack.family for attack in ATTACKS} == {
        "read", "write", "network", "processes", "kernel", "resources", "protocol"
    }  # fmt: skip
    assert all(isinstance(attack, Attack) for attack in ATTACKS)


def test_the_strong_tier_is_there_where_the_kernel_offers_namespaces(by_tier: Matrix) -> None:
    if not by_tier["development"].findings["kernel: mount in a user namespace"].effect:
        pytest.skip("the kernel forbids user namespaces")
    assert by_tier["strong"].unavailable == ""
