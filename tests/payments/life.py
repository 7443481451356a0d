"""The whole life of payments, in any order, among adversaries: a machine for Hypothesis.

Whatever goes wrong outside (see `Outside`), and wherever the process dies, after every step the
books agree with the model and with the outside's own books; `judge.py` says how.
"""

from __future__ import annotations

import itertools
import logging
import random
import shutil
import tempfile
import time
import uuid
from collections import Counter, deque
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any, Literal
from unittest.mock import patch

import stripe as sdk
import structlog
from hypothesis import HealthCheck, seed, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from payments.judge import after_each_step, in_the_end
from payments.outside import FAULTS, Died, MortalDatabase, Outside
from payments.token import ASSET, NETWORK, STRANGER, TILL, TILL_KEY, Token
from payments.world import NOW, World, priced, stripe_settings
from sqlalchemy import text
from stripe_standin import customers, refunds
from stripe_standin.server import running
from stripe_standin.sessions import RefusedError, Stripe

from gateway_payments.accounts import Caller, add_key, find_caller, revoke_key
from gateway_payments.admission import Admission
from gateway_payments.budgets import Budget
from gateway_payments.exceptions import PaymentError, RevokedKeyError
from gateway_payments.money import Money
from gateway_payments.proof import Proof
from gateway_payments.quotes import Quote
from gateway_payments.settings import PaymentSettings
from gateway_payments.x402_settings import Asset, X402Settings
from gateway_storage.base import Base
from gateway_storage.database import Database

UNUSED = """
    SELECT e.account_id, e.quote_id, q.request_sha256 FROM entitlements e
    JOIN quotes q ON q.id = e.quote_id WHERE e.state = 'issued' ORDER BY e.rowid
"""
OFFERS = ("stripe_checkout", "credits", "metered", "x402")
SHAS = ("a" * 64, "b" * 64, "c" * 64)
PACK = 500
STEPS = 40
BUDGET = Budget(
    "usd", per_run_micros=1_500_000, per_day_micros=2_500_000, per_month_micros=4 * 10**6
)
WHO = st.integers(0, 1)
TROUBLE = st.lists(st.sampled_from(FAULTS), max_size=4)  # of the next calls to the outside
HOW = st.sampled_from([None, "delivered", "delivered", "theirs", "theirs", "ours"])
WHICH = st.integers(0, 7)  # counted from the newest


@dataclass
class Run:
    """A run as the model has it: running, orphan (its process died), or how it ended."""

    caller: Caller
    sha: str
    offer: str | None
    micros: int
    began: str  # the day
    state: str = "running"
    models_fault: bool = False
    ended: float = 0.0


@dataclass
class Account:
    """What the model remembers of a customer. `purse`: its address on the chain."""

    caller: Caller
    key: str
    purse: str
    budget: Budget | None
    granted: int = 0
    unlinked: bool = False
    faults: Counter[str] = field(default_factory=Counter)


class Life(RuleBasedStateMachine):
    socket = False

    def __init__(self) -> None:
        super().__init__()
        self.around = ExitStack()
        self._repeatable()
        folder = self.around.enter_context(tempfile.TemporaryDirectory(dir=_memory()))
        shutil.copy(_empty(), f"{folder}/gateway.sqlite3")
        database = MortalDatabase(f"sqlite:///{folder}/gateway.sqlite3")
        stripe, client = Stripe("http://stripe"), None
        if self.socket:
            stripe = self.around.enter_context(running())
            client = sdk.new_default_http_client(timeout=10)
        token = Token(clock=NOW.timestamp)
        self.outside = database.outside = Outside(stripe, token, client)
        self.around.enter_context(self.outside.in_place())
        self.world = World(database, stripe, _settings(stripe.base_url))
        token.clock = stripe.clock
        self.accounts: list[Account] = []
        self.quotes: list[tuple[Account, Quote]] = []
        self.tokens: list[tuple[Account, str]] = []
        self.payloads: list[tuple[Account, dict[str, Any]]] = []
        self.runs: dict[str, Run] = {}
        self.heard: set[str] = set()  # webhooks that we took
        self.lost: set[str] = set()  # and those that will never come
        self.deaths = 0
        self.numbers = itertools.count()

    def _repeatable(self) -> None:
        """Ids are made from the same numbers in each run of the same history."""
        lots = random.Random(0)  # noqa: S311
        for name, new in (
            ("uuid.uuid4", lambda: uuid.UUID(int=lots.getrandbits(128), version=4)),
            ("secrets.token_hex", lambda size: f"{lots.getrandbits(8 * size):0{2 * size}x}"),
        ):
            self.around.enter_context(patch(name, new))

    @initialize(free_runs=st.sampled_from([0, 0, 1]), refund=st.sampled_from(["credits", "chain"]))
    def begin(self, free_runs: int, refund: Literal["credits", "chain"]) -> None:
        assert self.world.settings.x402
        x402 = replace(self.world.settings.x402, refund=refund)
        self.world.restart(free_runs_per_day=free_runs, x402=x402)
        for number, budget in enumerate((None, BUDGET)):
            caller = (self.world.ada, self.world.eve)[number]
            purse = f"0x{'de'[number] * 40}"
            self.outside.token.balances[purse] = 3_000_000
            account = Account(caller, "", purse, budget)
            self.accounts.append(account)
            self._new_key(account)
            self.grant(number)
            for sha in SHAS[:2]:
                self.quote(number, sha)

    # ---- what goes wrong

    @rule(moments=st.integers(0, 12))
    def mortal(self, moments: int) -> None:
        self.outside.moments = moments

    @rule(recovered=st.booleans())
    def crash(self, *, recovered: bool) -> None:
        self._restarted()
        if recovered:
            self.recover()

    @rule(
        delta=st.sampled_from(
            [
                {"seconds": -40},
                {"seconds": 3},
                {"minutes": 6},
                {"minutes": 31},
                {"minutes": 61},
                {"hours": 7},
                {"hours": 25},
                {"days": 3},
                {"days": 36},
            ]
        )
    )
    def time_passes(self, delta: dict[str, float]) -> None:
        self.world.later(**delta)

    @rule(price=st.sampled_from([60, 100, 130]), work=st.sampled_from([0, 20_000]))
    def prices_change(self, price: int, work: int) -> None:
        self.world.restart(price_minor=price, million_units_price_minor=work)

    # ---- who pays

    @rule(who=WHO)
    def grant(self, who: int) -> None:
        account = self.accounts[who]
        name = f"gift {next(self.numbers)}"
        with self.process():
            self.world.grant(account.caller, Money(1_000_000, "usd"), name)
        with self.world.database.read() as db:
            given = text("SELECT COUNT(*) FROM transfers WHERE id LIKE :id")
            account.granted += 1_000_000 * db.execute(given, {"id": f"grant:{name}%"}).scalar_one()

    @rule(who=WHO)
    def change_key(self, who: int) -> None:
        account, old = self.accounts[who], self.accounts[who].key
        with self.world.database.read() as db:
            assert find_caller(db, old) == account.caller
        caller = account.caller
        self._new_key(account)
        assert caller.key_id
        with Database.write(self.world.database) as db:
            revoke_key(db, caller.account_id, caller.key_id, self.world.now)
        with self.world.database.read() as db, suppress(RevokedKeyError):
            assert find_caller(db, old) is None

    @rule(who=WHO, offer=st.sampled_from(["credits", None]))
    def auto_pay(self, who: int, offer: str | None) -> None:
        with self.process():
            self.world.auto_pay(self.accounts[who].caller, offer)

    @rule(trouble=TROUBLE)
    def link(self, trouble: list[str]) -> None:
        with self.process(trouble):
            self.world.payments.set_up_metered(self.accounts[0].caller, self.world.now)

    @rule(trouble=TROUBLE)
    def link_and_agree(self, trouble: list[str]) -> None:
        """All that it takes, in one go."""
        self.link(trouble)
        opened = [s for s in self.stripe.sessions.values() if s["mode"] == "subscription"]
        for session in opened[-1:]:
            with suppress(RefusedError):
                self._hear(self.stripe.complete(session["id"]))

    @rule(which=WHICH)
    def unsubscribe(self, which: int) -> None:
        made = [s["id"] for s in self.stripe.sessions.values() if s["subscription"]]
        if made:
            customers.end_subscription(self.stripe, _pick(made, which))

    # ---- quotes and payments

    @rule(who=WHO, sha=st.sampled_from(SHAS))
    def quote(self, who: int, sha: str) -> None:
        account = self.accounts[who]
        with self.process():
            quote = self.world.quote(account.caller, priced(sha))
            self.quotes.append((account, quote))

    @precondition(lambda self: self.quotes)
    @rule(which=WHICH, offer=st.sampled_from([*OFFERS, None]), trouble=TROUBLE)
    def pay(self, which: int, offer: str | None, trouble: list[str]) -> None:
        account, quote = _pick(self.quotes, which)
        with self.process(trouble):
            self._keep(account, self.world.pay(account.caller, quote, offer))

    @precondition(lambda self: self.quotes)
    @rule(which=WHICH, trouble=TROUBLE)
    def require(self, which: int, trouble: list[str]) -> None:
        account, quote = _pick(self.quotes, which)
        with self.process(trouble):
            self.world.payments.require(quote, account.caller, self.world.now)

    @precondition(lambda self: self.quotes)
    @rule(which=WHICH, slow=st.booleans(), trouble=TROUBLE)
    def buy_by_card(self, which: int, trouble: list[str], *, slow: bool) -> None:
        """All that it takes but the news."""
        account, quote = _pick(self.quotes, which)
        with self.process(trouble):
            session_id = self.world.pay(account.caller, quote, "stripe_checkout").session_id
            if session_id:
                self._complete(session_id, slow=slow)

    @rule(who=WHO, trouble=TROUBLE)
    def buy_credits(self, who: int, trouble: list[str]) -> None:
        with self.process(trouble):
            bought = self.world.payments.buy_credits(
                self.accounts[who].caller, PACK, self.world.now
            )
            if bought.session_id:
                self._complete(bought.session_id, slow=False)

    @rule(which=WHICH, trouble=TROUBLE)
    def claim(self, which: int, trouble: list[str]) -> None:
        known = self._known_pages()
        if known:
            session_id, account_id = _pick(known, which)
            account = next(a for a in self.accounts if a.caller.account_id == account_id)
            with self.process(trouble):
                self._keep(account, self.world.claim(account.caller, session_id))

    # ---- at Stripe

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
            self._complete(_pick(known, which)[0], slow=slow)

    def slow_method_ends(self, which: int, *, succeeded: bool) -> None:
        waiting = [
            s["id"]
            for s in self.stripe.sessions.values()
            if (s["mode"], s["status"], s["payment_status"]) == ("payment", "complete", "unpaid")
            and s["id"] not in self._failed()
        ]
        if waiting:
            self.stripe.finish(_pick(waiting, which), succeeded=succeeded)

    def page_expires(self, which: int) -> None:
        open_ = [s["id"] for s in self.stripe.sessions.values() if s["status"] == "open"]
        with suppress(RefusedError):
            if open_:
                self.stripe.expire(_pick(open_, which))

    def refund_at_stripe(self, which: int, amount: int) -> None:
        if self.stripe.charges:
            charge = _pick(list(self.stripe.charges.values()), which)
            asked = {"payment_intent": charge["payment_intent"], "amount": amount}
            with suppress(RefusedError):
                refunds.refund(self.stripe, asked)

    def refund_fails(self, which: int) -> None:
        made = [r["id"] for r in self.stripe.refunds.values() if r["status"] == "succeeded"]
        if made:
            refunds.fail_refund(self.stripe, _pick(made, which))

    def dispute(self, which: int, amount: int | None) -> None:
        charged = {c["payment_intent"] for c in self.stripe.charges.values() if not c["disputed"]}
        paid = [s["id"] for s in self.stripe.sessions.values() if s["payment_intent"] in charged]
        if paid:
            refunds.dispute(self.stripe, _pick(paid, which), amount)

    def dispute_ends(self, which: int, outcome: str) -> None:
        open_ = [d["id"] for d in self.stripe.disputes.values() if d["status"] == "needs_response"]
        if open_:
            refunds.close_dispute(self.stripe, _pick(open_, which), outcome)

    # ---- news

    @rule(which=st.integers(0, 40), copies=st.integers(1, 2), trouble=TROUBLE)
    def webhook(self, which: int, copies: int, trouble: list[str]) -> None:
        if self.stripe.events:
            for _ in range(copies):
                self._hear(_pick(self.stripe.events, which), trouble)

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
            self.lost.add(_pick(unheard, which))

    # ---- on the chain

    @precondition(lambda self: self.quotes)
    @rule(which=WHICH, lasts=st.sampled_from([60, 3000]), trouble=TROUBLE, send=st.booleans())
    def sign(self, which: int, lasts: int, trouble: list[str], *, send: bool) -> None:
        account, quote = _pick(self.quotes, which)
        if "x402" in quote.prices:
            value = quote.prices["x402"].amount_micros
            payload = self.outside.token.signed(account.purse, quote.id, value, lasts)
            self.payloads.append((account, payload))
            if send:
                self.send(0, trouble, theirs=True)

    @precondition(lambda self: self.payloads)
    @rule(which=WHICH, trouble=TROUBLE, theirs=st.sampled_from([True, True, True, False]))
    def send(self, which: int, trouble: list[str], *, theirs: bool) -> None:
        account, payload = _pick(self.payloads, which)
        if not theirs:
            account = next(a for a in self.accounts if a is not account)
        with self.process(trouble):
            self.world.payments.pay_by_proof(account.caller, Proof(payload), self.world.now)

    @precondition(lambda self: self.payloads)
    @rule(which=WHICH, to=st.sampled_from([None, STRANGER, TILL, TILL]))
    def payer_uses_the_nonce(self, which: int, to: str | None) -> None:
        """By himself: to cancel, to pay somebody else, or to pay what we have on record."""
        _, payload = _pick(self.payloads, which)
        authorization = payload["payload"]["authorization"]
        if to != TILL or self._on_record(authorization):
            self.outside.token.use(authorization, to)

    # ---- runs

    @rule(
        who=WHO,
        sha=st.sampled_from(SHAS),
        offer=st.sampled_from(OFFERS),
        how=HOW,
        trouble=TROUBLE,
    )
    def from_quote_to_result(
        self, who: int, sha: str, offer: str, how: str | None, trouble: list[str]
    ) -> None:
        """All that it takes, in one go."""
        self.quote(who, sha)
        match offer:
            case "x402":
                self.sign(0, 3000, trouble, send=True)
            case "stripe_checkout":
                self.buy_by_card(0, trouble, slow=False)
                self.news_in_order(1, trouble)
            case _:
                self.pay(0, offer, trouble)
        before = len(self.runs)
        self.run_by_quote(0)
        if how and len(self.runs) > before and self._running():
            self._end(self._running()[-1], how)

    @rule(
        who=WHO,
        sha=st.sampled_from(SHAS),
        how=st.sampled_from(["ours", "theirs"]),
        calm=st.integers(0, 8),
        trouble=TROUBLE,
    )
    def fail_what_the_chain_paid(
        self, who: int, sha: str, how: str, calm: int, trouble: list[str]
    ) -> None:
        """And have the money sent back, in spite of all trouble after a few calm calls."""
        self.quote(who, sha)
        self.sign(0, 3000, [], send=True)
        before = len(self.runs)
        self.run_by_quote(0)
        if len(self.runs) > before and self._running():
            self._end(self._running()[-1], how)
        self.send_letters(["well"] * calm + trouble)

    @rule(who=WHO, sha=st.sampled_from(SHAS), how=HOW)
    def run(self, who: int, sha: str, how: str | None) -> None:
        before = len(self.runs)
        self._admit(self.accounts[who], sha)
        if how and len(self.runs) > before and self._running():
            self._end(self._running()[-1], how)

    @precondition(lambda self: self.quotes)
    @rule(which=WHICH)
    def run_by_quote(self, which: int) -> None:
        account, quote = _pick(self.quotes, which)
        self._admit(account, quote.request_sha256, quote=quote.id)

    @rule(which=WHICH, how=HOW)
    def run_what_is_paid(self, which: int, how: str | None) -> None:
        """And maybe see how it ends."""
        with self.world.database.read() as db:
            unused = list(db.execute(text(UNUSED)))
        if unused:
            account_id, quote_id, sha = _pick(unused, which)
            account = next(a for a in self.accounts if a.caller.account_id == account_id)
            self._admit(account, sha, quote=quote_id)
            if how and self._running():
                self._end(self._running()[-1], how)

    @precondition(lambda self: self.tokens)
    @rule(which=WHICH, sha=st.sampled_from(SHAS))
    def run_by_token(self, which: int, sha: str) -> None:
        account, token = _pick(self.tokens, which)
        self._admit(account, sha, token=token)

    @precondition(lambda self: self._running())
    @rule(which=WHICH, how=st.sampled_from(["delivered", "theirs", "ours"]))
    def run_ends(self, which: int, how: str) -> None:
        self._end(_pick(self._running(), which), how)

    @precondition(lambda self: self.tokens)
    @rule(which=WHICH, sha=st.sampled_from(SHAS))
    def keeps_failing(self, which: int, sha: str) -> None:
        for _ in range(3):
            before = set(self.runs)
            self.run_by_token(which, sha)
            for run_id in set(self.runs) - before:
                if self.runs[run_id].state == "running":
                    self._fail(run_id, models_fault=True)

    def recover(self) -> None:
        """What upkeep does for runs whose process died."""
        for run_id in [i for i, run in self.runs.items() if run.state == "orphan"]:
            self._fail(run_id, models_fault=False)

    # ---- putting right

    @rule(trouble=TROUBLE)
    def reconcile(self, trouble: list[str]) -> None:
        with self.process(trouble):
            self.world.payments.reconcile(self.world.now)

    @rule(trouble=TROUBLE)
    def send_letters(self, trouble: list[str]) -> None:
        with self.process(trouble):
            self.world.payments.send_letters(self.world.now)

    @precondition(lambda self: self.quotes)
    @rule(which=WHICH, by_payer=st.booleans())
    def refund(self, which: int, *, by_payer: bool) -> None:
        account, quote = _pick(self.quotes, which)
        with self.process():
            if by_payer:
                self.world.payments.refund(account.caller.account_id, quote.id, self.world.now)
            else:
                self.world.payments.refund_any(quote.id, "a promise", self.world.now)

    # ---- what must hold

    @invariant()
    def all_is_well(self) -> None:
        if self.accounts:
            after_each_step(self)

    def teardown(self) -> None:
        try:
            if self.accounts:
                self._settle_down()
                in_the_end(self)
        finally:
            self.world.payments.close()
            self.world.database.engine.dispose()
            self.around.close()

    def _settle_down(self) -> None:
        """The adversaries tire; whatever was to come comes, and time passes."""
        self._restarted()
        for lasts in (0, 400, 2 * 3600, 8 * 3600, 25 * 3600, 2 * 3600):
            self.world.later(seconds=lasts)
            self.recover()
            for event in list(self.stripe.events):
                if event["id"] not in self.heard | self.lost:
                    self._hear(event)
            for _ in range(2):
                self.world.payments.reconcile(self.world.now)

    # ---- one process, which may die

    @contextmanager
    def process(self, trouble: Sequence[str] = ()) -> Iterator[None]:
        """Whatever the block asks for may be refused, and the process may die of it."""
        self.outside.trouble = deque(trouble)
        try:
            yield
        except PaymentError:
            pass
        except Died:
            self.deaths += 1
            self._restarted()
        finally:
            self.outside.trouble.clear()

    def _restarted(self) -> None:
        """A new process, which knows nothing of the old one's runs."""
        self.outside.moments = None
        self.world.payments.close()
        self.world.restart()
        for run in self.runs.values():
            if run.state == "running":
                run.state = "orphan"

    def _admit(self, account: Account, sha: str, **given: str) -> None:
        run_id = f"res_{next(self.numbers)}"
        day = f"{self.world.now:%Y-%m-%d}"
        admission: Admission | None = None
        with self.process():
            with self.world.database.write() as db:
                admission = self.world.payments.admit(
                    db,
                    account.caller,
                    run_id,
                    priced(sha),
                    payment_token=given.get("token"),
                    quote_id=given.get("quote"),
                    now=self.world.now,
                )
            if admission:
                price = admission.price.amount_micros if admission.price else 0
                self.runs[run_id] = Run(account.caller, sha, admission.offer, price, day)
            return
        self._find(run_id, account, sha, day)

    def _find(self, run_id: str, account: Account, sha: str, day: str) -> None:
        """The process died, or refused: whether it let the run in, the database knows."""
        with self.world.database.read() as db:
            row = db.execute(
                text(
                    "SELECT u.offer, e.amount_micros FROM usage u LEFT JOIN entitlements e"
                    " ON e.run_id = u.run_id WHERE u.run_id = :id"
                ),
                {"id": run_id},
            ).first()
        if row:
            self.runs[run_id] = Run(account.caller, sha, row[0], row[1] or 0, day, "orphan")

    def _end(self, run_id: str, how: str) -> None:
        if how != "delivered":
            self._fail(run_id, models_fault=how == "theirs")
            return
        with self.process():
            assert self.world.capture(run_id)
            assert self.world.release(run_id, models_fault=True) is None
        self._learn(run_id)

    def _fail(self, run_id: str, *, models_fault: bool) -> None:
        run = self.runs[run_id]
        run.models_fault = models_fault
        with self.process():
            settled = self.world.release(run_id, models_fault=models_fault)
            assert settled
        self._learn(run_id)
        if run.state in {"running", "orphan"}:
            return
        if run.offer and models_fault:
            account = next(a for a in self.accounts if a.caller.account_id == run.caller.account_id)
            account.faults[run.sha] += 1
            kept = account.faults[run.sha] % 3 == 0
            assert (run.state == "exhausted") is kept
        else:
            assert run.state == "failed"

    def _learn(self, run_id: str) -> None:
        """How the run ended, if it did: the answer may never have come."""
        with self.world.database.read() as db:
            outcome = text("SELECT outcome FROM usage WHERE run_id = :id")
            told = db.execute(outcome, {"id": run_id}).scalar_one()
        if told != "running":
            self.runs[run_id].state = told
            self.runs[run_id].ended = self.world.now.timestamp()

    def _hear(self, event: dict[str, Any], trouble: list[str] | None = None) -> None:
        if event["type"] == "customer.subscription.deleted":
            self.accounts[0].unlinked = True
        with self.process(trouble or []):
            self.world.webhook(event)
            self.heard.add(event["id"])

    def _complete(self, session_id: str, *, slow: bool) -> None:
        with suppress(RefusedError):
            self.stripe.complete(session_id, payment_status="unpaid" if slow else "paid")

    def _keep(self, account: Account, status: Any) -> None:  # noqa: ANN401
        if status.payment_token:
            self.tokens.append((account, status.payment_token))

    def _new_key(self, account: Account) -> None:
        with Database.write(self.world.database) as db:
            new = add_key(db, account.caller.account_id, "another", self.world.now)
        account.caller, account.key = Caller(new.account_id, new.key_id), new.key
        if account.budget:
            moments, self.outside.moments = self.outside.moments, None
            self.world.limit(account.caller, account.budget)
            self.outside.moments = moments

    def _running(self) -> list[str]:
        return [run_id for run_id, run in self.runs.items() if run.state == "running"]

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

    def _on_record(self, authorization: dict[str, str]) -> bool:
        name = f"%{authorization['from']}:{authorization['nonce']}"
        with self.world.database.read() as db:
            known = text("SELECT COUNT(*) FROM payments WHERE external_id LIKE :name")
            return bool(db.execute(known, {"name": name}).scalar())

    @property
    def troubled(self) -> bool:
        """Whether anything went wrong outside so far."""
        return self.deaths > 0 or any(self.outside.suffered[fault] for fault in FAULTS[1:])

    @property
    def stripe(self) -> Stripe:
        return self.outside.stripe


class LifeOverSockets(Life):
    """As `Life`, with Stripe's stand-in behind a real connection."""

    socket = True


def live(first: int, histories: int, machine: type[Life] = Life) -> float:
    """Live so many histories from this seed on; how many seconds that took."""
    began = time.monotonic()
    chosen = settings(
        max_examples=histories,
        stateful_step_count=STEPS,
        deadline=None,
        database=None,
        derandomize=False,
        suppress_health_check=list(HealthCheck),
    )
    run_state_machine_as_test(seed(first)(machine), settings=chosen)
    return time.monotonic() - began


def quiet() -> None:
    """Have nothing logged, for a process that lives thousands of lives."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    logging.disable()


def _pick(some: Any, which: int) -> Any:  # noqa: ANN401
    """The newest first: what was just made is what something should be done to."""
    return some[-1 - which % len(some)]


def _settings(api_base: str) -> PaymentSettings:
    stripe = replace(stripe_settings(api_base), metered_price_id="price_metered")
    x402 = X402Settings(
        pay_to=TILL,
        network=NETWORK,
        asset=Asset(ASSET, "USDC", "2"),
        resource_url="http://gateway/simulate",
        facilitator_url="http://facilitator",
        rpc_url="http://node",
        refund_key=TILL_KEY,
    )
    return PaymentSettings(
        secret=b"0" * 32,
        offers=OFFERS,
        packs_minor=(PACK,),
        metered_price_minor=7,
        x402_price_minor=20,
        stripe=stripe,
        x402=x402,
    )


def _memory() -> str | None:
    return "/dev/shm" if Path("/dev/shm").is_dir() else None  # noqa: S108


@cache
def _empty() -> str:
    """A database without anything in it, made once."""
    folder = tempfile.mkdtemp(dir=_memory())
    database = Database(f"sqlite:///{folder}/empty.sqlite3")
    Base.metadata.create_all(database.engine)
    database.engine.dispose()
    return f"{folder}/empty.sqlite3"
