"""Payments as the tools see them: quote, require, pay, admit, capture, release."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

from sqlalchemy import Connection

from gateway_payments import admission, budgets, receipts, reconciling, refunds
from gateway_payments.accounts import Caller
from gateway_payments.admission import Admission, Candidate, Settled
from gateway_payments.exceptions import (
    StripeNotEnabledError,
)
from gateway_payments.ledger import credit_balances
from gateway_payments.money import Money
from gateway_payments.paying import Paying
from gateway_payments.proof import Proof
from gateway_payments.providers.stripe_customers import SetUp
from gateway_payments.quotes import Priced, Quote, find_quote
from gateway_payments.quoting import Quoting
from gateway_payments.receipts import Receipt
from gateway_payments.reconciling import Reconciled
from gateway_payments.refunds import Refund
from gateway_payments.requirement import Offer, PaymentRequirement, PaymentStatus
from gateway_payments.settings import PaymentSettings
from gateway_payments.usage import UsagePage, usage_page
from gateway_payments.ways import Ways
from gateway_storage.database import Database

_LONGEST_PAGE: Final = 500


class Payments:
    """Everything about money, composed once by the server.

    `quote`, `require` and `pay` open their own transactions and may ask Stripe; `admit`, `capture`
    and `release` work inside the transaction in which the caller creates or ends the run.
    """

    def __init__(self, database: Database, settings: PaymentSettings) -> None:
        self._database = database
        self._settings = settings
        self._ways = Ways(database, settings)
        self._quoting = Quoting(database, settings, self._ways)
        self._paying = Paying(database, settings, self._ways)

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
        return self._quoting.free_runs_left(account_id, now)

    def quote(self, account_id: str, priced: Priced, now: datetime) -> Quote:
        """Price a run. The same request asked again gives the same quote while it is open.

        A quote for a request that is paid already names the quote that was paid.
        """
        return self._quoting.quote(account_id, priced, now)

    def require_for(self, caller: Caller, priced: Priced, now: datetime) -> PaymentRequirement:
        """What a 402 says about a run that was not let in: as `quote` and `require` for money."""
        return self._quoting.require_for(caller, priced, now)

    def find_quote(self, account_id: str, quote_id: str) -> Quote:
        """A quote made before; UnknownQuoteError for any id that is not this account's."""
        with self._database.read() as db:
            return find_quote(db, account_id, quote_id)

    def prices(self, quote: Quote, caller: Caller) -> tuple[Offer, ...]:
        """The quote's offers as prices only, their `data` empty: nothing is begun or asked.

        Only the ways to pay that are open to the caller, in the order of the settings.
        """
        return self._quoting.prices(quote, caller)

    def require(self, quote: Quote, caller: Caller, now: datetime) -> PaymentRequirement:
        """What a 402 says. Opens the quote's Checkout page, or gives the open one.

        Raises PaymentPendingError, QuoteExpiredError, OfferNotAllowedError or OfferUnavailableError
        (none of the quote's ways to pay is open to the caller's key, or to anybody) and, where it
        is the only way to pay, StripeUnavailableError.
        """
        return self._quoting.require(quote, caller, now)

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
            return self._paying.claim(caller.account_id, session_id, now)
        if quote_id is None:
            message = "pay needs a quote_id or a session_id"
            raise ValueError(message)
        quote = self.find_quote(caller.account_id, quote_id)
        return self._paying.pay_quote(caller, quote, offer, proof, now)

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
        return self._paying.pay_by_proof(caller, proof, now, quote_id)

    def look_after(self, account_id: str, quote_id: str, now: datetime) -> None:
        """Ask Stripe or the chain how the quote's open payment stands, and go on with it.

        Begins nothing. Raises UnknownQuoteError, StripeUnavailableError.
        """
        self._paying.look_after(account_id, quote_id, now)

    def delivered(self, account_id: str, quote_id: str) -> str | None:
        """The run that was delivered for the quote; None while what was paid can still buy one."""
        return self._paying.delivered(account_id, quote_id)

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
        if not self._ways.stripe:
            raise StripeNotEnabledError
        return self._ways.stripe.handle_webhook(body, signature, now)

    def shortcomings(self) -> list[str]:
        """What an operator should put right about the ways to pay, one sentence each."""
        return self._ways.x402.shortcomings() if self._ways.x402 else []

    def close(self) -> None:
        """Let go of connections to the outside."""
        if self._ways.x402:
            self._ways.x402.close()

    def buy_credits(self, caller: Caller, amount_minor: int, now: datetime) -> PaymentStatus:
        """Open the Checkout page of a pack of credits, or give the open one; `pending`.

        Raises NotOfferedError, UnknownPackError, OfferNotAllowedError, StripeUnavailableError.
        """
        return self._paying.buy_credits(caller, amount_minor, now)

    def set_up_metered(self, caller: Caller, now: datetime) -> SetUp:
        """The account's Stripe customer, and the page on which a person lets the meter charge it.

        Raises NotOfferedError, LimitedKeyError, StripeUnavailableError.
        """
        stripe = self._ways.metering()
        with self._database.read() as db:
            budgets.require_unlimited(db, caller)
        return stripe.customers.set_up(caller.account_id, now)

    def link_customer(self, account_id: str, customer_id: str, now: datetime) -> None:
        """Link a customer on the operator's word.

        Raises NotOfferedError, UnknownAccountError, InvalidCustomerError, StripeUnavailableError.
        """
        self._ways.metering().customers.link(account_id, customer_id, now)

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
        return reconciling.send_letters(self._ways, now)

    def reconcile(self, now: datetime) -> Reconciled:
        """Put right what a crash, a lost webhook or a lost answer left; some of it each time.

        May be called by several processes at any time. Where Stripe doesn't answer, the next call
        goes on.
        """
        return reconciling.reconcile(self._database, self._ways, now)

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
