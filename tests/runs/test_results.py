"""A stored trajectory comes back as it was, in slices and files."""

from __future__ import annotations

import csv as std_csv
import io
import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway_runs.exceptions import EmptyWindowError, UnknownColumnError
from gateway_runs.plots import plot
from gateway_runs.results import ResultStore, Window, csv, cut, parquet
from gateway_simulation.trajectory import Trajectory
from gateway_storage.blobs import FolderBlobs


def trajectory(rows: int = 5) -> Trajectory:
    time = np.arange(rows, dtype=float)
    return Trajectory(
        time=time,
        names=("h", "x[1,2]", "mode"),
        values=np.column_stack([np.sin(time), time / 3, np.round(time / 2)]),
        units={"h": "m", "x[1,2]": None, "mode": None},
        discrete=frozenset({"mode"}),
    )


def test_what_was_written_is_read(tmp_path: Path) -> None:
    store, written = ResultStore(FolderBlobs(tmp_path)), trajectory()
    store.write("res_1", written)
    read = store.read("res_1")
    assert np.array_equal(read.values, written.values)
    assert np.array_equal(read.time, written.time)
    assert read.units == written.units
    assert read.discrete == written.discrete


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
