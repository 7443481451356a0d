"""Settled by a service: with a node of our own the chain is believed, without one its word."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta

import pytest
from chain.conftest import CENT, Shop
from chain.payer import submit
from chain.service import Service, running_service
from sqlalchemy import text

from gateway_payments.exceptions import ChainUnavailableError, PaymentPendingError
from gateway_payments.providers import x402
from gateway_payments.providers.x402_facilitator import Facilitator, Settlement
from gateway_payments.requirement import PaymentRefusedError

pytestmark = pytest.mark.slow


@pytest.fixture
def service(shop: Shop, gas: str) -> Iterator[Service]:
    with running_service(shop.ours, gas) as service:
        yield service


def test_a_service_settles_without_a_node_of_ours(shop: Shop, service: Service) -> None:
    _by(shop, service, node=False)
    quote = shop.quote(shop.ada)
    payload = shop.payment(shop.ours.purse(dollars=1), quote)
    before = len(shop.ours.calls)
    assert shop.ours.paid(shop.receipt(payload)["transaction"])[2] == CENT
    assert service.calls == ["verify", "settle"]
    assert len(shop.ours.calls) > before
    assert shop.admit(shop.ada, quote=quote.id)


def test_what_a_service_refuses_is_refused(shop: Shop, service: Service) -> None:
    _by(shop, service, node=False)
    payload = shop.payment(shop.ours.purse(), shop.quote(shop.ada))
    with pytest.raises(PaymentRefusedError, match="insufficient_balance"):
        shop.send(payload)
    assert service.calls == ["verify"]


def test_a_service_that_is_down_charges_nothing(shop: Shop, service: Service) -> None:
    _by(shop, service, node=False)
    quote = shop.quote(shop.ada)
    payload = shop.payment(shop.ours.purse(dollars=1), quote)
    service.down.add("verify")
    with pytest.raises(ChainUnavailableError):
        shop.send(payload)
    service.down.clear()
    assert shop.send(payload) == quote.id


def test_what_is_refused_because_it_was_paid_already_is_paid(shop: Shop, service: Service) -> None:
    """The payer brought it to the chain himself, and our node was away when he sent it again."""
    _by(shop, service)
    quote = shop.quote(shop.ada)
    payload = shop.payment(shop.ours.purse(dollars=1), quote)
    service.down.add("verify")
    with pytest.raises(ChainUnavailableError):
        shop.send(payload)
    service.down.clear()
    submit(shop.ours, payload)
    shop.ours.broken.add("eth_blockNumber")
    with pytest.raises(ChainUnavailableError):
        shop.send(payload)
    assert shop.state(payload) == "begun"
    shop.ours.broken.clear()
    assert shop.send(payload) == quote.id
    assert shop.taken() == CENT


def test_a_lost_answer_is_made_up_for_by_the_chain(shop: Shop, service: Service) -> None:
    _by(shop, service)
    quote = shop.quote(shop.ada)
    payload = shop.payment(shop.ours.purse(dollars=1), quote)
    service.lost.add("settle")
    assert shop.send(payload) == quote.id
    assert shop.receipt(payload)["success"]
    assert shop.taken() == CENT


def test_without_a_node_a_lost_answer_stays_a_doubt_until_an_operator_looked(
    shop: Shop, service: Service
) -> None:
    """It was paid, but nobody here can know: neither delivered nor called lost."""
    _by(shop, service, node=False)
    quote = shop.quote(shop.ada)
    payload = shop.payment(shop.ours.purse(dollars=1), quote)
    service.lost.add("settle")
    with pytest.raises(PaymentPendingError):
        shop.send(payload)
    service.lost.clear()
    with pytest.raises(PaymentPendingError):
        shop.send(payload)
    assert shop.audit() == []
    shop.now += x402.LEASE + timedelta(hours=1)
    shop.payments.reconcile(shop.now)
    assert shop.state(payload) == "processing"
    row = shop.row(payload)
    assert row
    assert shop.audit() == [f"no payment waits for an operator: {row.id}"]
    assert shop.admit(shop.ada, quote=quote.id) is None
    _by(shop, service)  # the operator gives it a node
    shop.payments.reconcile(shop.now + timedelta(seconds=1))
    assert shop.state(payload) == "paid"
    assert shop.admit(shop.ada, quote=quote.id)


def test_a_service_that_lies_buys_nothing_where_we_have_a_node(
    shop: Shop, service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    lie = Settlement(done=True, transaction="0x" + "ab" * 32, reason=None)
    monkeypatch.setattr(Facilitator, "settle", lambda *_: lie)
    monkeypatch.setattr(x402, "_PAUSES_S", (0.0,))
    _by(shop, service)
    payload = shop.payment(shop.ours.purse(dollars=1), shop.quote(shop.ada))
    with pytest.raises(PaymentPendingError):
        shop.send(payload)
    with shop.database.read() as db:
        assert db.execute(text("SELECT COUNT(*) FROM entitlements")).scalar_one() == 0


def _by(shop: Shop, service: Service, *, node: bool = True) -> None:
    """A new process that has its payments settled by the service."""
    assert shop.settings.x402
    rpc_url = shop.ours.url if node else None
    changed = replace(
        shop.settings.x402, facilitator_url=service.url, private_key=None, rpc_url=rpc_url
    )
    shop.restart(x402=changed)
