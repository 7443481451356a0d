"""A stand-in for a token on a chain, its node and a facilitator: balances, nonces, blocks, logs.

Only for many histories at once: what it is like is held to a real chain by tests/chain.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from gateway_payments.providers.x402_chain import CANCELED, TRANSFER, USED
from gateway_payments.recursion import recursion_limit_kept

with recursion_limit_kept():
    from eth_account import Account
    from eth_account.messages import encode_typed_data

NETWORK, CHAIN_ID = "eip155:84532", 84532
ASSET, STRANGER = (f"0x{digit * 40}" for digit in "13")
TILL_KEY = "0x" + "2" * 64
TILL = Account.from_key(TILL_KEY).address.lower()

_DOMAIN = {"name": "USDC", "version": "2", "chainId": CHAIN_ID, "verifyingContract": ASSET}
_TRANSFER = [
    {"name": name, "type": kind}
    for name, kind in (
        ("from", "address"),
        ("to", "address"),
        ("value", "uint256"),
        ("validAfter", "uint256"),
        ("validBefore", "uint256"),
        ("nonce", "bytes32"),
    )
]


@dataclass(frozen=True)
class Use:
    """How a nonce was used; `to` None: it was cancelled."""

    block: int
    transaction: str
    to: str | None
    value: int


@dataclass
class Token:
    """The chain's time is that of its newest block, and never goes back."""

    clock: Callable[[], float]
    blocks: list[int] = field(default_factory=list)
    balances: Counter[str] = field(default_factory=Counter)
    used: dict[tuple[str, str], Use] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.blocks = [int(self.clock()) - 10, int(self.clock())]

    def signed(self, payer: str, quote_id: str, value: int, lasts_s: int) -> dict[str, Any]:
        """What a payer sends for a quote."""
        now = int(self.clock())
        nonce = hashlib.sha256(f"{payer}{quote_id}{now}{len(self.used)}".encode()).hexdigest()
        authorization = {
            "from": payer,
            "to": TILL,
            "value": str(value),
            "validAfter": str(now - 600),
            "validBefore": str(now + lasts_s),
            "nonce": f"0x{nonce}",
        }
        accepted = {
            "scheme": "exact",
            "network": NETWORK,
            "asset": ASSET,
            "amount": str(value),
            "payTo": TILL,
            "maxTimeoutSeconds": 120,
            "extra": {"name": "USDC", "version": "2", "quoteId": quote_id},
        }
        signed = {"authorization": authorization, "signature": _signature(authorization)}
        return {"x402Version": 2, "accepted": accepted, "payload": signed}

    def use(self, authorization: dict[str, str], to: str | None) -> None:
        """The payer has the nonce used by himself: to pay us or somebody else, or to cancel."""
        value = int(authorization["value"])
        if (self._name(authorization) in self.used) or (to and self._short(authorization)):
            return
        if to and not self._is_timely(authorization):
            return
        self._tick(transacting=True)
        number = len(self.used) + 1
        transaction = f"0x{number:064x}"
        self.used[self._name(authorization)] = Use(len(self.blocks) - 1, transaction, to, value)
        if to:
            self.balances[authorization["from"].lower()] -= value
            self.balances[to] += value

    def settling(self, what: str, asked: dict[str, Any]) -> dict[str, Any]:
        """The facilitator's answers: POST /verify, /settle."""
        signed = asked["paymentPayload"]["payload"]
        authorization = signed["authorization"]
        reason = self._refusal(authorization, signed["signature"])
        payer = authorization["from"]
        if what == "verify":
            return {"isValid": reason is None, "invalidReason": reason, "payer": payer}
        if reason is None:
            self.use(authorization, authorization["to"].lower())
        use = self.used.get(self._name(authorization))
        return {
            "success": reason is None,
            "errorReason": reason,
            "payer": payer,
            "transaction": use.transaction if use and reason is None else "",
            "network": NETWORK,
        }

    def node(self, _: str, asked: dict[str, Any]) -> dict[str, Any]:
        """The node's JSON-RPC."""
        self._tick()
        return {"jsonrpc": "2.0", "id": asked["id"], "result": self._told(**asked)}

    def _told(self, method: str, params: list[Any], **_: Any) -> Any:  # noqa: ANN401
        match method, params:
            case "eth_chainId", _:
                return hex(CHAIN_ID)
            case "eth_blockNumber", _:
                return hex(len(self.blocks) - 1)
            case "eth_getBlockByNumber", [number, *_]:
                return {"timestamp": hex(self.blocks[int(number, 16)])}
            case "eth_call", [{"data": data}, block]:
                return self._call(data, block)
            case "eth_getLogs", [wanted]:
                payer, nonce = "0x" + wanted["topics"][1][-40:], wanted["topics"][2]
                use = self.used.get((payer, nonce))
                since, until = (int(wanted[name], 16) for name in ("fromBlock", "toBlock"))
                found = use is not None and since <= use.block <= until
                return [self._logs(payer, nonce)[0]] if found else []
            case "eth_getTransactionReceipt", [transaction]:
                names = (n for n, use in self.used.items() if use.transaction == transaction)
                return {"logs": self._logs(*next(names))}
        raise AssertionError(json.dumps([method, params]))

    def _call(self, data: str, block: str) -> str:
        if len(data) == len("0x313ce567"):  # decimals()
            return hex(6)
        use = self.used.get(("0x" + data[34:74], "0x" + data[74:]))
        return hex(use is not None and use.block <= int(block, 16))

    def _logs(self, payer: str, nonce: str) -> list[dict[str, Any]]:
        use = self.used[payer, nonce]
        common = {"transactionHash": use.transaction, "address": ASSET}
        what = CANCELED if use.to is None else USED
        noted = {"logIndex": "0x0", "topics": [what, _word(payer), nonce], "data": "0x"}
        if use.to is None:
            return [{**common, **noted}]
        topics = [TRANSFER, _word(payer), _word(use.to)]
        moved = {"logIndex": "0x1", "topics": topics, "data": hex(use.value)}
        return [{**common, **noted}, {**common, **moved}]

    def _refusal(self, authorization: dict[str, str], signature: str) -> str | None:
        self._tick()
        mistakes = {
            "invalid_exact_evm_signature": not _is_signed(authorization, signature),
            "invalid_exact_evm_nonce_already_used": self._name(authorization) in self.used,
            "invalid_exact_evm_payload_authorization_valid_before": not self._is_timely(
                authorization
            ),
            "insufficient_funds": self._short(authorization),
        }
        return next((reason for reason, wrong in mistakes.items() if wrong), None)

    def _tick(self, *, transacting: bool = False) -> None:
        now = max(int(self.clock()), self.blocks[-1])
        if transacting or now > self.blocks[-1]:
            self.blocks.append(now)

    def _is_timely(self, authorization: dict[str, str]) -> bool:
        now = max(int(self.clock()), self.blocks[-1])
        return int(authorization["validAfter"]) < now < int(authorization["validBefore"])

    def _short(self, authorization: dict[str, str]) -> bool:
        return self.balances[authorization["from"].lower()] < int(authorization["value"])

    def _name(self, authorization: dict[str, str]) -> tuple[str, str]:
        return authorization["from"].lower(), authorization["nonce"].lower()


def _is_signed(authorization: dict[str, str], signature: str) -> bool:
    if authorization["from"].lower() != TILL:
        return signature == _signature(authorization)
    numbers = {name: int(authorization[name]) for name in ("value", "validAfter", "validBefore")}
    signed = encode_typed_data(
        _DOMAIN, {"TransferWithAuthorization": _TRANSFER}, {**authorization, **numbers}
    )
    return bool(Account.recover_message(signed, signature=signature).lower() == TILL)


def _signature(authorization: dict[str, str]) -> str:
    said = json.dumps({name: str(value).lower() for name, value in authorization.items()})
    return "0x" + hashlib.sha512(said.encode()).hexdigest() + "1b"


def _word(address: str) -> str:
    return "0x" + address[2:].rjust(64, "0")
