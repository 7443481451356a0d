"""What can go wrong with money. `gateway_tools.errors` says how a caller hears of it."""

from __future__ import annotations

from datetime import datetime

from gateway_payments.money import Money


class PaymentError(Exception):
    """Root of this package's failures. `details` is what the caller may be told beside the text."""

    def __init__(self, message: str, **details: object) -> None:
        super().__init__(message)
        self.details: dict[str, object] = details


class RevokedKeyError(PaymentError):
    """The API key was valid once and has been revoked."""

    def __init__(self, key_id: str) -> None:
        super().__init__("this API key has been revoked", key_id=key_id)
        self.key_id = key_id


class UnknownKeyError(PaymentError):
    """No key of this account has that id."""

    def __init__(self, key_id: str) -> None:
        super().__init__("no such key in this account", key_id=key_id)
        self.key_id = key_id


class UnknownAccountError(PaymentError):
    """There is no such account."""

    def __init__(self, account_id: str) -> None:
        super().__init__("no such account", account_id=account_id)
        self.account_id = account_id


class InvalidTextError(PaymentError):
    """A text that would be stored is too long, doesn't print, or is empty where it may not be."""

    def __init__(self, name: str, longest: int) -> None:
        super().__init__(
            f"{name} must be printable text of at most {longest} characters, and say something",
            name=name,
            longest=longest,
        )
        self.name = name
        self.longest = longest


class InvalidCursorError(PaymentError):
    """The cursor of a list was not one that the list gave out."""

    def __init__(self) -> None:
        super().__init__("the cursor is not one that this list gave out")


class UnknownQuoteError(PaymentError):
    """No quote with that id, or it belongs to someone else."""

    def __init__(self, quote_id: str) -> None:
        super().__init__("no such quote in this account", quote_id=quote_id)
        self.quote_id = quote_id


class QuoteExpiredError(PaymentError):
    """The quote's time is over and no payment had started."""

    def __init__(self, quote_id: str, expired_at: datetime) -> None:
        super().__init__(
            "the quote has expired", quote_id=quote_id, expired_at=expired_at.isoformat()
        )
        self.quote_id = quote_id
        self.expired_at = expired_at


class UnknownSessionError(PaymentError):
    """No Checkout session with that id, or it belongs to someone else."""

    def __init__(self, session_id: str) -> None:
        super().__init__("no such Checkout session in this account", session_id=session_id)
        self.session_id = session_id


class OfferUnavailableError(PaymentError):
    """The quote cannot be paid this way, or the account not charged by it."""

    def __init__(self, offer: str, available: tuple[str, ...]) -> None:
        super().__init__("that is no way to pay here", offer=offer, available=list(available))
        self.offer = offer
        self.available = available


class PaymentTokenInvalidError(PaymentError):
    """The token is no token of this account: forged, mangled, or someone else's."""

    def __init__(self) -> None:
        super().__init__("the payment token is not valid for this account")


class PaymentTokenSpentError(PaymentError):
    """What was paid has been used for a run already."""

    def __init__(self, quote_id: str) -> None:
        super().__init__("what was paid has been used for a run already", quote_id=quote_id)
        self.quote_id = quote_id


class PaymentInUseError(PaymentError):
    """What was paid is in use by a run right now; if that fails, it is good again.

    `run_id` is the result's id too; None where the run ended at this very moment.
    """

    def __init__(self, quote_id: str, run_id: str | None) -> None:
        super().__init__(
            "what was paid is in use by a running simulation", quote_id=quote_id, run_id=run_id
        )
        self.quote_id = quote_id
        self.run_id = run_id


class PaymentTokenExpiredError(PaymentError):
    """The token's time is over; claiming its paid quote or session again revives it."""

    def __init__(self, quote_id: str, expired_at: datetime) -> None:
        super().__init__(
            "the payment token has expired", quote_id=quote_id, expired_at=expired_at.isoformat()
        )
        self.quote_id = quote_id
        self.expired_at = expired_at


class RequestExhaustedError(PaymentError):
    """The model failed so often that what was paid is used up."""

    def __init__(self, quote_id: str, failures: int) -> None:
        super().__init__(
            f"what was paid is used up: the model failed {failures} times",
            quote_id=quote_id,
            failures=failures,
        )
        self.quote_id = quote_id
        self.failures = failures


class PaymentTooSmallError(PaymentError):
    """What was paid is less than this run costs. Amounts in millionths of the currency's unit."""

    def __init__(self, paid: Money, price: Money, *, paid_units: int, price_units: int) -> None:
        difference = (
            f"it takes {price_units} units of work, not {paid_units}"
            if price_units != paid_units
            else "prices have changed since"
        )
        super().__init__(
            f"this run costs {price}, paid were {paid}: {difference}",
            paid={"amount_micros": paid.amount_micros, "currency": paid.currency},
            price={"amount_micros": price.amount_micros, "currency": price.currency},
            paid_work_units=paid_units,
            work_units=price_units,
        )
        self.paid = paid
        self.price = price


class InsufficientFundsError(PaymentError):
    """A transfer would take a ledger account below zero. Its transaction must be rolled back."""

    def __init__(self, needed_micros: int, balance_micros: int, currency: str) -> None:
        super().__init__(
            f"{needed_micros / 1e6:g} {currency.upper()} needed, {balance_micros / 1e6:g} there",
            needed_micros=needed_micros,
            balance_micros=balance_micros,
            currency=currency,
        )
        self.needed_micros = needed_micros
        self.balance_micros = balance_micros
        self.currency = currency


class InsufficientCreditsError(InsufficientFundsError):
    """The account's prepaid credits do not cover the price."""


class TransferConflictError(PaymentError):
    """A transfer with this id was posted before, between other accounts or of another amount."""

    def __init__(self, transfer_id: str) -> None:
        super().__init__("this id was used for another transfer", transfer_id=transfer_id)
        self.transfer_id = transfer_id


class InvalidAmountError(PaymentError):
    """Nobody gives away so little, or so much. Amounts in millionths of the currency's unit."""

    def __init__(self, amount_micros: int, largest_micros: int, currency: str) -> None:
        super().__init__(
            f"an amount must be above 0 and at most {largest_micros / 1e6:g} {currency.upper()}",
            amount_micros=str(amount_micros),  # may be more than a number of JSON's can hold
            largest_micros=largest_micros,
            currency=currency,
        )
        self.amount_micros = amount_micros
        self.largest_micros = largest_micros
        self.currency = currency


class BudgetExceededError(PaymentError):
    """The key may not spend that much. `limit`: run, day, month, or currency (it has another)."""

    def __init__(  # noqa: PLR0913, PLR0917
        self,
        key_id: str,
        limit: str,
        currency: str,
        price: Money,
        most_micros: int,
        spent_micros: int,
        resets_at: datetime | None,
    ) -> None:
        super().__init__(
            _over(limit, currency, price, Money(most_micros, currency), spent_micros),
            key_id=key_id,
            limit=limit,
            limit_micros=most_micros,
            spent_micros=spent_micros,
            price_micros=price.amount_micros,
            currency=currency,
            resets_at=resets_at and resets_at.isoformat(),
        )
        self.limit = limit


class OfferNotAllowedError(PaymentError):
    """The key's budget doesn't allow paying this way."""

    def __init__(self, key_id: str, offer: str, allowed: tuple[str, ...]) -> None:
        super().__init__(
            f"this key may not pay by {offer}", key_id=key_id, offer=offer, allowed=list(allowed)
        )
        self.offer = offer
        self.allowed = allowed


class NotLinkedError(PaymentError):
    """The account has no Stripe customer that agreed to be charged by the meter."""

    def __init__(self) -> None:
        super().__init__("this account is not linked to a Stripe customer")


class PaymentReturnedError(PaymentError):
    """What was paid went back to where it came from: it pays for nothing any more."""

    def __init__(self, quote_id: str) -> None:
        super().__init__("what was paid has been given back", quote_id=quote_id)
        self.quote_id = quote_id


class LimitedKeyError(PaymentError):
    """A key with a budget can't change budgets, keys, or how the account pays."""

    def __init__(self, key_id: str) -> None:
        super().__init__("a key with a budget can't manage its account", key_id=key_id)


class PaymentMalformedError(PaymentError):
    """What came along as a payment is none that can be read. Nothing was charged."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"the payment can't be read: {reason}", reason=reason)
        self.reason = reason


class PaymentUsedError(PaymentError):
    """The payment came before, from another account."""

    def __init__(self) -> None:
        super().__init__("this payment was used by another account")


class PaymentPendingError(PaymentError):
    """A payment for the quote is under way, and nobody knows yet how it ends."""

    def __init__(self, quote_id: str) -> None:
        super().__init__("a payment for this quote is under way", quote_id=quote_id)
        self.quote_id = quote_id


class OutsideUnavailableError(PaymentError):
    """Somebody outside did not answer. Nobody knows what came of what was asked."""

    def __init__(self, message: str, reason: str) -> None:
        super().__init__(message, reason=reason)
        self.reason = reason


class ChainUnavailableError(OutsideUnavailableError):
    """The facilitator or the chain did not answer, or not so that it could be understood."""

    def __init__(self, reason: str) -> None:
        super().__init__("the payment network could not be reached", reason)


class LastUnlimitedKeyError(PaymentError):
    """With a budget on this key, or without it, nobody could manage the account's other keys."""

    def __init__(self, key_id: str) -> None:
        super().__init__("it is the account's last key without a budget", key_id=key_id)


class BudgetCurrencyError(PaymentError):
    """The budget is in another currency than the prices."""

    def __init__(self, given: str, currency: str) -> None:
        super().__init__(f"prices here are in {currency.upper()}", given=given, currency=currency)


class WebhookSignatureError(PaymentError):
    """The webhook was not signed by Stripe for us, or is too old, or comes from the future."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"the webhook is refused: {reason}")
        self.reason = reason


class WebhookMalformedError(PaymentError):
    """The webhook was signed for us and is no event that we can read; none of it took effect."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"the webhook is not a readable event: {reason}")
        self.reason = reason


class StripeNotEnabledError(PaymentError):
    """Something came from Stripe, and this gateway takes no payments through it."""

    def __init__(self) -> None:
        super().__init__("Stripe is not enabled on this gateway")


class StripeUnavailableError(OutsideUnavailableError):
    """Stripe did not answer, or refused what we asked. Nothing was charged."""

    def __init__(self, reason: str) -> None:
        super().__init__("Stripe could not be reached or refused the request", reason)


class StripeRefusedError(StripeUnavailableError):
    """Stripe refused what we asked, and would again. `stripes_words` are for the operator."""

    def __init__(self, reason: str, code: str | None, stripes_words: str) -> None:
        super().__init__(reason)
        self.code = code
        self.stripes_words = stripes_words


class WebhookTooEarlyError(PaymentError):
    """News of a refund of something that isn't known to be paid yet: it must come again."""

    def __init__(self, payment_id: str) -> None:
        super().__init__("this payment is not known to be paid yet", payment_id=payment_id)


class NotOfferedError(PaymentError):
    """There is no such way to pay here, or no Stripe behind it."""

    def __init__(self, offer: str, available: tuple[str, ...]) -> None:
        super().__init__(
            f"{offer} is not offered here through Stripe", offer=offer, available=list(available)
        )


class UnknownPackError(PaymentError):
    """No pack of credits has that size. Amounts in minor units of the currency."""

    def __init__(self, packs_minor: tuple[int, ...], currency: str) -> None:
        super().__init__("no such pack of credits", packs=list(packs_minor), currency=currency)


class NotRefundableError(PaymentError):
    """What was paid isn't refunded on request; `reason` says why."""

    def __init__(self, reason: str, **details: object) -> None:
        super().__init__(f"this can't be refunded: {reason}", reason=reason, **details)
        self.reason = reason


class UnknownPaymentError(PaymentError):
    """No payment or quote has that id."""

    def __init__(self, named: str) -> None:
        super().__init__("no payment and no quote has this id", id=named)


class NotWaitingError(PaymentError):
    """No letter and no payment of that id waits for an operator's decision of this kind."""

    def __init__(self, named: str) -> None:
        super().__init__(f"{named[:80]!r} isn't stuck, or had arrived before it was undone")


class InvalidCustomerError(PaymentError):
    """Stripe has no such customer, or another account is linked to it."""

    def __init__(self, customer_id: str, reason: str) -> None:
        super().__init__(f"{customer_id[:40]!r} can't be linked: {reason}", reason=reason)


def _over(limit: str, currency: str, price: Money, most: Money, spent_micros: int) -> str:
    if limit == "currency":
        return f"this run costs {price}, and this key's budget is in {currency.upper()}"
    if limit == "run":
        return f"this run costs {price}, and this key may spend {most} on one"
    spent = Money(spent_micros, currency)
    return f"this run costs {price}; this key may spend {most} a {limit}, and has spent {spent}"
