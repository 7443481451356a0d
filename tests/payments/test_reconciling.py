"""The reconciler makes up for lost webhooks and crashes, a little each time."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from payments.world import World, priced
from sqlalchemy import text


def states(world: World) -> list[str]:
    with world.database.read() as db:
        return list(db.execute(text("SELECT state FROM payments ORDER BY created_at")).scalars())


def pages(world: World, number: int) -> list[str]:
    quotes = [world.quote(world.ada, priced(f"{i:064}")) for i in range(number)]
    return [world.open_session(world.ada, quote) for quote in quotes]


def test_a_payment_whose_webhook_was_lost_is_found(world: World) -> None:
    (session,) = pages(world, 1)
    world.stripe.complete(session)
    assert world.payments.reconcile(world.now).paid == 0, "a webhook takes its time"
    world.later(minutes=5)
    assert world.payments.reconcile(world.now).paid == 1
    assert states(world) == ["paid"]
    asked = world.stripe.calls["GET get"]
    world.later(hours=9)
    assert world.payments.reconcile(world.now).paid == 0
    assert world.stripe.calls["GET get"] == asked, "what is certain is asked no more"


def test_an_open_page_is_asked_about_ever_more_seldom_and_when_it_ends(world: World) -> None:
    pages(world, 1)
    asked = []
    for minute in range(65):
        before = world.stripe.calls["GET get"]
        world.payments.reconcile(world.now)
        if world.stripe.calls["GET get"] > before:
            asked.append(minute)
        world.later(minutes=1)
    assert asked == [5, 10, 20, 40, 61]
    assert states(world) == ["expired"]


def test_a_slow_method_is_waited_for(world: World) -> None:
    (session,) = pages(world, 1)
    world.webhook(world.stripe.complete(session, payment_status="unpaid"))
    for _ in range(10):
        world.later(hours=6)
        world.payments.reconcile(world.now)
    assert states(world) == ["processing"]
    assert world.stripe.calls["GET get"] <= 10
    world.stripe.finish(session, succeeded=True)
    world.later(hours=6)
    assert world.payments.reconcile(world.now).paid == 1


def test_each_round_asks_a_bounded_number_and_not_the_same_again(world: World) -> None:
    for session in pages(world, 25):
        world.stripe.complete(session)
    world.later(minutes=6)
    assert [world.payments.reconcile(world.now).paid for _ in range(3)] == [20, 5, 0]
    assert world.stripe.calls["GET get"] == 25


def test_of_many_processes_one_asks(world: World) -> None:
    for session in pages(world, 4):
        world.stripe.complete(session)
    world.later(minutes=6)
    with ThreadPoolExecutor(4) as processes:
        rounds = processes.map(lambda _: world.payments.reconcile(world.now).paid, range(4))
        assert sum(rounds) == 4
    assert world.stripe.calls["GET get"] == 4


def test_a_page_that_stripe_does_not_know_holds_up_no_other(world: World) -> None:
    first, second = pages(world, 2)
    del world.stripe.sessions[first]
    world.stripe.complete(second)
    world.later(minutes=6)
    assert world.payments.reconcile(world.now).paid == 1


def test_while_stripe_is_down_the_next_round_goes_on(world: World) -> None:
    for session in pages(world, 2):
        world.stripe.complete(session)
    world.later(minutes=6)
    world.stripe.faults.extend(["error"] * 3)
    assert world.payments.reconcile(world.now).paid == 0
    world.later(minutes=10)
    assert world.payments.reconcile(world.now).paid == 2


def test_what_was_begun_and_never_got_a_page_expires(world: World) -> None:
    pages(world, 1)
    with world.database.write() as db:
        db.execute(text("UPDATE payments SET state = 'begun', external_id = NULL"))
    world.payments.reconcile(world.now)
    assert states(world) == ["begun"]
    world.later(minutes=61)
    world.payments.reconcile(world.now)
    assert states(world) == ["expired"]


def test_without_stripe_there_is_nothing_to_ask(world: World) -> None:
    pages(world, 1)
    world.restart(offers=("credits",), stripe=None)
    world.later(hours=2)
    done = world.payments.reconcile(world.now)
    assert (done.paid, done.sent, done.refunded) == (0, 0, 0)
