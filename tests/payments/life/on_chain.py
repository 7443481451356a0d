"""Payments that customers sign, and what they do on the chain by themselves."""

from __future__ import annotations

from hypothesis import strategies as st
from hypothesis.stateful import (
    precondition,
    rule,
)
from payments.life.model import (
    TROUBLE,
    WHICH,
    pick,
)
from payments.life.payers import Payers
from payments.life.token import STRANGER, TILL
from sqlalchemy import text

from gateway_payments.proof import Proof


class OnChain(Payers):
    """x402."""

    @precondition(lambda self: self.quotes)
    @rule(which=WHICH, lasts=st.sampled_from([60, 3000]), trouble=TROUBLE, send=st.booleans())
    def sign(self, which: int, lasts: int, trouble: list[str], *, send: bool) -> None:
        account, quote = pick(self.quotes, which)
        if "x402" in quote.prices:
            value = quote.prices["x402"].amount_micros
            payload = self.outside.token.signed(account.purse, quote.id, value, lasts)
            self.payloads.append((account, payload))
            if send:
                self.send(0, trouble, theirs=True)

    @precondition(lambda self: self.payloads)
    @rule(which=WHICH, trouble=TROUBLE, theirs=st.sampled_from([True, True, True, False]))
    def send(self, which: int, trouble: list[str], *, theirs: bool) -> None:
        account, payload = pick(self.payloads, which)
        if not theirs:
            account = next(a for a in self.accounts if a is not account)
        with self.process(trouble):
            self.world.payments.pay_by_proof(account.caller, Proof(payload), self.world.now)

    @precondition(lambda self: self.payloads)
    @rule(which=WHICH, to=st.sampled_from([None, STRANGER, TILL, TILL]))
    def payer_uses_the_nonce(self, which: int, to: str | None) -> None:
        """By himself: to cancel, to pay somebody else, or to pay what we have on record."""
        _, payload = pick(self.payloads, which)
        authorization = payload["payload"]["authorization"]
        if to != TILL or self._on_record(authorization):
            self.outside.token.use(authorization, to)

    def _on_record(self, authorization: dict[str, str]) -> bool:
        name = f"%{authorization['from']}:{authorization['nonce']}"
        with self.world.database.read() as db:
            known = text("SELECT COUNT(*) FROM payments WHERE external_id LIKE :name")
            return bool(db.execute(known, {"name": name}).scalar())
