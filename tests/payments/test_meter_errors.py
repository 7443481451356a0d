"""Meter events that Stripe took and later found to be wrong: not billed, and never billed twice."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from payments.world import WEBHOOK_SECRET, World, priced
from stripe_standin.customers import create_customer
from stripe_standin.meters import reject
from stripe_standin.server import signed

from gateway_payments import accounts, by_hand
from gateway_payments.exceptions import (
    NotWaitingError,
    StripeUnavailableError,
    WebhookMalformedError,
    WebhookSignatureError,
)

THIN_SECRET = "whsec_thin"  # noqa: S105
CODES = ("meter_event_customer_not_found", "no_meter")


@pytest.fixture
def world(any_world: World) -> Iterator[World]:
    """Pays by the meter, on both databases; what waits for an operator is dealt with at the end."""
    stripe = any_world.settings.stripe
    assert stripe
    any_world.restart(offers=("metered",), stripe=replace(stripe, thin_secret=THIN_SECRET))
    customer = create_customer(any_world.stripe, {"metadata": {}})["id"]
    with any_world.database.write() as db:
        accounts.claim_customer(db, any_world.ada.account_id, customer)
        accounts.link(db, any_world.ada.account_id, customer, any_world.now)
    yield any_world
    with any_world.database.write() as db:
        for letter, _ in waiting(any_world):
            by_hand.dismiss(db, letter, "billed by hand")


def delivered(world: World, *, sent: bool = True) -> str:
    admission = world.admit(world.ada, priced())
    assert admission
    world.capture(admission.run_id)
    if sent:
        assert world.payments.send_letters(world.now) == 1
    return admission.run_id


def tell(world: World, thin: dict[str, Any], secret: str = THIN_SECRET) -> bool:
    body, signature = signed(thin, secret, world.now.timestamp())
    return world.payments.handle_webhook(body, signature, world.now)


def waiting(world: World) -> list[tuple[str, str]]:
    with world.database.read() as db:
        return [(found.id, found.reason) for found in by_hand.waiting(db, 10)]


@pytest.mark.parametrize("code", CODES)
def test_a_run_that_stripe_rejected_later_is_shown_as_not_billed(world: World, code: str) -> None:
    run, fine = delivered(world), delivered(world)
    thin = reject(world.stripe, [run], code)
    assert tell(world, thin)
    assert waiting(world) == [(f"meter:{run}", f"not billed: {code}: Rejected as {code}.")]
    assert world.audit() == [f"no letter to the outside waits for an operator: meter:{run}"]
    assert [event["identifier"] for event in world.stripe.meter_events] == [fine]


def test_told_twice_or_in_another_report_it_changes_nothing(world: World) -> None:
    run = delivered(world)
    thin = reject(world.stripe, [run], CODES[0])
    assert tell(world, thin)
    assert not tell(world, thin)
    with world.database.write() as db:
        by_hand.dismiss(db, f"meter:{run}", "billed by hand")
    tell(world, reject(world.stripe, [run], CODES[0]))
    assert waiting(world) == []


def test_it_is_never_sent_again_not_even_by_an_operator(world: World) -> None:
    run = delivered(world)
    tell(world, reject(world.stripe, [run], CODES[0]))
    with world.database.write() as db, pytest.raises(NotWaitingError):
        by_hand.resend(db, f"meter:{run}", world.now)
    for _ in range(3):
        world.later(hours=25)
        world.payments.reconcile(world.now)
    assert world.stripe.meter_events == []


def test_the_report_may_come_before_we_know_that_the_event_arrived(world: World) -> None:
    run = delivered(world, sent=False)
    world.stripe.faults.extend(["lost"] * 3)
    assert world.payments.send_letters(world.now) == 0
    assert len(world.stripe.meter_events) == 1
    tell(world, reject(world.stripe, [run], CODES[0]))
    world.later(hours=1)
    assert world.payments.send_letters(world.now) == 0
    assert world.stripe.meter_events == []


def test_the_name_may_be_the_key_of_the_request(world: World) -> None:
    run = delivered(world)
    (key,) = [key for key in world.stripe.answers if key.startswith("meter:")]
    tell(world, reject(world.stripe, [key], CODES[0]))
    assert [letter for letter, _ in waiting(world)] == [f"meter:{run}"]


def test_events_that_stripe_does_not_name_are_one_notice(world: World) -> None:
    run = delivered(world)
    thin = reject(world.stripe, [run], CODES[0], unnamed=7)
    assert tell(world, thin)
    assert not tell(world, thin)
    notice = dict(waiting(world))[f"meter_notice:{thin['id']}"]
    assert notice.startswith("7 more meter events were not billed")
    with world.database.write() as db, pytest.raises(NotWaitingError):
        by_hand.resend(db, f"meter_notice:{thin['id']}", world.now)


def test_what_another_product_metered_concerns_nobody(world: World) -> None:
    delivered(world)
    assert not tell(world, reject(world.stripe, ["theirs", "x" * 300, "\0"], CODES[0], unnamed=3))
    thin = reject(world.stripe, [], CODES[0])
    assert not tell(world, {**thin, "type": "v1.account.updated"})
    assert waiting(world) == []


def test_while_stripe_does_not_answer_it_must_come_again(world: World) -> None:
    run = delivered(world)
    thin = reject(world.stripe, [run], CODES[0])
    world.stripe.faults.extend(["error"] * 3)
    with pytest.raises(StripeUnavailableError):
        tell(world, thin)
    world.stripe.faults.append("hollow")
    with pytest.raises(StripeUnavailableError):
        tell(world, thin)
    assert tell(world, thin)


def test_only_stripes_signature_counts_under_either_destinations_secret(world: World) -> None:
    run = delivered(world)
    thin = reject(world.stripe, [run], CODES[0])
    with pytest.raises(WebhookSignatureError):
        tell(world, thin, "whsec_other")
    assert tell(world, thin, WEBHOOK_SECRET)
    for broken in ({"object": "v2.core.event"}, {**thin, "id": 7}, {**thin, "related_object": 1}):
        with pytest.raises(WebhookMalformedError):
            tell(world, broken)
