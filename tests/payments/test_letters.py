"""What Stripe is told: each delivered metered run once, each refund once, whatever happens."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
from payments.world import World, priced
from sqlalchemy import text
from stripe_standin.customers import create_customer
from stripe_standin.refunds import dispute, fail_refund, refund
from stripe_standin.sessions import Stripe

from gateway_payments import accounts
from gateway_payments.entitlements import MAX_FAULTS

pytestmark = pytest.mark.slow


@pytest.fixture
def world(tmp_path: Path, stripe: Stripe) -> Iterator[World]:
    """Checkout, credits and the meter; Ada is linked."""
    world = World.at(tmp_path, stripe, "stripe_checkout", "credits", "metered")
    customer = create_customer(stripe, {"metadata": {}})["id"]
    with world.database.write() as db:
        accounts.claim_customer(db, world.ada.account_id, customer)
        accounts.link(db, world.ada.account_id, customer, world.now)
    yield world
    assert world.audit() == []
    world.database.close()


def run(world: World, sha: str = "a" * 64) -> str:
    """A run that the meter pays, without asking."""
    admission = world.admit(world.ada, priced(sha))
    assert admission
    assert admission.offer == "metered"
    return admission.run_id


def counted(world: World) -> list[str]:
    return [event["identifier"] for event in world.stripe.meter_events]


def letters(world: World) -> list[str]:
    with world.database.read() as db:
        return list(db.execute(text("SELECT state FROM outbox ORDER BY id")).scalars())


def stuck(world: World) -> str:
    """Why a letter is stuck; then it is dealt with, as an operator would."""
    assert [line.partition(":")[0] for line in world.audit()] == [
        "no letter to the outside waits for an operator"
    ]
    with world.database.write() as db:
        reason = db.execute(text("SELECT reason FROM outbox WHERE state = 'stuck'")).scalar_one()
        db.execute(text("UPDATE outbox SET state = 'sent' WHERE state = 'stuck'"))
    return str(reason)


def send(world: World) -> int:
    return world.payments.send_letters(world.now)


def test_a_delivered_run_is_counted_once(world: World) -> None:
    done = run(world)
    assert send(world) == 0, "counted before it was delivered"
    delivered_at = world.now.timestamp()
    world.capture(done)
    world.later(minutes=1)
    assert send(world) == 1
    assert send(world) == 0
    (event,) = world.stripe.meter_events
    assert event["identifier"] == done
    assert event["timestamp"] == delivered_at
    assert event["event_name"] == "fmu_gateway_runs"
    assert event["payload"]["value"] == "1"
    assert event["payload"]["stripe_customer_id"] in world.stripe.customers


def test_a_dearer_run_is_counted_as_often_as_it_costs(world: World) -> None:
    world.restart(million_units_price_minor=1000)
    admission = world.admit(world.ada, priced(work_units=2_500))
    assert admission
    world.capture(admission.run_id)
    send(world)
    assert world.stripe.meter_events[0]["payload"]["value"] == "4"


def test_runs_that_failed_are_not_counted(world: World) -> None:
    world.release(run(world))
    world.release(run(world), models_fault=True)
    assert send(world) == 0
    assert counted(world) == []


def test_a_model_that_keeps_failing_is_counted_once(world: World) -> None:
    for _ in range(MAX_FAULTS):
        last = run(world)
        world.release(last, models_fault=True)
    send(world)
    assert counted(world) == [last]


def test_a_crash_between_the_delivery_and_its_letter_loses_nothing(world: World) -> None:
    done = run(world)
    world.capture(done)
    world.restart()
    assert send(world) == 1
    assert counted(world) == [done]


def test_a_sender_that_dies_after_stripe_has_heard_counts_once(world: World) -> None:
    done = run(world)
    world.capture(done)
    send(world)
    with world.database.write() as db:
        db.execute(text("UPDATE outbox SET state = 'waiting', sent_at = NULL"))
    assert send(world) == 0, "another took the letter while its lease was running"
    world.later(minutes=3)
    assert send(world) == 1
    assert counted(world) == [done]


def test_an_answer_that_is_lost_counts_once(world: World) -> None:
    done = run(world)
    world.capture(done)
    world.stripe.faults.extend(["lost", "lost", "lost"])  # the SDK tries three times
    assert send(world) == 0
    world.stripe.answers.clear()  # Stripe has forgotten the idempotency key, not the event
    world.later(minutes=1)
    assert send(world) == 1
    assert counted(world) == [done]


def test_senders_at_once_count_once(world: World) -> None:
    done = {run(world, sha * 64) for sha in "abcd"}
    for run_id in done:
        world.capture(run_id)
    with ThreadPoolExecutor(4) as senders:
        assert sum(senders.map(lambda _: send(world), range(4))) == 4
    assert set(counted(world)) == done
    assert len(counted(world)) == 4


def test_while_stripe_is_down_letters_wait_ever_longer(world: World) -> None:
    world.capture(run(world))
    for _ in range(20):  # minutes
        world.stripe.faults.extend(["error"] * 3)
        send(world)
        world.stripe.faults.clear()
        world.later(minutes=1)
    with world.database.read() as db:
        assert db.execute(text("SELECT attempts FROM outbox")).scalar_one() < 10
    world.later(minutes=20)
    assert send(world) == 1


def test_a_letter_first_tried_a_day_ago_is_for_an_operator(world: World) -> None:
    world.capture(run(world))
    world.stripe.faults.extend(["lost"] * 3)
    send(world)
    world.later(hours=24)
    assert send(world) == 0
    assert "a day ago" in stuck(world)
    assert len(counted(world)) == 1


def test_a_run_of_last_month_that_was_never_told_is_for_an_operator(world: World) -> None:
    world.capture(run(world))
    world.later(days=35)
    assert send(world) == 0
    assert "35 days" in stuck(world)
    assert counted(world) == []


def test_a_run_of_last_week_that_was_never_told_is_counted(world: World) -> None:
    world.capture(run(world))
    world.later(days=34)
    assert send(world) == 1


def test_a_run_delivered_after_its_account_was_unlinked_is_for_an_operator(world: World) -> None:
    done = run(world)
    with world.database.write() as db:
        accounts.unlink(db, world.ada.account_id)
    world.capture(done)
    assert send(world) == 0
    assert "no customer" in stuck(world)


def test_what_stripe_refuses_is_for_an_operator_and_holds_up_nobody(world: World) -> None:
    first, second = run(world, "a" * 64), run(world, "b" * 64)
    world.capture(first)
    world.later(seconds=1)
    world.capture(second)
    world.stripe.faults.append("refused")
    assert send(world) == 1
    assert counted(world) == [second]
    assert stuck(world) == "Refused"


def test_a_wrong_key_is_mended_by_the_operator_and_nothing_is_lost(world: World) -> None:
    done = run(world)
    world.capture(done)
    stripe = world.settings.stripe
    assert stripe
    world.restart(stripe=replace(stripe, secret_key="wrong"))  # noqa: S106
    assert send(world) == 0
    world.restart(stripe=stripe)
    world.later(minutes=1)
    assert send(world) == 1
    assert counted(world) == [done]


def undelivered(world: World, amount: int | None = None) -> str:
    """A quote of Ada's that was paid by card, whose run failed through our fault."""
    quote = world.quote(world.ada)
    session = world.open_session(world.ada, quote)
    world.webhook(world.stripe.complete(session))
    if amount is not None:
        intent = world.stripe.sessions[session]["payment_intent"]
        refund(world.stripe, {"payment_intent": intent, "amount": amount})
        world.webhook(world.stripe.events[-2])
    world.release(world.start(world.ada, quote=quote.id))
    return quote.id


def test_a_refund_is_asked_for_once_and_booked_once(world: World) -> None:
    quote_id = undelivered(world)
    world.payments.refund(world.ada.account_id, quote_id, world.now)
    assert send(world) == 1
    assert send(world) == 0
    (made,) = world.stripe.refunds.values()
    assert made["amount"] == 100
    for event in (*world.stripe.events, *world.stripe.events):
        world.webhook(event)
    assert letters(world) == ["sent"]


def test_a_refund_whose_answer_was_lost_is_found_after_days(world: World) -> None:
    quote_id = undelivered(world)
    world.payments.refund(world.ada.account_id, quote_id, world.now)
    world.stripe.faults.extend(["", "lost", "lost", "lost"])  # the first one finds the charge
    assert send(world) == 0
    world.stripe.answers.clear()
    world.later(days=3)
    assert send(world) == 1
    assert len(world.stripe.refunds) == 1


def test_what_was_refunded_in_part_is_refunded_the_rest(world: World) -> None:
    quote_id = undelivered(world, 30)
    world.payments.refund(world.ada.account_id, quote_id, world.now)
    assert world.audit() == []
    assert send(world) == 1
    assert [made["amount"] for made in world.stripe.refunds.values()] == [30, 70]
    for event in world.stripe.events:
        world.webhook(event)


def test_what_a_person_refunded_meanwhile_on_stripes_pages_is_not_refunded_again(
    world: World,
) -> None:
    quote_id = undelivered(world)
    world.payments.refund(world.ada.account_id, quote_id, world.now)
    (session,) = world.stripe.sessions.values()
    refund(world.stripe, {"payment_intent": session["payment_intent"]})
    assert send(world) == 1
    assert len(world.stripe.refunds) == 1
    for event in world.stripe.events:
        world.webhook(event)


def test_a_refund_of_what_is_disputed_is_for_an_operator(world: World) -> None:
    quote_id = undelivered(world)
    world.payments.refund(world.ada.account_id, quote_id, world.now)
    (session_id,) = world.stripe.sessions
    for event in dispute(world.stripe, session_id):
        world.webhook(event)
    assert send(world) == 0
    assert "charged back" in stuck(world)


def test_a_refund_of_ours_that_comes_back_is_for_an_operator(world: World) -> None:
    quote_id = undelivered(world)
    world.payments.refund(world.ada.account_id, quote_id, world.now)
    send(world)
    (made,) = world.stripe.refunds.values()
    for event in (*world.stripe.events, *fail_refund(world.stripe, made["id"])):
        world.webhook(event)
    assert "expired_or_canceled_card" in stuck(world)
