"""A few numbers and a few rows tell what a long trajectory looks like."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway_simulation import units
from gateway_simulation.model import DisplayUnit, Model, ModelDescription, Unit, Variable
from gateway_simulation.summary import OutputSummary, downsample, summarise
from gateway_simulation.trajectory import Trajectory


def _two(rows: int) -> Trajectory:
    t = np.linspace(0, 10, rows)
    values = np.column_stack([np.sin(t), 1000 * np.cos(3 * t)])
    return Trajectory(
        time=t,
        names=("a", "b"),
        values=values,
        units={"a": "m", "b": None},
        discrete=frozenset({"b"}),
        events=(1.0,),
    )


def test_a_summary_tells_extremes_and_when() -> None:
    trajectory = replace(
        _two(3), time=np.array([0.0, 1, 2]), values=np.array([[1.0, 5], [4, 5], [-2, 5]])
    )
    summary = summarise(trajectory)
    assert summary["a"] == OutputSummary("m", 1, -2, -2, 2, 4, 1)
    assert summary["b"] == OutputSummary(None, 5, 5, 5, 0, 5, 0)


@given(rows=st.integers(1, 400), points=st.integers(0, 60))
def test_downsampling_gives_as_many_rows_as_asked(rows: int, points: int) -> None:
    trajectory = _two(rows)
    thinned = downsample(trajectory, points)
    assert thinned.rows == min(rows, max(points, 2))
    assert np.all(np.diff(thinned.time) > 0)
    assert (thinned.time[0], thinned.time[-1]) == (trajectory.time[0], trajectory.time[-1])
    assert set(thinned.time) <= set(trajectory.time)


def test_a_spike_survives_downsampling() -> None:
    trajectory = _two(10_000)
    values = trajectory.values.copy()
    values[7777, 0] = 50
    values[1234, 1] = -9000
    thinned = downsample(replace(trajectory, values=values), 50)
    assert thinned.column("a").max() == 50
    assert thinned.column("b").min() == -9000
    assert thinned.events == (1.0,)


def test_a_table_holds_columns_units_and_comes_back() -> None:
    trajectory = _two(5)
    table = trajectory.table
    assert table.schema.names == ["time", "a", "b"]
    assert table.schema.field("a").metadata == {b"unit": b"m"}
    again = Trajectory.from_table(table)
    assert again.units == trajectory.units
    assert again.discrete == trajectory.discrete
    assert again.values.tolist() == trajectory.values.tolist()
    with pytest.raises(KeyError):
        trajectory.column("c")


def _described(unit: str, *, relative: bool = False) -> ModelDescription:
    variable = Variable(
        "a", 0, "output", "continuous", "real", "Real", unit=unit, relative_quantity=relative
    )
    own = Unit("furlong", (0, 1, 0, 0, 0, 0, 0, 0), 201.168, 0.0, (DisplayUnit("chain", 10, 0),))
    return ModelDescription("m", "2.0", "g", (variable,), units=(own,))


@pytest.mark.parametrize(
    ("unit", "shown", "value", "expected"),
    [
        ("m/s", "km/h", 10, 36),
        ("rad", "deg", np.pi, 180),
        ("rad/s", "rev/min", 2 * np.pi, 60),
        ("K", "degC", 300, 26.85),
        ("degC", "K", 0, 273.15),
        ("K", "degF", 273.15, 32),
        ("Pa", "bar", 2e5, 2),
        ("W", "kW", 1500, 1.5),
        ("furlong", "chain", 2, 20),
        ("furlong", "m", 2, 402.336),
        ("m", "furlong", 402.336, 2),
        ("m", "m", 3, 3),
    ],
)
def test_units_are_converted(unit: str, shown: str, value: float, expected: float) -> None:
    description = _described(unit)
    trajectory = replace(
        _two(2), names=("a",), values=np.full((2, 1), float(value)), units={"a": unit}
    )
    converted = units.displayed(trajectory, description, [("a", shown)])
    assert converted.column("a") == pytest.approx(expected)
    assert converted.units == {"a": shown}


def test_a_difference_takes_no_offset() -> None:
    description = _described("K", relative=True)
    conversion = units.convert(description, "K", "degC", relative=True)
    assert conversion == units.Conversion(1.0, 0.0)


@pytest.mark.parametrize(("unit", "shown"), [("m", "s"), ("m", "nonsense"), ("nonsense", "m")])
def test_what_doesnt_fit_isnt_converted(unit: str, shown: str) -> None:
    assert units.convert(_described(unit), unit, shown, relative=False) is None


def test_own_display_units_come_first(model_that: Callable[[str], Model]) -> None:
    description = model_that("has_text").description
    assert units.convert(description, "K", "degC", relative=False) == units.Conversion(1, -273.15)
