"""The 402: what to pay, how, and what to do next, the same object on every door."""

from __future__ import annotations

import json

import pytest
from payments.world import World, stripe_settings

from gateway_payments.exceptions import OfferUnavailableError, StripeUnavailableError
from gateway_payments.requirement import PaymentRequiredError


def test_a_requirement_has_exactly_the_fields_of_the_contract(world: World) -> None:
    quote = world.quote(world.ada)
    body = world.payments.require(quote, world.ada, world.now).as_dict()
    session = next(iter(world.stripe.sessions.values()))
    steps = body.pop("next_steps")
    assert body.pop("next_step") == steps[0]
    assert json.loads(json.dumps(body)) == {
        "code": "payment_required",
        "amount": 1.0,
        "amount_minor": 100,
        "amount_micros": 1_000_000,
        "currency": "usd",
        "methods": ["stripe_checkout", "credits"],
        "quote_id": quote.id,
        "session_id": session["id"],
        "checkout_url": session["url"],
        "expires_at": "2026-01-01T01:00:00+00:00",
        "existing_result_id": None,
        "already_paid_quote_id": None,
        "offers": [
            {
                "kind": kind,
                "amount": 1.0,
                "amount_minor": 100,
                "amount_micros": 1_000_000,
                "currency": "usd",
                "expires_at": "2026-01-01T01:00:00+00:00",
                "data": data,
            }
            for kind, data in [
                (
                    "stripe_checkout",
                    {"session_id": session["id"], "checkout_url": session["url"]},
                ),
                ("credits", {"balance_micros": 0}),
            ]
        ],
    }
    told = " ".join(steps)
    assert all(name in told for name in (session["url"], session["id"], quote.id, "call pay"))


def test_credits_work_without_stripe(world: World) -> None:
    world.restart(offers=("credits",), stripe=None)
    requirement = world.payments.require(world.quote(world.ada), world.ada, world.now)
    assert requirement.methods == ("credits",)
    assert (requirement.session_id, requirement.checkout_url) == (None, None)


def test_while_stripe_is_down_the_other_offers_still_stand(world: World) -> None:
    world.restart(stripe=stripe_settings("http://127.0.0.1:9"))
    quote = world.quote(world.ada)
    assert world.payments.require(quote, world.ada, world.now).methods == ("credits",)
    world.restart(offers=("stripe_checkout",))
    with pytest.raises(StripeUnavailableError):
        world.payments.require(world.quote(world.ada), world.ada, world.now)


def test_a_quote_from_a_free_past_is_not_payable(world: World) -> None:
    world.restart(offers=())
    quote = world.quote(world.ada)
    world.restart(offers=("credits",))
    with pytest.raises(OfferUnavailableError):
        world.payments.require(quote, world.ada, world.now)


def test_payment_required_carries_the_requirement(world: World) -> None:
    requirement = world.payments.require(world.quote(world.ada), world.ada, world.now)
    error = PaymentRequiredError(requirement)
    assert error.requirement is requirement
    assert str(error) == "this run costs 1.00 USD"
    assert error.details == requirement.as_dict()
