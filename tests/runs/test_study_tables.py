"""A study's table: kept, written and drawn."""

from __future__ import annotations

import io
import itertools
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import pytest
from matplotlib.image import imread
from pyarrow import parquet as pq  # type: ignore[import-untyped]

from gateway_runs.results import parquet
from gateway_runs.study_plots import plot_study
from gateway_runs.study_tables import Cell, StudyTable, study_csv


def _table(
    names: Sequence[str], rows: Sequence[tuple[Cell, ...]], failed: Sequence[int] = ()
) -> StudyTable:
    figures = [None if i in failed else float(i * i % 7) for i in range(len(rows))]
    cells: dict[str, Sequence[Cell]] = {n: [row[i] for row in rows] for i, n in enumerate(names)}
    return StudyTable(
        parameters=tuple(names),
        kpis=("y_max",),
        columns={**cells, "y_max": figures},
        units={"y_max": "m"},
        failures=dict.fromkeys(failed, "model_failed: the model reported an error"),
        objective="y_max",
        direction="max",
    )


ONE = _table(["e"], [(i / 10,) for i in range(11)], failed=[0, 10])


def test_a_table_comes_back_as_it_was_written() -> None:
    mixed = _table(["a", "mode", "on"], [(1, "=eco", True), (2, "sport", False)], failed=[1])
    back = StudyTable.from_table(pq.read_table(io.BytesIO(parquet(mixed))))
    assert back.columns == mixed.columns
    assert back.failures == mixed.failures
    assert (back.parameters, back.kpis) == (mixed.parameters, mixed.kpis)
    assert (back.objective, back.direction) == ("y_max", "max")
    assert back.units["y_max"] == "m"


def test_a_csv_has_gaps_where_a_run_failed_and_no_formula() -> None:
    mixed = _table(["a", "mode", "on"], [(1, "=eco", True), (2, "sport", False)], failed=[1])
    assert study_csv(mixed).decode().splitlines() == [
        "a,mode,on,y_max,failure",
        "1,'=eco,true,0.0,",
        "2,sport,false,,model_failed: the model reported an error",
    ]


def test_a_parameter_called_failure_keeps_its_name() -> None:
    table = _table(["failure"], [(0.5,), (0.7,)], failed=[1])
    assert table.table.column_names == ["failure", "y_max", "failure_"]
    assert StudyTable.from_table(table.table).failures == table.failures


def test_best_and_worst_turn_around_and_failures_are_neither() -> None:
    figures = ONE.numbers("y_max")
    best, worst = ONE.extremes() or (0, 0)
    assert (figures[best], figures[worst]) == (np.nanmax(figures), np.nanmin(figures))
    assert replace(ONE, direction="min").extremes() == (worst, best)
    assert _table(["e"], [(1.0,)], failed=[0]).extremes() is None


def _grid() -> StudyTable:
    rows = list(itertools.product((0.0, 0.5, 1.0), (1.0, 2.0)))
    return _table(["e", "m"], rows, failed=[0])


def _scattered(rows: int, columns: int) -> StudyTable:
    drawn = np.random.default_rng(1).random((rows, columns)).tolist()
    return _table([f"p{i}" for i in range(columns)], [tuple(row) for row in drawn], failed=[0, 3])


@pytest.mark.parametrize(
    "table",
    [
        lambda: ONE,
        lambda: _table(["mode"], [("eco",), ("sport",)]),
        lambda: _table(["on"], [(True,), (False,)]),
        lambda: _table(["e"], [(0.5,)]),
        _grid,
        lambda: _scattered(40, 2),
        lambda: _table(["a", "b"], [(i / 9, i / 9) for i in range(10)]),
        lambda: _table(["a", "b"], [(0.1, 0.2), (0.3, 0.9), (0.7, 0.1)], failed=[0, 1, 2]),
        lambda: _scattered(60, 4),
        lambda: _table(["$a_b$", "_hidden", "mode"], [(1.0, 2.0, "x"), (2.0, 3.0, "y")]),
    ],
    ids=[
        "one", "texts", "booleans", "one row", "grid", "scattered", "on a line", "all failed",
        "four", "names of all kinds",
    ],
)  # fmt: skip
def test_whatever_varies_there_is_a_picture_and_the_same_one_again(
    table: Callable[[], StudyTable],
) -> None:
    data = plot_study(table(), "msl:BouncingBall", "png")
    picture = imread(io.BytesIO(data))
    assert picture.shape[0] > 300
    assert picture[..., :3].std() > 0.02  # there is something on it
    svg = plot_study(table(), "msl:BouncingBall", "svg")
    assert svg == plot_study(table(), "msl:BouncingBall", "svg")
