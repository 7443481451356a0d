"""Who pays: x402's own client, and one that signs whatever it is told."""

from __future__ import annotations

import secrets
import time
from typing import Any

from chain.node import Chain, deployed
from eth_account.signers.local import LocalAccount
from x402 import SchemeRegistration, x402Client, x402ClientConfig, x402ClientSync
from x402.mechanisms.evm.exact import ExactEvmScheme
from x402.mechanisms.evm.signers import EthAccountSigner
from x402.schemas import PaymentRequired

_TRANSFER = [
    {"name": "from", "type": "address"},
    {"name": "to", "type": "address"},
    {"name": "value", "type": "uint256"},
    {"name": "validAfter", "type": "uint256"},
    {"name": "validBefore", "type": "uint256"},
    {"name": "nonce", "type": "bytes32"},
]
_CANCEL = [{"name": "authorizer", "type": "address"}, {"name": "nonce", "type": "bytes32"}]


def config(purse: LocalAccount) -> x402ClientConfig:
    """A client that pays by this purse, whatever the token."""
    scheme = SchemeRegistration(network="eip155:*", client=ExactEvmScheme(EthAccountSigner(purse)))
    return x402ClientConfig(schemes=[scheme], spend_controls=False)


def client(purse: LocalAccount) -> x402Client:
    return x402Client.from_config(config(purse))


def payment(purse: LocalAccount, required: dict[str, Any]) -> dict[str, Any]:
    """What x402's own client sends for a requirement."""
    paying = x402ClientSync.from_config(config(purse))
    made = paying.create_payment_payload(PaymentRequired.model_validate(required))
    return made.model_dump(by_alias=True, exclude_none=True)


def signed(purse: LocalAccount, required: dict[str, Any], **changes: Any) -> dict[str, Any]:  # noqa: ANN401
    """A payment as the requirement wants it, but for `changes` of what is signed."""
    accepted = required["accepts"][0]
    now = int(time.time())
    message = {
        "from": purse.address,
        "to": accepted["payTo"],
        "value": int(accepted["amount"]),
        "validAfter": now - 600,
        "validBefore": now + 120,
        "nonce": "0x" + secrets.token_hex(32),
        **changes,
    }
    signature = purse.sign_typed_data(
        _domain(accepted), {"TransferWithAuthorization": _TRANSFER}, message
    ).signature.hex()
    authorization = {name: str(value) for name, value in message.items()}
    return {
        "x402Version": 2,
        "accepted": accepted,
        "payload": {"authorization": authorization, "signature": f"0x{signature}"},
    }


def submit(chain: Chain, payload: dict[str, Any]) -> str:
    """Bring a payment to the chain behind everybody's back; the transaction's hash."""
    receipt = chain.mined(_transfer(chain, payload).transact({"from": chain.w3.eth.accounts[0]}))
    return f"0x{receipt.transactionHash.hex()}"


def submit_both(chain: Chain, first: dict[str, Any], second: dict[str, Any]) -> None:
    """Bring two payments to the chain in one transaction."""
    calls = [_transfer(chain, payload)._encode_transaction_data() for payload in (first, second)]  # noqa: SLF001
    batch = deployed(chain.w3, "batch")
    both = batch.functions.both(chain.token.address, *calls)
    chain.mined(both.transact({"from": chain.w3.eth.accounts[0]}))


def _transfer(chain: Chain, payload: dict[str, Any]) -> Any:  # noqa: ANN401
    authorization = payload["payload"]["authorization"]
    signature = bytes.fromhex(payload["payload"]["signature"][2:])
    return chain.token.functions.transferWithAuthorization(
        authorization["from"],
        authorization["to"],
        int(authorization["value"]),
        int(authorization["validAfter"]),
        int(authorization["validBefore"]),
        authorization["nonce"],
        signature[64],
        signature[:32],
        signature[32:64],
    )


def cancel(chain: Chain, purse: LocalAccount, payload: dict[str, Any]) -> None:
    """The payer takes the authorization back, on the chain."""
    nonce = payload["payload"]["authorization"]["nonce"]
    message = {"authorizer": purse.address, "nonce": nonce}
    signature = purse.sign_typed_data(
        _domain(payload["accepted"]), {"CancelAuthorization": _CANCEL}, message
    ).signature
    call = chain.token.functions.cancelAuthorization(
        purse.address, nonce, signature[64], signature[:32], signature[32:64]
    )
    chain.mined(call.transact({"from": chain.w3.eth.accounts[0]}))


def _domain(accepted: dict[str, Any]) -> dict[str, Any]:
    return {
        "name": accepted["extra"]["name"],
        "version": accepted["extra"]["version"],
        "chainId": int(accepted["network"].partition(":")[2]),
        "verifyingContract": accepted["asset"],
    }
