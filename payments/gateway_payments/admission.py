"""A run's way through the money: admitted, then captured or released, exactly one of the two.

All three act inside the caller's transaction, the one in which the run itself is created or ended.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import Connection

from gateway_payments import entitlements, outbox, payments, quota, reversals
from gateway_payments.accounts import Caller, paying
from gateway_payments.entitlements import MAX_FAULTS, Entitlement
from gateway_payments.exceptions import (
    PaymentInUseError,
    PaymentReturnedError,
    PaymentTokenExpiredError,
    PaymentTokenInvalidError,
    PaymentTokenSpentError,
    PaymentTooSmallError,
    QuoteExpiredError,
    RequestExhaustedError,
)
from gateway_payments.ledger import Transfer, balance, post
from gateway_payments.money import Money
from gateway_payments.pricing import metered_units, price_list
from gateway_payments.providers.instant import CREDITS, METERED, buy, returns_to
from gateway_payments.quotes import Priced, find_quote, record_quote
from gateway_payments.settings import PaymentSettings
from gateway_payments.settlement import give_back
from gateway_payments.tokens import entitlement_of
from gateway_payments.usage import (
    charge_usage,
    close_usage,
    count_fault,
    deliver_usage,
    open_usage,
)

METER: Final = "meter_event"  # a letter of the outbox


@dataclass(frozen=True, slots=True)
class Candidate:
    """A run that asks to be let in."""

    caller: Caller
    run_id: str
    priced: Priced
    now: datetime


@dataclass(frozen=True, slots=True)
class Admission:
    """Leave to run. `price` is charged when the run is delivered; None where it is free."""

    run_id: str
    offer: str | None
    price: Money | None


@dataclass(frozen=True, slots=True)
class Settled:
    """What a run's end meant for the money: charged, or given back, or (a free run) neither.

    `charged`: what the run has cost; a failed run's too, where it used up what was paid for it.
    `given_back`: what was paid is good for another run, or the money went back, to the book
    `returned_to`. Charging and giving back exclude each other.
    """

    charged: Money | None
    given_back: bool
    returned_to: str | None = None


def admit_free(db: Connection, candidate: Candidate, currency: str) -> Admission:
    """Let a run in that costs nothing; it shows in the usage."""
    _note(db, candidate, None, currency)
    return Admission(candidate.run_id, offer=None, price=None)


def admit_by_quota(
    db: Connection, settings: PaymentSettings, candidate: Candidate
) -> Admission | None:
    """Let a run in that costs this account nothing today; None where none of those is left."""
    account_id, most = candidate.caller.account_id, settings.free_runs_per_day
    if not quota.take(db, account_id, most, candidate.now):
        return None
    return admit_free(db, candidate, settings.currency)


def admit_automatically(
    db: Connection, settings: PaymentSettings, candidate: Candidate
) -> Admission | None:
    """Pay as the account chose to be charged without asking; None where it didn't, or can't.

    What it has paid for this very request and not spent goes first. Raises BudgetExceededError,
    OfferNotAllowedError; where credits are short the account is asked as any other.
    """
    caller, now, priced = candidate.caller, candidate.now, candidate.priced
    chosen = paying(db, caller.account_id)
    if chosen.auto_pay not in settings.offers or (chosen.auto_pay == METERED and not chosen.linked):
        return None
    kind = chosen.auto_pay
    sha256 = priced.request_sha256
    unspent = entitlements.unspent_for(db, caller.account_id, priced.request, sha256)
    if unspent is not None and unspent.state == "issued":
        return admit_by_quote(db, settings, candidate, unspent.quote_id)
    price = price_list(settings, priced.work_units)
    if kind == CREDITS and _short_of(db, caller.account_id, price.prices[kind]):
        return None
    quote = record_quote(db, caller.account_id, priced, price, now)
    payment = buy(db, quote, caller, kind, now)
    back, run_id = returns_to(kind, unasked=True), candidate.run_id
    entitlements.issue(db, payment, now, now + _lifetime(settings), back, run_id=run_id)
    _note(db, candidate, kind, payment.money.currency)
    return Admission(run_id, kind, payment.money)


def admit_by_token(
    db: Connection, settings: PaymentSettings, candidate: Candidate, bearer: str
) -> Admission:
    """Spend a token on the run.

    Raises PaymentTokenInvalidError, PaymentTokenExpiredError, PaymentTokenSpentError,
    PaymentInUseError, RequestExhaustedError, PaymentTooSmallError.
    """
    entitlement = by_token(db, settings, candidate.caller.account_id, bearer)
    require_usable(entitlement, candidate.now)
    _require_enough(db, settings, entitlement, candidate.priced)
    return _reserve(db, candidate, entitlement)


def admit_by_quote(
    db: Connection, settings: PaymentSettings, candidate: Candidate, quote_id: str
) -> Admission | None:
    """Spend what was paid for a quote on the run; None if the quote is open but not paid.

    A paid quote doesn't expire: an entitlement past its time is renewed. One that was free lets a
    run in while the account has free ones left. Raises UnknownQuoteError,
    QuoteExpiredError, PaymentTokenSpentError, PaymentInUseError, RequestExhaustedError,
    PaymentTooSmallError.
    """
    now = candidate.now
    quote = find_quote(db, candidate.caller.account_id, quote_id)
    bought = entitlements.of_quote(db, quote.id)
    if not bought:
        if quote.expires_at <= now and not _is_being_paid(db, quote.id):
            raise QuoteExpiredError(quote.id, quote.expires_at)
        return None if quote.prices else admit_by_quota(db, settings, candidate)
    entitlement = bought[0]
    _require_enough(db, settings, entitlement, candidate.priced)
    entitlements.renew(db, entitlement.id, now, now + _lifetime(settings))
    return _reserve(db, candidate, entitlement)


def capture(
    db: Connection, settings: PaymentSettings, run_id: str, now: datetime, duration_ms: float
) -> Settled | None:
    """The run was delivered: what was reserved is earned. None if it was settled before."""
    usage = deliver_usage(db, run_id, duration_ms)
    if usage is None:
        return None
    if usage.offer is None:
        return Settled(charged=None, given_back=False)
    spent = _require_held(entitlements.capture(db, run_id), run_id)
    return _earn(db, settings, "capture", run_id, spent, now)


def release(  # noqa: PLR0913
    db: Connection,
    settings: PaymentSettings,
    run_id: str,
    now: datetime,
    duration_ms: float | None,
    *,
    models_fault: bool,
) -> Settled | None:
    """The run failed: what was reserved goes back afresh. None if it was settled before.

    Every MAX_FAULTS-th failure through the model's own fault (or a timeout) keeps the money: then
    `charged` is the price, as the usage shows it, and nothing is given back. Where it was agreed
    that the money returns when a run fails, it goes back instead of the right.
    """
    usage = close_usage(db, run_id, "failed", duration_ms)
    if usage is None:
        return None
    if usage.offer is None:
        if not models_fault:
            quota.give_back(db, usage.account_id, usage.created_at)
        return Settled(charged=None, given_back=False)
    if models_fault and not count_fault(db, usage.account_id, usage.request_sha256) % MAX_FAULTS:
        exhausted = _require_held(entitlements.exhaust(db, run_id), run_id)
        charge_usage(db, run_id, exhausted.money, "exhausted")
        return _earn(db, settings, "exhaust", run_id, exhausted, now)
    if entitlements.returns(db, run_id):
        held = _require_held(entitlements.give_up(db, run_id), run_id)
        give_back(db, held, now)
        return Settled(charged=None, given_back=True, returned_to=held.returns_to)
    if reversals.is_gone(db, run_id):  # refunded or disputed while it ran
        held = _require_held(entitlements.give_up(db, run_id), run_id)
        reversals.withdraw(db, held, run_id, now)
    else:
        until, ours = now + _lifetime(settings), not models_fault
        _require_held(entitlements.release(db, run_id, until, our_fault=ours), run_id)
    return Settled(charged=None, given_back=True)


def by_token(
    db: Connection, settings: PaymentSettings, account_id: str, bearer: str
) -> Entitlement:
    """The account's entitlement for a token; PaymentTokenInvalidError for any other string."""
    entitlement_id = entitlement_of(settings.secret, bearer)
    found = entitlement_id and entitlements.find(db, account_id, entitlement_id)
    if not found:
        raise PaymentTokenInvalidError
    return found


def require_usable(entitlement: Entitlement, now: datetime) -> None:
    """Raise what keeps the entitlement from being spent, if anything does."""
    if entitlement.state == "exhausted":
        raise RequestExhaustedError(entitlement.quote_id, MAX_FAULTS)
    if entitlement.state == "reserved":
        raise PaymentInUseError(entitlement.quote_id, entitlement.run_id)
    if entitlement.state == "captured":
        raise PaymentTokenSpentError(entitlement.quote_id)
    if entitlement.state == "returned":
        raise PaymentReturnedError(entitlement.quote_id)
    if entitlement.expires_at <= now:
        raise PaymentTokenExpiredError(entitlement.quote_id, entitlement.expires_at)


def _require_enough(
    db: Connection, settings: PaymentSettings, paid: Entitlement, priced: Priced
) -> None:
    """What was paid funds one run priced at most that much; the quoted run at any later price."""
    quote = find_quote(db, paid.account_id, paid.quote_id)
    if quote.request_sha256 == priced.request_sha256:
        return
    # the hash names engine and format too, which another version of the gateway may change
    if quote.request == priced.request and priced.work_units <= quote.work_units:
        return
    listed = price_list(settings, priced.work_units)
    price = listed.prices.get(paid.offer) or next(iter(listed.prices.values()))
    if price.currency != paid.money.currency or price.amount_micros > paid.money.amount_micros:
        raise PaymentTooSmallError(
            paid.money, price, paid_units=quote.work_units, price_units=priced.work_units
        )


def _reserve(db: Connection, candidate: Candidate, paid: Entitlement) -> Admission:
    account_id = candidate.caller.account_id
    if not entitlements.reserve(db, paid.id, account_id, candidate.run_id, candidate.now):
        current = entitlements.find(db, account_id, paid.id)
        require_usable(current or paid, candidate.now)
        raise PaymentInUseError(paid.quote_id, None)  # its run has failed since
    _note(db, candidate, paid.offer, paid.money.currency)
    return Admission(candidate.run_id, paid.offer, paid.money)


def _note(db: Connection, candidate: Candidate, offer: str | None, currency: str) -> None:
    caller, priced = candidate.caller, candidate.priced
    run_id, now = candidate.run_id, candidate.now
    open_usage(db, caller, priced, run_id=run_id, offer=offer, currency=currency, now=now)


def _earn(  # noqa: PLR0913, PLR0917
    db: Connection,
    settings: PaymentSettings,
    how: str,
    run_id: str,
    held: Entitlement,
    now: datetime,
) -> Settled:
    if held.offer == METERED:
        _count_on_meter(db, settings, held, now)
    name = f"{how}:{run_id}"
    post(db, Transfer(name, held.account_id, "deferred", "revenue", held.money), now)
    return Settled(charged=held.money, given_back=False)


def _count_on_meter(
    db: Connection, settings: PaymentSettings, held: Entitlement, now: datetime
) -> None:
    """Have Stripe's meter count the run, once: the letter is named after the run.

    Its customer is looked up now: whoever is linked when the run is delivered pays for it.
    """
    customer = paying(db, held.account_id).stripe_customer_id
    counted = {
        "customer": customer,
        "value": metered_units(settings, held.money),
        "timestamp": int(now.timestamp()),
    }
    outbox.put(db, f"meter:{held.run_id}", METER, counted, now)


def _short_of(db: Connection, account_id: str, price: Money) -> bool:
    return balance(db, account_id, "credits", price.currency) < price.amount_micros


def _is_being_paid(db: Connection, quote_id: str) -> bool:
    """Whether a payment begun in time may still come true."""
    return any(payment.state in payments.WAITING for payment in payments.of_quote(db, quote_id))


def _require_held(entitlement: Entitlement | None, run_id: str) -> Entitlement:
    if entitlement is None:  # pragma: no cover  both rows move in the same transactions
        message = f"run {run_id} was paid for and holds no entitlement"
        raise AssertionError(message)
    return entitlement


def _lifetime(settings: PaymentSettings) -> timedelta:
    return timedelta(minutes=settings.token_ttl_minutes)
