"""Payments as the tools see them: quote, require, pay, admit, capture, release."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Final, NoReturn

from sqlalchemy import Connection

from gateway_payments import (
    admission,
    budgets,
    entitlements,
    payments,
    quota,
    receipts,
    refunds,
    requirement,
)
from gateway_payments.accounts import Caller, paying
from gateway_payments.admission import Admission, Candidate, Settled
from gateway_payments.exceptions import (
    NotOfferedError,
    OfferUnavailableError,
    PaymentPendingError,
    QuoteExpiredError,
    StripeNotEnabledError,
    StripeUnavailableError,
    UnknownPackError,
    UnknownSessionError,
)
from gateway_payments.ledger import balance, credit_balances
from gateway_payments.money import Money, from_minor
from gateway_payments.payments import WAITING, Payment
from gateway_payments.pricing import price_list
from gateway_payments.proof import Proof
from gateway_payments.providers import Provider
from gateway_payments.providers.instant import CREDITS, METERED, Instant
from gateway_payments.providers.stripe_account import StripeAccount
from gateway_payments.providers.stripe_checkout import KIND as CHECKOUT
from gateway_payments.providers.stripe_customers import SetUp
from gateway_payments.providers.x402 import KIND as BY_CHAIN
from gateway_payments.providers.x402 import X402, receipt_of
from gateway_payments.quotes import Priced, Quote, find_quote, open_quote
from gateway_payments.receipts import Receipt
from gateway_payments.refunds import Refund
from gateway_payments.requirement import Offer, PaymentRequirement, PaymentStatus
from gateway_payments.reversals import CERTAIN
from gateway_payments.settings import PaymentSettings
from gateway_payments.tokens import token
from gateway_payments.usage import UsagePage, usage_page
from gateway_storage.database import Database

_LONGEST_PAGE: Final = 500


@dataclass(frozen=True, slots=True)
class Reconciled:
    """What was put right: refunds begun, letters arrived, payments found to be paid."""

    refunded: int
    sent: int
    paid: int


class Payments:
    """Everything about money, composed once by the server.

    `quote`, `require` and `pay` open their own transactions and may ask Stripe; `admit`, `capture`
    and `release` work inside the transaction in which the caller creates or ends the run.
    """

    def __init__(self, database: Database, settings: PaymentSettings) -> None:
        ttl = timedelta(minutes=settings.token_ttl_minutes)
        self._database = database
        self._settings = settings
        self._token_ttl = ttl
        self._stripe = (
            StripeAccount(database, settings.stripe, ttl, settings.currency)
            if settings.stripe
            else None
        )
        providers: dict[str, Provider] = {
            kind: Instant(database, ttl, kind) for kind in (CREDITS, METERED)
        }
        if self._stripe:
            providers[CHECKOUT] = self._stripe.checkout
        self._x402 = settings.x402 and X402(database, settings.x402, ttl)
        if self._x402:
            providers[BY_CHAIN] = self._x402
        self._providers = providers

    @property
    def offers_enabled(self) -> tuple[str, ...]:
        """The ways to pay, the headline first; none where everything is free."""
        return self._settings.offers

    @property
    def packs(self) -> tuple[int, ...]:
        """Amounts of credits that can be bought, in minor units of the prices' currency."""
        return self._settings.packs

    @property
    def free(self) -> bool:
        """Whether nothing costs anything."""
        return not self._settings.offers

    @property
    def currency(self) -> str:
        """What prices are in: usd."""
        return self._settings.currency

    def free_runs_left(self, account_id: str, now: datetime) -> int | None:
        """How many runs the account may have for nothing today; None where none are given."""
        most = self._settings.free_runs_per_day
        if self.free or not most:
            return None
        with self._database.read() as db:
            return quota.left(db, account_id, most, now)

    def quote(self, account_id: str, priced: Priced, now: datetime) -> Quote:
        """Price a run. The same request asked again gives the same quote while it is open.

        A quote for a request that is paid already names the quote that was paid.
        """
        return self._open(account_id, priced, self.free_runs_left(account_id, now) or 0, now)

    def require_for(self, caller: Caller, priced: Priced, now: datetime) -> PaymentRequirement:
        """What a 402 says about a run that was not let in: as `quote` and `require` for money."""
        return self.require(self._open(caller.account_id, priced, 0, now), caller, now)

    def find_quote(self, account_id: str, quote_id: str) -> Quote:
        """A quote made before; UnknownQuoteError for any id that is not this account's."""
        with self._database.read() as db:
            return find_quote(db, account_id, quote_id)

    def prices(self, quote: Quote, caller: Caller) -> tuple[Offer, ...]:
        """The quote's offers as prices only, their `data` empty: nothing is begun or asked.

        Only the ways to pay that are open to the caller, in the order of the settings.
        """
        return tuple(
            requirement.offer_of(kind, quote.prices[kind], quote.expires_at, {})
            for kind in self._payable(quote, caller)
        )

    def require(self, quote: Quote, caller: Caller, now: datetime) -> PaymentRequirement:
        """What a 402 says. Opens the quote's Checkout page, or gives the open one.

        Raises PaymentPendingError, QuoteExpiredError, OfferNotAllowedError or OfferUnavailableError
        (none of the quote's ways to pay is open to the caller's key, or to anybody) and, where it
        is the only way to pay, StripeUnavailableError.
        """
        waiting = self._waiting(quote)
        if waiting and waiting.provider == BY_CHAIN:  # nobody is to pay a second time
            raise PaymentPendingError(quote.id)
        kinds = self._payable(quote, caller)
        if not kinds:
            self._refuse(caller, next(iter(quote.prices), "any offer"), kinds)
        offers, failure = self._offers(quote, caller, kinds, now)
        if not offers and failure:
            raise failure
        return requirement.requirement_of(quote, offers)

    def pay(  # noqa: PLR0913  what to pay, and with what
        self,
        caller: Caller,
        *,
        quote_id: str | None = None,
        session_id: str | None = None,
        offer: str | None = None,
        proof: Proof | None = None,
        now: datetime,
    ) -> PaymentStatus:
        """Start a payment, or say how it stands; paid comes with the token, the same each time.

        One of `quote_id` and `session_id` is given. Without an `offer` a begun payment is looked
        after, else the first way to pay is taken. An unused token whose time is over is revived.

        Raises UnknownQuoteError, UnknownSessionError, OfferUnavailableError,
        InsufficientCreditsError, NotLinkedError, BudgetExceededError, OfferNotAllowedError,
        StripeUnavailableError, PaymentTokenSpentError, PaymentInUseError, RequestExhaustedError,
        PaymentReturnedError; for x402 PaymentRequiredError (there is no `proof`), and what
        `pay_by_proof` does.
        """
        if session_id is not None:
            return self._claim(caller.account_id, session_id, now)
        if quote_id is None:
            message = "pay needs a quote_id or a session_id"
            raise ValueError(message)
        quote = self.find_quote(caller.account_id, quote_id)
        if proof is not None and offer in {None, BY_CHAIN}:
            return self._status(self._pay_by(proof, caller, now, quote.id), now)
        return self._paid_status(quote, now) or self._pay(quote, caller, offer, now)

    def pay_by_proof(
        self, caller: Caller, proof: Proof, now: datetime, quote_id: str | None = None
    ) -> str:
        """Settle the payment that came along with a call, once; the quote that it has paid.

        A payment that came before is good for what it bought then. `quote_id`: the one quote that
        a new one may pay. `proof.receipt` says what has become of it, also where this raises:

        OfferUnavailableError (x402 isn't taken here), PaymentMalformedError, PaymentRefusedError,
        PaymentUsedError, PaymentPendingError (ask again, with the same payment), UnknownQuoteError,
        QuoteExpiredError, BudgetExceededError, OfferNotAllowedError, ChainUnavailableError.
        """
        payment = self._pay_by(proof, caller, now, quote_id)
        assert payment.quote_id is not None
        if payment.state in WAITING:
            raise PaymentPendingError(payment.quote_id)
        return payment.quote_id

    def look_after(self, account_id: str, quote_id: str, now: datetime) -> None:
        """Ask Stripe or the chain how the quote's open payment stands, and go on with it.

        Begins nothing. Raises UnknownQuoteError, StripeUnavailableError.
        """
        waiting = self._waiting(self.find_quote(account_id, quote_id))
        if waiting:
            self._settled(waiting, now)

    def delivered(self, account_id: str, quote_id: str) -> str | None:
        """The run that was delivered for the quote; None while what was paid can still buy one."""
        self.find_quote(account_id, quote_id)
        with self._database.read() as db:
            bought = entitlements.of_quote(db, quote_id)
        first = next(iter(bought), None)
        return first.run_id if first and first.state == "captured" else None

    def stored_request(
        self, account_id: str, *, quote_id: str | None = None, payment_token: str | None = None
    ) -> dict[str, Any]:
        """The request that a quote was made for, or a token bought for; one of both is given.

        Raises UnknownQuoteError, PaymentTokenInvalidError.
        """
        with self._database.read() as db:
            if payment_token is not None:
                bought = admission.by_token(db, self._settings, account_id, payment_token)
                quote_id = bought.quote_id
            return find_quote(db, account_id, quote_id or "").request

    def admit(  # noqa: PLR0913  who, what and with what
        self,
        db: Connection,
        caller: Caller,
        run_id: str,
        priced: Priced,
        *,
        payment_token: str | None = None,
        quote_id: str | None = None,
        now: datetime,
    ) -> Admission | None:
        """Reserve what pays for the run; None when nothing was given that could.

        A token goes before a quote, these before a free run, that before what the account pays
        automatically. Raises PaymentTokenInvalidError, PaymentTokenExpiredError,
        PaymentTokenSpentError, PaymentInUseError, RequestExhaustedError, PaymentReturnedError,
        PaymentTooSmallError, UnknownQuoteError, QuoteExpiredError, BudgetExceededError,
        OfferNotAllowedError; the caller's transaction is then rolled back.
        """
        settings = self._settings
        candidate = Candidate(caller, run_id, priced, now)
        if self.free:
            return admission.admit_free(db, candidate, settings.currency)
        if payment_token is not None:
            return admission.admit_by_token(db, settings, candidate, payment_token)
        if quote_id is not None:
            return admission.admit_by_quote(db, settings, candidate, quote_id)
        by_quota = admission.admit_by_quota(db, settings, candidate)
        return by_quota or admission.admit_automatically(db, settings, candidate)

    def capture(
        self, db: Connection, run_id: str, now: datetime, duration_ms: float
    ) -> Settled | None:
        """The run was delivered: its money is earned. None if the run was settled before."""
        return admission.capture(db, self._settings, run_id, now, duration_ms)

    def release(
        self,
        db: Connection,
        run_id: str,
        now: datetime,
        duration_ms: float | None,
        *,
        models_fault: bool,
    ) -> Settled | None:
        """The run failed: its entitlement is good again, unless its model failed too often.

        `charged` is None where nothing was taken; at a third failure it is the price, which the
        caller should be told. None if the run was settled before.
        """
        return admission.release(
            db, self._settings, run_id, now, duration_ms, models_fault=models_fault
        )

    def handle_webhook(self, body: bytes, signature: str, now: datetime) -> bool:
        """Act on what Stripe posted; False for a replay, or news that does not concern us.

        Raises StripeNotEnabledError, WebhookSignatureError, WebhookMalformedError; what must come
        again: WebhookTooEarlyError, StripeUnavailableError.
        """
        if not self._stripe:
            raise StripeNotEnabledError
        return self._stripe.handle_webhook(body, signature, now)

    def shortcomings(self) -> list[str]:
        """What an operator should put right about the ways to pay, one sentence each."""
        return self._x402.shortcomings() if self._x402 else []

    def close(self) -> None:
        """Let go of connections to the outside."""
        if self._x402:
            self._x402.close()

    def buy_credits(self, caller: Caller, amount_minor: int, now: datetime) -> PaymentStatus:
        """Open the Checkout page of a pack of credits, or give the open one; `pending`.

        Raises NotOfferedError, UnknownPackError, OfferNotAllowedError, StripeUnavailableError.
        """
        settings = self._settings
        if self._stripe is None or CREDITS not in settings.offers:
            raise NotOfferedError(CREDITS, settings.offers)
        if amount_minor not in settings.packs:
            raise UnknownPackError(settings.packs, settings.currency)
        money = from_minor(amount_minor, settings.currency)
        payment = self._stripe.checkout.begin_pack(caller, money, now)
        return self._status(payment, now)

    def set_up_metered(self, caller: Caller, now: datetime) -> SetUp:
        """The account's Stripe customer, and the page on which a person lets the meter charge it.

        Raises NotOfferedError, LimitedKeyError, StripeUnavailableError.
        """
        stripe = self._metering()
        with self._database.read() as db:
            budgets.require_unlimited(db, caller)
        return stripe.customers.set_up(caller.account_id, now)

    def link_customer(self, account_id: str, customer_id: str, now: datetime) -> None:
        """Link a customer on the operator's word.

        Raises NotOfferedError, UnknownAccountError, InvalidCustomerError, StripeUnavailableError.
        """
        self._metering().customers.link(account_id, customer_id, now)

    def refund(self, account_id: str, quote_id: str, now: datetime) -> Refund:
        """Give back what was paid for a quote that we failed to deliver, as its payer asks.

        Raises UnknownQuoteError, PaymentInUseError, NotRefundableError.
        """
        return refunds.by_payer(self._database, account_id, quote_id, now)

    def refund_any(self, named: str, reason: str, now: datetime) -> Refund:
        """Give back any right that nobody has used, as the operator decides.

        `named`: a quote or a payment. Raises UnknownPaymentError, PaymentInUseError,
        NotRefundableError, InvalidTextError (of the reason).
        """
        return refunds.by_operator(self._database, named, reason, now)

    def receipt(self, session_id: str) -> Receipt | None:
        """What a person may be told who comes from a Checkout page; None: it isn't known here.

        Stripe isn't asked: whoever knows the address could have us ask without end.
        """
        with self._database.read() as db:
            return receipts.find(db, session_id)

    def send_letters(self, now: datetime) -> int:
        """Tell Stripe and the chain what waits to be told, some of it; how much arrived."""
        told = self._stripe.letters.send(now) if self._stripe else 0
        return told + (self._x402.send_refunds(now) if self._x402 else 0)

    def reconcile(self, now: datetime) -> Reconciled:
        """Put right what a crash, a lost webhook or a lost answer left; some of it each time.

        May be called by several processes at any time. Where Stripe doesn't answer, the next call
        goes on.
        """
        refunded = refunds.due(self._database, now)
        sent = self.send_letters(now)
        paid = self._stripe.checkout.catch_up(now) if self._stripe else 0
        settled = self._x402.reconcile(now) if self._x402 else 0
        return Reconciled(refunded=refunded, sent=sent, paid=paid + settled)

    def usage(self, account_id: str, cursor: str | None, limit: int) -> UsagePage:
        """The account's runs, newest first. Raises InvalidCursorError."""
        with self._database.read() as db:
            return usage_page(db, account_id, cursor, max(1, min(limit, _LONGEST_PAGE)))

    def balance(self, account_id: str) -> tuple[Money, ...]:
        """The account's prepaid credits in the currency of the prices, then in any other."""
        currency = self._settings.currency
        with self._database.read() as db:
            held = {money.currency: money for money in credit_balances(db, account_id)}
        return (held.pop(currency, Money(0, currency)), *held.values())

    def _open(self, account_id: str, priced: Priced, free_left: int, now: datetime) -> Quote:
        price = price_list(self._settings, priced.work_units, free_left)
        quote = open_quote(self._database, account_id, priced, price, now)
        return quote if self.free else self._with_paid(quote)

    def _metering(self) -> StripeAccount:
        if self._stripe is None or METERED not in self._settings.offers:
            raise NotOfferedError(METERED, self._settings.offers)
        return self._stripe

    def _with_paid(self, quote: Quote) -> Quote:
        with self._database.read() as db:
            paid = entitlements.unspent_for(
                db, quote.account_id, quote.request, quote.request_sha256
            )
        if paid is None:
            return quote
        return replace(quote, already_paid_quote_id=paid.quote_id, running_result_id=paid.run_id)

    def _payable(self, quote: Quote, caller: Caller) -> tuple[str, ...]:
        with self._database.read() as db:
            budget = budgets.find_budget(db, caller.key_id)
            linked = METERED not in quote.prices or paying(db, caller.account_id).linked
        allowed = self.offers_enabled if not budget or budget.offers is None else budget.offers
        return tuple(
            kind
            for kind in self.offers_enabled
            if kind in quote.prices and kind in allowed and (linked or kind != METERED)
        )

    def _offers(
        self, quote: Quote, caller: Caller, kinds: tuple[str, ...], now: datetime
    ) -> tuple[tuple[Offer, ...], StripeUnavailableError | None]:
        if quote.expires_at <= now:
            raise QuoteExpiredError(quote.id, quote.expires_at)
        offers: list[Offer] = []
        failure = None
        for kind in kinds:
            try:
                offers.append(self._providers[kind].offer(quote, caller, now))
            except StripeUnavailableError as error:
                failure = error
        return tuple(offers), failure

    def _claim(self, account_id: str, session_id: str, now: datetime) -> PaymentStatus:
        with self._database.read() as db:
            payment = payments.by_session(db, account_id, session_id)
        if payment is None:
            raise UnknownSessionError(session_id)
        return self._status(self._settled(payment, now), now)

    def _pay_by(self, proof: Proof, caller: Caller, now: datetime, quote_id: str | None) -> Payment:
        if not self._x402 or BY_CHAIN not in self.offers_enabled:
            raise OfferUnavailableError(BY_CHAIN, self.offers_enabled)
        payment = self._x402.pay(proof.payload, caller, now, quote_id)
        if payment.provider == BY_CHAIN:
            proof.receipt = receipt_of(payment)
        if payment.state == "failed":
            raise self._x402.refused(payment)
        if payment.state == "paid":
            self._cancel_others(payment, now)
        return payment

    def _cancel_others(self, paid: Payment, now: datetime) -> None:
        """Nobody is to pay what has been paid another way."""
        with self._database.read() as db:
            begun = payments.of_quote(db, paid.quote_id or "")
        for other in begun:
            if other.state in WAITING and other.provider in self._providers:
                self._providers[other.provider].cancel(other, now)

    def _pay(self, quote: Quote, caller: Caller, offer: str | None, now: datetime) -> PaymentStatus:
        if not quote.prices:
            return requirement.free(quote)
        waiting = self._waiting(quote)
        if waiting and (offer in {None, waiting.provider} or waiting.provider == BY_CHAIN):
            settled = self._settled(waiting, now)
            if settled.state in WAITING | {"paid"}:
                return self._status(settled, now)
        kind = self._chosen(quote, caller, offer)
        try:
            payment = self._providers[kind].begin(quote, caller, now)
        except QuoteExpiredError:
            return requirement.lapsed(quote)
        if waiting and payment.state == "paid" and waiting.id != payment.id:
            self._providers[waiting.provider].cancel(waiting, now)
        return self._status(payment, now)

    def _chosen(self, quote: Quote, caller: Caller, offer: str | None) -> str:
        payable = self._payable(quote, caller)
        chosen = offer or next(iter((*payable, *quote.prices)))
        if chosen not in payable:
            self._refuse(caller, chosen, payable)
        return chosen

    def _refuse(self, caller: Caller, offer: str, payable: tuple[str, ...]) -> NoReturn:
        """The key's budget forbids it, or nobody can pay this way."""
        with self._database.read() as db:
            budgets.require_allowed(db, caller, offer)
        raise OfferUnavailableError(offer, payable)

    def _waiting(self, quote: Quote) -> Payment | None:
        with self._database.read() as db:
            begun = payments.of_quote(db, quote.id)
        waiting = [p for p in begun if p.state in WAITING and p.external_id]
        on_its_way = [p for p in waiting if p.provider == BY_CHAIN]  # before a page left open
        return next(iter(on_its_way + waiting), None)

    def _settled(self, payment: Payment, now: datetime) -> Payment:
        provider = self._providers.get(payment.provider)  # None: disabled since
        return provider.settle(payment, now) if provider else payment

    def _paid_status(self, quote: Quote, now: datetime) -> PaymentStatus | None:
        with self._database.read() as db:
            bought = entitlements.of_quote(db, quote.id)
            if not bought:
                return None
            paid = payments.load(db, bought[0].payment_id)  # read after: certainly paid by now
        return self._status(paid, now)

    def _status(self, payment: Payment, now: datetime) -> PaymentStatus:
        if payment.quote_id is None:
            if payment.state == "paid":
                with self._database.read() as db:
                    held = balance(db, payment.account_id, CREDITS, payment.money.currency)
                return requirement.bought(payment, Money(held, payment.money.currency))
        elif payment.state in CERTAIN:  # where the money went back it says what became of it
            return self._token(payment, now)
        return (
            requirement.pending(payment) if payment.state in WAITING else requirement.ended(payment)
        )

    def _token(self, payment: Payment, now: datetime) -> PaymentStatus:
        with self._database.write() as db:
            entitlement_id = entitlements.id_of(payment)
            entitlements.renew(db, entitlement_id, now, now + self._token_ttl)
            entitlement = entitlements.find(db, payment.account_id, entitlement_id)
            quote = find_quote(db, payment.account_id, payment.quote_id or "")
        if entitlement is None:  # pragma: no cover  issued in the transaction that marked it paid
            message = f"payment {payment.id} is paid and bought nothing"
            raise AssertionError(message)
        admission.require_usable(entitlement, now)
        bearer = token(self._settings.secret, entitlement_id)
        return requirement.paid(payment, quote, bearer, entitlement.expires_at)
