"""Key figures of a trajectory, named `<variable>_<statistic>`: `h_max`, `y_rms`.

Others add statistics of their own under the entry-point group `fmu_gateway.kpis`: the entry's name
is the statistic's, its value a `Statistic`, or a function of times and values.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from importlib.metadata import entry_points
from typing import Final

import numpy as np

from gateway_simulation import units
from gateway_simulation.exceptions import DuplicateNameError, InvalidKpiError, UnknownKpiError
from gateway_simulation.finite import as_float
from gateway_simulation.foreign import readable
from gateway_simulation.nearest import nearest
from gateway_simulation.notices import Notice
from gateway_simulation.request import KpiRequest
from gateway_simulation.statistics import BUILT_IN, SETTLING_BAND, Signal, Statistic
from gateway_simulation.trajectory import Samples, Trajectory

ENTRY_POINTS: Final = "fmu_gateway.kpis"
_FIRST_OUTPUT: Final = "the model has no variable y: y means the first output"


@dataclass(frozen=True, slots=True)
class Kpi:
    """One key figure to compute: `name` is how the answer calls it.

    `threshold` and `target` are in the unit that the variable is shown in, times in seconds,
    `band` is a fraction of the step from first value to target.
    """

    name: str
    variable: str
    statistic: str
    threshold: float | None = None
    from_time: float | None = None
    to_time: float | None = None
    target: float | None = None
    band: float | None = None


@dataclass(frozen=True, slots=True)
class KpiValue:
    """A key figure's value, None where it doesn't exist (never settled), and its unit."""

    value: float | None
    unit: str | None


def parse_kpis(
    requests: Sequence[str | KpiRequest], variables: Sequence[str], outputs: Sequence[str]
) -> tuple[tuple[Kpi, ...], tuple[Notice, ...]]:
    """The KPIs asked for, and notices.

    `variables` are all names that can be recorded, `outputs` those that are. Where no variable is
    called `y`, `y` means the first output. Raises UnknownKpiError, InvalidKpiError,
    DuplicateNameError.
    """
    names = frozenset(variables)
    found: dict[str, Kpi] = {}
    notices: list[Notice] = []
    for request in requests:
        kpi = _parse_name(request, names, outputs) if isinstance(request, str) else _parse(request)
        if kpi.variable == "y" and "y" not in names and outputs:
            kpi = replace(kpi, variable=outputs[0])
            notices.append(Notice(_FIRST_OUTPUT, "y", (outputs[0],)))
        _check(kpi, names)
        if kpi.name in found:
            msg = "a KPI is asked for twice"
            raise DuplicateNameError(msg, {"name": kpi.name})
        found[kpi.name] = kpi
    return tuple(found.values()), tuple(notices)


def check_windows(kpis: Sequence[Kpi], start: float, stop: float) -> None:
    """Refuse a KPI whose window lies outside a run from `start` to `stop` [s]: InvalidKpiError."""
    for kpi in kpis:
        begins_late = kpi.from_time is not None and kpi.from_time > stop
        if begins_late or (kpi.to_time is not None and kpi.to_time < start):
            msg = f"the run, from {start:g} s to {stop:g} s, has nothing of the KPI's window"
            raise InvalidKpiError(msg, {"name": kpi.name, "start_time": start, "stop_time": stop})


def evaluate(kpi: Kpi, trajectory: Trajectory) -> KpiValue:
    """The value of `kpi`, in the trajectory's units.

    Raises InvalidKpiError when nothing lies in its window, or a statistic that somebody else
    registered fails.
    """
    statistic = statistics()[kpi.statistic]
    signal = _signal(kpi, trajectory)
    unit = trajectory.units[kpi.variable]
    try:
        value = statistic.compute(signal)
    except Exception as error:
        msg = "the KPI can't be computed"
        raise InvalidKpiError(
            msg, {"name": kpi.name, "reason": readable(str(error), 200)}
        ) from error
    if value is not None and not math.isfinite(value):
        value = None
    return KpiValue(value, _unit(statistic.unit, unit))


@cache
def statistics() -> Mapping[str, Statistic]:
    """All statistics by name, the registered ones too; a built-in name can't be taken."""
    registered = {
        entry.name: _statistic(entry.load()) for entry in entry_points(group=ENTRY_POINTS)
    }
    return {**registered, **BUILT_IN}


def split_name(kpi: str, variables: frozenset[str]) -> tuple[str, str, float | None]:
    """Split `kpi` into variable, statistic and threshold, by the longest statistic that fits.

    All may hold underscores: `tank_level_peak_to_peak`, `y_time_above:0.5`. A variable that isn't
    in `variables` is returned as it is, if the statistic is known. Raises KeyError otherwise.
    """
    text, colon, number = kpi.partition(":")
    threshold = _threshold(kpi, number) if colon else None
    fitting = [
        (text.removesuffix(f"_{statistic}"), statistic)
        for statistic in sorted(statistics(), key=len, reverse=True)
        if text.endswith(f"_{statistic}") and len(text) > len(statistic) + 1
    ]
    for variable, statistic in fitting:
        if variable in variables:
            return variable, statistic, threshold
    if not fitting:
        raise KeyError(kpi)
    return *fitting[0], threshold


def _threshold(kpi: str, text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        msg = "the threshold after the colon must be a number"
        raise InvalidKpiError(msg, {"name": kpi[:200], "threshold": text[:100]})
    return value


def _parse_name(text: str, names: frozenset[str], outputs: Sequence[str]) -> Kpi:
    try:
        variable, statistic, threshold = split_name(text, names)
    except KeyError as error:
        some = [f"{output}_{statistic}" for output in outputs[:50] for statistic in statistics()]
        raise _unknown(text, some) from error
    if variable not in names and variable != "y":
        raise _unknown(text, [f"{name}_{statistic}" for name in names])
    return Kpi(text, variable, statistic, threshold)


def _parse(request: KpiRequest) -> Kpi:
    statistic, colon, number = request.statistic.partition(":")
    threshold = _threshold(_name(request), number) if colon else None
    return Kpi(
        name=_name(request),
        variable=request.variable,
        statistic=statistic,
        threshold=threshold,
        from_time=_float(request.from_time),
        to_time=_float(request.to_time),
        target=_float(request.target),
        band=_float(request.band),
    )


def _name(request: KpiRequest) -> str:
    """A name that tells KPIs of the same statistic but other windows or targets apart."""
    parts = {
        "from": request.from_time,
        "to": request.to_time,
        "target": request.target,
        "band": request.band,
    }
    extra = ",".join(
        f"{key}={as_float(value):g}" for key, value in parts.items() if value is not None
    )
    return f"{request.variable}_{request.statistic}" + (f"[{extra}]" if extra else "")


def _check(kpi: Kpi, names: frozenset[str]) -> None:
    if kpi.statistic not in statistics():
        raise _unknown(kpi.statistic, list(statistics()))
    if kpi.variable not in names:
        raise _unknown(kpi.variable, list(names))
    numbers = (kpi.from_time, kpi.to_time, kpi.target, kpi.band)
    if any(number is not None and not math.isfinite(number) for number in numbers):
        msg = "a KPI has a number that is not finite"
        raise InvalidKpiError(msg, {"name": kpi.name})
    if kpi.band is not None and not 0 < kpi.band < 1:
        msg = "a KPI's band is a fraction between 0 and 1"
        raise InvalidKpiError(msg, {"name": kpi.name, "band": kpi.band})
    if kpi.from_time is not None and kpi.to_time is not None and kpi.from_time >= kpi.to_time:
        msg = "a KPI's window ends before it begins"
        raise InvalidKpiError(msg, {"name": kpi.name})
    needs = statistics()[kpi.statistic].needs
    if needs == "target" and kpi.target is None:
        msg = "the KPI needs a target: ask for it as an object with variable and target"
        raise InvalidKpiError(msg, {"name": kpi.name, "needs": "target"})
    if (needs == "threshold") != (kpi.threshold is not None):
        wanted = "needs a threshold" if needs else "takes no threshold"
        msg = f"the KPI {wanted} after a colon, as time_above:0.5 does"
        raise InvalidKpiError(msg, {"name": kpi.name, "needs": needs})


def _unknown(name: str, candidates: Sequence[str]) -> UnknownKpiError:
    return UnknownKpiError(
        "there is no such KPI",
        {
            "name": name[:200],
            "nearest": list(nearest(name, candidates)),
            "statistics": sorted(statistics()),
        },
    )


def _signal(kpi: Kpi, trajectory: Trajectory) -> Signal:
    t, y = trajectory.time, trajectory.column(kpi.variable)
    held = kpi.variable in trajectory.discrete
    t, y = _window(t, y, kpi.from_time, kpi.to_time, held=held)
    if t.size == 0:
        msg = "nothing lies in the KPI's window"
        raise InvalidKpiError(msg, {"name": kpi.name})
    band = SETTLING_BAND if kpi.band is None else kpi.band
    return Signal(t, y, held, kpi.target, band, kpi.threshold)


def _window(
    t: Samples, y: Samples, start: float | None, stop: float | None, *, held: bool
) -> tuple[Samples, Samples]:
    """The part of a signal from `start` to `stop`, with points of its own at the cuts."""
    if start is None and stop is None:
        return t, y
    low = float(t[0]) if start is None else max(start, float(t[0]))
    high = float(t[-1]) if stop is None else min(stop, float(t[-1]))
    if high < low:
        return t[:0], y[:0]
    first, last = np.searchsorted(t, low, "left"), np.searchsorted(t, high, "right")
    inside_t, inside_y = t[first:last], y[first:last]
    if inside_t.size == 0 or inside_t[0] > low:
        inside_t = np.concatenate([[low], inside_t])
        inside_y = np.concatenate([[_at(t, y, low, held=held)], inside_y])
    if inside_t[-1] < high:
        inside_t = np.concatenate([inside_t, [high]])
        inside_y = np.concatenate([inside_y, [_at(t, y, high, held=held)]])
    return inside_t, inside_y


def _at(t: Samples, y: Samples, when: float, *, held: bool) -> float:
    if held:
        return float(y[max(int(np.searchsorted(t, when, "right")) - 1, 0)])
    return float(np.interp(when, t, y))


def _unit(rule: str, unit: str | None) -> str | None:
    match rule:
        case "same":
            return unit
        case "difference":
            return units.of_difference(unit)
        case "integral":
            return units.of_integral(unit)
    return rule.removeprefix("is:")


def _statistic(registered: Statistic | Callable[[Samples, Samples], float]) -> Statistic:
    if isinstance(registered, Statistic):
        return registered
    return Statistic(lambda s: float(registered(s.t, s.y)))


def _float(value: float | None) -> float | None:
    return None if value is None else as_float(value)
