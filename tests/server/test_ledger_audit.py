"""`fmu-gateway ledger audit` proves the books of a live database, and only reads."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from conftest import Running, running_gateway
from doors.clients import Where
from postgres import fresh_database

from gateway_payments.accounts import find_caller
from gateway_payments.ledger import grant_credits
from gateway_payments.money import from_minor
from gateway_storage.migrate import SCHEMA

pytestmark = pytest.mark.slow

COMMAND = str(Path(sys.executable).with_name("fmu-gateway"))

ONE_TRANSFER = """
    UPDATE transfers SET id = '{}'
    WHERE id = (SELECT min(id) FROM transfers WHERE id LIKE '{}')
"""
SCHEMA_IS = "UPDATE alembic_version SET version_num = '{}'"
STUCK_LETTER = """
    INSERT INTO outbox SELECT 'meter:' || run_id, 'meter_event', '{}', 'stuck', 1, created_at,
        NULL, created_at, NULL, 'x' FROM usage LIMIT 1
"""


def audit(database: Path, *options: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return ledger(database, "audit", *options, **environment)


def ledger(database: Path, *options: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [COMMAND, "ledger", *options],
        cwd=database.parent,
        env={**os.environ, "FMU_GATEWAY_DB_PATH": str(database), **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


@pytest.fixture(scope="module")
def busy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A gateway with three runs paid by credits, one of them unspent."""
    folder = tmp_path_factory.mktemp("busy")
    with running_gateway(folder, {"PAYMENT_OFFERS": "credits"}, None) as gateway:
        where = gateway.account()
        _give(gateway, where)
        with gateway.http(where) as http:
            for step in (0.1, 0.2, 0.3):
                quote = http.post("/quotes", json={"fmu_id": "msl:Dahlquist", "step": step}).json()
                paid = {"quote_id": quote["quote_id"], "offer": "credits"}
                assert http.post("/pay", json=paid).status_code == 200
                if step < 0.3:
                    run = http.post("/simulate", json={"quote_id": quote["quote_id"]})
                    assert run.status_code == 200
        yield gateway


def _give(gateway: Running, where: Where) -> None:
    system = gateway.embedded.gateway
    with system.database.write() as db:
        caller = find_caller(db, where.key)
        assert caller
        grant_credits(db, caller.account_id, "five", from_minor(500, "usd"), system.clock())


def broken(busy: Running, folder: Path, *changes: str) -> Path:
    """A copy of the database with something in it that must not be."""
    copy = folder / "copy.sqlite3"
    with closing(sqlite3.connect(busy.database)) as live, closing(sqlite3.connect(copy)) as other:
        live.backup(other)
        for change in changes:
            other.execute(change)
        other.commit()
    return copy


def test_sound_books_are_told_with_what_is_in_them(busy: Running) -> None:
    done = audit(busy.database)
    assert done.returncode == 0, done.stdout + done.stderr
    lines = done.stdout.splitlines()
    assert "ok    a balance is what came in less what went out" in lines
    assert not any(line.startswith("FAIL") for line in lines)
    assert lines[-1] == "every rule holds"
    plain = [" ".join(line.split()) for line in lines]
    assert "credits 2.00 USD in 1 books" in plain
    assert "deferred 1.00 USD in 1 books" in plain
    assert "revenue 2.00 USD in 1 books" in plain
    assert "grants -5.00 USD in 1 books" in plain
    assert "transfers 6" in plain
    assert "payments 3 paid" in plain
    assert "entitlements 2 captured, 1 issued" in plain


def test_a_program_reads_the_same_as_json(busy: Running) -> None:
    told: dict[str, Any] = json.loads(audit(busy.database, "--json").stdout)
    assert told["sound"]
    assert not any(rule["violations"] for rule in told["rules"])
    assert {t["role"]: t["balance_micros"] for t in told["totals"]} == {
        "credits": 2_000_000,
        "deferred": 1_000_000,
        "grants": -5_000_000,
        "revenue": 2_000_000,
    }
    assert told["counts"]["usage"] == {"delivered": 2}
    assert told["waiting_since"] is None


@pytest.mark.parametrize(
    ("change", "rule"),
    [
        (
            "UPDATE ledger_accounts SET balance_micros = balance_micros + 1 WHERE role = 'credits'",
            "a balance is what came in less what went out",
        ),
        (
            "DELETE FROM transfers WHERE id LIKE 'capture:%'",
            "what was spent is earned",
        ),
        (
            ONE_TRANSFER.format("pay:pay_unknown", "pay:%"),
            "the ledger knows of no payment that was not made",
        ),
        (
            ONE_TRANSFER.format("capture:res_unknown", "capture:%"),
            "what was earned was spent",
        ),
        (
            "UPDATE entitlements SET state = 'returned' WHERE state = 'issued'",
            "what is deferred is owed for entitlements not yet spent",
        ),
        ("UPDATE runs SET state = 'failed'", "a run and its usage end alike"),
        ("DELETE FROM runs", "what was admitted is a run of the same account"),
        (
            "INSERT INTO spending SELECT id, '2026-01', 5 FROM api_keys",
            "what a key has spent under a budget is what its payments took",
        ),
        (
            "UPDATE usage SET offer = NULL",
            "a run that is free holds nothing and costs nothing",
        ),
        (
            "INSERT INTO free_runs SELECT id, '2026-01-01', 1 FROM accounts",
            "no more free runs are counted than were had",
        ),
        (
            STUCK_LETTER,
            "no letter to the outside waits for an operator",
        ),
    ],
)
def test_what_must_not_be_is_named_with_its_row(
    busy: Running, tmp_path: Path, change: str, rule: str
) -> None:
    done = audit(broken(busy, tmp_path, "PRAGMA foreign_keys=OFF", change))
    assert done.returncode == 1
    (line,) = [line for line in done.stdout.splitlines() if line.startswith(f"FAIL  {rule}: ")]
    count, _, ids = line.removeprefix(f"FAIL  {rule}: ").partition(" ")
    assert int(count) >= 1
    assert ids.startswith("(")
    assert "rules are broken" in done.stdout.splitlines()[-1]


def test_of_many_rows_that_break_a_rule_the_first_few_are_named(
    busy: Running, tmp_path: Path
) -> None:
    books = """
        WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1000)
        INSERT INTO ledger_accounts
        SELECT 'x' || i, account_id, 'credits', 'usd', 0, 7 FROM n, ledger_accounts
        WHERE role = 'credits'
    """
    done = audit(broken(busy, tmp_path, books), "--json")
    assert done.returncode == 1
    rules = {rule["rule"]: rule for rule in json.loads(done.stdout)["rules"]}
    found = rules["a balance is what came in less what went out"]
    assert found["violations"] == 1000
    assert len(found["first"]) == 5


def test_the_audit_waits_for_nobody_who_writes(busy: Running) -> None:
    with closing(sqlite3.connect(busy.database, isolation_level=None)) as writer:
        writer.execute("BEGIN IMMEDIATE")
        writer.execute("UPDATE ledger_accounts SET balance_micros = balance_micros + 1")
        done = audit(busy.database)
        writer.execute("ROLLBACK")
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("other", ["9999", "0001"])
def test_a_database_of_another_schema_is_refused_and_left_alone(
    busy: Running, tmp_path: Path, other: str
) -> None:
    copy = broken(busy, tmp_path, SCHEMA_IS.format(other))
    done = audit(copy)
    assert done.returncode == 2
    assert done.stderr == (
        f"fmu-gateway: DATABASE_URL: the database is at schema {other}, "
        f"this version reads schema {SCHEMA}\n"
    )
    with closing(sqlite3.connect(copy)) as db:
        assert db.execute("SELECT version_num FROM alembic_version").fetchall() == [(other,)]


def test_where_there_is_no_database_none_is_made(tmp_path: Path) -> None:
    done = audit(tmp_path / "none.sqlite3")
    assert done.returncode == 2
    assert "there is no file" in done.stderr
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "empty.sqlite3").touch()
    assert "holds no gateway" in audit(tmp_path / "empty.sqlite3").stderr
    shutil.copy(__file__, tmp_path / "text.sqlite3")
    done = audit(tmp_path / "text.sqlite3")
    assert done.returncode == 2
    assert "Traceback" not in done.stderr


def test_a_gateway_on_postgres_is_audited_while_it_serves(
    postgres_url: str, tmp_path: Path
) -> None:
    environment = {
        "PAYMENT_OFFERS": "credits",
        "DATABASE_URL": fresh_database(postgres_url),
        "STORAGE_URL": f"file:{tmp_path}",
        "GATEWAY_SECRET": "0" * 32,
    }
    with running_gateway(tmp_path, environment, None) as gateway:
        where = gateway.account()
        _give(gateway, where)
        with gateway.http(where) as http:
            http.put("/account/budget", json={"auto_pay": "credits"})
            budget = {"per_day": 3}
            agent = http.post("/account/keys", json={"budget": budget}).json()
        with gateway.http(replace(where, key=agent["key"])) as http:
            for step in (0.1, 0.2):
                run = http.post("/simulate", json={"fmu_id": "msl:Dahlquist", "step": step})
                assert run.status_code == 200, run.text
        done = audit(gateway.database, **environment)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "2 delivered" in done.stdout
    assert done.stdout.endswith("every rule holds\n")


def test_an_operator_deals_with_a_stuck_letter_by_command(busy: Running, tmp_path: Path) -> None:
    copy = broken(busy, tmp_path, "PRAGMA foreign_keys=OFF", STUCK_LETTER)
    (line,) = ledger(copy, "letters").stdout.splitlines()
    letter, state, *_, why = line.split()
    assert (letter[:6], state, why) == ("meter:", "stuck", "x")
    told = ledger(copy, "dismiss", letter, "--reason", "counted by hand").stdout
    assert told.endswith(f"{letter} is dismissed\n")
    assert ledger(copy, "letters").stdout == "nothing waits\n"
    again = ledger(copy, "resend", letter)
    assert again.returncode == 2
    assert again.stderr == (
        f"fmu-gateway: '{letter}' isn't stuck, or had arrived before it was undone\n"
    )
