"""The ledger balances, refuses what is not there, and does everything once."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from payments.world import DOLLAR, World
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from gateway_payments.exceptions import (
    InsufficientFundsError,
    InvalidAmountError,
    InvalidTextError,
    TransferConflictError,
    UnknownAccountError,
)
from gateway_payments.ledger import Role, Transfer, balance, grant_credits, post
from gateway_payments.money import Money


def test_a_grant_is_made_once_for_each_name(world: World) -> None:
    ada = world.ada.account_id
    with world.database.write() as db:
        assert grant_credits(db, ada, "welcome", DOLLAR, world.now)
        assert not grant_credits(db, ada, "welcome", DOLLAR, world.now)
        with pytest.raises(TransferConflictError):
            grant_credits(db, ada, "welcome", Money(2, "usd"), world.now)
    assert world.payments.balance(ada) == (DOLLAR,)


@pytest.mark.parametrize("micros", [0, -5, 10**15 + 1, 10**30, -(10**30)])
def test_a_gift_is_something_and_not_absurd(world: World, micros: int) -> None:
    ada = world.ada.account_id
    with pytest.raises(InvalidAmountError) as refused, world.database.write() as db:
        grant_credits(db, ada, "gift", Money(micros, "usd"), world.now)
    assert refused.value.details["amount_micros"] == str(micros)
    assert world.credits(world.ada) == 0


def test_the_largest_gift_fits(world: World) -> None:
    world.grant(world.ada, Money(10**15, "usd"))
    assert world.credits(world.ada) == 10**15


@pytest.mark.parametrize("micros", [0, -5])
def test_the_database_itself_refuses_a_transfer_of_nothing(world: World, micros: int) -> None:
    theft = Transfer("t", world.ada.account_id, "grants", "credits", Money(micros, "usd"))
    with pytest.raises(IntegrityError), world.database.write() as db:
        post(db, theft, world.now)


@pytest.mark.parametrize("nobody", ["acc_nobody", "", "\0", "\ud800", "a" * 1000])
def test_credits_for_nobody_are_refused(world: World, nobody: str) -> None:
    with world.database.write() as db, pytest.raises(UnknownAccountError):
        grant_credits(db, nobody, "welcome", DOLLAR, world.now)


@pytest.mark.parametrize("name", ["\0", "a\nb", "\x1b[2J", "\ud800", "x" * 201, "", " "])
def test_a_grant_has_a_name_that_every_database_keeps(world: World, name: str) -> None:
    ada = world.ada.account_id
    with pytest.raises(InvalidTextError) as refused, world.database.write() as db:
        grant_credits(db, ada, name, DOLLAR, world.now)
    assert refused.value.details == {"name": "grant_id", "longest": 200}
    assert world.credits(world.ada) == 0


def test_no_book_of_a_customer_goes_below_zero(world: World) -> None:
    world.grant(world.ada)
    ada = world.ada.account_id
    spend = Transfer("t", ada, "credits", "deferred", Money(1_000_001, "usd"))
    with pytest.raises(InsufficientFundsError) as short, world.database.write() as db:
        post(db, spend, world.now)
    assert (short.value.needed_micros, short.value.balance_micros) == (1_000_001, 1_000_000)
    with world.database.read() as db:
        assert balance(db, ada, "credits", "usd") == 1_000_000


def test_the_database_itself_refuses_a_negative_balance(world: World) -> None:
    world.grant(world.ada)
    with pytest.raises(IntegrityError), world.database.write() as db:
        db.execute(text("UPDATE ledger_accounts SET balance_micros = -1 WHERE role = 'credits'"))


def test_the_database_itself_refuses_to_mix_currencies(world: World) -> None:
    world.grant(world.ada)
    mixed = """
        INSERT INTO transfers (id, debit_id, credit_id, amount_micros, currency, created_at)
        SELECT 'mixed', debit_id, credit_id, 1, 'eur', created_at FROM transfers
    """
    with pytest.raises(IntegrityError), world.database.write() as db:
        db.execute(text(mixed))


@pytest.mark.parametrize("state", ["expired", "refunded", "paid", ""])
def test_the_database_itself_refuses_a_state_that_nothing_leads_to(
    world: World, state: str
) -> None:
    world.token(world.ada)
    with pytest.raises(IntegrityError), world.database.write() as db:
        db.execute(text("UPDATE entitlements SET state = :state"), {"state": state})


def test_an_audit_sees_a_balance_that_was_tampered_with(world: World) -> None:
    world.grant(world.ada)
    change = (
        "UPDATE ledger_accounts SET balance_micros = balance_micros + {} WHERE role = 'credits'"
    )
    with world.database.write() as db:
        db.execute(text(change.format(1)))
    assert world.audit() == [
        f"a balance is what came in less what went out: credits:{world.ada.account_id}:usd",
        "the books of a currency sum to zero: usd",
    ]
    with world.database.write() as db:
        db.execute(text(change.format(-1)))


def test_an_audit_sees_an_entitlement_that_nobody_paid_for(world: World) -> None:
    world.token(world.ada)
    with world.database.write() as db:
        db.execute(text("UPDATE payments SET state = 'open'"))
    assert {line.partition(":")[0] for line in world.audit()} == {
        "the ledger knows of no payment that was not made",
        "an entitlement was paid for",
    }
    with world.database.write() as db:
        db.execute(text("UPDATE payments SET state = 'paid'"))


def test_an_audit_sees_money_earned_without_a_run(world: World) -> None:
    run = world.start(world.ada, token=world.token(world.ada))
    with world.database.write() as db:
        db.execute(text("UPDATE entitlements SET state = 'captured'"))
    assert {line.partition(":")[0] for line in world.audit()} == {
        "what was spent is earned",
        "what is deferred is owed for entitlements not yet spent",
        "an entitlement in use or spent names a run with the same outcome",
    }
    with world.database.write() as db:
        db.execute(text("UPDATE entitlements SET state = 'reserved'"))
    world.capture(run)


AMOUNTS = st.lists(st.tuples(st.booleans(), st.integers(1, 10**12)), max_size=8)


@settings(
    max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None
)
@given(moves=AMOUNTS)
def test_whatever_is_posted_sums_to_zero(world: World, moves: list[tuple[bool, int]]) -> None:
    account = world.caller().account_id
    for i, (is_grant, amount) in enumerate(moves):
        money = Money(amount, "usd")
        book: tuple[Role, Role] = ("grants", "credits") if is_grant else ("credits", "deferred")
        try:
            with world.database.write() as db:
                post(db, Transfer(f"{account}{i}", account, *book, money), world.now)
        except InsufficientFundsError:
            assert not is_grant
    with world.database.read() as db:
        mine = text("SELECT SUM(balance_micros) FROM ledger_accounts WHERE account_id = :account")
        assert db.execute(mine, {"account": account}).scalar() in {0, None}
        assert balance(db, account, "credits", "usd") >= 0
    with world.database.write() as db:  # deferred money of no entitlement: only this test's doing
        db.execute(text("DELETE FROM transfers WHERE id LIKE :own"), {"own": f"{account}%"})
        db.execute(text("DELETE FROM ledger_accounts WHERE account_id = :own"), {"own": account})


def test_who_moves_money_between_the_same_books_at_once_never_waits_for_ever(
    any_world: World,
) -> None:
    world, ada = any_world, any_world.ada.account_id
    world.grant(world.ada)

    def to_and_fro(worker: int) -> None:
        ways: tuple[tuple[Role, Role], ...] = (("credits", "deferred"), ("deferred", "credits"))
        for i, (debit, credit) in enumerate(ways * 10):
            moved = Transfer(f"t {worker} {i}", ada, debit, credit, Money(1, "usd"))
            with world.database.write() as db:
                assert post(db, moved, world.now)

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(to_and_fro, range(8)))
    assert world.credits(world.ada) == DOLLAR.amount_micros
