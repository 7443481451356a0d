"""Webhooks: only Stripe's, only fresh, each once, in any order."""

from __future__ import annotations

import itertools
import json
from concurrent.futures import ThreadPoolExecutor

import pytest
from payments.world import WEBHOOK_SECRET, World
from sqlalchemy import text
from stripe_standin.server import signed

from gateway_payments.exceptions import WebhookSignatureError


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


def test_without_stripe_no_webhook_is_believed(world: World, session: str) -> None:
    event = world.stripe.complete(session)
    world.restart(offers=("credits",), stripe=None)
    with pytest.raises(WebhookSignatureError):
        world.webhook(event)
    assert world.claim(world.ada, session).status == "pending"  # nobody can ask Stripe
