"""What people do at Stripe's pages, the operator at Stripe, and the news of it."""

from __future__ import annotations

from contextlib import suppress

from hypothesis import strategies as st
from hypothesis.stateful import (
    rule,
)
from payments.life.model import (
    TROUBLE,
    WHICH,
    pick,
)
from payments.life.process import Process
from sqlalchemy import text
from stripe_standin import customers, refunds
from stripe_standin.sessions import RefusedError


class AtStripe(Process):
    """Pages, money that goes back, webhooks."""

    @rule(which=WHICH, what=st.sampled_from(["pays", "pays slowly", "succeeds", "fails", "ends"]))
    def at_a_page(self, which: int, what: str) -> None:
        match what:
            case "pays" | "pays slowly":
                self.customer_pays(which, slow=what == "pays slowly")
            case "succeeds" | "fails":
                self.slow_method_ends(which, succeeded=what == "succeeds")
            case _:
                self.page_expires(which)

    @rule(
        which=WHICH,
        what=st.sampled_from(["refund", "fail", "dispute", "won", "lost"]),
        amount=st.sampled_from([30, 60, 100, 500]),
    )
    def goes_back(self, which: int, what: str, amount: int) -> None:
        match what:
            case "refund":
                self.refund_at_stripe(which, amount)
            case "fail":
                self.refund_fails(which)
            case "dispute":
                self.dispute(which, None if amount > 30 else amount)
            case outcome:
                self.dispute_ends(which, outcome)

    def customer_pays(self, which: int, *, slow: bool) -> None:
        known = self._known_pages()
        if known:
            self._complete(pick(known, which)[0], slow=slow)

    def slow_method_ends(self, which: int, *, succeeded: bool) -> None:
        waiting = [
            s["id"]
            for s in self.stripe.sessions.values()
            if (s["mode"], s["status"], s["payment_status"]) == ("payment", "complete", "unpaid")
            and s["id"] not in self._failed()
        ]
        if waiting:
            self.stripe.finish(pick(waiting, which), succeeded=succeeded)

    def page_expires(self, which: int) -> None:
        open_ = [s["id"] for s in self.stripe.sessions.values() if s["status"] == "open"]
        with suppress(RefusedError):
            if open_:
                self.stripe.expire(pick(open_, which))

    def refund_at_stripe(self, which: int, amount: int) -> None:
        if self.stripe.charges:
            charge = pick(list(self.stripe.charges.values()), which)
            asked = {"payment_intent": charge["payment_intent"], "amount": amount}
            with suppress(RefusedError):
                refunds.refund(self.stripe, asked)

    def refund_fails(self, which: int) -> None:
        made = [r["id"] for r in self.stripe.refunds.values() if r["status"] == "succeeded"]
        if made:
            refunds.fail_refund(self.stripe, pick(made, which))

    def dispute(self, which: int, amount: int | None) -> None:
        charged = {c["payment_intent"] for c in self.stripe.charges.values() if not c["disputed"]}
        paid = [s["id"] for s in self.stripe.sessions.values() if s["payment_intent"] in charged]
        if paid:
            refunds.dispute(self.stripe, pick(paid, which), amount)

    def dispute_ends(self, which: int, outcome: str) -> None:
        open_ = [d["id"] for d in self.stripe.disputes.values() if d["status"] == "needs_response"]
        if open_:
            refunds.close_dispute(self.stripe, pick(open_, which), outcome)

    @rule(which=WHICH)
    def unsubscribe(self, which: int) -> None:
        made = [s["id"] for s in self.stripe.sessions.values() if s["subscription"]]
        if made:
            customers.end_subscription(self.stripe, pick(made, which))

    @rule(which=st.integers(0, 40), copies=st.integers(1, 2), trouble=TROUBLE)
    def webhook(self, which: int, copies: int, trouble: list[str]) -> None:
        if self.stripe.events:
            for _ in range(copies):
                self._hear(pick(self.stripe.events, which), trouble)

    @rule(most=st.integers(1, 6), trouble=TROUBLE)
    def news_in_order(self, most: int, trouble: list[str]) -> None:
        unheard = [e for e in self.stripe.events if e["id"] not in self.heard | self.lost]
        for event in unheard[:most]:
            self._hear(event, trouble)

    @rule(which=WHICH)
    def news_is_lost(self, which: int) -> None:
        """For ever; only what has to be found out by asking."""
        pages = {page for page, _ in self._known_pages()}
        unheard = [
            e["id"]
            for e in self.stripe.events
            if e["id"] not in self.heard and e["data"]["object"]["id"] in pages
        ]
        if unheard:
            self.lost.add(pick(unheard, which))

    def _complete(self, session_id: str, *, slow: bool) -> None:
        with suppress(RefusedError):
            self.stripe.complete(session_id, payment_status="unpaid" if slow else "paid")

    def _known_pages(self) -> list[tuple[str, str]]:
        """Checkout pages that we know of, with whose they are."""
        with self.world.database.read() as db:
            return [
                (row[0], row[1])
                for row in db.execute(
                    text(
                        "SELECT external_id, account_id FROM payments WHERE external_id IS NOT NULL"
                        " AND provider = 'stripe_checkout' ORDER BY rowid"
                    )
                )
            ]

    def _failed(self) -> set[str]:
        ended = ("checkout.session.async_payment_failed",)
        return {e["data"]["object"]["id"] for e in self.stripe.events if e["type"] in ended}
