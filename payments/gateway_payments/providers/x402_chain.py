"""What the chain says about a payment: the only witness that neither forgets nor lies.

An EIP-3009 token notes that a nonce was used, and logs whether by a transfer (AuthorizationUsed,
its own Transfer right after it, as USDC does) or by a cancellation. A used nonce alone proves
nothing: a payer can sign two authorizations with one nonce and have the other one settled.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import count
from typing import Any, Final, Literal

import httpx

from gateway_payments.exceptions import ChainUnavailableError
from gateway_payments.providers.x402_authorization import LONGEST_S, Authorization
from gateway_payments.x402_settings import X402Settings

TRANSFER: Final = "0xddf252ad1be2c89b69c2b068fc378daa952ba7f163c4a11628f55a4df523b3ef"
USED: Final = "0x98de503528ee59b575ef0c0a2576a82497bfc029a5685b209e9ec333479b10a5"
CANCELED: Final = "0x1cdd46ff242716cdaa72d159d339a485b3438398348d68f09d7c8c0a59353d81"
_STATE: Final = "0xe94a0102"  # authorizationState(address,bytes32)
_DECIMALS: Final = "0x313ce567"  # decimals()
_SIX: Final = 6  # so that an atomic unit is a millionth, as the ledger counts
_TIMEOUT_S: Final = 10
_BLOCKS_AT_ONCE: Final = 1000  # public nodes refuse to search many more
_SEARCHES: Final = 20


@dataclass(frozen=True, slots=True)
class Outcome:
    """What has become of an authorization, as of a block that won't go away.

    `open`: it can still be settled. `lapsed`, `cancelled`: it never can, nobody paid. `paid`: our
    address got the money, by `transaction`. `doubtful`: the nonce is used, and not to pay us, or
    by what can't be found.
    """

    kind: Literal["open", "lapsed", "cancelled", "paid", "doubtful"]
    transaction: str | None = None


class Chain:
    """One token on one chain, asked by JSON-RPC. All methods raise ChainUnavailableError."""

    def __init__(self, settings: X402Settings, rpc_url: str) -> None:
        self._settings = settings
        self._rpc_url = rpc_url
        self._ids = count(1)

    def close(self) -> None:
        """Hang up."""
        self._http.close()

    def latest_block(self) -> int:
        """The number of the newest block, of the chain and the token that are meant."""
        self._require_meant()
        return self._number("eth_blockNumber", [])

    def outcome(self, authorization: Authorization, since_block: int | None) -> Outcome:
        """What has become of it. It can't have been settled for us before `since_block`."""
        if authorization.network != self._settings.network:
            reason = f"the payment is on {authorization.network}, which X402_NETWORK was before"
            raise ChainUnavailableError(reason)
        block = max(self.latest_block() - self._settings.confirmations + 1, 0)
        if not self._is_used(authorization, block):
            lapsed = self._time_of(block) >= authorization.valid_before
            return Outcome("lapsed" if lapsed else "open")
        if since_block is None:
            since_block = self._block_at(authorization.valid_before - LONGEST_S, block)
        log = next(self._uses(authorization, since_block, block), None)
        if log is None:
            return Outcome("doubtful")
        transaction = _text(log, "transactionHash")
        if log["topics"][0].lower() == CANCELED:
            return Outcome("cancelled", transaction)
        paid = self._pays_us(authorization, transaction, _quantity(log["logIndex"]))
        return Outcome("paid" if paid else "doubtful", transaction)

    def _is_used(self, authorization: Authorization, block: int) -> bool:
        data = _STATE + _word(authorization.payer) + authorization.nonce[2:]
        call = {"to": authorization.asset, "data": data}
        return self._number("eth_call", [call, hex(block)]) != 0

    def _time_of(self, block: int) -> int:
        return _quantity(self._ask("eth_getBlockByNumber", [hex(block), False], _timestamp))

    def _block_at(self, time_s: int, latest: int) -> int:
        """The first block from that time on, or `latest`."""
        low, high = 0, latest
        while low < high:
            middle = (low + high) // 2
            if self._time_of(middle) < time_s:
                low = middle + 1
            else:
                high = middle
        return low

    def _uses(
        self, authorization: Authorization, since: int, until: int
    ) -> Iterator[dict[str, Any]]:
        """Logs of the nonce's use, a bounded number of blocks after it was recorded."""
        topics = [[USED, CANCELED], "0x" + _word(authorization.payer), authorization.nonce]
        for start in range(since, until + 1, _BLOCKS_AT_ONCE)[:_SEARCHES]:
            end = min(start + _BLOCKS_AT_ONCE - 1, until)
            wanted = {
                "address": authorization.asset,
                "topics": topics,
                "fromBlock": hex(start),
                "toBlock": hex(end),
            }
            yield from self._ask("eth_getLogs", [wanted], _list)

    def _pays_us(self, authorization: Authorization, transaction: str, index: int) -> bool:
        """Whether the very next log is the token's Transfer of what was signed.

        Not any Transfer of the transaction: that might be another payment's, settled in one go.
        """
        wanted = [TRANSFER, "0x" + _word(authorization.payer), "0x" + _word(authorization.pay_to)]
        logs = self._ask("eth_getTransactionReceipt", [transaction], _logs)
        return any(
            _quantity(log["logIndex"]) == index + 1
            and log["address"].lower() == authorization.asset
            and [topic.lower() for topic in log["topics"]] == wanted
            and _quantity(log["data"]) == authorization.value
            for log in logs
        )

    def _require_meant(self) -> None:
        if self._chain_id != self._settings.chain_id:
            reason = f"X402_RPC_URL is chain {self._chain_id}, not {self._settings.network}"
            raise ChainUnavailableError(reason)
        if self._decimals != _SIX:
            reason = f"X402_ASSET has {self._decimals} decimals, not {_SIX}"
            raise ChainUnavailableError(reason)

    @cached_property
    def _chain_id(self) -> int:
        return self._number("eth_chainId", [])

    @cached_property
    def _decimals(self) -> int:
        call = {"to": self._settings.asset.address, "data": _DECIMALS}
        return self._number("eth_call", [call, "latest"])

    @cached_property
    def _http(self) -> httpx.Client:
        return httpx.Client(timeout=_TIMEOUT_S)

    def _number(self, method: str, parameters: list[Any]) -> int:
        return _quantity(self._ask(method, parameters, str))

    def _ask(self, method: str, parameters: list[Any], read: Callable[[Any], Any]) -> Any:  # noqa: ANN401  JSON
        """Ask the node; what it says, in the form that `read` makes sure of.

        Nothing of an exception's text goes on: it may hold the address, and that a key.
        """
        asked = {"jsonrpc": "2.0", "id": next(self._ids), "method": method, "params": parameters}
        try:
            response = self._http.post(self._rpc_url, json=asked)
            response.raise_for_status()
            return read(response.json()["result"])
        except (httpx.HTTPError, ValueError, KeyError, TypeError, AttributeError) as error:
            reason = f"{method}: {type(error).__name__}"
            raise ChainUnavailableError(reason) from None


def _word(address: str) -> str:
    """An address as 32 bytes, without 0x."""
    return address[2:].rjust(64, "0")


def _quantity(value: object) -> int:
    """A number of JSON-RPC's. Raises ChainUnavailableError where it is none."""
    try:
        return int(str(value), 16)
    except ValueError:
        reason = "the node answered no number"
        raise ChainUnavailableError(reason) from None


def _text(raw: dict[str, Any], name: str) -> str:
    return str(raw[name])


def _timestamp(block: dict[str, Any]) -> str:
    return str(block["timestamp"])


def _list(value: object) -> list[dict[str, Any]]:
    if not isinstance(value, list):
        raise TypeError
    for log in value:
        if not {"transactionHash", "logIndex", "topics", "address", "data"} <= log.keys():
            raise TypeError
    return value


def _logs(receipt: dict[str, Any]) -> list[dict[str, Any]]:
    return _list(receipt["logs"])
