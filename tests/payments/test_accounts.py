"""A key is shown once, speaks for one account, and can be revoked."""

from __future__ import annotations

import uuid

import pytest
from payments.world import World
from sqlalchemy import text

from gateway_payments.accounts import (
    Caller,
    add_key,
    create_account,
    find_caller,
    list_keys,
    local_caller,
    revoke_key,
)
from gateway_payments.exceptions import (
    InvalidTextError,
    RevokedKeyError,
    UnknownAccountError,
    UnknownKeyError,
)


def test_a_key_is_a_uuid_and_speaks_for_its_account(world: World) -> None:
    with world.database.write() as db:
        new = create_account(db, world.now)
        assert str(uuid.UUID(new.key)) == new.key
        assert find_caller(db, new.key) == Caller(new.account_id, new.key_id)
        assert find_caller(db, new.key.upper()) == Caller(new.account_id, new.key_id)


def test_a_key_is_stored_only_as_its_hash(world: World) -> None:
    with world.database.write() as db:
        new = create_account(db, world.now)
        rows = db.execute(text("SELECT * FROM api_keys")).all()
    assert new.key not in repr(rows)
    assert new.key not in repr(new)


@pytest.mark.parametrize(
    "key", ["", "x", "5f6e9c0a-58a2-4f0a-9c5d-3f4b7f1f2f6d", "\N{SNOWMAN}" * 36, "x" * 10**6]
)
def test_any_other_string_speaks_for_nobody(world: World, key: str) -> None:
    with world.database.read() as db:
        assert find_caller(db, key) is None


def test_a_revoked_key_is_refused_while_the_account_lives_on(world: World) -> None:
    with world.database.write() as db:
        first = create_account(db, world.now)
        second = add_key(db, first.account_id, "laptop", world.now)
        revoke_key(db, first.account_id, first.key_id, world.now)
        revoke_key(db, first.account_id, first.key_id, world.now)
        with pytest.raises(RevokedKeyError):
            find_caller(db, first.key)
        assert find_caller(db, second.key) == Caller(first.account_id, second.key_id)
        keys = {key.label: key.revoked_at for key in list_keys(db, first.account_id)}
    assert keys == {"first": world.now, "laptop": None}


@pytest.mark.parametrize("label", ["\0", "a\nb", "\x7f", "\ud800", "\u202e", "x" * 101])
def test_a_label_that_no_database_keeps_or_no_page_shows_is_refused(
    world: World, label: str
) -> None:
    with world.database.write() as db, pytest.raises(InvalidTextError) as refused:
        add_key(db, world.ada.account_id, label, world.now)
    assert refused.value.details == {"name": "label", "longest": 100}


@pytest.mark.parametrize("label", ["", "Büro 2", "研究室", "x" * 100])
def test_a_label_may_be_in_any_script(world: World, label: str) -> None:
    with world.database.write() as db:
        add_key(db, world.ada.account_id, label, world.now)
        assert label in {key.label for key in list_keys(db, world.ada.account_id)}


def test_nobody_revokes_someone_elses_key(world: World) -> None:
    assert world.ada.key_id
    with world.database.write() as db:
        with pytest.raises(UnknownKeyError):
            revoke_key(db, world.eve.account_id, world.ada.key_id, world.now)
        with pytest.raises(UnknownKeyError):
            revoke_key(db, world.eve.account_id, "\ud800", world.now)
        with pytest.raises(UnknownAccountError):
            add_key(db, "acc_nobody", "x", world.now)


def test_the_local_account_needs_no_key_and_is_always_the_same(world: World) -> None:
    with world.database.write() as db:
        assert local_caller(db, world.now) == local_caller(db, world.now)
