"""The ways to pay that are enabled: what each asks, and which of them a caller may use."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import NoReturn

from gateway_payments import budgets, payments
from gateway_payments.accounts import Caller, paying
from gateway_payments.exceptions import (
    NotOfferedError,
    OfferUnavailableError,
    QuoteExpiredError,
    StripeUnavailableError,
)
from gateway_payments.payments import WAITING, Payment
from gateway_payments.providers import Provider
from gateway_payments.providers.instant import CREDITS, METERED, Instant
from gateway_payments.providers.stripe_account import StripeAccount
from gateway_payments.providers.stripe_checkout import KIND as CHECKOUT
from gateway_payments.providers.x402 import KIND as BY_CHAIN
from gateway_payments.providers.x402 import X402
from gateway_payments.quotes import Quote
from gateway_payments.requirement import Offer
from gateway_payments.settings import PaymentSettings
from gateway_storage.database import Database


class Ways:
    """The providers, put together once from the settings.

    `stripe` and `x402` are there where they are set up, whether or not they are offered: what was
    paid that way before is still looked after.
    """

    def __init__(self, database: Database, settings: PaymentSettings) -> None:
        ttl = timedelta(minutes=settings.token_ttl_minutes)
        self._database = database
        self._settings = settings
        self.stripe = (
            StripeAccount(database, settings.stripe, ttl, settings.currency)
            if settings.stripe
            else None
        )
        self.x402 = X402(database, settings.x402, ttl) if settings.x402 else None
        self._providers: dict[str, Provider] = {
            kind: Instant(database, ttl, kind) for kind in (CREDITS, METERED)
        }
        if self.stripe:
            self._providers[CHECKOUT] = self.stripe.checkout
        if self.x402:
            self._providers[BY_CHAIN] = self.x402

    @property
    def enabled(self) -> tuple[str, ...]:
        """What can be paid with, the headline first."""
        return self._settings.offers

    def metering(self) -> StripeAccount:
        """Stripe, where the meter is offered. Raises NotOfferedError."""
        if self.stripe is None or METERED not in self.enabled:
            raise NotOfferedError(METERED, self.enabled)
        return self.stripe

    def payable(self, quote: Quote, caller: Caller) -> tuple[str, ...]:
        """Those of the quote's that are open to the caller's key and account, in order."""
        with self._database.read() as db:
            budget = budgets.find_budget(db, caller.key_id)
            linked = METERED not in quote.prices or paying(db, caller.account_id).linked
        allowed = self.enabled if not budget or budget.offers is None else budget.offers
        return tuple(
            kind
            for kind in self.enabled
            if kind in quote.prices and kind in allowed and (linked or kind != METERED)
        )

    def refuse(self, caller: Caller, offer: str, payable: tuple[str, ...]) -> NoReturn:
        """Say why not: the key's budget forbids it, or nobody can pay this way.

        Raises OfferNotAllowedError, OfferUnavailableError.
        """
        with self._database.read() as db:
            budgets.require_allowed(db, caller, offer)
        raise OfferUnavailableError(offer, payable)

    def chosen(self, quote: Quote, caller: Caller, offer: str | None) -> str:
        """The offer, or the first that can be had. Raises as `refuse`."""
        payable = self.payable(quote, caller)
        chosen = offer or next(iter((*payable, *quote.prices)))
        if chosen not in payable:
            self.refuse(caller, chosen, payable)
        return chosen

    def offers(
        self, quote: Quote, caller: Caller, kinds: tuple[str, ...], now: datetime
    ) -> tuple[Offer, ...]:
        """What each kind asks for the quote; one that doesn't answer is left out.

        Raises QuoteExpiredError; StripeUnavailableError where no other is left.
        """
        if quote.expires_at <= now:
            raise QuoteExpiredError(quote.id, quote.expires_at)
        offers: list[Offer] = []
        failure = None
        for kind in kinds:
            try:
                offers.append(self._providers[kind].offer(quote, caller, now))
            except StripeUnavailableError as error:
                failure = error
        if not offers and failure:
            raise failure
        return tuple(offers)

    def begin(self, kind: str, quote: Quote, caller: Caller, now: datetime) -> Payment:
        """Begin to pay the quote this way, or go on with it."""
        return self._providers[kind].begin(quote, caller, now)

    def waiting(self, quote: Quote) -> Payment | None:
        """The quote's begun payment that somebody outside knows of."""
        with self._database.read() as db:
            begun = payments.of_quote(db, quote.id)
        waiting = [p for p in begun if p.state in WAITING and p.external_id]
        on_its_way = [p for p in waiting if p.provider == BY_CHAIN]  # before a page left open
        return next(iter(on_its_way + waiting), None)

    def settled(self, payment: Payment, now: datetime) -> Payment:
        """The payment as its provider finds it to stand now."""
        provider = self._providers.get(payment.provider)  # None: disabled since
        return provider.settle(payment, now) if provider else payment

    def cancel(self, payment: Payment, now: datetime) -> None:
        """Nobody is to pay this any more."""
        if payment.provider in self._providers:
            self._providers[payment.provider].cancel(payment, now)

    def cancel_others(self, paid: Payment, now: datetime) -> None:
        """Nobody is to pay what has been paid another way."""
        with self._database.read() as db:
            begun = payments.of_quote(db, paid.quote_id or "")
        for other in begun:
            if other.state in WAITING:
                self.cancel(other, now)
