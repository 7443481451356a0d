"""A database of the first release is brought up to date, with what people bought in it."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from sqlalchemy import Connection, text

import gateway_storage.migrate
from gateway_payments.accounts import Caller, find_caller
from gateway_payments.audit import audit
from gateway_payments.quotes import Priced
from gateway_payments.service import Payments
from gateway_payments.settings import PaymentSettings
from gateway_server.compose import address_of, compose
from gateway_server.settings import SettingsError, read_settings
from gateway_storage.base import Base
from gateway_storage.database import Database
from gateway_storage.migrate import SCHEMA, SchemaTooNewError, migrate, schema_of

KEY: Final = "3f0c2b1a-0000-4000-8000-000000000001"
ROWS: Final = """
INSERT INTO accounts VALUES ('acc_x', '2026-01-01'), ('acc_y', '2026-01-01');
INSERT INTO api_keys VALUES ('key_x', 'acc_x', ':sha256', 'first', '2026-01-01', NULL);
INSERT INTO models VALUES ('aa', 'fmu_aa', 'fmus/aa.0000.fmu', 7, 'Pump',
  '{"fmi_version": "2.0", "guid": "g", "description": null, "kinds": [], "variables": [],
    "units": []}', '2026-01-01');
INSERT INTO model_owners VALUES ('acc_x', 'aa', '2026-01-01');
INSERT INTO upload_tickets VALUES ('tt', 'acc_x', '2026-01-01', NULL);
INSERT INTO webhook_events VALUES ('evt_1', 'checkout.session.completed', 'cs_1', '2026-01-01');
INSERT INTO quotes VALUES ('qt_1', 'acc_x', 'fmu_aa', '{}', 'hash', 903, 1000000, 'usd',
  '[["stripe_checkout", 1000000, "usd"]]', '[]', NULL, '2026-01-01', '2026-01-02');
INSERT INTO quotes VALUES ('qt_2', 'acc_x', 'fmu_aa', '{}', 'hash', 903, 1000000, 'usd',
  '[["stripe_checkout", 1000000, "usd"]]', '[]', NULL, '2026-01-01', '2026-01-02');
INSERT INTO quotes VALUES ('qt_3', 'acc_x', 'fmu_aa', '{}', 'hash', 903, 1000000, 'usd',
  '[["stripe_checkout", 1000000, "usd"]]', '[]', NULL, '2026-01-01', '2026-01-02');
INSERT INTO payments VALUES ('pay_1', 'acc_x', 'qt_1', 'stripe_checkout', 1, 'cs_1', 'paid',
  1000000, 'usd', NULL, '2026-01-01', '2026-01-02', '2026-01-01');
INSERT INTO payments VALUES ('pay_2', 'acc_x', 'qt_2', 'stripe_checkout', 1, 'cs_2', 'open',
  1000000, 'usd', 'https://c', '2026-01-01', '2026-01-02', NULL);
INSERT INTO payments VALUES ('pay_3', 'acc_x', 'qt_3', 'stripe_checkout', 1, 'cs_3', 'paid',
  1000000, 'usd', NULL, '2026-01-01', '2026-01-02', '2026-01-01');
INSERT INTO ledger_accounts VALUES
  ('stripe:acc_x:usd', 'acc_x', 'stripe', 'usd', :true, -2000000),
  ('deferred:acc_x:usd', 'acc_x', 'deferred', 'usd', :false, 1000000),
  ('revenue:acc_x:usd', 'acc_x', 'revenue', 'usd', :false, 1000000);
INSERT INTO transfers VALUES
  ('pay:pay_1', 'stripe:acc_x:usd', 'deferred:acc_x:usd', 1000000, 'usd', '2026-01-01'),
  ('pay:pay_3', 'stripe:acc_x:usd', 'deferred:acc_x:usd', 1000000, 'usd', '2026-01-01'),
  ('capture:res_1', 'deferred:acc_x:usd', 'revenue:acc_x:usd', 1000000, 'usd', '2026-01-01');
INSERT INTO runs VALUES ('res_1', 'acc_x', 'done', 'fmu_aa', 'aa', 'hash', NULL, NULL,
  '2026-01-01', '2026-01-01', NULL, '{"outputs": ["h"]}');
INSERT INTO usage VALUES ('res_1', 'acc_x', 'key_x', 'fmu_aa', 'hash', 903, 'stripe_checkout',
  1000000, 'usd', 'delivered', 1.5, '2026-01-01');
INSERT INTO entitlements VALUES ('ent_1', 'acc_x', 'pay_1', 'qt_1', 'stripe_checkout', 1000000,
  'usd', 'captured', 'res_1', '2026-01-01', '2026-01-02');
INSERT INTO entitlements VALUES ('ent_3', 'acc_x', 'pay_3', 'qt_3', 'stripe_checkout', 1000000,
  'usd', 'issued', NULL, '2026-01-01', '2026-01-02');
INSERT INTO request_faults VALUES ('acc_x', 'hash', 2)
"""


@pytest.fixture
def database(any_database: Database) -> Database:
    return any_database


def to_schema(db: Connection, revision: str) -> None:
    config = Config()
    folder = Path(gateway_storage.migrate.__file__).with_name("migrations")
    config.set_main_option("script_location", str(folder))
    config.attributes["connection"] = db
    command.upgrade(config, revision)


def fill(database: Database) -> dict[str, list[dict[str, str]]]:
    """A database of the first release; what is in it."""
    flags = {":true": "1", ":false": "0"}
    if database.engine.dialect.name == "postgresql":
        flags = {":true": "true", ":false": "false"}
    rows = ROWS.replace(":sha256", hashlib.sha256(KEY.encode()).hexdigest())
    for name, value in flags.items():
        rows = rows.replace(name, value)
    with database.write() as db:
        to_schema(db, "0001")
        for row in rows.split(";\n"):
            db.exec_driver_sql(row)
    return contents(database)


def contents(database: Database) -> dict[str, list[dict[str, str]]]:
    """Every row of every table that there is, in a stable order."""
    found = {}
    with database.read() as db:
        for table in Base.metadata.sorted_tables:
            if database.engine.dialect.has_table(db, table.name):
                rows = db.execute(text(f"SELECT * FROM {table.name}")).mappings()  # noqa: S608
                told = [{name: str(value) for name, value in row.items()} for row in rows]
                found[table.name] = sorted(told, key=str)
    return found


def test_everything_is_kept_and_the_books_still_balance(database: Database) -> None:
    before = fill(database)
    migrate(database)
    after = contents(database)
    for table, rows in before.items():
        names = set(rows[0])
        kept = [{name: row[name] for name in row if name in names} for row in after[table]]
        assert sorted(kept, key=str) == rows, table
    with database.read() as db:
        assert schema_of(db) == SCHEMA
        assert compare_metadata(MigrationContext.configure(db), Base.metadata) == []
        assert find_caller(db, KEY) == Caller("acc_x", "key_x")
        assert audit(db) == []
        waiting = "SELECT id FROM payments WHERE ask_at IS NOT NULL"
        assert db.execute(text(waiting)).scalars().all() == ["pay_2"]


def test_what_was_paid_before_is_used_and_read_afterwards(database: Database) -> None:
    fill(database)
    migrate(database)
    now = datetime(2026, 1, 1, 0, 10, tzinfo=UTC)
    payments = Payments(database, PaymentSettings(secret=b"0" * 32, offers=("credits",)))
    caller = Caller("acc_x", "key_x")
    token = payments.pay(caller, quote_id="qt_3", now=now).payment_token
    assert token
    priced = Priced({}, "hash", "fmu_aa", 903, None)
    with database.write() as db:
        admitted = payments.admit(db, caller, "res_2", priced, payment_token=token, now=now)
        assert admitted
    assert [row.run_id for row in payments.usage("acc_x", None, 10).rows] == ["res_2", "res_1"]


def test_a_database_from_the_future_is_refused_and_left_alone(database: Database) -> None:
    migrate(database)
    with database.write() as db:
        db.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(SchemaTooNewError, match="9999"):
        migrate(database)
    with database.read() as db:
        assert schema_of(db) == "9999"


def test_a_gateway_on_a_database_from_the_future_doesn_t_start(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    migrate(database)
    with database.write() as db:
        db.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    url = database.engine.url.render_as_string(hide_password=False)
    monkeypatch.setenv("DATABASE_URL", url)
    monkeypatch.setenv("STORAGE_URL", f"file:{tmp_path}/blobs")
    monkeypatch.setenv("GATEWAY_SECRET", "0" * 32)
    settings = read_settings()
    with pytest.raises(SettingsError, match=r"DATABASE_URL: .*9999.*upgrade"):
        compose(settings, address_of(settings, 8000))


@pytest.mark.slow
def test_gateways_that_start_together_upgrade_once(database: Database) -> None:
    with database.reshape() as db:
        to_schema(db, "0001")
    url = database.engine.url.render_as_string(hide_password=False)
    start = f"""
from gateway_storage.database import Database
from gateway_storage.migrate import migrate
migrate(Database({url!r}))
"""
    starting = [subprocess.Popen([sys.executable, "-c", start]) for _ in range(3)]
    assert [process.wait(60) for process in starting] == [0, 0, 0]
    with database.read() as db:
        assert schema_of(db) == SCHEMA
