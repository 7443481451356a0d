"""Money that came on a chain goes back on it once, whatever dies when (X402_REFUND=chain)."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from chain.conftest import CENT, Shop
from chain.dying import KilledError, dies, dies_after
from chain.payer import cancel, signed, submit
from eth_account.signers.local import LocalAccount
from sqlalchemy import text

from gateway_payments import outbox, payments
from gateway_payments.exceptions import PaymentReturnedError
from gateway_payments.providers.x402_facilitator import Facilitator, Settlement
from gateway_payments.providers.x402_refunds import ChainRefunds
from gateway_payments.x402_settings import X402Settings

pytestmark = pytest.mark.slow


POINTS = {
    "taken, not settled": (Facilitator, "settle", dies),
    "settled, nothing known of it": (Facilitator, "settle", dies_after(Facilitator.settle)),
    "seen, its transaction not noted": (ChainRefunds, "_note", dies),
    "noted, the letter not ticked off": (outbox, "sent", dies),
}


@pytest.fixture
def till(shop: Shop) -> LocalAccount:
    """The purse that gets the money, whose key the gateway has."""
    purse: LocalAccount = shop.ours.purse()
    assert shop.settings.x402
    with_key = replace(
        shop.settings.x402, pay_to=purse.address, refund="chain", refund_key=purse.key.hex()
    )
    shop.till = purse.address
    shop.restart(x402=with_key)
    return purse


@pytest.fixture
def purse(shop: Shop, till: LocalAccount) -> LocalAccount:
    """Who paid a cent of a dollar for a run that has failed."""
    purse: LocalAccount = shop.ours.purse(dollars=1)
    quote = shop.quote(shop.ada)
    shop.send(shop.payment(purse, quote))
    assert (shop.ours.balance(purse.address), shop.ours.balance(till.address)) == (990_000, CENT)
    settled = shop.release(shop.start(shop.ada, quote=quote.id))
    assert settled
    assert (settled.given_back, settled.returned_to) == (True, "x402")
    with pytest.raises(PaymentReturnedError):
        shop.admit(shop.ada, quote=quote.id)
    return purse


def test_a_failed_run_gives_the_money_back_to_who_paid(shop: Shop, purse: LocalAccount) -> None:
    assert shop.payments.send_letters(shop.now) == 1
    assert (shop.ours.balance(purse.address), shop.taken()) == (1_000_000, 0)
    assert shop.credits(shop.ada) == 0
    transaction = _details(shop)["refund_transaction"]
    assert shop.ours.paid(transaction) == (shop.till, purse.address, CENT)


@pytest.mark.parametrize("point", POINTS)
def test_a_refund_that_a_crash_cut_short_arrives_once(
    shop: Shop, purse: LocalAccount, point: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    where, name, dying = POINTS[point]
    monkeypatch.setattr(where, name, dying)
    with pytest.raises(KilledError):
        shop.payments.send_letters(shop.now)
    monkeypatch.undo()
    shop.restart()
    assert shop.payments.send_letters(shop.now) == 0  # somebody may be at it
    shop.now += outbox.LEASE
    assert shop.payments.send_letters(shop.now) == 1
    assert shop.ours.balance(purse.address) == 1_000_000
    assert shop.ours.paid(_details(shop)["refund_transaction"])[1] == purse.address


def test_two_that_send_the_same_refund_at_once_send_one(
    shop: Shop, till: LocalAccount, purse: LocalAccount, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop.ours.token.functions.mint(till.address, 5 * CENT).transact()
    monkeypatch.setattr(outbox, "LEASE", timedelta(0))  # the lease is over before either has sent
    with ThreadPoolExecutor(2) as at_once:
        list(at_once.map(lambda _: shop.payments.send_letters(shop.now), range(2)))
    monkeypatch.undo()
    _until_sent(shop)
    assert (shop.ours.balance(purse.address), shop.taken()) == (1_000_000, 5 * CENT)


def test_an_empty_till_is_waited_for(shop: Shop, till: LocalAccount, purse: LocalAccount) -> None:
    elsewhere = _accepted(shop, shop.ours.purse())
    submit(shop.ours, signed(till, {"accepts": [elsewhere]}))
    assert shop.taken() == 0
    assert shop.payments.send_letters(shop.now) == 0
    assert "insufficient" in _letter(shop).reason
    assert "eth_sendRawTransaction" not in shop.ours.calls[-5:]  # no gas for what can't come true
    shop.ours.token.functions.mint(till.address, CENT).transact()
    _until_sent(shop)
    assert shop.ours.balance(purse.address) == 1_000_000


def test_a_silent_node_is_asked_again(shop: Shop, purse: LocalAccount) -> None:
    shop.ours.broken.add("eth_call")
    assert shop.payments.send_letters(shop.now) == 0
    shop.ours.broken.clear()
    _until_sent(shop)
    assert shop.ours.balance(purse.address) == 1_000_000


def test_a_facilitator_that_only_says_so_is_not_believed(
    shop: Shop, purse: LocalAccount, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        Facilitator, "settle", lambda *_: Settlement(done=True, transaction="0x1", reason=None)
    )
    assert shop.payments.send_letters(shop.now) == 0
    monkeypatch.undo()
    _until_sent(shop)
    assert shop.ours.balance(purse.address) == 1_000_000


def test_a_refund_that_can_not_come_true_any_more_is_an_operators(
    shop: Shop, till: LocalAccount, purse: LocalAccount, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent: list[Any] = []
    monkeypatch.setattr(Facilitator, "settle", lambda _, meant, __: sent.append(meant))
    with pytest.raises(AttributeError):
        shop.payments.send_letters(shop.now)
    monkeypatch.undo()
    accepted = {"accepts": [_accepted(shop, purse)]}
    cancel(shop.ours, till, signed(till, accepted, nonce=sent[0].nonce))
    shop.now += outbox.LEASE
    assert shop.payments.send_letters(shop.now) == 0
    assert _letter(shop).state == "stuck"
    assert shop.audit() == [f"no letter to the outside waits for an operator: {_letter(shop).id}"]
    with shop.database.write() as db:
        db.execute(text("UPDATE outbox SET state = 'dismissed'"))


def test_what_waits_is_sent_though_new_ones_become_credits(shop: Shop, purse: LocalAccount) -> None:
    assert shop.settings.x402
    shop.restart(x402=replace(shop.settings.x402, refund="credits"))
    assert shop.payments.send_letters(shop.now) == 1
    assert shop.ours.balance(purse.address) == 1_000_000


def _accepted(shop: Shop, to: LocalAccount) -> dict[str, Any]:
    x402 = shop.settings.x402
    assert isinstance(x402, X402Settings)
    return {
        "network": x402.network,
        "asset": x402.asset.address,
        "amount": str(CENT),
        "payTo": to.address,
        "extra": {"name": x402.asset.name, "version": x402.asset.version},
    }


def _until_sent(shop: Shop) -> None:
    """The next rounds, each as late as the letter asks for."""
    for _ in range(5):
        if _letter(shop).state == "sent":
            return
        shop.now += timedelta(hours=2)
        shop.payments.send_letters(shop.now)
    raise AssertionError(_letter(shop).reason)


def _letter(shop: Shop) -> Any:  # noqa: ANN401
    with shop.database.read() as db:
        return db.execute(text("SELECT * FROM outbox WHERE kind = 'x402_refund'")).one()


def _details(shop: Shop) -> dict[str, Any]:
    with shop.database.read() as db:
        paid = db.execute(text("SELECT id FROM payments")).scalar_one()
        return payments.load(db, paid).details
