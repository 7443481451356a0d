"""x402: a program pays with a signed authorization of a token's transfer, settled on a chain.

    begun        the payment is on record, nothing has been sent: its signature is being verified
    processing   we meant to settle it, and do until the chain has decided
    paid         our address has the money
    failed       it can't be settled any more, or never was good: nothing was charged

Every step is committed before the outside world is asked for the next one, and the payment's name
in the world (network, token, payer, nonce) is unique here: it buys once, whoever sends it how
often. Whoever works on it holds a lease (`ask_at`), so that of many callers one does. With an
RPC address the chain is believed and nobody else; without, the facilitator's word counts, and where
that is missing the payment stays `processing` until an operator has looked: see `audit`.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from time import sleep
from typing import Any, Final

import structlog

from gateway_payments import budgets, entitlements, payments
from gateway_payments.accounts import Caller
from gateway_payments.exceptions import (
    ChainUnavailableError,
    OfferUnavailableError,
    PaymentPendingError,
    PaymentUsedError,
    QuoteExpiredError,
)
from gateway_payments.ledger import Role
from gateway_payments.payments import WAITING, Payment
from gateway_payments.providers.x402_authorization import (
    SCHEME,
    TIMEOUT_S,
    VERSION,
    Authorization,
    read,
    refusal,
    restored,
    stored,
)
from gateway_payments.providers.x402_chain import Chain, Outcome
from gateway_payments.providers.x402_facilitator import Facilitator
from gateway_payments.providers.x402_refunds import ChainRefunds
from gateway_payments.quotes import Quote, find_quote
from gateway_payments.requirement import (
    Offer,
    PaymentRefusedError,
    PaymentRequiredError,
    offer_of,
    requirement_of,
)
from gateway_payments.settlement import settle
from gateway_payments.x402_settings import X402Settings
from gateway_storage.database import Database

KIND: Final = "x402"
LEASE: Final = timedelta(seconds=90)  # longer than verifying and settling once
_AT_ONCE: Final = 20  # payments looked after in one round
_GRACE: Final = timedelta(minutes=10)  # after which a payment nobody knows of is an operator's
_PAUSES_S: Final = (0.05, 0.1, 0.25, 0.5, 1.0, 2.0)  # until a node has heard of a new block

_log = structlog.get_logger()


class X402:
    """Takes payments of the exact scheme on one EVM chain, before the run (`upfront`)."""

    def __init__(self, database: Database, settings: X402Settings, token_ttl: timedelta) -> None:
        self._database = database
        self._settings = settings
        self._token_ttl = token_ttl
        self._facilitator = Facilitator(settings)
        self._chain = Chain(settings, settings.rpc_url) if settings.rpc_url else None
        self._refunds = (
            ChainRefunds(database, settings, self._facilitator, self._chain)
            if settings.refund_key and self._chain
            else None
        )

    def offer(self, quote: Quote, caller: Caller, now: datetime) -> Offer:  # noqa: ARG002
        """What x402's clients sign for; nothing is begun and nobody asked."""
        return offer_of(KIND, quote.prices[KIND], quote.expires_at, self.required(quote))

    def required(self, quote: Quote, error: str = "payment required") -> dict[str, Any]:
        """x402's own form of a requirement. An atomic unit of the token is a millionth."""
        settings = self._settings
        accepted = {
            "scheme": SCHEME,
            "network": settings.network,
            "asset": settings.asset.address,
            "amount": str(quote.prices[KIND].amount_micros),
            "payTo": settings.pay_to,
            "maxTimeoutSeconds": TIMEOUT_S,
            "extra": {
                "name": settings.asset.name,
                "version": settings.asset.version,
                "paymentFlow": "upfront",
                "quoteId": quote.id,
            },
        }
        resource = {
            "url": settings.resource_url,
            "description": f"One simulation of {quote.model_id}"[:250],
            "mimeType": "application/json",
        }
        return {
            "x402Version": VERSION,
            "error": error,
            "resource": resource,
            "accepts": [accepted],
        }

    def begin(self, quote: Quote, caller: Caller, now: datetime) -> Payment:
        """Ask for the payment: it comes along with a call, see `pay`. Raises, always."""
        if quote.expires_at <= now:
            raise QuoteExpiredError(quote.id, quote.expires_at)
        raise PaymentRequiredError(requirement_of(quote, (self.offer(quote, caller, now),)))

    def pay(
        self, payload: dict[str, Any], caller: Caller, now: datetime, quote_id: str | None = None
    ) -> Payment:
        """Verify and settle what came along with a call; what has become of it.

        A payment that came before is answered with what it bought, in whatever state; a quote that
        is paid already is not paid again. `quote_id`: the one quote that a new payment may pay.

        Raises, with nothing charged, PaymentMalformedError, PaymentRefusedError, PaymentUsedError,
        PaymentPendingError (another payment of this quote is under way), UnknownQuoteError,
        QuoteExpiredError, OfferUnavailableError, BudgetExceededError, OfferNotAllowedError,
        ChainUnavailableError.
        """
        authorization = read(payload)
        with self._database.read() as db:
            known = payments.by_external_id(db, authorization.external_id)
        if known is None:
            begun = self._record(authorization, caller, now, quote_id)
            return self._go_on(begun, now) if begun.state == "begun" else begun
        if known.account_id != caller.account_id:
            raise PaymentUsedError
        return self.settle(known, now)

    def settle(self, payment: Payment, now: datetime) -> Payment:
        """Look at the chain, and go on with the payment where it is undecided and nobody does."""
        if payment.state not in WAITING:
            return payment
        decided = self._decided(payment, self._seen(payment), now)
        if decided is None and self._take(payment, now):
            return self._go_on(payment, now)
        return decided or payment

    def cancel(self, payment: Payment, now: datetime) -> None:
        """Nothing is open on our side that could be taken back."""

    def reconcile(self, now: datetime) -> int:
        """Look after payments that nobody waits for any more, some each time; how many got paid.

        Those that we meant to settle are settled; one of which nothing was sent (`begun`) is left
        alone, since its payer is gone, until the chain says that it can't come true.
        """
        with self._database.read() as db:
            left = payments.to_ask(db, KIND, now, _AT_ONCE)
        looked_at = [self._look_after(p, now) for p in left if self._take(p, now)]
        return sum(payment.state == "paid" for payment in looked_at)

    def send_refunds(self, now: datetime) -> int:
        """Bring what is to go back to the chain, some of it; how much is there."""
        return self._refunds.send(now) if self._refunds else 0

    def shortcomings(self) -> list[str]:
        """What an operator should put right, one sentence each. Asks the chain."""
        if self._chain is None:
            return ["without X402_RPC_URL nobody can tell what a crash left half paid"]
        try:
            self._chain.latest_block()
        except ChainUnavailableError as error:
            return [f"{error}: {error.reason}"]
        return []

    def close(self) -> None:
        """Let go of connections."""
        if self._chain:
            self._chain.close()

    def refused(self, payment: Payment) -> PaymentRefusedError:
        """What a caller hears of a payment that failed: why, and what to sign anew."""
        assert payment.quote_id is not None
        with self._database.read() as db:
            quote = find_quote(db, payment.account_id, payment.quote_id)
        reason = str(payment.details.get("reason", "payment_failed"))
        return PaymentRefusedError(reason, quote.id, self.required(quote, reason))

    def _record(
        self, authorization: Authorization, caller: Caller, now: datetime, quote_id: str | None
    ) -> Payment:
        """Check offline and write down, leased to us; the payment that paid the quote already."""
        with self._database.read() as db:
            quote = find_quote(db, caller.account_id, authorization.quote_id)
        if KIND not in quote.prices:
            raise OfferUnavailableError(KIND, tuple(quote.prices))
        wanted = self.required(quote)["accepts"][0]
        reason = refusal(authorization, wanted, now)
        if reason is None and quote_id not in {None, quote.id}:
            reason = "quote_mismatch"
        if reason:
            raise PaymentRefusedError(reason, quote.id, self.required(quote, reason))
        since = self._chain.latest_block() if self._chain else None
        details = {"authorization": stored(authorization), "wanted": wanted, "since": since}
        with self._database.write() as db:
            bought = entitlements.of_quote(db, quote.id)
            if bought:
                return payments.load(db, bought[0].payment_id)
            if quote.expires_at <= now:
                raise QuoteExpiredError(quote.id, quote.expires_at)
            previous = payments.latest(db, quote.id, KIND)
            attempt = 0 if previous is None else previous.attempt + 1
            key_id = budgets.spend(db, caller, KIND, quote.prices[KIND], now)
            begun = payments.record(
                db,
                quote,
                KIND,
                attempt,
                now=now,
                expires_at=datetime.fromtimestamp(authorization.valid_before, UTC),
                key_id=key_id,
                external_id=authorization.external_id,
                details=details,
                ask_at=now + LEASE,
            )
            if begun is None or (previous and previous.state in WAITING):
                raise PaymentPendingError(quote.id)
            return begun

    def _look_after(self, payment: Payment, now: datetime) -> Payment:
        seen = self._seen(payment)
        decided = self._decided(payment, seen, now)
        if decided is not None:
            return decided
        if payment.state == "processing":
            return self._go_on(payment, now)
        return self._leave(payment, seen, now)

    def _go_on(self, payment: Payment, now: datetime) -> Payment:
        """Verify, note the intent, settle, look. Whoever calls this holds the lease."""
        authorization, wanted = (
            restored(payment.details["authorization"]),
            payment.details["wanted"],
        )
        if payment.state == "begun":
            reason = self._verified(payment, authorization, wanted, now)
            if reason is not None:
                return self._refuse(payment, reason, now)
            with self._database.write() as db:
                if not payments.move(db, payment.id, of=frozenset({"begun"}), to="processing"):
                    return payments.load(db, payment.id)
            payment = replace(payment, state="processing")
        result = self._facilitator.settle(authorization, wanted)
        noted = {
            "transaction": result.transaction or payment.details.get("transaction"),
            "reason": result.reason,
        }
        payment = replace(payment, details={**payment.details, **noted})
        if self._chain is None:
            outcome = Outcome("paid", result.transaction) if result.done else None
        else:
            outcome = self._seen(payment, patient=result.done)
        return self._decided(payment, outcome, now) or self._leave(payment, outcome, now)

    def _verified(
        self, payment: Payment, authorization: Authorization, wanted: dict[str, Any], now: datetime
    ) -> str | None:
        try:
            return self._facilitator.verify(authorization, wanted)
        except ChainUnavailableError:
            self._leave(payment, None, now)  # nothing was sent: the same payment may come again
            raise

    def _refuse(self, payment: Payment, reason: str, now: datetime) -> Payment:
        """Call it failed, unless what is wrong with it is that it has been paid already."""
        if self._chain is None:
            return self._fail(payment, reason)
        outcome = self._seen(payment)
        if outcome is None:
            self._leave(payment, None, now)
            unsure = f"{reason}, and nobody can tell whether it was paid"
            raise ChainUnavailableError(unsure)
        if outcome.kind == "paid":
            return self._settle(payment, outcome.transaction, now)
        return self._fail(payment, reason)

    def _seen(self, payment: Payment, *, patient: bool = False) -> Outcome | None:
        """What the chain says; None where nobody can tell. `patient`: it must be there by now."""
        if self._chain is None:
            return None
        try:
            outcome = self._chain.outcome(
                restored(payment.details["authorization"]), payment.details["since"]
            )
            for pause in _PAUSES_S if patient else ():
                if outcome.kind != "open":
                    break
                sleep(pause)  # a node that lags behind the one that settled
                outcome = self._chain.outcome(
                    restored(payment.details["authorization"]), payment.details["since"]
                )
        except ChainUnavailableError as error:
            _log.warning("chain_unavailable", payment=payment.id, reason=error.reason)
            return None
        return outcome

    def _decided(self, payment: Payment, outcome: Outcome | None, now: datetime) -> Payment | None:
        """Bring the payment to where the outcome is; None where that decides nothing.

        Old news changes nothing, and it needs no lease: what the chain says is the same for all.
        """
        match outcome:
            case Outcome("paid"):
                return self._settle(payment, outcome.transaction, now)
            case Outcome("lapsed" | "cancelled"):
                return self._fail(payment, f"authorization_{outcome.kind}")
            case Outcome("doubtful") if payment.state == "begun" and _is_over(payment, now):
                # we never sent it, and it was used before we knew of it: it can't come true
                return self._fail(payment, "authorization_used")
            case None if self._chain is None and payment.state == "begun":
                if _is_over(payment, now):  # we never sent it
                    return self._fail(payment, "authorization_lapsed")
        return None

    def _settle(self, payment: Payment, transaction: str | None, now: datetime) -> Payment:
        details = {**payment.details, "transaction": transaction, "reason": None, "doubt": None}
        with self._database.write() as db:
            into: Role = "x402" if self._settings.refund == "chain" else "credits"
            if settle(db, payment, now, self._token_ttl, into):
                payments.note(db, payment.id, details)
            return payments.load(db, payment.id)

    def _fail(self, payment: Payment, reason: str) -> Payment:
        """It is certain that nothing was and nothing will be charged."""
        details = {**payment.details, "reason": reason, "doubt": None}
        of = frozenset({payment.state})
        with self._database.write() as db:
            if payments.move(db, payment.id, of=of, to="failed", details=details):
                counted_at = payment.created_at
                budgets.unspend(db, payment.key_id, KIND, payment.money, counted_at)
                _log.info("x402_payment_failed", payment=payment.id, reason=reason)
            return payments.load(db, payment.id)

    def _leave(self, payment: Payment, outcome: Outcome | None, now: datetime) -> Payment:
        """Undecided: give up the lease, so that whoever asks next goes on with it."""
        doubtful = outcome is not None and outcome.kind == "doubtful"
        doubt = "unknown" if doubtful or _is_over(payment, now) else None  # see `audit`
        kept = {"details": {**payment.details, "doubt": doubt}, "ask_at": now}
        with self._database.write() as db:
            payments.move(db, payment.id, of=frozenset({payment.state}), to=payment.state, **kept)
            return payments.load(db, payment.id)

    def _take(self, payment: Payment, now: datetime) -> bool:
        with self._database.write() as db:
            return payments.ask_later(db, payment, now, now + LEASE)


def receipt_of(payment: Payment) -> dict[str, Any]:
    """x402's settlement response for the payment as it stands."""
    authorization, reason = payment.details["authorization"], payment.details.get("reason")
    paid = payment.state in {"paid", "disputed", "refunded"}
    return {
        "success": paid,
        **({} if paid else {"errorReason": reason or "settlement_pending"}),
        "payer": authorization["payer"],
        "transaction": payment.details.get("transaction") or "",
        "network": authorization["network"],
        "amount": str(payment.money.amount_micros),
    }


def _is_over(payment: Payment, now: datetime) -> bool:
    """Whether the chain has had all the time in the world to decide."""
    return payment.expires_at + _GRACE <= now
