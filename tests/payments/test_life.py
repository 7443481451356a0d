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
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    initialize,
    invariant,
    multiple,
    precondition,
    rule,
)
from payments.world import WEBHOOK_SECRET, World, priced
from stripe_standin.server import running, signed
from stripe_standin.sessions import RefusedError

from gateway_payments.accounts import Caller
from gateway_payments.entitlements import MAX_FAULTS
from gateway_payments.exceptions import (
    InsufficientCreditsError,
    PaymentInUseError,
    PaymentTokenExpiredError,
    PaymentTokenInvalidError,
    PaymentTokenSpentError,
    QuoteExpiredError,
    RequestExhaustedError,
    UnknownSessionError,
)
from gateway_payments.ledger import Role, balance
from gateway_payments.money import Money
from gateway_payments.quotes import Quote
from gateway_payments.requirement import PaymentStatus

PRICE = 1_000_000
WHO = st.integers(0, 1)
SHAS = ["a" * 64, "b" * 64]
REFUSALS = (
    PaymentInUseError,
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
    pages = Bundle("pages")
    tokens = Bundle("tokens")
    runs = Bundle("runs")

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.standin = running()
        stripe = self.standin.__enter__()
        self.world = World.at(Path(self.folder.name), stripe, "stripe_checkout", "credits")
        self.accounts = [Account(self.world.ada), Account(self.world.eve)]
        self.ended: set[str] = set()

    @initialize(target=quotes)
    def begin(self) -> Any:  # noqa: ANN401  Hypothesis' own
        for who in (0, 1):
            self.grant(who)
        return multiple(*(self.quote(who, sha) for who in (0, 1) for sha in SHAS))

    @rule(who=WHO)
    def grant(self, who: int) -> None:
        account = self.accounts[who]
        account.granted += 2
        self.world.grant(account.caller, Money(2 * PRICE, "usd"), f"{account.granted}")

    @rule(target=quotes, who=WHO, sha=st.sampled_from(SHAS))
    def quote(self, who: int, sha: str) -> tuple[int, Quote]:
        return who, self.world.quote(self.accounts[who].caller, priced(sha))

    @rule(target=pages, quote=quotes)
    def open_page(self, quote: tuple[int, Quote]) -> Any:  # noqa: ANN401
        status = self._pay(quote, "stripe_checkout")
        if status is None or status.session_id is None:
            return multiple()
        self.accounts[quote[0]].pages.add(status.session_id)
        return quote[0], status.session_id

    @rule(target=pages, quote=quotes, slow=st.booleans())
    def buy_by_card(self, quote: tuple[int, Quote], *, slow: bool) -> Any:  # noqa: ANN401
        page = self.open_page(quote)
        if isinstance(page, tuple):
            self.customer_pays(page, slow=slow)
        return page

    @rule(target=tokens, quote=quotes)
    def pay_with_credits(self, quote: tuple[int, Quote]) -> Any:  # noqa: ANN401
        account = self.accounts[quote[0]]
        before = self.world.credits(account.caller)
        status = self._pay(quote, "credits")
        if before > self.world.credits(account.caller):
            assert quote[1].id not in account.from_credits, "debited twice"
            account.from_credits.add(quote[1].id)
        return (quote[0], status.payment_token) if status and status.payment_token else multiple()

    @rule(page=pages, slow=st.booleans())
    def customer_pays(self, page: tuple[int, str], *, slow: bool) -> None:
        with contextlib.suppress(RefusedError):  # the page may be open no more
            self.world.stripe.complete(page[1], payment_status="unpaid" if slow else "paid")

    @rule(page=pages, succeeded=st.booleans())
    def slow_method_ends(self, page: tuple[int, str], *, succeeded: bool) -> None:
        session = self.world.stripe.sessions[page[1]]
        waits = (session["status"], session["payment_status"]) == ("complete", "unpaid")
        if waits and page[1] not in self.ended:
            self.ended.add(page[1])
            self.world.stripe.finish(page[1], succeeded=succeeded)

    @rule(page=pages)
    def page_expires(self, page: tuple[int, str]) -> None:
        with contextlib.suppress(RefusedError):
            self.world.stripe.expire(page[1])

    @precondition(lambda self: self.world.stripe.events)
    @rule(which=st.integers(0, 1000), copies=st.integers(1, 2))
    def webhook(self, which: int, copies: int) -> None:
        event = self.world.stripe.events[which % len(self.world.stripe.events)]
        session = event["data"]["object"]
        body, signature = signed(event, WEBHOOK_SECRET, self.world.now.timestamp())
        for _ in range(copies):
            self.world.payments.handle_webhook(body, signature, self.world.now)
        for account in self.accounts:
            if session["payment_status"] == "paid" and session["id"] in account.pages:
                account.heard.add(session["id"])

    @rule(target=tokens, page=pages)
    def claim(self, page: tuple[int, str]) -> Any:  # noqa: ANN401
        owner, session_id = page
        with pytest.raises(UnknownSessionError):
            self.world.claim(self.accounts[1 - owner].caller, session_id)
        is_paid = self._is_paid(session_id)
        if is_paid:
            self.accounts[owner].heard.add(session_id)
        try:
            status = self.world.claim(self.accounts[owner].caller, session_id)
        except REFUSALS:
            assert is_paid
            return multiple()
        assert (status.status == "paid") == is_paid
        return (owner, status.payment_token) if status.payment_token else multiple()

    @rule(target=runs, token=tokens, sha=st.sampled_from(SHAS))
    def run_by_token(self, token: tuple[int, str], sha: str) -> Any:  # noqa: ANN401
        owner, bearer = token
        with pytest.raises(PaymentTokenInvalidError):
            self.world.admit(self.accounts[1 - owner].caller, priced(sha), token=bearer)
        return self._admit(owner, sha, token=bearer)

    @rule(target=runs, quote=quotes)
    def run_by_quote(self, quote: tuple[int, Quote]) -> Any:  # noqa: ANN401
        return self._admit(quote[0], quote[1].request_sha256, quote=quote[1].id)

    @rule(token=tokens, sha=st.sampled_from(SHAS), times=st.integers(1, MAX_FAULTS + 1))
    def keeps_failing(self, token: tuple[int, str], sha: str, times: int) -> None:
        for _ in range(times):
            run = self._admit(token[0], sha, token=token[1])
            if isinstance(run, tuple):
                self.failed(run, models_fault=True)

    @rule(run=consumes(runs))
    def delivered(self, run: tuple[int, str]) -> None:
        account = self.accounts[run[0]]
        assert self.world.capture(run[1])
        assert self.world.release(run[1], models_fault=True) is None
        del account.running[run[1]]
        account.delivered += 1

    @rule(run=consumes(runs), models_fault=st.booleans())
    def failed(self, run: tuple[int, str], *, models_fault: bool) -> None:
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

    def _pay(self, quote: tuple[int, Quote], offer: str) -> PaymentStatus | None:
        try:
            return self.world.pay(self.accounts[quote[0]].caller, quote[1], offer)
        except (*REFUSALS, InsufficientCreditsError):
            return None

    def _admit(self, owner: int, sha: str, **with_what: str) -> Any:  # noqa: ANN401
        account = self.accounts[owner]
        try:
            admission = self.world.admit(account.caller, priced(sha), **with_what)
        except REFUSALS:
            return multiple()
        if admission is None:
            return multiple()
        account.running[admission.run_id] = sha
        return owner, admission.run_id


Life.TestCase.settings = settings(
    max_examples=25,
    stateful_step_count=40,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow],
)
TestLife = Life.TestCase
