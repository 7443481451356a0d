"""An operator deals with what is stuck, without touching the database, and the audit is content."""

from __future__ import annotations

from datetime import datetime

import pytest
from payments.world import World
from sqlalchemy import text
from stripe_standin.refunds import fail_refund, refund

from gateway_payments import by_hand
from gateway_payments.exceptions import InvalidTextError, NotWaitingError

DECIDED = "paid back in cash"


@pytest.fixture
def refunded(world: World) -> str:
    """The letter that asks for the refund of a page that was paid."""
    quote = world.quote(world.ada)
    world.webhook(world.stripe.complete(world.open_session(world.ada, quote)))
    back = world.payments.refund_any(quote.id, "asked for", world.now)
    return f"refund:{back.payment_id}"


def stick(world: World) -> None:
    world.stripe.faults.extend(["refused"])
    assert world.payments.send_letters(world.now) == 0


def waiting(world: World) -> list[tuple[str, str, str]]:
    with world.database.read() as db:
        return [(each.id, each.state, each.reason) for each in by_hand.waiting(db, 10)]


def resend(world: World, letter: str, at: datetime | None = None) -> None:
    with world.database.write() as db:
        by_hand.resend(db, letter, at or world.now)


def dismiss(world: World, named: str, reason: str = DECIDED) -> None:
    with world.database.write() as db:
        by_hand.dismiss(db, named, reason)


def test_what_waits_is_listed_with_why(world: World, refunded: str) -> None:
    assert waiting(world) == [(refunded, "waiting", "not tried yet")]
    stick(world)
    assert waiting(world) == [(refunded, "stuck", "Refused")]
    dismiss(world, refunded)
    assert waiting(world) == []


def test_a_stuck_letter_is_sent_again_once(world: World, refunded: str) -> None:
    stick(world)
    world.later(days=3)
    assert world.payments.send_letters(world.now) == 0, "by itself"
    resend(world, refunded)
    assert world.payments.send_letters(world.now) == 1
    assert len(world.stripe.refunds) == 1
    with pytest.raises(NotWaitingError):
        resend(world, refunded)


def test_a_dismissed_letter_is_never_sent_and_the_audit_names_it_no_more(
    world: World, refunded: str
) -> None:
    stick(world)
    assert [line.partition(":")[0] for line in world.audit()] == [
        "no letter to the outside waits for an operator"
    ]
    dismiss(world, refunded)
    assert world.audit() == []
    world.later(days=1)
    assert world.payments.reconcile(world.now).sent == 0
    assert world.stripe.refunds == {}
    for decide in (resend, dismiss):
        with pytest.raises(NotWaitingError):
            decide(world, refunded)
    with world.database.read() as db:
        assert db.execute(text("SELECT reason FROM outbox")).scalar_one() == DECIDED


def test_a_refund_that_came_back_is_not_sent_again_but_dismissed_for_good(
    world: World, refunded: str
) -> None:
    assert world.payments.send_letters(world.now) == 1
    (refund_id,) = world.stripe.refunds
    fail_refund(world.stripe, refund_id)
    news = world.stripe.events[-1]
    world.webhook(news)
    with pytest.raises(NotWaitingError):
        resend(world, refunded)
    dismiss(world, refunded)
    world.webhook({**news, "id": "evt_again"})
    assert waiting(world) == []


@pytest.mark.parametrize("sent", [True, False])
def test_a_part_that_comes_back_after_we_gave_back_the_rest_reaches_the_operator(
    world: World, *, sent: bool
) -> None:
    quote = world.quote(world.ada)
    session = world.open_session(world.ada, quote)
    world.webhook(world.stripe.complete(session))
    intent = world.stripe.sessions[session]["payment_intent"]
    part = refund(world.stripe, {"payment_intent": intent, "amount": 30})
    world.webhook(world.stripe.events[-1])
    world.later(minutes=1)
    payment_id = world.payments.refund_any(quote.id, "asked for", world.now).payment_id
    world.later(minutes=1)
    assert world.payments.send_letters(world.now) == 1 if sent else True
    for news in fail_refund(world.stripe, part["id"]):
        world.webhook(news)
    owed = f"owed:{payment_id}:{part['id']}"
    reason = f"refund {part['id']} came back to us, 0.30 USD are owed to the payer"
    rest = [] if sent else [(f"refund:{payment_id}", "waiting", "not tried yet")]
    assert sorted(waiting(world)) == sorted([*rest, (owed, "stuck", reason)])
    assert world.audit() == [f"no letter to the outside waits for an operator: {owed}"]
    with pytest.raises(NotWaitingError):
        resend(world, owed)
    dismiss(world, owed)
    assert world.audit() == []


def test_what_waits_by_itself_is_left_alone(world: World, refunded: str) -> None:
    for decide in (resend, dismiss):
        with pytest.raises(NotWaitingError):
            decide(world, refunded)
    assert world.payments.send_letters(world.now) == 1


def test_a_payment_of_another_amount_is_dismissed_for_good(world: World) -> None:
    quote = world.quote(world.ada)
    session = world.open_session(world.ada, quote)
    world.stripe.sessions[session]["amount_total"] = 60
    paid = world.stripe.complete(session)
    world.webhook(paid)
    ((payment, state, reason),) = waiting(world)
    assert (state, reason) == ("mismatched", "another amount arrived than 1.00 USD")
    refund(world.stripe, {"payment_intent": world.stripe.sessions[session]["payment_intent"]})
    dismiss(world, payment)
    world.webhook({**paid, "id": "evt_again"})
    assert not world.webhook(world.stripe.events[-1]), "news of a refund made by hand"
    assert waiting(world) == []
    assert world.claim(world.ada, session).status == "expired"
    assert world.open_session(world.ada, quote) != session, "the quote can still be paid"
    with pytest.raises(NotWaitingError):
        dismiss(world, payment)


@pytest.mark.parametrize("named", ["", "pay_x", "refund:x", "x" * 500, "\x00", "é", "' OR 1=1 --"])
def test_nothing_else_can_be_named(world: World, named: str) -> None:
    for decide in (resend, dismiss):
        with pytest.raises(NotWaitingError):
            decide(world, named)


def test_a_reason_is_a_line_of_text(world: World, refunded: str) -> None:
    stick(world)
    for reason in ("a\nb", "x" * 201, "", "  "):
        with pytest.raises(InvalidTextError):
            dismiss(world, refunded, reason)
    dismiss(world, refunded)
