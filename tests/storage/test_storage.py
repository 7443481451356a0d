"""What is kept is kept whole, in a schema that this version knows."""

from __future__ import annotations

import errno
import fcntl
import os
import resource
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from textwrap import dedent
from typing import Any, Final

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from postgres import fresh_database
from sqlalchemy import bindparam, insert, select, text, update
from sqlalchemy.exc import IntegrityError

import gateway_server.compose  # noqa: F401  defines every table
import gateway_storage.log
import gateway_storage.migrate
import gateway_storage.turn
from gateway_storage.base import Base, UtcDateTime
from gateway_storage.blobs import BlobNotFoundError, FolderBlobs
from gateway_storage.copying import save
from gateway_storage.database import (
    Database,
    DatabaseUnavailableError,
    RestartNeededError,
    normalised,
)
from gateway_storage.migrate import SCHEMA, migrate, schema_of
from gateway_storage.statement import Statement

_ADD: Final = text("INSERT INTO accounts (id, created_at) VALUES (:id, '2026-01-01')")


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    made = Database(f"sqlite:///{tmp_path}/gateway.sqlite3")
    yield made
    made.close()


def test_the_migrations_make_exactly_the_tables_that_the_code_knows(any_database: Database) -> None:
    migrate(any_database)
    with any_database.read() as db:
        assert schema_of(db) == SCHEMA
        assert compare_metadata(MigrationContext.configure(db), Base.metadata) == []


def test_migrating_twice_changes_nothing(any_database: Database) -> None:
    migrate(any_database)
    migrate(any_database)
    with any_database.read() as db:
        assert schema_of(db) == SCHEMA


def test_a_database_that_does_not_answer_says_so(tmp_path: Path) -> None:
    with pytest.raises(DatabaseUnavailableError):
        Database(f"sqlite:///{tmp_path}/nowhere/gateway.sqlite3").check()


def test_a_failed_transaction_leaves_nothing(any_database: Database) -> None:
    migrate(any_database)
    add = text("INSERT INTO accounts (id, created_at) VALUES ('acc_x', '2026-01-01')")
    with pytest.raises(ZeroDivisionError), any_database.write() as db:
        db.execute(add)
        raise ZeroDivisionError
    with any_database.read() as db:
        assert db.execute(text("SELECT count(*) FROM accounts")).scalar() == 0


@pytest.fixture
def disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Disk:
    """The disk, watched by what keeps SQLite's log on it."""
    watched = Disk(tmp_path)
    monkeypatch.setattr(gateway_storage.log, "os", watched)
    return watched


class Disk:
    """`os`; of one folder it remembers the log at each sync, and may be slow or fail there."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.kept: list[bytes] = []
        self.slowly = threading.Event()
        self.slowly.set()
        self.fails = False

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401
        return getattr(os, name)

    def fdatasync(self, descriptor: int) -> None:
        if not Path(f"/proc/self/fd/{descriptor}").readlink().is_relative_to(self._folder):
            os.fdatasync(descriptor)  # of another gateway in this process
            return
        held = os.pread(descriptor, os.fstat(descriptor).st_size, 0)
        assert self.slowly.wait(10)
        if self.fails:
            raise OSError(errno.EIO, "the disk is broken")
        self.kept.append(held)


def _add(database: Database, name: str) -> None:
    with database.write() as db:
        db.execute(_ADD, {"id": name})


def _after_a_power_cut(database: Database, disk: Disk, folder: Path) -> set[str]:
    """The accounts that a machine finds which lost whatever was not synced."""
    folder.mkdir()
    shutil.copy(str(database.engine.url.database), folder / "left.sqlite3")
    (folder / "left.sqlite3-wal").write_bytes(disk.kept[-1])
    left = Database(f"sqlite:///{folder}/left.sqlite3")
    with left.read() as db:
        found = set(db.execute(text("SELECT id FROM accounts")).scalars())
    left.close()
    return found


def test_a_write_is_on_the_disk_before_it_returns_and_with_it_what_was_not_synced(
    database: Database, disk: Disk, tmp_path: Path
) -> None:
    migrate(database)
    _add(database, "first")
    with database.write_unsynced() as db:
        db.execute(_ADD, {"id": "second"})
    assert _after_a_power_cut(database, disk, tmp_path / "a") == {"first"}
    _add(database, "third")
    assert _after_a_power_cut(database, disk, tmp_path / "b") == {"first", "second", "third"}


def test_reading_and_writing_unsynced_wait_for_no_disk(database: Database, disk: Disk) -> None:
    migrate(database)
    before = len(disk.kept)
    with database.read() as db:
        db.execute(text("SELECT 1"))
    with database.write_unsynced() as db:
        db.execute(_ADD, {"id": "x"})
    assert len(disk.kept) == before


def test_those_who_write_at_once_share_a_sync_and_each_waits_for_its_own(
    database: Database, disk: Disk, tmp_path: Path
) -> None:
    migrate(database)
    before = len(disk.kept)
    disk.slowly.clear()
    with ThreadPoolExecutor(9) as threads:
        writes = [threads.submit(_add, database, "early")]
        _wait_until(lambda: "early" in _seen(database))
        writes += [threads.submit(_add, database, f"late {i}") for i in range(8)]
        _wait_until(lambda: len(_seen(database)) == 9)
        assert not any(write.done() for write in writes)
        disk.slowly.set()
    assert not [write for write in writes if write.exception()]
    assert len(disk.kept) == before + 2  # the early one's, and one for all others
    assert len(_after_a_power_cut(database, disk, tmp_path / "a")) == 9


def _seen(database: Database) -> set[str]:
    with database.read() as db:
        return set(db.execute(text("SELECT id FROM accounts")).scalars())


def _wait_until(it_is_so: Callable[[], bool]) -> None:
    until = time.monotonic() + 10
    while not it_is_so():
        assert time.monotonic() < until
        time.sleep(0.01)


def test_after_a_failed_sync_nothing_is_written_any_more(database: Database, disk: Disk) -> None:
    migrate(database)
    disk.fails = True
    with pytest.raises(OSError, match="broken"):
        _add(database, "x")
    disk.fails = False
    with pytest.raises(RestartNeededError):
        _add(database, "y")
    assert "y" not in _seen(database)


def test_a_writer_waits_for_its_turn_behind_those_of_other_processes(database: Database) -> None:
    migrate(database)
    turn = os.open(f"{database.engine.url.database}-turn", os.O_RDONLY)
    fcntl.flock(turn, fcntl.LOCK_EX)
    with ThreadPoolExecutor(1) as thread:
        write = thread.submit(_add, database, "x")
        with pytest.raises(TimeoutError):
            write.result(0.2)
        assert _seen(database) == set()
        os.close(turn)
        write.result(10)
    assert _seen(database) == {"x"}


def test_a_thread_that_never_gets_its_turn_is_told(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    migrate(database)
    monkeypatch.setattr(gateway_storage.turn, "_PATIENCE_S", 0.1)
    with ThreadPoolExecutor(1) as thread, database.write():
        assert isinstance(
            thread.submit(_add, database, "x").exception(10), DatabaseUnavailableError
        )
    _add(database, "y")
    assert _seen(database) == {"y"}


@pytest.mark.parametrize("server", ["sqlite", "postgres"])
def test_a_prepared_statement_says_what_execute_says(
    server: str, database: Database, request: pytest.FixtureRequest
) -> None:
    if server == "postgres":
        database = Database(fresh_database(request.getfixturevalue("postgres_url")))
    migrate(database)
    row = {"id": "acc_x", "created_at": datetime(2026, 1, 1, tzinfo=UTC), "auto_pay": None}
    accounts = Base.metadata.tables["accounts"]
    named = accounts.c.id == bindparam("wanted")
    with database.write() as db:
        assert Statement(insert(accounts)).count(db, row) == 1
        assert Statement(update(accounts).where(named)).count(
            db, {"wanted": "acc_x", "auto_pay": "credits"}
        )
        plain = db.execute(select(accounts).where(named), {"wanted": "acc_x"}).one()
        (found,) = Statement(select(accounts).where(named)).rows(db, {"wanted": "acc_x"})
        assert found == tuple(plain)
        assert (found.created_at, found.auto_pay) == (row["created_at"], "credits")
        assert Statement(select(accounts).where(named)).first(db, {"wanted": "acc_y"}) is None
    with pytest.raises(IntegrityError), database.write() as db:
        Statement(insert(accounts)).count(db, row)
    database.close()


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


@contextmanager
def _nobody() -> Iterator[None]:
    """As a user whom the permissions of files bind, which they don't root."""
    mine = os.geteuid()
    if mine == 0:
        os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(mine)


@contextmanager
def _files_no_larger_than(length: int) -> Iterator[None]:
    """A disk with hardly any room."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (length, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_new_database_is_its_owners_alone(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path}/gateway.sqlite3")
    migrate(database)
    with database.write() as db:
        db.execute(text("DELETE FROM accounts"))
        modes = {file.name: stat.S_IMODE(file.stat().st_mode) for file in tmp_path.iterdir()}
    database.close()
    assert modes.keys() >= {"gateway.sqlite3", "gateway.sqlite3-wal"}
    assert set(modes.values()) == {0o600}


def test_a_copy_that_finds_no_room_is_told_as_the_disks_refusal(
    database: Database, tmp_path: Path
) -> None:
    migrate(database)
    with _files_no_larger_than(2**16), pytest.raises(OSError, match="disk") as raised:
        save(database, tmp_path / "copy.sqlite3")
    assert raised.value.filename == str(tmp_path / "copy.sqlite3")


def test_a_file_that_can_only_be_read_is_no_database_to_serve_with() -> None:
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o777)
        file = Path(folder, "gateway.sqlite3")
        file.touch()
        file.chmod(0o666)
        with _nobody():
            database = Database(f"sqlite:///{file}")
            database.check()
        file.chmod(0o444)
        with _nobody(), pytest.raises(DatabaseUnavailableError, match="not written to"):
            database.check()
        database.close()


def test_a_postgres_that_only_follows_is_no_database_to_serve_with(postgres_url: str) -> None:
    url = fresh_database(postgres_url)
    database = Database(url)
    database.check()
    with database.write() as db:
        name = db.execute(text("SELECT current_database()")).scalar()
        db.execute(text(f"ALTER DATABASE {name} SET default_transaction_read_only = on"))
    database.close()
    database = Database(url)
    with pytest.raises(DatabaseUnavailableError, match="not written to"):
        database.check()
    database.require_answer()
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
    assert blobs.get("results/a.parquet", None) == b"second"
    assert [path.name for path in (tmp_path / "results").iterdir()] == ["a.parquet"]
    blobs.delete("results/a.parquet")
    blobs.delete("results/a.parquet")
    with pytest.raises(BlobNotFoundError):
        blobs.get("results/a.parquet", None)


def test_a_blob_can_be_read_by_its_owner_alone(tmp_path: Path) -> None:
    FolderBlobs(tmp_path / "new").put("results/a.parquet", b"numbers")
    mode = (tmp_path / "new/results/a.parquet").stat().st_mode
    assert stat.S_IMODE(mode) == stat.S_IRUSR | stat.S_IWUSR


@pytest.mark.parametrize("key", ["../x", "results/../../x", "/etc/passwd", "results/", "a/b/c", ""])
def test_a_key_that_could_leave_the_folder_is_refused(tmp_path: Path, key: str) -> None:
    with pytest.raises(ValueError, match="not a blob key"):
        FolderBlobs(tmp_path).get(key, None)
