"""Whoever checks signatures and brings payments to the chain: a service, or we ourselves."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final, Protocol

import structlog

from gateway_payments.exceptions import ChainUnavailableError
from gateway_payments.providers.x402_authorization import VERSION, Authorization
from gateway_payments.recursion import recursion_limit_kept
from gateway_payments.x402_settings import X402Settings

if TYPE_CHECKING:
    from x402.schemas import PaymentPayload, PaymentRequirements, SettleResponse, VerifyResponse

_TIMEOUT_S: Final = 20  # of each question to a service, and until a transaction is in a block
_LONGEST_REASON: Final = 200

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Settlement:
    """What settling came to. Where it isn't `done`, it may still come true: ask the chain."""

    done: bool
    transaction: str | None
    reason: str | None


class Facilitator:
    """Verifies and settles authorizations. It is asked outside transactions."""

    def __init__(self, settings: X402Settings) -> None:
        self._settings = settings
        self._making = threading.Lock()

    def verify(self, authorization: Authorization, wanted: dict[str, Any]) -> str | None:
        """Why it would not be paid, in x402's words, or None. Raises ChainUnavailableError."""
        try:
            answer = self._ready.verify(*_asked(authorization, wanted))
        except Exception as error:  # noqa: BLE001  a service and two SDKs may raise anything
            failure = ChainUnavailableError(_told("verifying", error))
            raise failure from None
        if answer.is_valid:
            return None
        return (answer.invalid_reason or "invalid_payment")[:_LONGEST_REASON]

    def settle(self, authorization: Authorization, wanted: dict[str, Any]) -> Settlement:
        """Bring it to the chain, as often as asked: a token takes it once."""
        try:
            answer = self._ready.settle(*_asked(authorization, wanted))
        except Exception as error:  # noqa: BLE001  whatever it was: nobody knows what came of it
            return Settlement(done=False, transaction=None, reason=_told("settling", error))
        known = answer.transaction[:_LONGEST_REASON] or None
        reason = (answer.error_reason or "settlement_failed")[:_LONGEST_REASON]
        done = answer.success and known is not None and answer.network == authorization.network
        return Settlement(done, known, None if done else reason)

    @property
    def _ready(self) -> _Asked:
        with self._making:
            return self._made

    @cached_property
    def _made(self) -> _Asked:
        settings = self._settings
        if settings.facilitator_url is None:
            with recursion_limit_kept():
                return _in_process(settings)
        from x402.http import FacilitatorConfig, HTTPFacilitatorClientSync  # noqa: PLC0415  0.3 s

        return HTTPFacilitatorClientSync(FacilitatorConfig(settings.facilitator_url, _TIMEOUT_S))


class _Asked(Protocol):
    def verify(
        self, payload: PaymentPayload, requirements: PaymentRequirements
    ) -> VerifyResponse: ...

    def settle(
        self, payload: PaymentPayload, requirements: PaymentRequirements
    ) -> SettleResponse: ...


def _in_process(settings: X402Settings) -> _Asked:
    from x402 import x402FacilitatorSync  # noqa: PLC0415  2 s that the server's start need not pay
    from x402.mechanisms.evm.exact import ExactEvmFacilitatorScheme  # noqa: PLC0415
    from x402.mechanisms.evm.signers import FacilitatorWeb3Signer  # noqa: PLC0415

    class Signer(FacilitatorWeb3Signer):
        """Takes the account's next nonce and uses it under one lock, each time from the chain.

        The SDK counts by itself, and a transaction that fails to be sent leaves a gap behind, after
        which nothing of the account gets into a block any more.
        """

        def __init__(self) -> None:
            super().__init__(
                settings.private_key or "",
                settings.rpc_url or "",
                confirmation_timeout_seconds=_TIMEOUT_S,
            )
            self._sending = threading.Lock()

        def write_contract(self, *args: Any, **options: Any) -> str:  # noqa: ANN401  the SDK's own
            with self._sending:
                self._next_nonce = None
                return super().write_contract(*args, **options)

    facilitator = x402FacilitatorSync()
    facilitator.register([settings.network], ExactEvmFacilitatorScheme(Signer()))
    return facilitator


def _asked(
    authorization: Authorization, wanted: dict[str, Any]
) -> tuple[PaymentPayload, PaymentRequirements]:
    from eth_utils.address import to_checksum_address  # noqa: PLC0415  see above
    from x402.schemas import PaymentPayload, PaymentRequirements  # noqa: PLC0415

    signed = authorization.as_payload()
    for name in ("from", "to"):  # web3 takes no other form
        signed["authorization"][name] = to_checksum_address(signed["authorization"][name])
    payload = {"x402Version": VERSION, "payload": signed, "accepted": wanted}
    return PaymentPayload.model_validate(payload), PaymentRequirements.model_validate(wanted)


def _told(doing: str, error: Exception) -> str:
    """Nothing of the exception's text goes on: it may hold an address with a key in it."""
    _log.warning("facilitator_failed", doing=doing, kind=type(error).__name__)
    return f"{doing}: {type(error).__name__}"
