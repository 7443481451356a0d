"""Grants of programs, whatever happens in whatever order, on both databases."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Barrier
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, invariant, precondition, rule
from postgres import fresh_database
from sqlalchemy import Connection, event, func, select

from gateway_payments import accounts, oauth_clients, oauth_grants, ownership
from gateway_payments.accounts import Caller, create_account
from gateway_payments.exceptions import LastUnlimitedKeyError
from gateway_payments.oauth_clients import Client, OAuthClientRow
from gateway_payments.oauth_grants import (
    ACCESS_LIFE,
    CODE_LIFE,
    REFRESH_LIFE,
    Asked,
    OAuthCodeRow,
    OAuthGrantRow,
    OAuthTokenRow,
    Tokens,
)
from gateway_storage.base import Base
from gateway_storage.database import Database
from gateway_storage.migrate import migrate

NOW = datetime(2026, 11, 26, 12, tzinfo=UTC)
HERE = "https://gateway.example/mcp"
MINE = "client"


class Shop:
    """An account, a program, and a clock."""

    def __init__(self, url: str) -> None:
        self.database = Database(url)
        migrate(self.database)
        self.now = NOW
        with self.database.write() as db:
            new = create_account(db, NOW)
            assert oauth_clients.register(db, client(MINE), NOW)
        self.owner = Caller(new.account_id, new.key_id)

    def code(self) -> str:
        asked = Asked(MINE, HERE, "mcp", "http://127.0.0.1/cb", redirect_given=True, challenge="c")
        with self.database.write() as db:
            code = ownership.let_in(db, self.owner, asked, None, self.now)
        assert code
        return code

    def exchange(self, code: str) -> Tokens | None:
        with self.database.write() as db:
            return oauth_grants.exchange(db, MINE, code, self.now, refreshes=True)

    def refresh(self, token: str) -> Tokens | None:
        with self.database.write() as db:
            return oauth_grants.refresh(db, MINE, token, self.now)

    def caller(self, access: str, resource: str = HERE) -> Caller | None:
        with self.database.read() as db:
            return oauth_grants.find_caller(db, access, resource, self.now)

    def delete_ended(self) -> None:
        with self.database.write() as db:
            oauth_grants.delete_ended(db, self.now)

    def delete_unused(self) -> None:
        with self.database.write() as db:
            oauth_clients.delete_unused(db, self.now)

    def count(self, table: type[Base]) -> int:
        with self.database.read() as db:
            return db.execute(select(func.count()).select_from(table)).scalar_one()

    def good_keys(self) -> int:
        with self.database.read() as db:
            keys = accounts.list_keys(db, self.owner.account_id)
        return sum(key.revoked_at is None for key in keys)


def client(name: str) -> Client:
    return Client(name, name, ("http://127.0.0.1/cb",), "none", refreshes=True)


@pytest.fixture
def shop() -> Iterator[Shop]:
    with on_sqlite() as shop:
        yield shop


@pytest.fixture(params=["sqlite", "postgres"])
def any_shop(request: pytest.FixtureRequest) -> Iterator[Shop]:
    if request.param == "sqlite":
        with on_sqlite() as shop:
            yield shop
        return
    shop = Shop(fresh_database(request.getfixturevalue("postgres_url")))
    yield shop
    shop.database.close()


@contextmanager
def on_sqlite() -> Iterator[Shop]:
    with TemporaryDirectory() as folder:
        path = Path(folder, "gateway.sqlite3")
        path.write_bytes(_empty())
        shop = Shop(f"sqlite:///{path}")
        yield shop
        shop.database.close()


@cache
def _empty() -> bytes:
    """A database of this schema, made once: migrating takes longer than a whole life."""
    with TemporaryDirectory() as folder:
        path = Path(folder, "gateway.sqlite3")
        database = Database(f"sqlite:///{path}")
        migrate(database)
        database.close()
        return path.read_bytes()


@pytest.mark.parametrize("kind", ["code", "refresh token"])
def test_of_ten_that_send_the_same_secret_at_once_one_gets_tokens_and_the_grant_ends(
    any_shop: Shop, kind: str
) -> None:
    code = any_shop.code()
    first = any_shop.exchange(code) if kind == "refresh token" else None
    barrier = Barrier(10)

    def send(_: int) -> Tokens | None:
        barrier.wait()
        return any_shop.refresh(first.refresh or "") if first else any_shop.exchange(code)

    with ThreadPoolExecutor(10) as threads:
        given = [tokens for tokens in threads.map(send, range(10)) if tokens]
    assert len(given) <= 1, "none, where the second came before the first's tokens were made"
    assert all(any_shop.caller(tokens.access) is None for tokens in given)
    assert any_shop.good_keys() == 1


def test_a_grant_ends_when_nothing_can_use_it_any_more_and_is_forgotten(any_shop: Shop) -> None:
    any_shop.code()
    any_shop.exchange(any_shop.code())
    used, unused = (NOW + REFRESH_LIFE), (NOW + CODE_LIFE)
    for now, keys, grants in ((NOW, 3, 2), (unused, 2, 1), (used, 1, 0)):
        any_shop.now = now
        any_shop.delete_ended()
        assert (any_shop.good_keys(), any_shop.count(OAuthGrantRow)) == (keys, grants)
    assert [any_shop.count(table) for table in (OAuthCodeRow, OAuthTokenRow)] == [0, 0]


def test_an_access_token_is_no_refresh_token(any_shop: Shop) -> None:
    tokens = any_shop.exchange(any_shop.code())
    assert tokens
    assert any_shop.refresh(tokens.access) is None
    assert any_shop.caller(tokens.access)
    assert any_shop.refresh(tokens.refresh or "")


def test_ending_grants_never_looks_at_the_keys_that_are_none(shop: Shop) -> None:
    shop.exchange(shop.code())
    plans: list[str] = []

    def explain(db: Connection, _: object, sql: str, values: Any, *__: object) -> None:  # noqa: ANN401
        if not sql.startswith("EXPLAIN"):
            plans.extend(
                row.detail for row in db.exec_driver_sql(f"EXPLAIN QUERY PLAN {sql}", values)
            )

    event.listen(shop.database.engine, "before_cursor_execute", explain)
    shop.delete_ended()
    assert plans
    assert [plan for plan in plans if "SCAN api_keys" in plan] == []


def test_a_program_is_forgotten_when_nobody_lets_it_in_or_all_has_ended(shop: Shop) -> None:
    shop.exchange(shop.code())
    with shop.database.write() as db:
        oauth_clients.register(db, client("never let in"), NOW)
    for days, left in ((6, 2), (8, 1), (89, 1), (91, 0)):
        shop.now = NOW + timedelta(days=days)
        shop.delete_ended()
        shop.delete_unused()
        assert shop.count(OAuthClientRow) == left, days


def test_strangers_cant_fill_the_database_nor_push_out_who_was_let_in(any_shop: Shop) -> None:
    any_shop.code()
    with any_shop.database.write() as db:
        for number in range(10):
            now = NOW + timedelta(seconds=number)
            assert oauth_clients.register(db, client(f"stranger {number}"), now, most=3)
        left = {one: oauth_clients.find(db, one) for one in (MINE, "stranger 8", "stranger 9")}
    assert all(left.values())
    assert any_shop.count(OAuthClientRow) == 3


def test_where_every_program_is_in_use_no_other_registers(shop: Shop) -> None:
    shop.code()
    with shop.database.write() as db:
        assert not oauth_clients.register(db, client("stranger"), NOW, most=1)


def test_the_last_key_in_somebodys_hands_stays_while_a_program_can_act(shop: Shop) -> None:
    shop.code()
    assert shop.owner.key_id
    with pytest.raises(LastUnlimitedKeyError), shop.database.write() as db:
        ownership.revoke_key(db, shop.owner, shop.owner.key_id, NOW)


def test_a_program_that_isnt_registered_any_more_isnt_let_in(shop: Shop) -> None:
    asked = Asked("gone", HERE, "mcp", "http://127.0.0.1/cb", redirect_given=True, challenge="c")
    with shop.database.write() as db:
        assert ownership.let_in(db, shop.owner, asked, None, NOW) is None


class Lives(RuleBasedStateMachine):
    """Codes and tokens of one account, against what is known of each."""

    codes = Bundle("codes")
    refreshes = Bundle("refreshes")

    def __init__(self) -> None:
        super().__init__()
        self.opened = ExitStack()
        self.shop = self.opened.enter_context(on_sqlite())
        self.used: dict[str, None] = {}  # in the order of their use
        self.ends: dict[str, datetime] = {}  # of each code and token
        self.grant_of: dict[str, int] = {}
        self.ended: set[int] = set()
        self.grants = 0

    def teardown(self) -> None:
        self.opened.close()

    @rule(target=codes)
    def let_in(self) -> str:
        code = self.shop.code()
        self.grants += 1
        self._know(code, self.grants, CODE_LIFE)
        return code

    @rule(target=refreshes, code=codes)
    def exchange(self, code: str) -> str:
        return self._spend(code, self.shop.exchange(code))

    @rule(target=refreshes)
    def sign_in(self) -> str:
        code = self.shop.code()
        self.grants += 1
        self._know(code, self.grants, CODE_LIFE)
        return self._spend(code, self.shop.exchange(code))

    @precondition(lambda self: self.used)
    @rule(data=st.data())
    def send_again(self, data: st.DataObject) -> None:
        """Whoever copied it sends what was used already."""
        secret = data.draw(st.sampled_from(list(self.used)))
        again = self.shop.exchange if secret.startswith("fgc_") else self.shop.refresh
        self._spend(secret, again(secret))

    @rule(target=refreshes, token=refreshes)
    def refresh(self, token: str) -> str:
        return self._spend(token, self.shop.refresh(token))

    @rule(token=refreshes)
    def revoke(self, token: str) -> None:
        with self.shop.database.write() as db:
            done = oauth_grants.revoke(db, MINE, token, self.shop.now)
        if token in self.grant_of and self.shop.now < self.ends[token]:
            assert done == (self.grant_of[token] not in self.ended)
            self.ended.add(self.grant_of[token])
        else:
            assert not done

    @rule(passed=st.sampled_from([CODE_LIFE / 2, CODE_LIFE, ACCESS_LIFE, REFRESH_LIFE / 2]))
    def wait(self, passed: timedelta) -> None:
        self.shop.now += passed

    @rule()
    def delete_ended(self) -> None:
        self.shop.delete_ended()
        usable = {
            self.grant_of[one]
            for one, end in self.ends.items()
            if self.shop.now < end and one not in self.used
        }
        self.ended |= set(range(1, self.grants + 1)) - usable

    @invariant()
    def an_access_token_is_good_while_it_and_its_grant_last(self) -> None:
        for token, end in self.ends.items():
            if token.startswith("fga_"):
                good = self.shop.now < end and self.grant_of[token] not in self.ended
                assert (self.shop.caller(token) is not None) == good
                assert self.shop.caller(token, "https://other.example/mcp") is None

    @invariant()
    def each_grant_that_lasts_is_a_key(self) -> None:
        assert self.shop.good_keys() == 1 + self.grants - len(self.ended)

    def _spend(self, secret: str, tokens: Tokens | None) -> str:
        grant = self.grant_of.get(secret)
        lasts = grant is not None and self.shop.now < self.ends[secret]
        good = lasts and grant not in self.ended and secret not in self.used
        assert (tokens is not None) == good
        if lasts and grant is not None and secret in self.used:
            self.ended.add(grant)
        if not tokens or grant is None:
            return "fgr_none"
        self.used[secret] = None
        self._know(tokens.access, grant, ACCESS_LIFE)
        self._know(tokens.refresh or "", grant, REFRESH_LIFE)
        return tokens.refresh or ""

    def _know(self, secret: str, grant: int, life: timedelta) -> None:
        self.ends[secret] = self.shop.now + life
        self.grant_of[secret] = grant


Lives.TestCase.settings = settings(max_examples=20, stateful_step_count=25, deadline=None)
TestLives = Lives.TestCase
