"""Quotes as an account asks for them: what a run costs, and what a 402 says about it."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from gateway_payments import entitlements, quota, requirement
from gateway_payments.accounts import Caller
from gateway_payments.exceptions import PaymentPendingError
from gateway_payments.pricing import price_list
from gateway_payments.providers.x402 import KIND as BY_CHAIN
from gateway_payments.quotes import Priced, Quote, open_quote
from gateway_payments.requirement import Offer, PaymentRequirement
from gateway_payments.settings import PaymentSettings
from gateway_payments.ways import Ways
from gateway_storage.database import Database


class Quoting:
    """Opens quotes; `Payments` says what each method promises."""

    def __init__(self, database: Database, settings: PaymentSettings, ways: Ways) -> None:
        self._database = database
        self._settings = settings
        self._ways = ways

    def free_runs_left(self, account_id: str, now: datetime) -> int | None:
        """How many runs the account may have for nothing today; None where none are given."""
        most = self._settings.free_runs_per_day
        if not self._settings.offers or not most:
            return None
        with self._database.read() as db:
            return quota.left(db, account_id, most, now)

    def quote(self, account_id: str, priced: Priced, now: datetime) -> Quote:
        """The account's open quote for this request, made if there is none."""
        return self._open(account_id, priced, self.free_runs_left(account_id, now) or 0, now)

    def require_for(self, caller: Caller, priced: Priced, now: datetime) -> PaymentRequirement:
        """As `quote` and `require`, for money: no free run is counted on."""
        return self.require(self._open(caller.account_id, priced, 0, now), caller, now)

    def prices(self, quote: Quote, caller: Caller) -> tuple[Offer, ...]:
        """The offers that are open to the caller, nothing begun or asked."""
        return tuple(
            requirement.offer_of(kind, quote.prices[kind], quote.expires_at, {})
            for kind in self._ways.payable(quote, caller)
        )

    def require(self, quote: Quote, caller: Caller, now: datetime) -> PaymentRequirement:
        """What a 402 says, with a page to pay at."""
        waiting = self._ways.waiting(quote)
        if waiting and waiting.provider == BY_CHAIN:  # nobody is to pay a second time
            raise PaymentPendingError(quote.id)
        kinds = self._ways.payable(quote, caller)
        if not kinds:
            self._ways.refuse(caller, next(iter(quote.prices), "any offer"), kinds)
        return requirement.requirement_of(quote, self._ways.offers(quote, caller, kinds, now))

    def _open(self, account_id: str, priced: Priced, free_left: int, now: datetime) -> Quote:
        price = price_list(self._settings, priced.work_units, free_left)
        quote = open_quote(self._database, account_id, priced, price, now)
        return self._with_paid(quote) if self._settings.offers else quote

    def _with_paid(self, quote: Quote) -> Quote:
        with self._database.read() as db:
            paid = entitlements.unspent_for(
                db, quote.account_id, quote.request, quote.request_sha256
            )
        if paid is None:
            return quote
        return replace(quote, already_paid_quote_id=paid.quote_id, running_result_id=paid.run_id)
