"""Usage: who ran what, how long, and what it cost; nothing for what was not delivered."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from payments.world import World

from gateway_payments.entitlements import MAX_FAULTS
from gateway_payments.exceptions import InvalidCursorError


def test_a_run_shows_its_key_model_work_duration_and_price(world: World) -> None:
    run = world.start(world.ada, token=world.token(world.ada))
    (running,) = world.payments.usage(world.ada.account_id, None, 10).rows
    assert (running.outcome, running.price.amount_micros) == ("running", 0)
    world.capture(run)
    (row,) = world.payments.usage(world.ada.account_id, None, 10).rows
    assert (row.run_id, row.key_id, row.model_id) == (run, world.ada.key_id, "msl:BouncingBall")
    assert (row.work_units, row.duration_ms, row.outcome) == (903, 12.5, "delivered")
    assert (row.offer, str(row.price)) == ("credits", "1.00 USD")
    assert row.created_at == world.now


def test_a_failed_run_shows_nothing_charged_until_the_money_is_kept(world: World) -> None:
    token = world.token(world.ada)
    for _ in range(MAX_FAULTS):
        world.release(world.start(world.ada, token=token), models_fault=True)
        world.later(seconds=1)
    rows = world.payments.usage(world.ada.account_id, None, 10).rows
    assert [(row.outcome, row.price.amount) for row in rows] == [
        ("exhausted", 1.0),
        ("failed", 0.0),
        ("failed", 0.0),
    ]


def test_a_free_run_shows_no_price(world: World) -> None:
    world.restart(offers=())
    world.capture(world.start(world.ada))
    (row,) = world.payments.usage(world.ada.account_id, None, 10).rows
    assert (row.offer, row.price.amount_micros, row.outcome) == (None, 0, "delivered")


def test_pages_hold_everything_once_newest_first(world: World) -> None:
    world.restart(offers=())
    runs = []
    for i in range(7):
        runs.append(world.start(world.ada))
        world.later(seconds=i % 2)
    seen, cursor = [], None
    while True:
        page = world.payments.usage(world.ada.account_id, cursor, 3)
        seen += [row.run_id for row in page.rows]
        cursor = page.next_cursor
        if cursor is None:
            break
    assert sorted(seen) == sorted(runs)
    assert seen[0] == runs[-1]
    assert world.payments.usage(world.eve.account_id, None, 3).rows == ()


@settings(max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(cursor=st.text() | st.from_regex(r"[0-9T:.+-]{25,40}~x"))
def test_a_made_up_cursor_is_refused(world: World, cursor: str) -> None:
    with pytest.raises(InvalidCursorError):
        world.payments.usage(world.ada.account_id, cursor, 3)
