"""A key spends what its budget allows and not a millionth more, whoever tries how often at once."""

from __future__ import annotations

import calendar
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from threading import Barrier

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from payments.world import DOLLAR, World, priced

from gateway_payments.accounts import Caller, add_key, find_caller, list_keys
from gateway_payments.budgets import Budget, Period, spend, unspend
from gateway_payments.exceptions import (
    BudgetExceededError,
    LastUnlimitedKeyError,
    LimitedKeyError,
    NotLinkedError,
    OfferNotAllowedError,
    OfferUnavailableError,
    UnknownKeyError,
)
from gateway_payments.money import Money
from gateway_payments.ownership import add_key as add_limited_key
from gateway_payments.ownership import change_auto_pay, change_budget, revoke_key
from gateway_payments.quotes import Quote

FOUR_DOLLARS = Budget("usd", per_day_micros=4 * DOLLAR.amount_micros)


def rich(world: World) -> Caller:
    world.grant(world.ada, Money(100 * DOLLAR.amount_micros, "usd"))
    return world.ada


@pytest.mark.parametrize(
    "budget",
    [FOUR_DOLLARS, Budget("usd", per_month_micros=4 * DOLLAR.amount_micros)],
    ids=["day", "month"],
)
def test_of_ten_threads_at_the_limit_exactly_as_many_spend_as_fit(
    any_world: World, budget: Budget
) -> None:
    world, ada = any_world, rich(any_world)
    world.limit(ada, budget)
    quotes = [world.quote(ada, priced(f"{i:064}")) for i in range(10)]

    def told(i: int) -> str:
        try:
            return world.pay(ada, quotes[i], "credits").status
        except BudgetExceededError as error:
            return error.limit

    with ThreadPoolExecutor(10) as threads:
        outcomes = Counter(threads.map(told, range(10)))
    limit = "day" if budget.per_day_micros else "month"
    assert outcomes == {"paid": 4, limit: 6}
    assert world.credits(ada) == 96 * DOLLAR.amount_micros
    assert world.spent(ada) == {"day": 4 * DOLLAR.amount_micros, "month": 4 * DOLLAR.amount_micros}


def test_of_ten_runs_at_once_that_are_paid_unasked_as_many_are_let_in_as_fit(
    any_world: World,
) -> None:
    world, ada = any_world, rich(any_world)
    world.auto_pay(ada, "credits")
    world.limit(ada, FOUR_DOLLARS)

    def let_in(i: int) -> bool:
        try:
            return world.admit(ada, priced(f"{i:064}")) is not None
        except BudgetExceededError:
            return False

    with ThreadPoolExecutor(10) as threads:
        assert sum(threads.map(let_in, range(10))) == 4
    assert world.credits(ada) == 96 * DOLLAR.amount_micros


@pytest.mark.parametrize("budget", [None, Budget("usd", per_day_micros=DOLLAR.amount_micros)])
def test_of_ten_calls_at_once_that_pay_one_quote_all_get_its_token(
    any_world: World, budget: Budget | None
) -> None:
    world, ada = any_world, rich(any_world)
    world.limit(ada, budget)
    for number in range(5):
        world.later(days=1)
        quote = world.quote(ada, priced(f"{number:064}"))
        together = Barrier(10)

        def pay(_: int, quote: Quote = quote, together: Barrier = together) -> str | None:
            together.wait()
            return world.pay(ada, quote, "credits").payment_token

        with ThreadPoolExecutor(10) as threads:
            (token,) = set(threads.map(pay, range(10)))
        assert token
        assert world.spent(ada)["day"] == (DOLLAR.amount_micros if budget else 0)
    assert world.credits(ada) == 95 * DOLLAR.amount_micros


def test_runs_that_fail_and_runs_that_begin_at_once_do_not_wait_for_each_other(
    any_world: World,
) -> None:
    """Whoever spends and whoever gives back take counters and books in the same order."""
    world, ada = any_world, rich(any_world)
    world.auto_pay(ada, "credits")
    world.limit(ada, Budget("usd", per_day_micros=100 * DOLLAR.amount_micros))

    def run_and_fail(i: int) -> None:
        for number in range(10):
            admission = world.admit(ada, priced(f"{10 * i + number:064}"))
            assert admission
            world.release(admission.run_id)

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(run_and_fail, range(8)))
    assert world.credits(ada) == 100 * DOLLAR.amount_micros
    assert world.spent(ada) == {"day": 0, "month": 0}


def test_what_exceeds_the_budget_is_told_so_that_a_person_can_act(world: World) -> None:
    ada = rich(world)
    world.limit(ada, Budget("usd", per_day_micros=1_500_000))
    world.pay(ada, world.quote(ada), "credits")
    with pytest.raises(BudgetExceededError) as refused:
        world.pay(ada, world.quote(ada, priced("b" * 64)), "credits")
    assert refused.value.details == {
        "key_id": ada.key_id,
        "limit": "day",
        "limit_micros": 1_500_000,
        "spent_micros": 1_000_000,
        "price_micros": 1_000_000,
        "currency": "usd",
        "resets_at": "2026-01-02T00:00:00+00:00",
    }
    assert str(refused.value) == (
        "this run costs 1.00 USD; this key may spend 1.50 USD a day, and has spent 1.00 USD"
    )
    assert world.credits(ada) == 99 * DOLLAR.amount_micros


def test_a_run_dearer_than_one_may_be_is_refused_whatever_was_spent(world: World) -> None:
    ada = rich(world)
    world.limit(ada, Budget("usd", per_run_micros=999_999))
    with pytest.raises(BudgetExceededError, match=r"may spend 0\.999999 USD on one"):
        world.pay(ada, world.quote(ada), "credits")
    world.limit(ada, Budget("usd", per_run_micros=1_000_000))
    assert world.pay(ada, world.quote(ada), "credits").status == "paid"


def test_a_budget_in_another_currency_allows_nothing(world: World) -> None:
    ada = rich(world)
    world.limit(ada, Budget("eur", per_day_micros=10**9))
    with pytest.raises(BudgetExceededError, match="budget is in EUR"):
        world.pay(ada, world.quote(ada), "credits")


def test_a_checkout_page_counts_against_no_budget(world: World) -> None:
    world.limit(world.ada, Budget("usd", per_run_micros=0, per_day_micros=0, per_month_micros=0))
    session = world.open_session(world.ada, world.quote(world.ada))
    world.stripe.complete(session)
    assert world.claim(world.ada, session).status == "paid"
    assert world.spent(world.ada) == {"day": 0, "month": 0}


def test_a_way_to_pay_that_the_budget_leaves_out_is_neither_offered_nor_taken(
    world: World,
) -> None:
    ada = rich(world)
    world.limit(ada, Budget("usd", offers=("stripe_checkout",)))
    quote = world.quote(ada)
    assert [offer.kind for offer in world.payments.prices(quote, ada)] == ["stripe_checkout"]
    assert world.payments.require(quote, ada, world.now).methods == ("stripe_checkout",)
    with pytest.raises(OfferNotAllowedError, match="may not pay by credits") as refused:
        world.pay(ada, quote, "credits")
    assert refused.value.details["allowed"] == ["stripe_checkout"]


def test_a_key_that_may_use_no_way_to_pay_is_told_that_its_budget_says_so(world: World) -> None:
    world.limit(world.ada, Budget("usd", offers=()))
    quote = world.quote(world.ada)
    with pytest.raises(OfferNotAllowedError):
        world.payments.require(quote, world.ada, world.now)
    with pytest.raises(OfferNotAllowedError):
        world.pay(world.ada, quote)
    world.limit(world.ada, Budget("usd", offers=("x402",)))
    with pytest.raises(OfferNotAllowedError):
        world.payments.require(quote, world.ada, world.now)


def test_a_day_begins_anew_at_midnight_and_a_month_on_its_first(world: World) -> None:
    ada = rich(world)
    dollar = DOLLAR.amount_micros
    world.limit(ada, Budget("usd", per_day_micros=dollar, per_month_micros=2 * dollar))
    world.now = datetime(2028, 2, 28, 23, 59, 59, tzinfo=UTC)  # a leap year

    def buys(sha: str) -> str:
        try:
            return world.pay(ada, world.quote(ada, priced(sha * 64)), "credits").status
        except BudgetExceededError as error:
            return f"{error.limit} until {error.details['resets_at']}"

    assert [buys("a"), buys("b")] == ["paid", "day until 2028-02-29T00:00:00+00:00"]
    world.later(seconds=1)
    assert [buys("b"), buys("c")] == ["paid", "day until 2028-03-01T00:00:00+00:00"]
    world.now = datetime(2028, 2, 29, 12, tzinfo=UTC)
    world.limit(ada, Budget("usd", per_month_micros=2 * dollar))
    assert buys("c") == "month until 2028-03-01T00:00:00+00:00"
    world.now = datetime(2028, 3, 1, tzinfo=UTC)
    assert buys("c") == "paid"


def test_a_failed_run_paid_unasked_frees_what_it_had_counted_even_the_day_after(
    world: World,
) -> None:
    ada = rich(world)
    world.auto_pay(ada, "credits")
    world.limit(ada, FOUR_DOLLARS)
    world.now = datetime(2026, 1, 31, 23, 59, tzinfo=UTC)
    run = world.start(ada)
    assert world.spent(ada) == {"day": 10**6, "month": 10**6}
    yesterday = world.now
    world.later(minutes=2)
    world.release(run)
    assert world.spent(ada) == {"day": 0, "month": 0}
    world.now = yesterday
    assert world.spent(ada) == {"day": 0, "month": 0}
    assert world.credits(ada) == 100 * DOLLAR.amount_micros


def test_money_given_back_frees_no_more_than_was_counted(world: World) -> None:
    ada = rich(world)
    world.auto_pay(ada, "credits")
    before = world.start(ada)  # the key has no budget yet: nothing counts
    world.limit(ada, FOUR_DOLLARS)
    world.capture(world.start(ada))
    world.release(before)
    assert world.spent(ada) == {"day": 10**6, "month": 10**6}


def test_what_was_spent_counts_under_a_new_budget_too(world: World) -> None:
    ada = rich(world)
    world.limit(ada, FOUR_DOLLARS)
    world.pay(ada, world.quote(ada), "credits")
    world.limit(ada, Budget("usd", per_day_micros=500_000))
    with pytest.raises(BudgetExceededError, match=r"may spend 0\.50 USD a day, and has spent 1\."):
        world.pay(ada, world.quote(ada, priced("b" * 64)), "credits")


_CLOCK = datetime(2026, 1, 30, 20, tzinfo=UTC)
_STEPS = st.one_of(
    st.tuples(st.just("spend"), st.integers(1, 900)),
    st.tuples(st.just("return"), st.integers(0, 20)),
    st.tuples(st.just("wait"), st.integers(1, 40)),
    st.tuples(st.just("limit"), st.integers(0, 2000)),
)


@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(steps=st.lists(_STEPS, max_size=25), day=st.integers(0, 1500), month=st.integers(0, 2500))
def test_spending_agrees_with_a_model_that_adds_up_every_purchase(
    world: World, steps: list[tuple[str, int]], day: int, month: int
) -> None:
    """Hours pass over midnight and the end of a month; money comes back long after."""
    caller, now = world.caller(), _CLOCK
    budget = Budget("usd", per_day_micros=day, per_month_micros=month)
    world.limit(caller, budget)
    bought: list[tuple[datetime, int]] = []

    def held(period: Period, at: datetime) -> int:
        first = at.replace(hour=0, day=1 if period == "month" else at.day)
        length = calendar.monthrange(at.year, at.month)[1] if period == "month" else 1
        return sum(m for when, m in bought if first <= when < first + timedelta(days=length))

    for what, number in steps:
        if what == "wait":
            now += timedelta(hours=number)
        elif what == "limit":
            budget = replace(budget, per_day_micros=number)
            world.limit(caller, budget)
        elif what == "return" and number < len(bought):
            at, micros = bought.pop(number)
            with world.database.write() as db:
                unspend(db, caller.key_id, "credits", Money(micros, "usd"), at)
        elif what == "spend":
            assert budget.per_day_micros is not None
            fits = (
                held("day", now) + number <= budget.per_day_micros
                and held("month", now) + number <= month
            )
            try:
                with world.database.write() as db:
                    spend(db, caller, "credits", Money(number, "usd"), now)
            except BudgetExceededError:
                assert not fits
            else:
                assert fits
                bought.append((now, number))
        world.now = now
        assert world.spent(caller) == {"day": held("day", now), "month": held("month", now)}
    with world.database.write() as db:  # no payments are behind it, which the audit would tell
        for at, micros in bought:
            unspend(db, caller.key_id, "credits", Money(micros, "usd"), at)


def test_a_key_is_limited_from_its_first_moment(world: World) -> None:
    with world.database.write() as db:
        new = add_limited_key(db, world.ada, "agent", FOUR_DOLLARS, world.now)
        agent = find_caller(db, new.key)
    assert agent
    world.grant(world.ada, Money(100 * DOLLAR.amount_micros, "usd"))
    for i in range(4):
        world.pay(agent, world.quote(agent, priced(f"{i:064}")), "credits")
    with pytest.raises(BudgetExceededError):
        world.pay(agent, world.quote(agent), "credits")
    assert world.pay(world.ada, world.quote(world.ada), "credits").status == "paid"


def test_a_key_with_a_budget_manages_nothing(world: World) -> None:
    ada = world.ada
    with world.database.write() as db:
        owner = add_key(db, ada.account_id, "owner", world.now)
    world.limit(ada, Budget("usd", per_run_micros=10**9))
    assert ada.key_id
    with world.database.write() as db:
        for attempt in (
            lambda: change_budget(db, ada, ada.key_id or "", None),
            lambda: change_budget(db, ada, owner.key_id, FOUR_DOLLARS),
            lambda: change_auto_pay(db, ada, "credits", ("credits",)),
            lambda: add_limited_key(db, ada, "more", None, world.now),
            lambda: revoke_key(db, ada, owner.key_id, world.now),
        ):
            with pytest.raises(LimitedKeyError):
                attempt()


def test_the_last_key_without_a_budget_gets_none(world: World) -> None:
    ada = world.ada
    assert ada.key_id
    with pytest.raises(LastUnlimitedKeyError), world.database.write() as db:
        change_budget(db, ada, ada.key_id, FOUR_DOLLARS)
    with world.database.write() as db:
        gone = add_key(db, ada.account_id, "gone", world.now)
        revoke_key(db, ada, gone.key_id, world.now)
    with pytest.raises(LastUnlimitedKeyError), world.database.write() as db:
        change_budget(db, ada, ada.key_id, FOUR_DOLLARS)
    assert world.spent(ada) == {"day": 0, "month": 0}
    with world.database.write() as db:
        add_key(db, ada.account_id, "owner", world.now)
        change_budget(db, ada, ada.key_id, FOUR_DOLLARS)


def test_the_last_key_without_a_budget_is_revoked_last(world: World) -> None:
    ada = world.ada
    assert ada.key_id
    with world.database.write() as db:
        agent = add_limited_key(db, ada, "agent", FOUR_DOLLARS, world.now)
    with pytest.raises(LastUnlimitedKeyError), world.database.write() as db:
        revoke_key(db, ada, ada.key_id, world.now)
    with world.database.write() as db:
        fresh = add_limited_key(db, ada, "fresh", None, world.now)
        revoke_key(db, ada, ada.key_id, world.now)
    owner = Caller(ada.account_id, fresh.key_id)
    with world.database.write() as db:
        revoke_key(db, owner, agent.key_id, world.now)
        revoke_key(db, owner, fresh.key_id, world.now)
    with world.database.read() as db:
        assert all(key.revoked_at for key in list_keys(db, ada.account_id))


def test_of_two_keys_that_limit_each_other_at_once_one_stays_unlimited(any_world: World) -> None:
    world = any_world
    for _ in range(5):
        first = world.caller()
        with world.database.write() as db:
            other = add_key(db, first.account_id, "other", world.now)
        pair = (first, Caller(first.account_id, other.key_id))

        def limits_the_other(i: int, pair: tuple[Caller, Caller] = pair) -> bool:
            try:
                with world.database.write() as db:
                    change_budget(db, pair[i], pair[1 - i].key_id or "", FOUR_DOLLARS)
            except LimitedKeyError:
                return False
            return True

        with ThreadPoolExecutor(2) as threads:
            assert sum(threads.map(limits_the_other, range(2))) == 1


@pytest.mark.parametrize("key_id", ["", "key_no", "\x00", "\ud800", "x" * 10**5])
def test_anothers_key_or_none_gets_no_budget(world: World, key_id: str) -> None:
    with pytest.raises(UnknownKeyError), world.database.write() as db:
        change_budget(db, world.ada, key_id, FOUR_DOLLARS)
    with pytest.raises(UnknownKeyError), world.database.write() as db:
        change_budget(db, world.ada, world.eve.key_id or "", FOUR_DOLLARS)


def test_only_what_needs_nobody_to_agree_can_be_paid_unasked(world: World) -> None:
    offers = ("stripe_checkout", "credits", "metered")
    with world.database.write() as db:
        for offer in ("stripe_checkout", "x402", "cash"):
            with pytest.raises(OfferUnavailableError):
                change_auto_pay(db, world.ada, offer, offers)
        with pytest.raises(OfferUnavailableError):
            change_auto_pay(db, world.ada, "credits", ("stripe_checkout",))
        with pytest.raises(NotLinkedError):
            change_auto_pay(db, world.ada, "metered", offers)
