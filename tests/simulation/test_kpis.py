"""Key figures are the textbook's, whatever the grid, and carry their units."""

from __future__ import annotations

import importlib.metadata
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway_simulation import kpis
from gateway_simulation.exceptions import InvalidKpiError
from gateway_simulation.kpis import Kpi, KpiValue, evaluate, parse_kpis, split_name
from gateway_simulation.request import KpiRequest
from gateway_simulation.statistics import BUILT_IN
from gateway_simulation.trajectory import Samples, Trajectory


def _of(t: object, y: object, unit: str | None = "m", *, held: bool = False) -> Trajectory:
    time, values = np.asarray(t, dtype=float), np.asarray(y, dtype=float)
    return Trajectory(
        time=time,
        names=("y",),
        values=values.reshape(-1, 1),
        units={"y": unit},
        discrete=frozenset({"y"} if held else ()),
    )


def _value(statistic: str, trajectory: Trajectory, **options: float) -> float | None:
    request = KpiRequest.model_validate({"variable": "y", "statistic": statistic, **options})
    (kpi,), _ = parse_kpis([request], ["y"], ["y"])
    return evaluate(kpi, trajectory).value


TRIANGLE = _of([0, 1, 3], [0, 2, 0])
FINE = np.linspace(0, 9.9, 20_001)
DECAY = _of(FINE, 1 - np.exp(-FINE))
OSCILLATION = _of(FINE, np.sin(2 * math.pi * 1.7 * FINE))


@pytest.mark.parametrize(
    ("statistic", "trajectory", "expected"),
    [
        ("min", TRIANGLE, 0),
        ("max", TRIANGLE, 2),
        ("final", TRIANGLE, 0),
        ("mean", TRIANGLE, 1),
        ("integral", TRIANGLE, 3),
        ("rms", TRIANGLE, math.sqrt(4 / 3)),
        ("std", TRIANGLE, math.sqrt(1 / 3)),
        ("peak_to_peak", TRIANGLE, 2),
        ("time_above:1", TRIANGLE, 1.5),
        ("time_below:1", TRIANGLE, 1.5),
        ("zero_crossings", _of([0, 1, 2, 3, 4, 5], [1, -1, 0, -1, 0, 1]), 2),
        ("zero_crossings", OSCILLATION, 33),
        ("dominant_frequency", OSCILLATION, 1.7),
        ("rise_time", DECAY, math.log(9)),
        ("settling_time", DECAY, math.log(50)),
        ("overshoot", _of([0, 1, 2, 3], [0, 1.25, 0.9, 1]), 25),
        ("overshoot", DECAY, 0),
        ("mean", _of([0, 1, 3], [1, 4, 9], held=True), 3),
        ("rms", _of([0, 1, 3], [1, 4, 9], held=True), math.sqrt(11)),
        ("time_above:3", _of([0, 1, 3], [1, 4, 9], held=True), 2),
        ("mean", _of([2], [5]), 5),
        ("max", _of([0, 1, 1, 2], [0, 7, -3, 0]), 7),
        ("min", _of([0, 1, 1, 2], [0, 7, -3, 0]), -3),
    ],
)
def test_statistics_are_the_textbooks(
    statistic: str, trajectory: Trajectory, expected: float
) -> None:
    assert _value(statistic, trajectory) == pytest.approx(expected, rel=1e-3, abs=1e-9)


@pytest.mark.parametrize(
    ("statistic", "options", "expected"),
    [
        ("max", {"from": 2}, 1),
        ("mean", {"from": 0, "to": 1}, 1),
        ("integral", {"from": 0.5, "to": 0.75}, 0.3125),
        ("steady_state_error", {"target": 5}, 5),
        ("settling_time", {"target": 2, "to": 1, "band": 0.5}, 0.5),
        ("rise_time", {"target": 2, "to": 1}, 0.8),
        ("min", {"from": -5, "to": 99}, 0),
    ],
)
def test_windows_and_targets_are_kept_to(
    statistic: str, options: dict[str, float], expected: float
) -> None:
    assert _value(statistic, TRIANGLE, **options) == pytest.approx(expected)


def test_what_never_happens_has_no_value() -> None:
    assert _value("settling_time", OSCILLATION, target=5) is None
    assert _value("rise_time", TRIANGLE, target=50) is None
    assert _value("overshoot", _of([0, 1], [3, 3])) is None
    assert _value("dominant_frequency", _of([0, 1], [3, 3])) is None


def test_a_window_outside_the_run_is_an_error() -> None:
    with pytest.raises(InvalidKpiError):
        _value("max", TRIANGLE, **{"from": 10})


GRID_FREE = ["mean", "rms", "integral", "std", "min", "max", "time_above:0.5", "settling_time"]


@given(
    st.lists(st.floats(-100, 100), min_size=2, max_size=12),
    st.lists(st.floats(0.001, 0.999), max_size=20),
    st.booleans(),
)
def test_a_refined_grid_gives_the_same_figures(
    values: list[float],
    cuts: list[float],
    held: bool,  # noqa: FBT001
) -> None:
    t = np.arange(len(values), dtype=float)
    y = np.array(values)
    finer = np.unique(np.concatenate([t, np.array(cuts) * t[-1]]))
    more = y[np.searchsorted(t, finer, side="right") - 1] if held else np.interp(finer, t, y)
    for statistic in GRID_FREE:
        coarse = _value(statistic, _of(t, y, held=held))
        fine = _value(statistic, _of(finer, more, held=held))
        assert fine == pytest.approx(coarse, rel=1e-6, abs=1e-6)


@pytest.mark.parametrize(
    ("statistic", "unit", "expected"),
    [
        ("max", "degC", "degC"),
        ("peak_to_peak", "degC", "K"),
        ("std", "degF", "delta_degF"),
        ("integral", "m", "m.s"),
        ("integral", "m/s", "(m/s).s"),
        ("integral", "1", "s"),
        ("rise_time", "m", "s"),
        ("overshoot", "m", "%"),
        ("dominant_frequency", "m", "Hz"),
        ("max", None, None),
    ],
)
def test_units_come_along(statistic: str, unit: str | None, expected: str | None) -> None:
    assert evaluate(Kpi("k", "y", statistic), _of([0, 1], [0, 1], unit)).unit == expected


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("tank_level_max", ("tank_level", "max", None)),
        ("tank_level_peak_to_peak", ("tank_level", "peak_to_peak", None)),
        ("tank_max_max", ("tank_max", "max", None)),
        ("tank_level_time_above:0.5", ("tank_level", "time_above", 0.5)),
        ("tank_level_time_below:-1e-3", ("tank_level", "time_below", -1e-3)),
    ],
)
def test_names_are_split_by_the_longest_statistic(
    name: str, parts: tuple[str, str, float | None]
) -> None:
    assert split_name(name, frozenset({"tank_level", "tank_max"})) == parts


def test_y_means_the_first_output_where_nothing_is_called_so() -> None:
    (kpi,), notices = parse_kpis(["y_max"], ["h", "v"], ["v", "h"])
    assert (kpi.name, kpi.variable) == ("y_max", "v")
    assert (notices[0].about, notices[0].names) == ("y", ("v",))
    (own,), none = parse_kpis(["y_max"], ["h", "y"], ["h"])
    assert (own.variable, none) == ("y", ())


def test_the_same_statistic_in_two_windows_gets_two_names() -> None:
    windows = [{"from": 0, "to": 1}, {"from": 1, "to": 2}]
    asked = [KpiRequest.model_validate({"variable": "y", "statistic": "max", **w}) for w in windows]
    found, _ = parse_kpis(asked, ["y"], ["y"])
    assert [kpi.name for kpi in found] == ["y_max[from=0,to=1]", "y_max[from=1,to=2]"]


class _Entry:
    name = "crest"

    def load(self) -> object:
        def crest(t: Samples, y: Samples) -> float:
            del t
            return float(np.max(np.abs(y)))

        return crest


def test_others_register_their_own(monkeypatch: pytest.MonkeyPatch) -> None:
    def found(*, group: str) -> list[_Entry]:
        return [_Entry()] if group == "fmu_gateway.kpis" else []

    monkeypatch.setattr(kpis, "entry_points", found)
    kpis.statistics.cache_clear()
    try:
        (kpi,), _ = parse_kpis(["y_crest"], ["y"], ["y"])
        assert evaluate(kpi, _of([0, 1], [-3, 2])) == KpiValue(3.0, "m")
    finally:
        kpis.statistics.cache_clear()


def test_the_contracts_list_is_complete() -> None:
    promised = {
        "rms", "mean", "min", "max", "final", "peak_to_peak", "integral", "std", "settling_time",
        "rise_time", "overshoot", "steady_state_error", "zero_crossings", "dominant_frequency",
        "time_above", "time_below",
    }  # fmt: skip
    assert promised == set(BUILT_IN)
    assert importlib.metadata.entry_points(group="fmu_gateway.kpis") is not None
