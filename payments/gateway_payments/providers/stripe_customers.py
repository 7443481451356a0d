"""Linking: a customer of Stripe's for an account, which agrees to be charged by the meter.

The account's own customer is made once, and agrees on a page of Stripe's. Which pages there are is
asked of Stripe itself, so that nothing is lost with a webhook; each page links once, so that an
operator's unlinking isn't undone by old news.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Final

import structlog
from sqlalchemy.exc import IntegrityError

from gateway_payments import accounts
from gateway_payments.accounts import Paying, paying
from gateway_payments.exceptions import InvalidCustomerError, StripeRefusedError
from gateway_payments.providers.stripe_api import StripeApi, asking, key_for
from gateway_payments.providers.stripe_events import (
    LINKING,
    Event,
    Linking,
    Unsubscribed,
    linking_of,
)
from gateway_payments.webhook_inbox import first_time
from gateway_storage.database import Database

if TYPE_CHECKING:
    from sqlalchemy import Connection
    from stripe.params import CustomerCreateParams
    from stripe.params.checkout import SessionCreateParams

_PAGES: Final = 100
_CUSTOMER: Final = re.compile(r"cus_\w{1,250}", re.ASCII)

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class SetUp:
    """How linking stands. `setup_url`: where a person agrees; None once the account is linked."""

    customer_id: str
    linked: bool
    setup_url: str | None


class StripeCustomers:
    """Links accounts to customers."""

    def __init__(self, database: Database, api: StripeApi, currency: str) -> None:
        self._database = database
        self._api = api
        self._currency = currency

    def set_up(self, account_id: str, now: datetime) -> SetUp:
        """Make the account's customer, if it has none, and the page on which it agrees.

        Asked again it finds both, and whether the customer has agreed meanwhile. Raises
        UnknownAccountError, StripeUnavailableError.
        """
        known = self._paying(account_id)
        customer = known.stripe_customer_id or self._make(account_id)
        if known.linked:
            return SetUp(customer, linked=True, setup_url=None)
        pages = self._pages(account_id, customer)
        for page in pages:
            if page.status == "complete":
                self._apply(page, now)
        if self._paying(account_id).linked:
            return SetUp(customer, linked=True, setup_url=None)
        is_open = (page.url for page in pages if page.status == "open" and page.url)
        url = next(is_open, None) or self._open(account_id, customer, len(pages))
        return SetUp(customer, linked=False, setup_url=url)

    def heed(self, event: Event, news: Linking | Unsubscribed, now: datetime) -> bool:
        """Act on the event; False where it is old, or none of ours."""
        if isinstance(news, Linking):
            return news.status == "complete" and self._apply(news, now)
        with self._database.write() as db:
            if not first_time(db, event.id, event.type, event.object_id, now):
                return False
            mine = accounts.customers_account(db, news.customer_id) == news.account_id
            return mine and accounts.unlink(db, news.account_id)

    def link(self, account_id: str, customer_id: str, now: datetime) -> None:
        """Link any customer, who has agreed elsewhere: the operator's word counts.

        Raises UnknownAccountError, InvalidCustomerError, StripeUnavailableError.
        """
        self._paying(account_id)
        self._require_customer(customer_id)
        try:
            with self._database.write() as db:
                accounts.unlink(db, account_id)
                accounts.claim_customer(db, account_id, customer_id)
                accounts.link(db, account_id, customer_id, now)
        except IntegrityError:
            raise InvalidCustomerError(customer_id, "another account is this customer") from None

    def _paying(self, account_id: str) -> Paying:
        with self._database.read() as db:
            return paying(db, account_id)

    def _make(self, account_id: str) -> str:
        params: CustomerCreateParams = {
            "description": f"FMU Gateway account {account_id}",
            "metadata": {"account_id": account_id},
        }
        with asking("customer"):
            made = self._api.client.v1.customers.create(
                params=params,
                options={"idempotency_key": key_for(f"customer:{account_id}", params)},
            ).id
        with self._database.write() as db:
            accounts.claim_customer(db, account_id, made)
            known = paying(db, account_id).stripe_customer_id
        assert known is not None, "an account lost its customer within a transaction"
        return known

    def _pages(self, account_id: str, customer: str) -> list[Linking]:
        """The account's own pages, the newest first."""
        with asking("sessions"):
            listed = self._api.client.v1.checkout.sessions.list(
                params={"customer": customer, "limit": _PAGES}
            )
            found = [linking_of(session.to_dict()) for session in listed.data]
        return [page for page in found if page and page.account_id == account_id]

    def _open(self, account_id: str, customer: str, number: int) -> str | None:
        """The account's nth page: whoever asks at once gets the same, and subscribes once."""
        params = self._params(account_id, customer)
        key = key_for(f"link:{account_id}:{number}", params)
        with asking("link"):
            return self._api.client.v1.checkout.sessions.create(
                params=params, options={"idempotency_key": key}
            ).url

    def _params(self, account_id: str, customer: str) -> SessionCreateParams:
        settings = self._api.settings
        ours = {"account_id": account_id, "purpose": LINKING}
        params: SessionCreateParams = {
            "customer": customer,
            "metadata": ours,
            "success_url": settings.linked_url or settings.success_url,
            "cancel_url": settings.cancel_url,
        }
        if settings.metered_price_id is None:
            return {**params, "mode": "setup", "currency": self._currency}
        return {
            **params,
            "mode": "subscription",
            "line_items": [{"price": settings.metered_price_id}],
            "subscription_data": {"metadata": ours},
        }

    def _apply(self, page: Linking, now: datetime) -> bool:
        with self._database.write() as db:
            return self._linked(db, page, now)

    def _linked(self, db: Connection, page: Linking, now: datetime) -> bool:
        if accounts.customers_account(db, page.customer_id) != page.account_id:
            return False
        if not first_time(db, f"{LINKING}:{page.id}", LINKING, page.id, now):
            return False
        return accounts.link(db, page.account_id, page.customer_id, now)

    def _require_customer(self, customer_id: str) -> None:
        if not _CUSTOMER.fullmatch(customer_id):
            raise InvalidCustomerError(customer_id, "that is no id of a customer")
        try:
            with asking("customer"):
                customer = self._api.client.v1.customers.retrieve(customer_id)
        except StripeRefusedError:
            raise InvalidCustomerError(customer_id, "Stripe doesn't know it") from None
        if getattr(customer, "deleted", False):
            raise InvalidCustomerError(customer_id, "it is deleted")
