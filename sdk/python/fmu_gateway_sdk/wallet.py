"""Payments in stablecoins by x402, signed on this machine: a wallet's key never leaves it."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from fmu_gateway_sdk.exceptions import WalletMissingError

if TYPE_CHECKING:
    from eth_account.signers.local import LocalAccount


def signed(required: Mapping[str, Any], wallet: LocalAccount) -> str:
    """The header that pays what x402 requires, by an account of `eth_account`.

    Raises:
        WalletMissingError: the x402 package isn't installed.

    """
    try:
        from x402 import SchemeRegistration, x402ClientConfig, x402ClientSync  # noqa: PLC0415
        from x402.mechanisms.evm.exact import ExactEvmScheme  # noqa: PLC0415
        from x402.mechanisms.evm.signers import EthAccountSigner  # noqa: PLC0415
        from x402.schemas import PaymentRequired  # noqa: PLC0415
    except ImportError as error:
        raise WalletMissingError from error
    scheme = SchemeRegistration(network="eip155:*", client=ExactEvmScheme(EthAccountSigner(wallet)))
    # whoever pays a quote has seen its price: the SDK's own limits on spending would ask again
    paying = x402ClientSync.from_config(x402ClientConfig(schemes=[scheme], spend_controls=False))
    payload = paying.create_payment_payload(PaymentRequired.model_validate(dict(required)))
    text = json.dumps(payload.model_dump(by_alias=True, exclude_none=True))
    return base64.b64encode(text.encode()).decode()
