"""What doesn't pay the quote exactly is refused, nothing is charged, and nothing is remembered."""

from __future__ import annotations

import copy
import time
from collections.abc import Callable
from typing import Any

import pytest
from chain.conftest import CENT, Shop
from chain.payer import cancel, signed, submit
from payments.world import priced
from sqlalchemy import text

from gateway_payments.budgets import Budget, set_budget, spent
from gateway_payments.exceptions import (
    BudgetExceededError,
    ChainUnavailableError,
    OfferNotAllowedError,
    OfferUnavailableError,
    PaymentMalformedError,
    PaymentPendingError,
    PaymentUsedError,
    QuoteExpiredError,
    UnknownQuoteError,
)
from gateway_payments.proof import Proof
from gateway_payments.requirement import PaymentRefusedError, PaymentRequiredError

pytestmark = pytest.mark.slow

Change = Callable[[dict[str, Any]], None]


def _accepted(**changes: Any) -> Change:  # noqa: ANN401
    return lambda payload: payload["accepted"].update(changes)


def _authorization(**changes: Any) -> Change:  # noqa: ANN401
    return lambda payload: payload["payload"]["authorization"].update(changes)


ELSEWHERE = "0x" + "11" * 20
PREFIX = "invalid_exact_evm_payload_"
NOW = int(time.time())


OTHERS: list[tuple[Change, str]] = [
    (_accepted(network="eip155:1"), "network_mismatch"),
    (_accepted(asset=ELSEWHERE), "asset_mismatch"),
    (_authorization(to=ELSEWHERE), f"{PREFIX}recipient_mismatch"),
    (_authorization(value=str(CENT - 1)), f"{PREFIX}authorization_value_mismatch"),
    (_authorization(value=str(CENT + 1)), f"{PREFIX}authorization_value_mismatch"),
    (_authorization(value="0"), f"{PREFIX}authorization_value_mismatch"),
    (_authorization(value=str(2**256 - 1)), f"{PREFIX}authorization_value_mismatch"),
    (_authorization(validBefore=str(NOW - 1)), f"{PREFIX}authorization_valid_before"),
    (_authorization(validBefore=str(2**255)), f"{PREFIX}authorization_valid_before"),
    (_authorization(validAfter=str(NOW + 9999)), f"{PREFIX}authorization_valid_after"),
]


def test_a_payment_of_something_else_is_refused_without_asking_the_chain(shop: Shop) -> None:
    required, purse = shop.required(shop.quote(shop.ada)), shop.ours.purse()
    before = list(shop.ours.calls)
    for change, reason in OTHERS:
        payload = signed(purse, copy.deepcopy(required))
        change(payload)
        with pytest.raises(PaymentRefusedError) as refused:
            shop.send(payload)
        assert refused.value.reason == refused.value.x402["error"] == reason
    assert shop.ours.calls == before
    assert _rows(shop) == 0


NO_NUMBERS: tuple[Any, ...] = (
    -1,
    "-1",
    1.5,
    "1e3",
    "",
    None,
    [],
    True,
    str(2**256),
    "9" * 5000,
    "\u0663",
)
NO_TEXTS: tuple[Any, ...] = ("", "0x", "0x" + "g" * 40, None, 5, {}, "0x" + "0" * 41 + "\n")

MALFORMED: list[Change] = [
    lambda payload: payload.clear(),
    lambda payload: payload.update(x402Version=1),
    lambda payload: payload.update(x402Version=True),
    lambda payload: payload.update(payload=[]),
    lambda payload: payload.update(accepted="exact"),
    lambda payload: payload["payload"].update(signature="0x00"),
    lambda payload: payload["payload"].update(signature="0x" + "00" * 5000),
    lambda payload: payload["payload"].update(signature=None),
    lambda payload: payload["payload"].update(permit2Authorization={}),
    lambda payload: payload["payload"].update(authorization=[]),
    _accepted(scheme="upto"),
    _accepted(network="solana:mainnet"),
    _accepted(network="eip155:" + "9" * 400),
    _accepted(extra=None),
    _accepted(extra={"quoteId": "qt_\0"}),
    _accepted(extra={"quoteId": 5}),
    *(
        _authorization(**{name: bad})
        for name in ("value", "validAfter", "validBefore")
        for bad in NO_NUMBERS
    ),
    *(_authorization(**{name: bad}) for name in ("from", "to", "nonce") for bad in NO_TEXTS),
]


def test_what_is_no_payment_is_malformed(shop: Shop) -> None:
    required, purse = shop.required(shop.quote(shop.ada)), shop.ours.purse()
    for change in MALFORMED:
        payload = signed(purse, copy.deepcopy(required))
        change(payload)
        with pytest.raises(PaymentMalformedError):
            shop.send(payload)
    assert _rows(shop) == 0


def test_another_keys_signature_pays_nothing(shop: Shop) -> None:
    rich, poor = shop.ours.purse(dollars=1), shop.ours.purse()
    payload = signed(poor, shop.required(shop.quote(shop.ada)))
    payload["payload"]["authorization"]["from"] = rich.address
    assert _refused(shop, payload) == "invalid_exact_evm_payload_signature"


def test_a_purse_without_enough_pays_nothing(shop: Shop) -> None:
    payload = shop.payment(shop.ours.purse(dollars=0.009), shop.quote(shop.ada))
    assert _refused(shop, payload) == "invalid_exact_evm_insufficient_balance"


def test_a_nonce_that_was_used_pays_nothing(shop: Shop) -> None:
    purse, quote = shop.ours.purse(dollars=1), shop.quote(shop.ada)
    other = signed(purse, shop.required(quote), to=ELSEWHERE)
    submit(shop.ours, other)
    nonce = other["payload"]["authorization"]["nonce"]
    payload = signed(purse, shop.required(quote), nonce=nonce)
    assert _refused(shop, payload) == "invalid_exact_evm_nonce_already_used"


def test_an_authorization_taken_back_pays_nothing(shop: Shop) -> None:
    purse = shop.ours.purse(dollars=1)
    payload = shop.payment(purse, shop.quote(shop.ada))
    cancel(shop.ours, purse, payload)
    assert _refused(shop, payload) == "invalid_exact_evm_nonce_already_used"


def test_a_refused_payment_stays_refused_and_another_one_pays(shop: Shop) -> None:
    purse, quote = shop.ours.purse(), shop.quote(shop.ada)
    first = shop.payment(purse, quote)
    reason = _refused(shop, first)
    minting = shop.ours.token.functions.mint(purse.address, 10**6)
    shop.ours.mined(minting.transact({"from": shop.ours.w3.eth.accounts[0]}))
    assert _refused(shop, first) == reason
    assert shop.send(shop.payment(purse, quote)) == quote.id
    assert shop.taken() == CENT


def test_someone_elses_payment_and_quote_are_refused(shop: Shop) -> None:
    quote = shop.quote(shop.ada)
    payload = shop.payment(shop.ours.purse(dollars=1), quote)
    with pytest.raises(UnknownQuoteError):
        shop.send(payload, shop.eve)
    shop.send(payload)
    theirs = shop.quote(shop.eve)
    payload["accepted"]["extra"]["quoteId"] = theirs.id
    with pytest.raises(PaymentUsedError):
        shop.send(payload, shop.eve)
    assert shop.admit(shop.eve, quote=theirs.id) is None


def test_a_replay_for_another_quote_is_good_for_what_it_bought_only(shop: Shop) -> None:
    first, second = shop.quote(shop.ada), shop.quote(shop.ada, priced("b" * 64))
    payload = shop.payment(shop.ours.purse(dollars=1), first)
    shop.send(payload)
    payload["accepted"]["extra"]["quoteId"] = second.id
    assert shop.send(payload) == first.id
    assert shop.taken() == CENT


def test_a_payment_for_another_quote_than_the_one_asked_for_is_refused(shop: Shop) -> None:
    first, second = shop.quote(shop.ada), shop.quote(shop.ada, priced("b" * 64))
    payload = shop.payment(shop.ours.purse(dollars=1), first)
    with pytest.raises(PaymentRefusedError) as refused:
        shop.payments.pay_by_proof(shop.ada, Proof(payload), shop.now, second.id)
    assert refused.value.reason == "quote_mismatch"
    assert _rows(shop) == 0


def test_a_paid_quote_is_not_paid_again(shop: Shop) -> None:
    purse, quote = shop.ours.purse(dollars=1), shop.quote(shop.ada)
    first, second = (shop.payment(purse, quote) for _ in range(2))
    shop.send(first)
    assert shop.send(second) == quote.id
    assert shop.taken() == CENT
    assert shop.state(second) is None


def test_while_one_payment_is_under_way_no_other_is_taken(shop: Shop) -> None:
    purse, quote = shop.ours.purse(dollars=1), shop.quote(shop.ada)
    first, second = (shop.payment(purse, quote) for _ in range(2))
    shop.grant(shop.ada)
    shop.ours.broken.add("eth_sendRawTransaction")
    with pytest.raises(PaymentPendingError):
        shop.send(first)
    for attempt in (
        lambda: shop.send(second),
        lambda: shop.payments.require(quote, shop.ada, shop.now),
    ):
        with pytest.raises(PaymentPendingError):
            attempt()
    assert shop.pay(shop.ada, quote, "credits").status == "pending"
    assert shop.credits(shop.ada) == 1_000_000
    shop.ours.broken.clear()
    assert shop.send(first) == quote.id
    assert shop.taken() == CENT


def test_an_expired_quote_takes_no_payment(shop: Shop) -> None:
    quote = shop.quote(shop.ada)
    payload = signed(
        shop.ours.purse(dollars=1), shop.required(quote), validBefore=NOW + 3600 + 1800
    )
    shop.later(minutes=61)
    with pytest.raises(QuoteExpiredError):
        shop.send(payload)
    assert _rows(shop) == 0


def test_without_x402_no_payment_is_looked_at(shop: Shop) -> None:
    payload = shop.payment(shop.ours.purse(dollars=1), shop.quote(shop.ada))
    shop.restart(offers=("credits",), x402=None)
    with pytest.raises(OfferUnavailableError):
        shop.send(payload)


def test_pay_without_a_payment_says_what_to_sign(shop: Shop) -> None:
    quote = shop.quote(shop.ada)
    with pytest.raises(PaymentRequiredError) as asked:
        shop.pay(shop.ada, quote, "x402")
    assert asked.value.requirement.methods == ("x402",)
    assert asked.value.requirement.x402 == shop.required(quote)


def test_a_budget_counts_payments_on_the_chain(shop: Shop) -> None:
    key = shop.ada.key_id
    assert key
    purse, quote = shop.ours.purse(dollars=1), shop.quote(shop.ada)
    payload = shop.payment(purse, quote)
    for budget, error in (
        (Budget("usd", per_run_micros=CENT - 1), BudgetExceededError),
        (Budget("usd", per_day_micros=CENT - 1), BudgetExceededError),
        (Budget("usd", offers=("credits",)), OfferNotAllowedError),
    ):
        _limit(shop, budget)
        with pytest.raises(error):
            shop.send(payload)
    _limit(shop, Budget("usd", per_day_micros=CENT))
    poor = shop.payment(shop.ours.purse(), quote)
    _refused(shop, poor)  # what was not charged doesn't count
    shop.send(payload)
    with shop.database.read() as db:
        assert spent(db, key, shop.now)["day"] == CENT
    more = shop.quote(shop.ada, priced("b" * 64))
    with pytest.raises(BudgetExceededError):
        shop.send(shop.payment(purse, more))
    assert shop.taken() == CENT


@pytest.mark.parametrize("method", ["eth_chainId", "eth_blockNumber", "eth_call"])
def test_a_chain_out_of_reach_charges_nothing_and_the_same_payment_pays_later(
    shop: Shop, method: str
) -> None:
    quote = shop.quote(shop.ada)
    payload = shop.payment(shop.ours.purse(dollars=1), quote)
    shop.ours.broken.add(method)
    try:
        with pytest.raises(ChainUnavailableError) as told:
            shop.send(payload)
    finally:
        shop.ours.broken.clear()
    assert shop.ours.url not in repr(told.value.details)
    assert shop.send(payload) == quote.id
    assert shop.taken() == CENT


@pytest.mark.parametrize(
    ("method", "answer", "told"),
    [("eth_chainId", "0x1", "is chain 1"), ("eth_blockNumber", "x", "no number")],
)
def test_another_chain_behind_the_address_is_noticed(
    shop: Shop, method: str, answer: str, told: str
) -> None:
    shop.ours.answers[method] = answer
    with pytest.raises(ChainUnavailableError, match="network could not") as refused:
        shop.send(shop.payment(shop.ours.purse(dollars=1), shop.quote(shop.ada)))
    assert told in refused.value.reason
    assert _rows(shop) == 0


def _refused(shop: Shop, payload: dict[str, Any]) -> str:
    """Why; and nothing was charged, or can be spent."""
    before = shop.taken()
    with pytest.raises(PaymentRefusedError) as refused:
        shop.send(payload)
    assert shop.taken() == before
    assert shop.state(payload) == "failed"
    assert shop.admit(shop.ada, quote=payload["accepted"]["extra"]["quoteId"]) is None
    return refused.value.reason


def _limit(shop: Shop, budget: Budget) -> None:
    assert shop.ada.key_id
    with shop.database.write() as db:
        set_budget(db, shop.ada.key_id, budget)


def _rows(shop: Shop) -> int:
    with shop.database.read() as db:
        return int(db.execute(text("SELECT COUNT(*) FROM payments")).scalar_one())
