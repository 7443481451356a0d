"""Whatever goes back and comes again, told in any order and number: the books say what is true."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from payments.world import World
from stripe_standin.refunds import close_dispute, dispute, fail_refund, refund
from stripe_standin.server import running
from stripe_standin.sessions import RefusedError, Stripe

from gateway_payments.exceptions import PaymentError
from gateway_payments.ledger import Role, balance

pytestmark = pytest.mark.slow

PAID = 500  # cents
STEPS = ("refund", "refund", "fail_refund", "dispute", "close", "run", "end")


@pytest.fixture(scope="module")
def standin() -> Iterator[Stripe]:
    with running() as stripe:
        yield stripe


class Life:
    """One payment of Ada's, for a run or for credits, and all that happens to it."""

    def __init__(self, world: World, data: st.DataObject, *, pack: bool) -> None:
        self.world, self.data, self.pack = world, data, pack
        world.stripe.events.clear()
        self.runs: list[str] = []
        self.quote_id: str | None = None
        if pack:
            session_id = world.payments.buy_credits(world.ada, PAID, world.now).session_id
        else:
            quote = world.quote(world.ada)
            self.quote_id = quote.id
            session_id = world.open_session(world.ada, quote)
        assert session_id
        self.session_id = session_id
        world.webhook(world.stripe.complete(session_id))

    def step(self, what: str) -> None:
        getattr(self, what)()

    @property
    def intent(self) -> str:
        return str(self.world.stripe.sessions[self.session_id]["payment_intent"])

    def refunds(self) -> list[dict[str, Any]]:
        """Those that are with the payer."""
        made = self.world.stripe.refunds.values()
        return [r for r in made if (r["payment_intent"], r["status"]) == (self.intent, "succeeded")]

    def disputes(self) -> list[dict[str, Any]]:
        known = self.world.stripe.disputes.values()
        return [opened for opened in known if opened["payment_intent"] == self.intent]

    def refund(self) -> None:
        amount = self.data.draw(st.sampled_from((100, 200, 500)))
        with contextlib.suppress(RefusedError):  # more than is left, or disputed
            refund(self.world.stripe, {"payment_intent": self.intent, "amount": amount})

    def fail_refund(self) -> None:
        if self.refunds():
            fail_refund(self.world.stripe, self.data.draw(st.sampled_from(self.refunds()))["id"])

    def dispute(self) -> None:
        if not self.disputes():
            dispute(
                self.world.stripe, self.session_id, self.data.draw(st.sampled_from((None, 300)))
            )

    def close(self) -> None:
        for opened in self.disputes():
            if opened["status"] == "needs_response":
                outcome = self.data.draw(st.sampled_from(("won", "lost")))
                close_dispute(self.world.stripe, opened["id"], outcome)

    def run(self) -> None:
        """Use what was bought, where that is still possible."""
        world = self.world
        if self.quote_id is not None:
            with contextlib.suppress(PaymentError):
                self.runs.append(world.start(world.ada, quote=self.quote_id))
        elif world.credits(world.ada) >= PAID * 10_000:
            quote = world.quote(world.ada)
            world.pay(world.ada, quote, "credits")

    def end(self) -> None:
        if self.runs:
            run_id = self.runs.pop()
            if self.data.draw(st.booleans()):
                self.world.capture(run_id)
            else:
                self.world.release(run_id)

    def hear(self, events: list[dict[str, Any]]) -> None:
        for event in events:
            self.world.webhook(event)
            assert self.world.audit() == []

    def gone(self) -> int:
        """What is with the payer, in cents, as Stripe has it."""
        back = [int(made["amount"]) for made in self.refunds()]
        back += [int(d["amount"]) for d in self.disputes() if d["status"] != "won"]
        return min(PAID, sum(back))


@settings(max_examples=40, deadline=None)
@given(data=st.data(), pack=st.booleans())
def test_in_the_end_the_books_say_what_stripe_says(
    standin: Stripe, data: st.DataObject, *, pack: bool
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        world = World.at(Path(folder), standin, "stripe_checkout", "credits")
        world.restart(price_minor=PAID, packs_minor=(PAID,))
        life = Life(world, data, pack=pack)
        for what in data.draw(st.lists(st.sampled_from(STEPS), min_size=2, max_size=12)):
            life.step(what)
            if data.draw(st.booleans()):
                life.hear([data.draw(st.sampled_from(world.stripe.events))])
        everything: list[dict[str, Any]] = data.draw(st.permutations(world.stripe.events))
        life.hear(everything)
        with world.database.read() as db:
            held = {
                role: balance(db, world.ada.account_id, role, "usd") // 10_000 for role in _ROLES
            }
        assert held["stripe"] == life.gone() - PAID
        assert held["refunded"] <= 0, "more was taken from the payer than went back"
        unspent = held["credits"] + held["deferred"]
        assert held["revenue"] + unspent - life.gone() <= PAID
        world.database.close()


_ROLES: tuple[Role, ...] = ("stripe", "credits", "deferred", "revenue", "refunded")


def test_news_at_once_of_a_payment_whose_run_ends_are_booked_once(
    tmp_path: Path, standin: Stripe
) -> None:
    world = World.at(tmp_path, standin, "stripe_checkout", "credits")
    for number in range(5):
        standin.events.clear()
        caller = world.caller()
        quote = world.quote(caller)
        session_id = world.open_session(caller, quote)
        world.webhook(standin.complete(session_id))
        run = world.start(caller, quote=quote.id)
        intent = standin.sessions[session_id]["payment_intent"]
        refund(standin, {"payment_intent": intent, "amount": 60})
        refund(standin, {"payment_intent": intent})
        events = [{**e, "id": f"{e['id']}_{i}"} for e in standin.events for i in range(3)]
        with ThreadPoolExecutor(8) as at_once:
            heard = [at_once.submit(world.webhook, event) for event in events]
            ended = at_once.submit(world.release if number % 2 else world.capture, run)
        assert ended.result()
        assert [call.exception() for call in heard] == [None] * len(heard)
        assert world.audit() == []
    world.database.close()
