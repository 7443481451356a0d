"""What was paid funds exactly one delivered run, priced at most that much."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
from payments.world import World, priced

from gateway_payments.entitlements import MAX_FAULTS
from gateway_payments.exceptions import (
    PaymentError,
    PaymentInUseError,
    PaymentTokenExpiredError,
    PaymentTokenInvalidError,
    PaymentTokenSpentError,
    PaymentTooSmallError,
    RequestExhaustedError,
)
from gateway_payments.money import Money
from gateway_payments.tokens import token as token_of


def test_nothing_given_admits_nobody(world: World) -> None:
    assert world.admit(world.ada) is None
    assert world.admit(world.ada, quote=world.quote(world.ada).id) is None
    assert world.payments.usage(world.ada.account_id, None, 10).rows == ()


def test_a_token_pays_for_one_delivered_run(world: World) -> None:
    token = world.token(world.ada)
    admission = world.admit(world.ada, token=token)
    assert admission
    assert (admission.offer, admission.price) == ("credits", Money(1_000_000, "usd"))
    settled = world.capture(admission.run_id)
    assert settled
    assert settled.charged == admission.price
    with pytest.raises(PaymentTokenSpentError):
        world.admit(world.ada, token=token)


def test_of_a_hundred_at_once_exactly_one_runs(world: World) -> None:
    token = world.token(world.ada)

    def attempt(_: int) -> str | None:
        try:
            return world.start(world.ada, token=token)
        except PaymentInUseError:
            return None

    with ThreadPoolExecutor(32) as callers:
        runs = [run for run in callers.map(attempt, range(100)) if run]
    assert len(runs) == 1
    assert len(world.payments.usage(world.ada.account_id, None, 200).rows) == 1


def test_what_a_run_holds_is_in_use_not_spent_and_names_the_run(world: World) -> None:
    world.grant(world.ada)
    quote = world.quote(world.ada)
    token = world.pay(world.ada, quote, "credits").payment_token
    run = world.start(world.ada, token=token)
    for attempt in (
        lambda: world.admit(world.ada, token=token),
        lambda: world.admit(world.ada, quote=quote.id),
        lambda: world.pay(world.ada, quote),
    ):
        with pytest.raises(PaymentInUseError) as refused:
            attempt()
        assert refused.value.details == {"quote_id": quote.id, "run_id": run}
    world.release(run)
    assert world.admit(world.ada, token=token)


def test_a_paid_quote_is_enough_even_when_its_token_has_expired(world: World) -> None:
    world.grant(world.ada)
    quote = world.quote(world.ada)
    world.pay(world.ada, quote, "credits")
    world.later(days=30)
    world.capture(world.start(world.ada, quote=quote.id))
    with pytest.raises(PaymentTokenSpentError):
        world.admit(world.ada, quote=quote.id)


def test_a_token_alone_knows_its_request(world: World) -> None:
    token = world.token(world.ada)
    stored = world.payments.stored_request(world.ada.account_id, payment_token=token)
    assert stored == priced().request
    with pytest.raises(PaymentTokenInvalidError):
        world.payments.stored_request(world.eve.account_id, payment_token=token)


def test_a_token_expires_and_is_revived_by_paying_again(world: World) -> None:
    world.grant(world.ada)
    quote = world.quote(world.ada)
    paid = world.pay(world.ada, quote, "credits")
    world.later(minutes=30)
    with pytest.raises(PaymentTokenExpiredError):
        world.admit(world.ada, token=paid.payment_token)
    revived = world.pay(world.ada, quote, "credits")
    assert revived.payment_token == paid.payment_token
    assert world.admit(world.ada, token=revived.payment_token)


def test_an_expired_token_of_a_session_is_revived_by_claiming_again(world: World) -> None:
    session = world.open_session(world.ada, world.quote(world.ada))
    world.stripe.complete(session)
    token = world.claim(world.ada, session).payment_token
    world.later(days=3)
    assert world.claim(world.ada, session).payment_token == token
    assert world.admit(world.ada, token=token)


def test_a_run_under_way_is_captured_after_its_token_would_have_expired(world: World) -> None:
    run = world.start(world.ada, token=world.token(world.ada))
    world.later(hours=5)
    assert world.capture(run)


def test_a_stolen_token_is_worth_nothing(world: World) -> None:
    token = world.token(world.ada)
    with pytest.raises(PaymentTokenInvalidError):
        world.admit(world.eve, token=token)
    assert world.admit(world.ada, token=token)


FORGED = ["", ".", "ent_x", "ent_x.0", "päid.\N{SNOWMAN}", "\ud800", "x" * 10**6, "a.b.c", "\0"]


@pytest.mark.parametrize("forged", FORGED)
def test_a_forged_token_is_refused_and_does_no_harm(world: World, forged: str) -> None:
    with pytest.raises(PaymentTokenInvalidError):
        world.admit(world.ada, token=forged)


def test_a_token_is_bound_to_the_secret_and_complete(world: World) -> None:
    token = world.token(world.ada)
    entitlement = token.partition(".")[0]
    for wrong in (token[:-1], token + "0", token.upper(), token_of(b"1" * 32, entitlement)):
        with pytest.raises(PaymentTokenInvalidError):
            world.admit(world.ada, token=wrong)


def test_a_token_pays_for_another_run_of_at_most_its_price(world: World) -> None:
    token = world.token(world.ada)
    assert world.admit(world.ada, priced("b" * 64, 10**9), token=token)


def test_a_dearer_run_is_refused_with_both_prices(world: World) -> None:
    token = world.token(world.ada)
    world.restart(price_minor=250)
    with pytest.raises(PaymentTooSmallError) as refused:
        world.admit(world.ada, priced("b" * 64), token=token)
    assert refused.value.details == {
        "paid": {"amount_micros": 1_000_000, "currency": "usd"},
        "price": {"amount_micros": 2_500_000, "currency": "usd"},
        "paid_work_units": 903,
        "work_units": 903,
    }
    assert str(refused.value) == (
        "this run costs 2.50 USD, paid were 1.00 USD: prices have changed since"
    )
    assert world.admit(world.ada, token=token)  # the quoted run, at the price that was quoted


def test_another_currency_is_never_enough(world: World) -> None:
    token = world.token(world.ada)
    world.restart(currency="jpy", price_minor=1)
    with pytest.raises(PaymentTooSmallError):
        world.admit(world.ada, priced("b" * 64), token=token)


def test_a_failed_run_gives_the_token_back_afresh_exactly_once(world: World) -> None:
    token = world.token(world.ada)
    run = world.start(world.ada, token=token)
    world.later(minutes=29)
    settled = world.release(run)
    assert settled
    assert (settled.charged, settled.given_back) == (None, True)
    assert world.release(run) is None
    assert world.capture(run) is None
    world.later(minutes=29)
    again = world.start(world.ada, token=token)
    assert world.capture(again)
    assert world.release(again) is None


def test_a_run_nobody_knows_is_not_settled(world: World) -> None:
    assert world.capture("res_unknown") is None
    assert world.release("res_unknown") is None


def test_our_own_failures_never_use_it_up(world: World) -> None:
    token = world.token(world.ada)
    for _ in range(3 * MAX_FAULTS):
        world.release(world.start(world.ada, token=token))
    assert world.admit(world.ada, token=token)


def test_the_third_failure_of_the_model_keeps_the_money(world: World) -> None:
    token = world.token(world.ada)
    for _ in range(MAX_FAULTS - 1):
        settled = world.release(world.start(world.ada, token=token), models_fault=True)
        assert settled
        assert settled.given_back
    last = world.release(world.start(world.ada, token=token), models_fault=True)
    assert last
    assert (last.charged, last.given_back) == (Money(1_000_000, "usd"), False)
    shown = world.payments.usage(world.ada.account_id, None, 1).rows[0]
    assert (shown.outcome, shown.price) == ("exhausted", last.charged)
    with pytest.raises(RequestExhaustedError) as refused:
        world.admit(world.ada, token=token)
    assert refused.value.failures == MAX_FAULTS


def test_failures_count_for_the_request_whichever_payment_pays(world: World) -> None:
    first, second = world.token(world.ada), world.token(world.ada)
    for token in (first, second):
        world.release(world.start(world.ada, token=token), models_fault=True)
    settled = world.release(world.start(world.ada, token=first), models_fault=True)
    assert settled
    assert settled.charged
    assert world.admit(world.ada, token=second)


def test_failures_of_one_account_are_not_anothers(world: World) -> None:
    mine, theirs = world.token(world.ada), world.token(world.eve)
    for _ in range(MAX_FAULTS):
        world.release(world.start(world.ada, token=mine), models_fault=True)
    settled = world.release(world.start(world.eve, token=theirs), models_fault=True)
    assert settled
    assert settled.given_back


def test_what_fails_in_the_callers_transaction_reserves_nothing(world: World) -> None:
    token = world.token(world.ada)
    with pytest.raises(ZeroDivisionError), world.database.write() as db:
        assert world.payments.admit(
            db, world.ada, "res_x", priced(), payment_token=token, now=world.now
        )
        raise ZeroDivisionError
    assert world.admit(world.ada, token=token)


def test_a_free_service_admits_everybody_and_leaves_tokens_alone(world: World) -> None:
    token = world.token(world.ada)
    world.restart(offers=())
    admission = world.admit(world.ada, token=token)
    assert admission
    assert (admission.offer, admission.price) == (None, None)
    settled = world.capture(admission.run_id)
    assert settled
    assert settled.charged is None
    run = world.start(world.ada)
    assert world.release(run, models_fault=True)
    world.restart(offers=("credits",))
    assert world.admit(world.ada, token=token)


def test_every_refusal_has_a_text_and_details_without_secrets(world: World) -> None:
    token = world.token(world.ada)
    world.start(world.ada, token=token)
    with pytest.raises(PaymentError) as refused:
        world.admit(world.ada, token=token)
    assert token not in f"{refused.value} {refused.value.details}"
    assert replace(world.settings).secret.decode() not in str(refused.value)


def test_what_was_quoted_runs_at_its_price_though_a_new_version_hashes_it_anew(
    world: World,
) -> None:
    quoted = priced()
    token = world.token(world.ada, quoted)
    world.restart(price_minor=300)
    rehashed = replace(quoted, request_sha256="e" * 64)
    with pytest.raises(PaymentTooSmallError):
        world.admit(world.ada, replace(rehashed, work_units=904), token=token)
    assert world.admit(world.ada, rehashed, token=token)
