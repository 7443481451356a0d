"""How Stripe is asked: one client, and what its refusals mean to us."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from email.utils import parsedate_to_datetime
from functools import cached_property
from typing import TYPE_CHECKING, Final

import structlog

from gateway_payments.exceptions import StripeRefusedError, StripeUnavailableError
from gateway_payments.settings import StripeSettings

if TYPE_CHECKING:
    from stripe import StripeClient, StripeError

_RETRIES: Final = 2
_TIMEOUT_S: Final = 15
_TOO_BUSY: Final = frozenset({409, 429})  # the same request under way, too many requests

_log = structlog.get_logger()


class StripeApi:
    """Stripe's API as one operator uses it. Never called inside a transaction."""

    def __init__(self, settings: StripeSettings) -> None:
        self.settings = settings

    @cached_property
    def client(self) -> StripeClient:
        """The SDK's client; it retries by itself, under the same idempotency key."""
        import stripe  # noqa: PLC0415  0.6 s that the server's start need not pay

        base = self.settings.api_base
        return stripe.StripeClient(
            self.settings.secret_key,
            base_addresses={"api": base.rstrip("/")} if base else {},
            max_network_retries=_RETRIES,
            http_client=stripe.new_default_http_client(timeout=_TIMEOUT_S),
        )

    def time(self) -> datetime:
        """Stripe's clock, to the second, as it answers to our key.

        Raises StripeUnavailableError, StripeRefusedError.
        """
        with asking("the time"):
            balance = self.client.v1.balance.retrieve()
            assert balance.last_response is not None
            return parsedate_to_datetime(balance.last_response.headers["Date"])


def key_for(name: str, params: Mapping[str, object]) -> str:
    """One idempotency key for one thing and one set of parameters: changed settings don't clash."""
    text = json.dumps(params, sort_keys=True)
    return f"{name}:{hashlib.sha256(text.encode()).hexdigest()[:16]}"


@contextmanager
def asking(what: str) -> Iterator[None]:
    """Whatever Stripe's SDK raises, as ours. The block also reads what it needs of the answer.

    StripeRefusedError where asking again would not help; StripeUnavailableError where nobody knows,
    or where it may, also once an operator has mended the key.
    """
    import stripe  # noqa: PLC0415  0.6 s that the server's start need not pay

    try:
        yield
    except (stripe.InvalidRequestError, stripe.CardError, stripe.IdempotencyError) as error:
        _note(what, error)
        if error.http_status in _TOO_BUSY:
            raise StripeUnavailableError(type(error).__name__) from error
        message = error.user_message or type(error).__name__
        raise StripeRefusedError(type(error).__name__, error.code, message) from error
    except stripe.StripeError as error:
        _note(what, error)
        raise StripeUnavailableError(type(error).__name__) from error
    except (ValueError, AttributeError) as error:  # an answer that isn't what was asked for
        _log.warning("stripe_not_understood", asked=what, reason=str(error))
        raise StripeUnavailableError(str(error)) from error


def _note(what: str, error: StripeError) -> None:
    _log.warning("stripe_refused", asked=what, kind=type(error).__name__, code=error.code)
