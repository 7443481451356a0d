"""What an operator decides about payments on a chain (x402), and what may be wrong with it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final, Literal

from gateway_payments.recursion import recursion_limit_kept

ADDRESS: Final = re.compile(r"0x[0-9a-fA-F]{40}")
NETWORK: Final = re.compile(r"eip155:[1-9][0-9]{0,17}")
_KEY: Final = re.compile(r"(0x)?[0-9a-fA-F]{64}")
_NOBODY: Final = "0x" + "0" * 40


@dataclass(frozen=True, slots=True)
class Asset:
    """A token of six decimals that stands for dollars, with its EIP-712 name and version."""

    address: str
    name: str
    version: str


USDC: Final = {
    "eip155:8453": Asset("0x833589fCD6eDb6E08f4c7C32D4f71b54bdA02913", "USD Coin", "2"),  # Base
    "eip155:84532": Asset("0x036CbD53842c5426634e7929541eC2318f3dCF7e", "USDC", "2"),  # its testnet
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class X402Settings:
    """How payments on a chain are asked for, settled and looked up."""

    pay_to: str  # X402_PAY_TO: the address that gets the money
    network: str  # X402_NETWORK: eip155:<chain id>
    asset: Asset  # X402_ASSET, X402_ASSET_NAME, X402_ASSET_VERSION; USDC where it is known
    resource_url: str  # what is paid for, as the offer names it
    facilitator_url: str | None = None  # X402_FACILITATOR_URL; None: we settle ourselves
    rpc_url: str | None = field(default=None, repr=False)  # X402_RPC_URL: may hold a key
    private_key: str | None = field(default=None, repr=False)  # X402_PRIVATE_KEY: pays the gas
    confirmations: int = 1  # X402_CONFIRMATIONS: blocks until the chain is believed
    refund: Literal["credits", "chain"] = "credits"  # X402_REFUND: what a failed run gives back
    refund_key: str | None = field(default=None, repr=False)  # X402_REFUND_KEY: of `pay_to`

    @property
    def chain_id(self) -> int:
        """The number of the chain."""
        return int(self.network.partition(":")[2])


def asset_of(network: str, address: str | None, name: str | None, version: str | None) -> Asset:
    """The token as it was set; what is left out is filled in where it is the network's USDC."""
    known = USDC.get(network)
    if known is None or (address or known.address).lower() != known.address.lower():
        return Asset(address or "", name or "", version or "")
    return Asset(address or known.address, name or known.name, version or known.version)


def x402_mistakes(settings: X402Settings, currency: str) -> Iterator[str]:
    """What is wrong, one line each; never with a secret in it."""
    if currency != "usd":
        yield "STRIPE_SIMULATION_CURRENCY: must be usd with x402, whose tokens are dollars"
    if not NETWORK.fullmatch(settings.network):
        yield "X402_NETWORK: is needed with x402, as eip155:8453 (Base)"
    yield from _address_mistakes(settings)
    yield from _way_mistakes(settings)
    yield from _refund_mistakes(settings)


def _address_mistakes(settings: X402Settings) -> Iterator[str]:
    for name, address in (
        ("X402_PAY_TO", settings.pay_to),
        ("X402_ASSET", settings.asset.address),
    ):
        if not ADDRESS.fullmatch(address) or address.lower() == _NOBODY:
            yield f"{name}: is needed with x402, an address as 0x and 40 hexadecimal digits"
        elif not _has_its_checksum(address):
            yield f"{name}: {address} is misspelt: its capitals don't fit its digits (EIP-55)"
    for name, text in (
        ("X402_ASSET_NAME", settings.asset.name),
        ("X402_ASSET_VERSION", settings.asset.version),
    ):
        if not text:
            yield f"{name}: is needed for a token other than USDC on Base (its EIP-712 domain)"


def _has_its_checksum(address: str) -> bool:
    """Whether it can be trusted to be no slip; without capitals there is nothing to check."""
    if address[2:] in {address[2:].lower(), address[2:].upper()}:
        return True
    from eth_utils.address import is_checksum_address  # noqa: PLC0415  only where x402 is on

    return is_checksum_address(address)


def _refund_mistakes(settings: X402Settings) -> Iterator[str]:
    if settings.refund == "chain":
        for name, value in (
            ("X402_RPC_URL", settings.rpc_url),
            ("X402_REFUND_KEY", settings.refund_key),
        ):
            if value is None:
                yield f"{name}: is needed with X402_REFUND=chain"
    if settings.refund_key is None:
        return
    if not _KEY.fullmatch(settings.refund_key):
        yield "X402_REFUND_KEY: must be 64 hexadecimal digits"
        return
    with recursion_limit_kept():
        from eth_account import Account  # noqa: PLC0415  only where money goes back on a chain

    if Account.from_key(settings.refund_key).address.lower() != settings.pay_to.lower():
        yield "X402_REFUND_KEY: must be the private key of X402_PAY_TO"


def _way_mistakes(settings: X402Settings) -> Iterator[str]:
    for name, url in (
        ("X402_FACILITATOR_URL", settings.facilitator_url),
        ("X402_RPC_URL", settings.rpc_url),
    ):
        if url is not None and not url.startswith(("https://", "http://")):
            yield f"{name}: must begin with https:// or http://"
    if settings.private_key is not None and not _KEY.fullmatch(settings.private_key):
        yield "X402_PRIVATE_KEY: must be 64 hexadecimal digits"
    if settings.confirmations < 1:
        yield "X402_CONFIRMATIONS: must be at least 1"
    if settings.facilitator_url is None:
        for name, value in (
            ("X402_RPC_URL", settings.rpc_url),
            ("X402_PRIVATE_KEY", settings.private_key),
        ):
            if value is None:
                yield f"{name}: is needed with x402 unless X402_FACILITATOR_URL is set"
