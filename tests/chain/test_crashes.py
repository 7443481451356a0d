"""Whatever dies when: a payment that reached the till buys its run, and no other one does."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from chain.conftest import CENT, Shop
from chain.dying import KilledError, dies, dies_after
from chain.payer import cancel, signed, submit, submit_both
from payments.world import priced
from sqlalchemy import text

from gateway_payments.exceptions import (
    ChainUnavailableError,
    PaymentPendingError,
    PaymentReturnedError,
)
from gateway_payments.providers import x402
from gateway_payments.providers.x402_facilitator import Facilitator, Settlement
from gateway_payments.requirement import PaymentRefusedError

pytestmark = pytest.mark.slow


POINTS = {
    "recorded, not verified": (Facilitator, "verify", dies),
    "verified, intent not recorded": (Facilitator, "verify", dies_after(Facilitator.verify)),
    "intent recorded, not settled": (Facilitator, "settle", dies),
    "settled, nothing known of it": (Facilitator, "settle", dies_after(Facilitator.settle)),
    "settled and seen, not booked": (x402, "settle", dies),
    "booked, answer lost": (x402.X402, "_settle", dies_after(x402.X402._settle)),  # noqa: SLF001
}


@pytest.mark.parametrize("point", POINTS)
def test_the_same_payment_again_finishes_what_a_crash_left(
    shop: Shop, point: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    payload = _killed(shop, point, monkeypatch)
    quote_id = payload["accepted"]["extra"]["quoteId"]
    shop.now += x402.LEASE
    with ThreadPoolExecutor(3) as at_once:
        again = [at_once.submit(_sent, shop, payload) for _ in range(3)]
    assert {quote_id} == {call.result() for call in again} - {None}
    assert shop.taken() == CENT
    assert shop.capture(shop.start(shop.ada, quote=quote_id))


@pytest.mark.parametrize("point", POINTS)
def test_by_itself_the_gateway_finishes_what_it_meant_to_settle(
    shop: Shop, point: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    payload = _killed(shop, point, monkeypatch)
    quote_id = payload["accepted"]["extra"]["quoteId"]
    meant = list(POINTS).index(point) >= 2
    assert shop.payments.reconcile(shop.now).paid == 0  # somebody may be at it
    shop.now += x402.LEASE
    found = meant and point != "booked, answer lost"
    assert shop.payments.reconcile(shop.now).paid == found
    assert shop.taken() == (CENT if meant else 0)
    assert shop.state(payload) == ("paid" if meant else "begun")
    assert bool(shop.admit(shop.ada, quote=quote_id)) == meant


def test_a_payment_whose_payer_is_gone_is_never_sent(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    payload = _killed(shop, "recorded, not verified", monkeypatch)
    _let_it_lapse(shop, payload)
    shop.now += x402.LEASE
    shop.payments.reconcile(shop.now)
    assert shop.state(payload) == "failed"
    assert shop.taken() == 0


def test_a_payment_that_its_payer_brought_to_the_chain_is_no_failure_while_the_node_is_silent(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    payload = _killed(shop, "recorded, not verified", monkeypatch)
    submit(shop.ours, payload)
    _let_it_lapse(shop, payload)
    shop.ours.broken.add("eth_blockNumber")
    shop.now += timedelta(days=3)
    shop.payments.reconcile(shop.now)
    assert shop.state(payload) == "begun"
    shop.ours.broken.clear()
    shop.now += timedelta(days=1)
    assert shop.payments.reconcile(shop.now).paid == 1
    assert shop.state(payload) == "paid"


def test_a_transaction_that_stays_unmined_is_asked_about_not_paid_again(shop: Shop) -> None:
    quote = shop.quote(shop.ada)
    payload = shop.payment(shop.ours.purse(dollars=1), quote)
    shop.ours.broken.add("eth_getTransactionReceipt")
    with pytest.raises(PaymentPendingError):
        shop.send(payload)
    assert shop.state(payload) == "processing"
    assert shop.admit(shop.ada, quote=quote.id) is None
    shop.ours.broken.clear()
    shop.payments.look_after(shop.ada.account_id, quote.id, shop.now)
    assert shop.admit(shop.ada, quote=quote.id)
    assert shop.taken() == CENT


def test_blocks_count_only_once_they_are_deep_enough(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert shop.settings.x402
    monkeypatch.setattr(x402, "_PAUSES_S", (0.0,))  # nobody adds blocks while we wait
    shop.restart(x402=replace(shop.settings.x402, confirmations=3))
    quote = shop.quote(shop.ada)
    payload = shop.payment(shop.ours.purse(dollars=1), quote)
    with pytest.raises(PaymentPendingError):
        shop.send(payload)
    assert shop.taken() == CENT
    assert shop.admit(shop.ada, quote=quote.id) is None
    shop.ours.tester.mine_blocks(2)
    assert shop.send(payload) == quote.id


@pytest.mark.parametrize("how", ["cancelled", "lapsed"])
def test_what_can_never_be_settled_has_failed_and_frees_the_quote(
    shop: Shop, how: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    purse, quote = shop.ours.purse(dollars=1), shop.quote(shop.ada)
    payload = signed(purse, shop.required(quote))
    monkeypatch.setattr(Facilitator, "settle", _nothing_comes_of_it)
    with pytest.raises(PaymentPendingError):
        shop.send(payload)
    monkeypatch.undo()
    if how == "cancelled":
        cancel(shop.ours, purse, payload)
    else:
        _let_it_lapse(shop, payload)
    with pytest.raises(PaymentRefusedError, match=f"authorization_{how}"):
        shop.send(payload)
    assert shop.taken() == 0
    if how == "cancelled":
        assert shop.send(shop.payment(purse, quote)) == quote.id


def test_a_nonce_used_for_another_receiver_buys_nothing_and_shows(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The payer has the same nonce settled to a purse of his own, right after our verification."""
    purse, quote = shop.ours.purse(dollars=1), shop.quote(shop.ada)
    payload = shop.payment(purse, quote)
    nonce = payload["payload"]["authorization"]["nonce"]
    other = signed(purse, shop.required(quote), to=shop.ours.purse().address, nonce=nonce)
    verify = Facilitator.verify

    def overtaken(*args: Any) -> str | None:  # noqa: ANN401
        reason = verify(*args)
        submit(shop.ours, other)
        return reason

    monkeypatch.setattr(Facilitator, "verify", overtaken)
    with pytest.raises(PaymentPendingError):
        shop.send(payload)
    shop.now += x402.LEASE
    shop.payments.reconcile(shop.now)
    assert shop.state(payload) == "processing"
    assert shop.admit(shop.ada, quote=quote.id) is None
    assert shop.taken() == 0
    row = shop.row(payload)
    assert row
    assert shop.audit() == [f"no payment waits for an operator: {row.id}"]
    _settle_by_hand(shop, row.id)


@pytest.mark.parametrize("ours_first", [True, False])
def test_one_transfer_to_us_does_not_pay_for_two_in_one_transaction(
    shop: Shop, monkeypatch: pytest.MonkeyPatch, *, ours_first: bool
) -> None:
    """The payer settles one payment honestly, and beside it the other's nonce to himself."""
    purse = shop.ours.purse(dollars=1)
    first, second = shop.quote(shop.ada), shop.quote(shop.ada, priced("b" * 64))
    honest, cheating = (shop.payment(purse, quote) for quote in (first, second))
    nonce = cheating["payload"]["authorization"]["nonce"]
    back = signed(purse, shop.required(second), to=purse.address, nonce=nonce)
    monkeypatch.setattr(Facilitator, "settle", _nothing_comes_of_it)
    for payload in (honest, cheating):
        with pytest.raises(PaymentPendingError):
            shop.send(payload)
    submit_both(shop.ours, *((honest, back) if ours_first else (back, honest)))
    assert shop.send(honest) == first.id
    with pytest.raises(PaymentPendingError):
        shop.send(cheating)
    assert shop.admit(shop.ada, priced("b" * 64), quote=second.id) is None
    assert shop.taken() == CENT
    row = shop.row(cheating)
    assert row
    _settle_by_hand(shop, row.id)


def test_a_payment_on_the_chain_of_before_is_not_judged_by_the_one_of_now(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    payload = _killed(shop, "settled, nothing known of it", monkeypatch)
    assert shop.settings.x402
    before, shop.now = shop.settings.x402, shop.now + x402.LEASE
    shop.restart(x402=replace(before, network="eip155:1"))
    shop.payments.reconcile(shop.now)
    assert shop.state(payload) == "processing"
    shop.restart(x402=before)
    shop.payments.reconcile(shop.now + timedelta(seconds=1))
    assert shop.state(payload) == "paid"


def test_a_failed_run_gives_credits_back_once(shop: Shop) -> None:
    quote = shop.quote(shop.ada)
    payload = shop.payment(shop.ours.purse(dollars=1), quote)
    shop.send(payload)
    settled = shop.release(shop.start(shop.ada, quote=quote.id), models_fault=True)
    assert settled
    assert (settled.given_back, settled.returned_to) == (True, "credits")
    assert shop.credits(shop.ada) == CENT
    assert shop.send(payload) == quote.id
    with pytest.raises(PaymentReturnedError):
        shop.admit(shop.ada, quote=quote.id)
    assert shop.taken() == CENT


def _killed(shop: Shop, point: str, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """A payment whose process died at this point; a new process runs on the same database."""
    payload = shop.payment(shop.ours.purse(dollars=1), shop.quote(shop.ada))
    where, name, dying = POINTS[point]
    monkeypatch.setattr(where, name, dying)
    with pytest.raises(KilledError):
        shop.send(payload)
    monkeypatch.undo()
    shop.restart()
    return payload


def _sent(shop: Shop, payload: dict[str, Any]) -> str | None:
    try:
        return shop.send(payload)
    except (PaymentPendingError, ChainUnavailableError):
        return None


def _nothing_comes_of_it(*_: object) -> Settlement:
    return Settlement(done=False, transaction=None, reason="transaction_failed")


def _let_it_lapse(shop: Shop, payload: dict[str, Any]) -> None:
    """The chain's clock goes on past the authorization's end."""
    until = int(payload["payload"]["authorization"]["validBefore"])
    shop.ours.tester.time_travel(until + 1)
    shop.now += timedelta(seconds=1)


def _settle_by_hand(shop: Shop, payment_id: str) -> None:
    with shop.database.write() as db:
        db.execute(text("UPDATE payments SET state = 'failed' WHERE id = :id"), {"id": payment_id})
