"""What is kept is kept whole, in a schema that this version knows."""

from __future__ import annotations

import signal
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from textwrap import dedent
from typing import Any, Final

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from postgres import fresh_database
from sqlalchemy import Connection, text

import gateway_server.compose  # noqa: F401  defines every table
import gateway_storage.migrate
from gateway_storage.base import Base, UtcDateTime
from gateway_storage.blobs import BlobNotFoundError, FolderBlobs
from gateway_storage.database import Database, DatabaseUnavailableError, normalised
from gateway_storage.migrate import SCHEMA, SchemaTooNewError, migrate, schema_of

_NORMAL: Final = 1  # SQLite's numbers
_FULL: Final = 2


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    made = Database(f"sqlite:///{tmp_path}/gateway.sqlite3")
    yield made
    made.close()


def test_the_migrations_make_exactly_the_tables_that_the_code_knows(database: Database) -> None:
    migrate(database)
    with database.read() as db:
        assert schema_of(db) == SCHEMA
        assert compare_metadata(MigrationContext.configure(db), Base.metadata) == []


def test_migrating_twice_changes_nothing(database: Database) -> None:
    migrate(database)
    migrate(database)
    with database.read() as db:
        assert schema_of(db) == SCHEMA


def test_an_upgrade_from_the_first_schema_keeps_what_is_there(database: Database) -> None:
    rows = """
        INSERT INTO accounts (id, created_at) VALUES ('acc_x', '2026-01-01');
        INSERT INTO runs (id, account_id, state, model_id, model_sha256, request_sha256, created_at)
        VALUES ('res_x', 'acc_x', 'done', 'm', '', '', '2026-01-01')
    """
    with database.write() as db:
        _to_schema(db, "0001")
        for row in rows.split(";"):
            db.execute(text(row))
    migrate(database)
    with database.write() as db:
        db.execute(text("INSERT INTO small_results (run_id, trajectory) VALUES ('res_x', 'PAR1')"))
    with database.read() as db:
        assert schema_of(db) == SCHEMA
        assert compare_metadata(MigrationContext.configure(db), Base.metadata) == []
        assert db.execute(text("SELECT id, state FROM runs")).all() == [("res_x", "done")]
        assert db.execute(text("SELECT id FROM accounts")).all() == [("acc_x",)]


def _to_schema(db: Connection, revision: str) -> None:
    config = Config()
    folder = Path(gateway_storage.migrate.__file__).with_name("migrations")
    config.set_main_option("script_location", str(folder))
    config.attributes["connection"] = db
    command.upgrade(config, revision)


def test_a_database_from_the_future_is_refused(database: Database) -> None:
    migrate(database)
    with database.write() as db:
        db.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(SchemaTooNewError, match="9999"):
        migrate(database)


def test_a_database_that_does_not_answer_says_so(tmp_path: Path) -> None:
    with pytest.raises(DatabaseUnavailableError):
        Database(f"sqlite:///{tmp_path}/nowhere/gateway.sqlite3").check()


def test_a_failed_transaction_leaves_nothing(database: Database) -> None:
    migrate(database)
    add = text("INSERT INTO accounts (id, created_at) VALUES ('acc_x', '2026-01-01')")
    with pytest.raises(ZeroDivisionError), database.write() as db:
        db.execute(add)
        raise ZeroDivisionError
    with database.read() as db:
        assert db.execute(text("SELECT count(*) FROM accounts")).scalar() == 0


def test_every_transaction_is_synced_but_one_that_asks_not_to_be(database: Database) -> None:
    def synchronous(transaction: AbstractContextManager[Connection]) -> Any:  # noqa: ANN401
        with transaction as db:
            return db.exec_driver_sql("PRAGMA synchronous").scalar()

    ways = (database.write, database.write_unsynced, database.write, database.read)
    assert [synchronous(way()) for way in ways] == [_FULL, _NORMAL, _FULL, _FULL]


def test_a_snapshot_sees_one_moment_and_writes_nothing(postgres_url: str, tmp_path: Path) -> None:
    add = "INSERT INTO accounts (id, created_at) VALUES ('acc_{}', '2026-01-01')"
    for url in (f"sqlite:///{tmp_path}/gateway.sqlite3", fresh_database(postgres_url)):
        database = Database(url)
        migrate(database)
        with database.snapshot() as moment:
            before = moment.execute(text("SELECT count(*) FROM accounts")).scalar()
            with database.write() as db:
                db.execute(text(add.format("x")))
            assert moment.execute(text("SELECT count(*) FROM accounts")).scalar() == before == 0
        with database.read() as db:
            assert db.execute(text("SELECT count(*) FROM accounts")).scalar() == 1
        database.close()


def test_on_postgres_the_migrations_make_the_tables_too_and_times_are_utc(
    postgres_url: str,
) -> None:
    database = Database(fresh_database(postgres_url))
    migrate(database)
    with database.read() as db:
        assert compare_metadata(MigrationContext.configure(db), Base.metadata) == []
        assert db.execute(text("SHOW TimeZone")).scalar() == "UTC"
    database.close()


def test_an_unsynced_write_outlives_a_killed_process(database: Database, tmp_path: Path) -> None:
    migrate(database)
    script = """
        import os, signal, sys
        from sqlalchemy import text
        from gateway_storage.database import Database
        with Database(sys.argv[1]).write_unsynced() as db:
            db.execute(text("INSERT INTO accounts (id, created_at) VALUES ('acc_x', '2026-01-01')"))
        os.kill(os.getpid(), signal.SIGKILL)
    """
    url = f"sqlite:///{tmp_path}/gateway.sqlite3"
    killed = subprocess.run([sys.executable, "-c", dedent(script), url], check=False)
    assert killed.returncode == -signal.SIGKILL
    with database.read() as db:
        assert db.execute(text("SELECT count(*) FROM accounts")).scalar() == 1


@pytest.mark.parametrize("url", ["postgres://u@h/d", "postgresql://u@h/d"])
def test_postgres_urls_of_any_spelling_mean_psycopg(url: str) -> None:
    assert normalised(url) == "postgresql+psycopg://u@h/d"


def test_times_are_stored_in_utc_and_naive_ones_refused(database: Database) -> None:
    column, dialect = UtcDateTime(), database.engine.dialect
    berlin = datetime(2026, 1, 1, 1, tzinfo=timezone(timedelta(hours=1)))
    assert column.process_bind_param(berlin, dialect) == datetime(2026, 1, 1, tzinfo=UTC)
    with pytest.raises(ValueError, match="aware"):
        column.process_bind_param(datetime(2026, 1, 1), dialect)  # noqa: DTZ001


def test_a_blob_is_replaced_whole_and_leaves_no_temporary_file(tmp_path: Path) -> None:
    blobs = FolderBlobs(tmp_path)
    blobs.put("results/a.parquet", b"first")
    blobs.put("results/a.parquet", b"second")
    assert blobs.get("results/a.parquet") == b"second"
    assert [path.name for path in (tmp_path / "results").iterdir()] == ["a.parquet"]
    blobs.delete("results/a.parquet")
    blobs.delete("results/a.parquet")
    with pytest.raises(BlobNotFoundError):
        blobs.get("results/a.parquet")


def test_a_blob_can_be_read_by_its_owner_alone(tmp_path: Path) -> None:
    FolderBlobs(tmp_path / "new").put("results/a.parquet", b"numbers")
    mode = (tmp_path / "new/results/a.parquet").stat().st_mode
    assert stat.S_IMODE(mode) == stat.S_IRUSR | stat.S_IWUSR


@pytest.mark.parametrize("key", ["../x", "results/../../x", "/etc/passwd", "results/", "a/b/c", ""])
def test_a_key_that_could_leave_the_folder_is_refused(tmp_path: Path, key: str) -> None:
    with pytest.raises(ValueError, match="not a blob key"):
        FolderBlobs(tmp_path).get(key)
