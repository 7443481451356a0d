"""A stored trajectory comes back as it was, in slices and files."""

from __future__ import annotations

import csv as std_csv
import io
import math
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, Literal
from xml.etree import ElementTree as ET

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyarrow import parquet as pq  # type: ignore[import-untyped]
from sqlalchemy import text

from gateway_runs import records
from gateway_runs.exceptions import EmptyWindowError, UnknownColumnError
from gateway_runs.plots import plot
from gateway_runs.results import ResultStore, Window, csv, cut, parquet
from gateway_simulation.trajectory import Trajectory
from gateway_storage.blobs import BlobNotFoundError, FolderBlobs
from gateway_storage.database import Database
from gateway_storage.migrate import migrate

_NOW: Final = datetime(2026, 11, 24, tzinfo=UTC)
small_and_large = pytest.mark.parametrize("rows", [5, 20_000], ids=["small", "large"])


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    """With a run of the name `res_1`."""
    made = Database(f"sqlite:///{tmp_path}/gateway.sqlite3")
    migrate(made)
    with made.write() as db:
        db.execute(text("INSERT INTO accounts (id, created_at) VALUES ('acc_1', '2026-01-01')"))
        records.begin(db, "res_1", records.NewRun("acc_1", "m", "", "", None, None), _NOW)
    yield made
    made.close()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "blobs"


@pytest.fixture
def store(folder: Path) -> ResultStore:
    return ResultStore(FolderBlobs(folder))


def trajectory(rows: int = 5) -> Trajectory:
    time = np.arange(rows, dtype=float)
    return Trajectory(
        time=time,
        names=("h", "x[1,2]", "mode"),
        values=np.column_stack([np.sin(time), time / 3, np.round(time / 2)]),
        units={"h": "m", "x[1,2]": None, "mode": None},
        discrete=frozenset({"mode"}),
    )


def with_accuracy(rows: int) -> Trajectory:
    return replace(trajectory(rows), accuracy=trajectory(2 * rows))


def keep(database: Database, store: ResultStore, result: Trajectory) -> None:
    prepared = store.prepare("res_1", result)
    with database.write() as db:
        store.keep(db, prepared)


def read(database: Database, store: ResultStore, *, fine: bool = False) -> Trajectory:
    with database.read() as db:
        return store.read(db, "res_1", with_accuracy=fine)


@small_and_large
def test_what_was_kept_is_read(database: Database, store: ResultStore, rows: int) -> None:
    written = with_accuracy(rows)
    keep(database, store, written)
    found = read(database, store, fine=True)
    assert np.array_equal(found.values, written.values)
    assert np.array_equal(found.time, written.time)
    assert found.units == written.units
    assert found.discrete == written.discrete
    assert found.accuracy is not None
    assert found.accuracy.rows == 2 * rows
    assert read(database, store).accuracy is None


def test_a_small_result_leaves_no_file(
    database: Database, store: ResultStore, folder: Path
) -> None:
    keep(database, store, with_accuracy(5))
    assert not folder.exists()


def test_another_gateway_on_the_same_database_reads_a_small_result(
    database: Database, store: ResultStore, tmp_path: Path
) -> None:
    keep(database, store, trajectory())
    assert read(database, ResultStore(FolderBlobs(tmp_path / "another"))).rows == 5


def test_a_large_result_stays_out_of_the_database(database: Database, store: ResultStore) -> None:
    keep(database, store, trajectory(20_000))
    with database.read() as db:
        assert db.execute(text("SELECT count(*) FROM small_results")).scalar() == 0


def test_a_small_result_is_there_only_when_its_transaction_is(
    database: Database, store: ResultStore
) -> None:
    with pytest.raises(ZeroDivisionError), database.write() as db:
        store.keep(db, store.prepare("res_1", trajectory()))
        raise ZeroDivisionError
    with pytest.raises(BlobNotFoundError):
        read(database, store)


@small_and_large
def test_a_deleted_result_is_gone_with_its_accuracy_run(
    database: Database, store: ResultStore, folder: Path, rows: int
) -> None:
    keep(database, store, with_accuracy(rows))
    for _ in range(2):
        with database.write() as db:
            store.forget(db, "res_1")
        store.discard("res_1")
    with pytest.raises(BlobNotFoundError):
        read(database, store)
    assert not list(folder.glob("*/*"))


def test_a_small_result_that_an_older_version_left_in_blobs_is_read(
    database: Database, store: ResultStore, folder: Path
) -> None:
    FolderBlobs(folder).put("results/res_1.parquet", parquet(trajectory(5)))
    FolderBlobs(folder).put("results/res_1-accuracy.parquet", parquet(trajectory(9)))
    found = read(database, store, fine=True)
    assert found.accuracy is not None
    assert (found.rows, found.accuracy.rows) == (5, 9)


def test_the_same_numbers_give_the_same_bytes() -> None:
    assert parquet(trajectory()) == parquet(trajectory())
    assert plot(trajectory(), "t", "svg") == plot(trajectory(), "t", "svg")


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1, max_size=20))
def test_csv_keeps_every_digit(values: list[float]) -> None:
    time = np.arange(len(values), dtype=float)
    column = np.array(values)[:, None]
    one = Trajectory(time=time, names=("a,b",), values=column, units={"a,b": None})
    rows = list(std_csv.reader(io.StringIO(csv(one).decode())))
    assert rows[0] == ["time", "a,b"]
    assert [float(row[1]) for row in rows[1:]] == values


def test_a_window_keeps_both_ends() -> None:
    part = cut(trajectory(), Window(("h",), 1.0, 3.0))
    assert part.time.tolist() == [1.0, 2.0, 3.0]
    assert part.names == ("h",)
    assert math.isclose(part.values[0, 0], math.sin(1.0))


def test_an_unknown_variable_is_answered_with_the_nearest() -> None:
    with pytest.raises(UnknownColumnError) as raised:
        cut(trajectory(), Window(("modee",)))
    assert "mode" in raised.value.details["nearest"]  # type: ignore[operator]


def test_a_window_without_points_says_where_the_result_is() -> None:
    with pytest.raises(EmptyWindowError, match="0 s to 4 s"):
        cut(trajectory(), Window(None, 7.0, 8.0))


@pytest.mark.parametrize("name", ["_hidden", "$x^2$", "a" * 500, "\N{SNOWMAN}", r"\frac{"])
def test_any_name_can_be_plotted(name: str) -> None:
    one = Trajectory(
        time=np.array([0.0, 1.0]),
        names=(name,),
        values=np.array([[0.0], [1.0]]),
        units={name: "$unit"},
    )
    assert plot(one, name, "png").startswith(b"\x89PNG")


def test_a_heading_of_a_csv_is_no_formula_and_other_forms_keep_the_name() -> None:
    names = ("=cmd|' /C calc'!A0", "+1", "-x", "@SUM(A1)", "der(x)", "'a b'")
    numbers = Trajectory(np.array([0.0]), names, np.zeros((1, 6)), dict.fromkeys(names))
    heading = next(std_csv.reader(io.StringIO(csv(numbers).decode())))
    assert heading == ["time", "'=cmd|' /C calc'!A0", "'+1", "'-x", "'@SUM(A1)", "der(x)", "'a b'"]
    assert Trajectory.from_table(pq.read_table(io.BytesIO(parquet(numbers)))).names == names


@pytest.mark.parametrize("form", ["png", "svg"])
@pytest.mark.parametrize(
    "name",
    [
        "$x$",
        r"$\frac{",
        r"\$x$",
        "a$b",
        "--><script>",
        "温度",
        "_hidden",
        "x" * 1000,
        "]]>",
        "&lt;",
    ],
)
def test_a_plot_shows_any_name_as_it_is_written(name: str, form: Literal["png", "svg"]) -> None:
    numbers = Trajectory(np.array([0.0, 1.0]), (name,), np.zeros((2, 1)), {name: name})
    drawn = plot(numbers, name, form)
    if form == "svg":
        assert b"<script" not in drawn
        assert ET.fromstring(drawn).tag.endswith("svg")  # noqa: S314  ours


def test_no_result_imports_pandas() -> None:
    code = """if True:
        import sys
        import numpy as np
        from gateway_runs.results import _table, csv, parquet
        from gateway_simulation.trajectory import Trajectory
        ramp = np.arange(3.0)
        made = Trajectory(ramp, ("x",), ramp[:, None], {"x": None})
        read = Trajectory.from_table(_table(parquet(made)))
        assert csv(read) == csv(made)
        sys.exit("pandas" in sys.modules)
    """
    subprocess.run([sys.executable, "-c", code], check=True)
