"""Webhooks: only Stripe's, only fresh, each once, in any order."""

from __future__ import annotations

import itertools
import json
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import stripe as stripe_sdk
from payments.world import WEBHOOK_SECRET, World
from sqlalchemy import text
from stripe_standin.server import signed

from gateway_payments.exceptions import (
    StripeNotEnabledError,
    StripeUnavailableError,
    WebhookMalformedError,
    WebhookSignatureError,
)


@pytest.fixture
def session(world: World) -> str:
    return world.open_session(world.ada, world.quote(world.ada))


def test_a_wrong_signature_is_refused(world: World, session: str) -> None:
    event = world.stripe.complete(session)
    body, signature = signed(event, WEBHOOK_SECRET, world.now.timestamp())
    other_body, other = signed(event, "whsec_other", world.now.timestamp())
    assert body == other_body
    wrong = [
        (body, other),
        (body + b" ", signature),
        (b"\xff", signature),
        (body, ""),
        (body, "t=x,v1=y"),
        (body, "v1=0"),
        (body, "t=1"),
        (body, "t=1,v1=\N{SNOWMAN}"),
        (body, signature.replace("v1", "v0")),
    ]
    for sent, header in wrong:
        with pytest.raises(WebhookSignatureError):
            world.payments.handle_webhook(sent, header, world.now)
    world.stripe.sessions.clear()
    with world.database.read() as db:
        assert db.execute(text("SELECT state FROM payments")).scalar() == "open"


@pytest.mark.parametrize(
    ("age", "accepted"), [(299, True), (301, False), (-299, True), (-301, False)]
)
def test_age_counts_in_both_directions(
    world: World, session: str, age: int, *, accepted: bool
) -> None:
    event = world.stripe.complete(session)
    body, signature = signed(event, WEBHOOK_SECRET, world.now.timestamp() - age)
    if accepted:
        assert world.payments.handle_webhook(body, signature, world.now)
    else:
        with pytest.raises(WebhookSignatureError):
            world.payments.handle_webhook(body, signature, world.now)


def test_a_replay_changes_nothing(world: World, session: str) -> None:
    event = world.stripe.complete(session)
    assert world.webhook(event)
    run = world.start(world.ada, token=world.claim(world.ada, session).payment_token)
    world.capture(run)
    for _ in range(3):
        assert not world.webhook(event)
    with world.database.read() as db:
        assert db.execute(text("SELECT COUNT(*) FROM entitlements")).scalar() == 1


def test_two_events_about_one_payment_pay_once(world: World, session: str) -> None:
    first = world.stripe.complete(session)
    assert world.webhook(first)
    assert world.webhook({**first, "id": "evt_another"})
    with world.database.read() as db:
        assert db.execute(text("SELECT COUNT(*) FROM transfers")).scalar() == 1


def test_webhooks_and_claims_at_once_pay_once(world: World, session: str) -> None:
    event = world.stripe.complete(session)
    same_news = [{**event, "id": f"evt_{i % 4}"} for i in range(8)]
    with ThreadPoolExecutor(12) as at_once:
        heard = [at_once.submit(world.webhook, news) for news in same_news]
        claims = [at_once.submit(world.claim, world.ada, session) for _ in range(4)]
    assert sum(call.result() for call in heard) == 4
    assert len({call.result().payment_token for call in claims}) == 1
    with world.database.read() as db:
        assert db.execute(text("SELECT COUNT(*) FROM transfers")).scalar() == 1


def test_a_slow_method_pays_when_it_has_come_through(world: World, session: str) -> None:
    world.webhook(world.stripe.complete(session, payment_status="unpaid"))
    status = world.claim(world.ada, session)
    assert status.status == "pending"
    assert "nothing is to be paid again" in status.next_steps[0]
    world.webhook(world.stripe.finish(session, succeeded=True))
    assert world.claim(world.ada, session).status == "paid"


def test_a_slow_method_that_fails_pays_nothing(world: World, session: str) -> None:
    world.webhook(world.stripe.complete(session, payment_status="unpaid"))
    world.webhook(world.stripe.finish(session, succeeded=False))
    status = world.claim(world.ada, session)
    assert status.status == "expired"
    assert "failed" in status.next_steps[0]


def test_order_does_not_matter_where_the_money_came(world: World) -> None:
    for i, order in enumerate(itertools.permutations(range(3))):
        caller = world.caller()
        session = world.open_session(caller, world.quote(caller))
        unpaid = world.stripe.complete(session, payment_status="unpaid")
        paid = world.stripe.finish(session, succeeded=True)
        late = {**paid, "id": f"evt_late{i}", "type": "checkout.session.expired"}
        late["data"] = {"object": {**paid["data"]["object"], "status": "expired"}}
        late["data"]["object"]["payment_status"] = "unpaid"
        for index in order:
            world.webhook([unpaid, paid, late][index])
        assert world.claim(caller, session).status == "paid", order


def test_an_expired_page_is_noted(world: World, session: str) -> None:
    world.stripe.expire(session)
    assert world.webhook(world.stripe.events[-1])
    assert world.claim(world.ada, session).status == "expired"
    assert world.stripe.calls["GET get"] == 0


def test_news_of_other_business_is_ignored_and_not_kept(world: World, session: str) -> None:
    event = world.stripe.complete(session)
    assert not world.webhook({**event, "type": "invoice.paid"})
    stranger = json.loads(json.dumps(event))
    stranger["data"]["object"]["metadata"] = None
    assert not world.webhook(stranger)
    stranger["data"]["object"]["metadata"] = {"payment_id": "pay_unknown"}
    assert not world.webhook(stranger)
    impostor = json.loads(json.dumps(event))
    impostor["data"]["object"]["id"] = "cs_other"
    assert not world.webhook(impostor)
    with world.database.read() as db:
        assert db.execute(text("SELECT COUNT(*) FROM webhook_events")).scalar() == 0
    assert world.webhook(event)


def _of(event: dict[str, Any], **changes: Any) -> bytes:  # noqa: ANN401  JSON
    return json.dumps({**event, **changes}).encode()


def _about(event: dict[str, Any], **changes: Any) -> bytes:  # noqa: ANN401  JSON
    return _of(event, data={"object": {**event["data"]["object"], **changes}})


def _sign(world: World, body: bytes) -> str:
    at = int(world.now.timestamp())
    sign = stripe_sdk.WebhookSignature.generate_signature_header
    return str(sign(body.decode(), WEBHOOK_SECRET, at))


@pytest.mark.parametrize(
    "body",
    [
        b"", b"notjson", b"null", b"1", b"[]", b'"text"', b"{}", b"[" * 100_000,
        b'{"type": []}', b'{"type": null}', b'{"type": "checkout.session.completed"}',
    ],
    ids=lambda body: body[:40].decode(),
)  # fmt: skip
def test_what_is_no_event_is_malformed_though_signed(world: World, body: bytes) -> None:
    with pytest.raises(WebhookMalformedError):
        world.payments.handle_webhook(body, _sign(world, body), world.now)


def test_an_event_that_lacks_what_we_need_is_malformed_and_changes_nothing(
    world: World, session: str
) -> None:
    event = world.stripe.complete(session)
    stripes = event["data"]["object"]
    no_objects: list[Any] = [None, 1, [], {}, {"object": None}, {"object": []}]
    no_values: list[Any] = [None, [], {"a": 1}, 1.5, True]
    bodies = [
        *(_of(event, data=data) for data in no_objects),
        *(_of(event, id=bad) for bad in (None, [1], "", "\0", "e" * 300)),
        *(_about(event, metadata=bad) for bad in ([1], "text", {"payment_id": [1]})),
        *(
            _about(event, **{name: bad})
            for name in ("id", "status", "payment_status", "amount_total", "currency")
            for bad in no_values
        ),
        *(
            _of(event, data={"object": {k: v for k, v in stripes.items() if k != name}})
            for name in ("id", "status", "payment_status", "amount_total", "currency")
        ),
    ]
    for body in bodies:
        with pytest.raises(WebhookMalformedError):
            world.payments.handle_webhook(body, _sign(world, body), world.now)
    with world.database.read() as db:
        assert db.execute(text("SELECT COUNT(*) FROM webhook_events")).scalar() == 0
    assert world.webhook(event)


def test_events_that_we_do_not_know_are_harmless(world: World, session: str) -> None:
    event = world.stripe.complete(session)
    for body in (
        b'{"type": "invoice.paid"}',
        b'{"type": "\\u0000"}',
        _of(event, type="checkout.session.unheard_of", data=None),
        _about(event, metadata={"payment_id": "pay_\0"}),
        _about(event, metadata={}),
        _about(event, metadata=None, mode="setup", amount_total=None, currency=None),
    ):
        assert not world.payments.handle_webhook(body, _sign(world, body), world.now)


def test_a_session_that_stripe_garbles_is_asked_for_again(world: World, session: str) -> None:
    world.stripe.complete(session)
    amount = world.stripe.sessions[session].pop("amount_total")
    with pytest.raises(StripeUnavailableError):
        world.claim(world.ada, session)
    world.stripe.sessions[session]["amount_total"] = amount
    assert world.claim(world.ada, session).status == "paid"


def test_without_stripe_no_webhook_is_believed(world: World, session: str) -> None:
    event = world.stripe.complete(session)
    world.restart(offers=("credits",), stripe=None)
    with pytest.raises(StripeNotEnabledError):
        world.webhook(event)
    assert world.claim(world.ada, session).status == "pending"  # nobody can ask Stripe
