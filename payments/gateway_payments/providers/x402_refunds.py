"""Money that came on a chain goes back on it, to the payer's address (X402_REFUND=chain).

A refund is a payment in the other direction: an EIP-3009 authorization that our own key signs, with
a nonce that follows from what is paid back. The token takes a nonce once, so a refund can be
signed, settled and asked about as often as crashes and lost answers make it necessary.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from hashlib import sha256
from typing import Any, Final

import structlog

from gateway_payments import payments
from gateway_payments.courier import Courier, HopelessLetterError
from gateway_payments.exceptions import ChainUnavailableError
from gateway_payments.outbox import Letter
from gateway_payments.payments import Payment
from gateway_payments.providers.x402_authorization import (
    SCHEME,
    TIMEOUT_S,
    Authorization,
    restored,
)
from gateway_payments.providers.x402_chain import Chain, Outcome
from gateway_payments.providers.x402_facilitator import Facilitator
from gateway_payments.recursion import recursion_limit_kept
from gateway_payments.settlement import CHAIN_REFUND
from gateway_payments.x402_settings import X402Settings
from gateway_storage.database import Database

_TRANSFER: Final = [
    {"name": "from", "type": "address"},
    {"name": "to", "type": "address"},
    {"name": "value", "type": "uint256"},
    {"name": "validAfter", "type": "uint256"},
    {"name": "validBefore", "type": "uint256"},
    {"name": "nonce", "type": "bytes32"},
]

_log = structlog.get_logger()


class ChainRefunds:
    """Sends back what payments brought, once for each."""

    def __init__(
        self, database: Database, settings: X402Settings, facilitator: Facilitator, chain: Chain
    ) -> None:
        self._database = database
        self._settings = settings
        self._facilitator = facilitator
        self._chain = chain
        self._courier = Courier(database, {CHAIN_REFUND: self._refund})

    def send(self, now: datetime) -> int:
        """Send some of the refunds that are due; how many are on the chain."""
        return self._courier.send(now)

    def _refund(self, letter: Letter, now: datetime) -> None:
        with self._database.read() as db:
            payment = payments.load(db, letter.payload["payment_id"])
        meant = _opposite(restored(payment.details["authorization"]), letter.created_at)
        outcome = self._chain.outcome(meant, None)
        if outcome.kind in {"open", "lapsed"}:  # nobody has settled it: then it is signed anew
            outcome = self._settled(meant, now)
        if outcome.kind != "paid":
            reason = f"the nonce of this refund was used otherwise: {outcome.transaction}"
            raise HopelessLetterError(reason)
        self._note(payment, outcome)

    def _settled(self, meant: Authorization, now: datetime) -> Outcome:
        fresh = replace(meant, valid_before=int(now.timestamp()) + TIMEOUT_S)
        signed = replace(fresh, signature=self._signature(fresh))
        wanted = self._wanted(signed)
        refusal = self._facilitator.verify(signed, wanted)  # asks first: what fails costs gas too
        if refusal:
            raise ChainUnavailableError(refusal)
        result = self._facilitator.settle(signed, wanted)
        outcome = self._chain.outcome(meant, None)
        if outcome.kind in {"open", "lapsed"}:
            raise ChainUnavailableError(result.reason or "the refund is not in a block yet")
        return outcome

    def _wanted(self, authorization: Authorization) -> dict[str, Any]:
        return {
            "scheme": SCHEME,
            "network": authorization.network,
            "asset": self._settings.asset.address,
            "amount": str(authorization.value),
            "payTo": authorization.pay_to,
            "maxTimeoutSeconds": TIMEOUT_S,
            "extra": {"name": self._settings.asset.name, "version": self._settings.asset.version},
        }

    def _signature(self, authorization: Authorization) -> str:
        with recursion_limit_kept():
            from eth_account import Account  # noqa: PLC0415  only where money goes back on a chain

        domain = {
            "name": self._settings.asset.name,
            "version": self._settings.asset.version,
            "chainId": self._settings.chain_id,
            "verifyingContract": self._settings.asset.address,
        }
        message = authorization.as_payload()["authorization"]
        numbers = {name: int(message[name]) for name in ("value", "validAfter", "validBefore")}
        types = {"TransferWithAuthorization": _TRANSFER}
        key = self._settings.refund_key
        signed = Account.sign_typed_data(key, domain, types, {**message, **numbers})
        return f"0x{signed.signature.hex()}"

    def _note(self, payment: Payment, outcome: Outcome) -> None:
        _log.info("refunded_on_chain", payment=payment.id, transaction=outcome.transaction)
        with self._database.write() as db:
            known = payments.lock(db, payment.id).details
            payments.note(db, payment.id, {**known, "refund_transaction": outcome.transaction})


def _opposite(paid: Authorization, since: datetime) -> Authorization:
    """The same money back, not yet signed.

    The chain is searched from LONGEST_S before its end on: an hour before the refund was decided,
    since our clock need not be the chain's.
    """
    named = sha256(f"refund of {paid.external_id}".encode()).hexdigest()
    return replace(
        paid,
        payer=paid.pay_to,
        pay_to=paid.payer,
        valid_after=0,
        valid_before=int(since.timestamp()),
        nonce=f"0x{named}",
        signature="",
    )
