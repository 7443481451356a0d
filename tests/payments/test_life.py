"""The whole life of payments, in any order, against a simple model: counts, not states.

After every step the books balance and nothing was bought that Stripe or the credits did not pay
for; at the end, whatever was paid has bought exactly one run, delivered, owed or used up.
"""

from __future__ import annotations

import contextlib
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, rule
from payments.world import WEBHOOK_SECRET, World, priced
from stripe_standin.server import running, signed
from stripe_standin.sessions import RefusedError

from gateway_payments.accounts import Caller
from gateway_payments.entitlements import MAX_FAULTS
from gateway_payments.exceptions import (
    InsufficientCreditsError,
    PaymentTokenExpiredError,
    PaymentTokenInvalidError,
    PaymentTokenSpentError,
    QuoteExpiredError,
    RequestExhaustedError,
)
from gateway_payments.ledger import Role, balance
from gateway_payments.quotes import Quote

PRICE = 1_000_000
SHAS = ["a" * 64, "b" * 64]
REFUSALS = (
    PaymentTokenExpiredError,
    PaymentTokenSpentError,
    QuoteExpiredError,
    RequestExhaustedError,
)


@dataclass
class Account:
    """What the model remembers of a customer."""

    caller: Caller
    granted: int = 0
    pages: set[str] = field(default_factory=set)  # Checkout sessions
    heard: set[str] = field(default_factory=set)  # of these, known to our side to be paid
    from_credits: set[str] = field(default_factory=set)  # quotes paid out of credits
    running: dict[str, str] = field(default_factory=dict)
    delivered: int = 0
    exhausted: int = 0
    faults: dict[str, int] = field(default_factory=dict)


class Life(RuleBasedStateMachine):
    quotes = Bundle("quotes")
    sessions = Bundle("sessions")
    tokens = Bundle("tokens")
    runs = Bundle("runs")

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.standin = running()
        stripe = self.standin.__enter__()
        self.world = World.at(Path(self.folder.name), stripe, "stripe_checkout", "credits")
        self.accounts = [Account(self.world.ada), Account(self.world.eve)]

    @rule(who=st.integers(0, 1))
    def grant(self, who: int) -> None:
        account = self.accounts[who]
        account.granted += 1
        self.world.grant(account.caller, name=f"{account.granted}")

    @rule(target=quotes, who=st.integers(0, 1), sha=st.sampled_from(SHAS))
    def quote(self, who: int, sha: str) -> tuple[int, Quote]:
        return who, self.world.quote(self.accounts[who].caller, priced(sha))

    @rule(target=sessions, quote=quotes)
    def open_page(self, quote: tuple[int, Quote]) -> tuple[int, str] | None:
        status = self._pay(quote, "stripe_checkout")
        if status is None or status.session_id is None:
            return None
        self.accounts[quote[0]].pages.add(status.session_id)
        return quote[0], status.session_id

    @rule(target=tokens, quote=quotes)
    def pay_with_credits(self, quote: tuple[int, Quote]) -> tuple[int, str] | None:
        account = self.accounts[quote[0]]
        before = self.world.credits(account.caller)
        status = self._pay(quote, "credits")
        if before > self.world.credits(account.caller):
            assert quote[1].id not in account.from_credits, "debited twice"
            account.from_credits.add(quote[1].id)
        return (quote[0], status.payment_token) if status and status.payment_token else None

    @rule(session=sessions, slow=st.booleans())
    def customer_pays(self, session: tuple[int, str] | None, *, slow: bool) -> None:
        if session:
            self._happens(lambda: self.world.stripe.complete(
                session[1], payment_status="unpaid" if slow else "paid"
            ))  # fmt: skip

    @rule(session=sessions, succeeded=st.booleans())
    def slow_method_ends(self, session: tuple[int, str] | None, *, succeeded: bool) -> None:
        known = self.world.stripe.sessions.get(session[1]) if session else None
        if session and known and known["status"] == "complete":
            if known["payment_status"] == "unpaid" and not known.get("ended"):
                known["ended"] = True
                self.world.stripe.finish(session[1], succeeded=succeeded)

    @rule(session=sessions)
    def page_expires(self, session: tuple[int, str] | None) -> None:
        if session:
            self._happens(lambda: self.world.stripe.expire(session[1]))

    @rule(which=st.integers(0, 1000), copies=st.integers(1, 2))
    def webhook(self, which: int, copies: int) -> None:
        events = self.world.stripe.events
        if not events:
            return
        event = events[which % len(events)]
        body, signature = signed(event, WEBHOOK_SECRET, self.world.now.timestamp())
        for _ in range(copies):
            self.world.payments.handle_webhook(body, signature, self.world.now)
        for account in self.accounts:
            session = event["data"]["object"]
            if session["payment_status"] == "paid" and session["id"] in account.pages:
                account.heard.add(session["id"])

    @rule(target=tokens, session=sessions, who=st.integers(0, 1))
    def claim(self, session: tuple[int, str] | None, who: int) -> tuple[int, str] | None:
        if session is None:
            return None
        owner, session_id = session
        if who != owner:
            with pytest.raises(Exception, match="no such Checkout session"):
                self.world.claim(self.accounts[who].caller, session_id)
            return None
        is_paid = self._is_paid(session_id)
        if is_paid:
            self.accounts[owner].heard.add(session_id)
        try:
            status = self.world.claim(self.accounts[owner].caller, session_id)
        except REFUSALS:
            assert is_paid
            return None
        assert (status.status == "paid") == is_paid
        return (owner, status.payment_token) if status.payment_token else None

    @rule(target=runs, token=tokens, thief=st.booleans(), sha=st.sampled_from(SHAS))
    def run_by_token(self, token: tuple[int, str] | None, sha: str, *, thief: bool) -> Any:
        if token is None:
            return None
        owner, bearer = token
        if thief:
            with pytest.raises(PaymentTokenInvalidError):
                self.world.admit(self.accounts[1 - owner].caller, priced(sha), token=bearer)
            return None
        return self._admit(owner, sha, token=bearer)

    @rule(target=runs, quote=quotes)
    def run_by_quote(self, quote: tuple[int, Quote]) -> Any:
        return self._admit(quote[0], quote[1].request_sha256, quote=quote[1].id)

    @rule(run=consumes(runs))
    def delivered(self, run: tuple[int, str] | None) -> None:
        if run:
            account = self.accounts[run[0]]
            assert self.world.capture(run[1])
            assert self.world.release(run[1], models_fault=True) is None
            del account.running[run[1]]
            account.delivered += 1

    @rule(run=consumes(runs), models_fault=st.booleans())
    def failed(self, run: tuple[int, str] | None, *, models_fault: bool) -> None:
        if not run:
            return
        account = self.accounts[run[0]]
        sha = account.running.pop(run[1])
        settled = self.world.release(run[1], models_fault=models_fault)
        assert self.world.capture(run[1]) is None
        account.faults[sha] = account.faults.get(sha, 0) + models_fault
        kept = models_fault and account.faults[sha] % MAX_FAULTS == 0
        assert settled
        assert settled.given_back is not kept
        account.exhausted += kept

    @rule(minutes=st.sampled_from([1, 29, 31, 61]))
    def time_passes(self, minutes: int) -> None:
        self.world.later(minutes=minutes)

    @rule()
    def restart(self) -> None:
        self.world.restart()

    @invariant()
    def books_balance(self) -> None:
        assert self.world.audit() == []

    @invariant()
    def nothing_is_lost_or_doubled(self) -> None:
        for account in self.accounts:
            books = self._books(account.caller.account_id)
            used = account.delivered + account.exhausted
            by_card = books["deferred"] + books["revenue"] - len(account.from_credits)
            assert books["revenue"] == used
            assert books["credits"] == account.granted - len(account.from_credits)
            assert len(account.heard) <= by_card <= sum(map(self._is_paid, account.pages))
            assert len(account.running) <= books["deferred"]

    def _books(self, account_id: str) -> dict[str, int]:
        """What each book holds, in runs."""
        with self.world.database.read() as db:
            roles: tuple[Role, ...] = ("credits", "deferred", "revenue")
            return {role: balance(db, account_id, role, "usd") // PRICE for role in roles}

    def _is_paid(self, session_id: str) -> bool:
        return bool(self.world.stripe.sessions[session_id]["payment_status"] == "paid")

    def teardown(self) -> None:
        """In the end every page is claimed, and everything paid has bought one run."""
        for account in self.accounts:
            for page in account.pages:
                with contextlib.suppress(*REFUSALS):
                    self.world.claim(account.caller, page)
            account.heard |= set(filter(self._is_paid, account.pages))
        self.nothing_is_lost_or_doubled()
        self.books_balance()
        self.world.database.close()
        self.standin.__exit__(None, None, None)
        self.folder.cleanup()

    def _pay(self, quote: tuple[int, Quote], offer: str) -> Any:
        try:
            return self.world.pay(self.accounts[quote[0]].caller, quote[1], offer)
        except (*REFUSALS, InsufficientCreditsError):
            return None

    def _admit(self, owner: int, sha: str, **with_what: str) -> tuple[int, str] | None:
        account = self.accounts[owner]
        try:
            admission = self.world.admit(account.caller, priced(sha), **with_what)
        except REFUSALS:
            return None
        if admission is None:
            return None
        account.running[admission.run_id] = sha
        return owner, admission.run_id

    def _happens(self, what: Any) -> None:
        try:
            what()
        except RefusedError:  # the page was not open any more
            return


Life.TestCase.settings = settings(
    max_examples=20,
    stateful_step_count=25,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
TestLife = Life.TestCase
