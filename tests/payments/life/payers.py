"""Customers: their keys and credits, what they ask for and how they pay."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from typing import Any, Literal

from hypothesis import strategies as st
from hypothesis.stateful import (
    initialize,
    precondition,
    rule,
)
from payments.life.at_stripe import AtStripe
from payments.life.model import (
    BUDGET,
    OFFERS,
    PACK,
    SHAS,
    TROUBLE,
    WHICH,
    WHO,
    Account,
    pick,
)
from payments.world import priced
from sqlalchemy import text
from stripe_standin.sessions import RefusedError

from gateway_payments.accounts import Caller, add_key, find_caller, revoke_key
from gateway_payments.exceptions import RevokedKeyError
from gateway_payments.money import Money
from gateway_storage.database import Database


class Payers(AtStripe):
    """Quotes and payments of two accounts, the second of which has a budget."""

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

    @rule(who=WHO, sha=st.sampled_from(SHAS))
    def quote(self, who: int, sha: str) -> None:
        account = self.accounts[who]
        with self.process():
            quote = self.world.quote(account.caller, priced(sha))
            self.quotes.append((account, quote))

    @precondition(lambda self: self.quotes)
    @rule(which=WHICH, offer=st.sampled_from([*OFFERS, None]), trouble=TROUBLE)
    def pay(self, which: int, offer: str | None, trouble: list[str]) -> None:
        account, quote = pick(self.quotes, which)
        with self.process(trouble):
            self._keep(account, self.world.pay(account.caller, quote, offer))

    @precondition(lambda self: self.quotes)
    @rule(which=WHICH, trouble=TROUBLE)
    def require(self, which: int, trouble: list[str]) -> None:
        account, quote = pick(self.quotes, which)
        with self.process(trouble):
            self.world.payments.require(quote, account.caller, self.world.now)

    @precondition(lambda self: self.quotes)
    @rule(which=WHICH, slow=st.booleans(), trouble=TROUBLE)
    def buy_by_card(self, which: int, trouble: list[str], *, slow: bool) -> None:
        """All that it takes but the news."""
        account, quote = pick(self.quotes, which)
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
            session_id, account_id = pick(known, which)
            account = next(a for a in self.accounts if a.caller.account_id == account_id)
            with self.process(trouble):
                self._keep(account, self.world.claim(account.caller, session_id))

    @precondition(lambda self: self.quotes)
    @rule(which=WHICH, by_payer=st.booleans())
    def refund(self, which: int, *, by_payer: bool) -> None:
        account, quote = pick(self.quotes, which)
        with self.process():
            if by_payer:
                self.world.payments.refund(account.caller.account_id, quote.id, self.world.now)
            else:
                self.world.payments.refund_any(quote.id, "a promise", self.world.now)

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
