"""Eight processes of ten threads want the same money: each thing is won once, the books balance."""

from __future__ import annotations

import json
import multiprocessing
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import pytest
from adversary.crowd import LONGEST_S, ROUNDS, Scene, Tally, process
from payments.world import WEBHOOK_SECRET, World, priced
from postgres import fresh_database
from sqlalchemy import text
from stripe_standin.customers import create_customer
from stripe_standin.refunds import close_dispute, dispute
from stripe_standin.server import running, signed
from stripe_standin.sessions import Stripe

from gateway_payments import accounts
from gateway_payments.accounts import Caller
from gateway_payments.budgets import Budget
from gateway_payments.money import Money
from gateway_storage.database import Database

PROCESSES = 8
PRICE = 1_000_000
FREE = 7
LIMIT = 50
MANY = PROCESSES * ROUNDS  # each of so many things is wanted by ten threads


@pytest.fixture
def stripe() -> Iterator[Stripe]:
    with running() as standin:
        yield standin


@pytest.fixture(params=["sqlite", "postgres"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/gateway.sqlite3"
    return fresh_database(request.getfixturevalue("postgres_url"))


@pytest.mark.adversary
def test_a_crowd_wins_each_thing_once_and_the_books_balance(url: str, stripe: Stripe) -> None:
    world = World.on(Database(url), stripe, "credits", "metered", "stripe_checkout")
    world.now = datetime.now(UTC)
    scene = _scene(world, url)
    tally = _crowd(scene)
    print(json.dumps({"done": tally.done, "refused": tally.refused}, indent=1))  # noqa: T201
    assert tally.leaked == {}
    assert world.audit() == []
    won = tally.won
    assert _of(won, "token") == Counter({f"token {n}": 1 for n in range(MANY)})
    assert _of(won, "settled") == Counter({f"settled {run}": 1 for run in scene.running})
    assert _of(won, "event") == Counter({name: 1 for name, _, _ in scene.webhooks})
    assert set(_of(won, "quote").values()) == {1}
    assert set(_of(won, "refund").values()) == {1}
    assert (won["free"], won["limited"]) == (FREE, LIMIT)
    assert world.spent(scene.limited)["day"] == LIMIT * PRICE
    _letters_arrive_once(world, tally)
    assert world.audit() == []
    assert _credited_for_packs(world) == MANY // 4
    world.database.close()


def _crowd(scene: Scene) -> Tally:
    total = Tally()
    fork = multiprocessing.get_context("forkserver")
    fork.set_forkserver_preload(["adversary.crowd", "stripe"])  # imported once, not by each
    with ProcessPoolExecutor(PROCESSES, mp_context=fork) as processes:
        for tally in [processes.submit(process, scene, n) for n in range(PROCESSES)]:
            total += tally.result(LONGEST_S)
    return total


def _of(won: Counter[str], kind: str) -> Counter[str]:
    return Counter({name: n for name, n in won.items() if name.startswith(f"{kind} ")})


def _letters_arrive_once(world: World, tally: Tally) -> None:
    """No call was made twice, as long as no lease had ended; what failed arrives later."""
    for path, arrived in (
        ("billing/meter_events", world.stripe.meter_events),
        ("refunds", world.stripe.refunds),
    ):
        assert world.stripe.calls[f"POST /v1/{path}"] == len(arrived) > 0
    assert tally.won["letters"] == len(world.stripe.meter_events) + len(world.stripe.refunds)
    while world.payments.send_letters(world.now):
        pass
    counted = Counter(event["identifier"] for event in world.stripe.meter_events)
    with world.database.read() as db:
        charged = text(
            "SELECT run_id FROM usage WHERE offer = 'metered'"
            " AND outcome IN ('delivered', 'exhausted')"
        )
        assert counted == Counter(db.execute(charged).scalars())


def _credited_for_packs(world: World) -> int:
    with world.database.read() as db:
        pay = "SELECT COUNT(*) FROM transfers WHERE id LIKE 'pay:%' AND credit_id LIKE 'credits:%'"
        return int(db.execute(text(pay)).scalar_one())


def _scene(world: World, url: str) -> Scene:
    rich = world.ada
    world.grant(rich, Money(10**12, "usd"))
    tokens = tuple(_token(world, rich, n) for n in range(MANY))
    reserved = tuple(world.start(rich, token=_token(world, rich, MANY + n)) for n in range(MANY))
    auto, linked, limited, idle = (world.caller() for _ in range(4))
    for caller in (auto, limited):
        world.grant(caller, Money(10**12, "usd"))
        world.auto_pay(caller, "credits")
    world.limit(auto, Budget("usd", per_day_micros=10**12))  # counted, and given back
    _link(world, linked)
    world.limit(limited, Budget("usd", per_day_micros=LIMIT * PRICE))
    webhooks = tuple(_webhooks(world))
    cards = tuple(_paid_by_card(world) for _ in range(MANY))
    disputes = tuple(_disputes(world, [session for *_, session in cards[::2]]))
    world.restart(free_runs_per_day=FREE)
    return Scene(
        url=url,
        settings=world.settings,
        now=world.now,
        rich=rich,
        auto=auto,
        linked=linked,
        limited=limited,
        idle=idle,
        tokens=tokens,
        running=reserved,
        webhooks=webhooks,
        cards=tuple((caller, quote_id) for caller, quote_id, _ in cards),
        disputes=disputes,
    )


def _token(world: World, caller: Caller, number: int) -> str:
    quote = world.quote(caller, priced(f"{10_000 + number:064d}"))
    bearer = world.pay(caller, quote, "credits").payment_token
    assert bearer
    return bearer


def _link(world: World, caller: Caller) -> None:
    customer = create_customer(world.stripe, {"metadata": {}})["id"]
    with world.database.write() as db:
        accounts.claim_customer(db, caller.account_id, customer)
        accounts.link(db, caller.account_id, customer, world.now)


def _webhooks(world: World) -> Iterator[tuple[str, bytes, str]]:
    """Of each session two events with the same meaning: half of them buy runs, half credits."""
    for number in range(MANY // 2):
        caller = world.caller()
        if number % 2:
            session_id = world.open_session(caller, world.quote(caller))
        else:
            session_id = world.payments.buy_credits(caller, 500, world.now).session_id or ""
        event = world.stripe.complete(session_id)
        for copy in ("a", "b"):
            named = {**event, "id": f"{event['id']}{copy}"}
            body, signature = signed(named, WEBHOOK_SECRET, world.now.timestamp())
            yield f"event {named['id']}", body, signature


def _paid_by_card(world: World) -> tuple[Caller, str, str]:
    caller = world.caller()
    quote = world.quote(caller)
    session_id = world.open_session(caller, quote)
    world.webhook(world.stripe.complete(session_id))
    return caller, quote.id, session_id


def _disputes(world: World, sessions: list[str]) -> Iterator[tuple[bytes, str]]:
    for session_id in sessions:
        before = len(world.stripe.events)
        dispute(world.stripe, session_id, None, "needs_response")
        close_dispute(world.stripe, list(world.stripe.disputes)[-1], "won")
        for event in world.stripe.events[before:]:
            yield signed(event, WEBHOOK_SECRET, world.now.timestamp())
