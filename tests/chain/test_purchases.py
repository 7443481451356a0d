"""A payment on a chain buys one run, and the till holds its price."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from chain.conftest import CENT, Shop

from gateway_payments.exceptions import PaymentPendingError

pytestmark = pytest.mark.slow


def test_a_signed_payment_buys_the_quotes_run(shop: Shop) -> None:
    purse, quote = shop.ours.purse(dollars=1), shop.quote(shop.ada)
    payload = shop.payment(purse, quote)
    receipt = shop.receipt(payload)
    assert receipt["success"]
    sent = shop.ours.paid(receipt["transaction"])
    assert sent == (purse.address, shop.till, CENT)
    assert (shop.taken(), shop.ours.balance(purse.address)) == (CENT, 1_000_000 - CENT)
    admission = shop.admit(shop.ada, quote=quote.id)
    assert admission
    assert admission.offer == "x402"
    assert shop.capture(admission.run_id)


def test_the_same_payment_five_times_at_once_is_settled_once(shop: Shop) -> None:
    quote = shop.quote(shop.ada)
    payload = shop.payment(shop.ours.purse(dollars=1), quote)

    def send(_: int) -> str | None:
        try:
            return shop.send(payload)
        except PaymentPendingError:
            return None

    with ThreadPoolExecutor(5) as at_once:
        paid = [quote_id for quote_id in at_once.map(send, range(5)) if quote_id]
    assert set(paid) == {quote.id}
    assert shop.taken() == CENT
    assert shop.ours.calls.count("eth_sendRawTransaction") >= 1
    assert shop.send(payload) == quote.id
    assert shop.taken() == CENT
