"""A chain for the session, and a world in which runs are paid on it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from chain.node import Chain, running_chain
from chain.payer import payment
from eth_account.signers.local import LocalAccount
from payments.world import World
from stripe_standin.server import running
from stripe_standin.sessions import Stripe

from gateway_payments.accounts import Caller
from gateway_payments.payments import Payment, by_external_id
from gateway_payments.proof import Proof
from gateway_payments.providers.x402_authorization import read
from gateway_payments.quotes import Quote
from gateway_payments.x402_settings import Asset, X402Settings

CENT = 10_000  # what a run costs, in millionths of a dollar


@dataclass
class Shop(World):
    """A world whose runs are paid on a chain. Its clock is the real one, as the chain's is."""

    chain: Chain | None = None
    till: str = ""

    @property
    def ours(self) -> Chain:
        assert self.chain is not None
        return self.chain

    def restart(self, **changes: Any) -> None:  # noqa: ANN401
        self.payments.close()
        super().restart(**changes)

    def required(self, quote: Quote) -> dict[str, Any]:
        x402 = self.payments.require(quote, self.ada, self.now).x402
        assert x402 is not None
        return x402

    def payment(self, purse: LocalAccount, quote: Quote) -> dict[str, Any]:
        return payment(purse, self.required(quote))

    def send(self, payload: dict[str, Any], caller: Caller | None = None) -> str:
        """A payment that comes along with a call: the quote that it has paid."""
        return self.payments.pay_by_proof(caller or self.ada, Proof(payload), self.now)

    def receipt(self, payload: dict[str, Any]) -> dict[str, Any]:
        proof = Proof(payload)
        self.payments.pay_by_proof(self.ada, proof, self.now)
        assert proof.receipt is not None
        return proof.receipt

    def row(self, payload: dict[str, Any]) -> Payment | None:
        with self.database.read() as db:
            return by_external_id(db, read(payload).external_id)

    def state(self, payload: dict[str, Any]) -> str | None:
        row = self.row(payload)
        return row.state if row else None

    def taken(self) -> int:
        """What is in the till, in millionths of a dollar."""
        return self.ours.balance(self.till)


@pytest.fixture(scope="session")
def chain() -> Iterator[Chain]:
    with running_chain() as chain:
        yield chain


@pytest.fixture(scope="session")
def stripe() -> Iterator[Stripe]:
    with running() as standin:
        yield standin


@pytest.fixture(scope="session")
def gas(chain: Chain) -> str:
    """The key of a gateway that settles by itself."""
    return chain.purse(gas=True).key.hex()


@pytest.fixture
def settings(chain: Chain, gas: str) -> X402Settings:
    """Settled by the gateway itself, to an address of its own in each test."""
    return X402Settings(
        pay_to=chain.purse().address,
        network=chain.network,
        asset=Asset(chain.token.address, "USDC", "2"),
        resource_url="http://gateway/simulate",
        rpc_url=chain.url,
        private_key=gas,
    )


@pytest.fixture
def shop(tmp_path: Path, stripe: Stripe, chain: Chain, settings: X402Settings) -> Iterator[Shop]:
    """Whatever a test does, the books must balance after it, and the till hold what they say."""
    shop = Shop.at(tmp_path, stripe, "x402", "credits")
    assert isinstance(shop, Shop)
    shop.chain, shop.till, shop.now = chain, settings.pay_to, datetime.now(UTC)
    shop.restart(x402=settings, stripe=None)
    with chain.undone():
        yield shop
    assert shop.audit() == []
    shop.payments.close()
    shop.database.close()
