"""Random simulations of linear FMUs: systems, inputs and times for hypothesis to vary.

What a case is made of is hypothesis' choice; its numbers come evenly from a seed that it draws,
since left to itself it repeats simple ones.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
from fmus.linear import Size, Version
from fmus.linear_exact import Array, Drive, Interpolation, Signal, System
from hypothesis import strategies as st

SIZES = (Size(1, 1, 1), Size(2, 1, 2), Size(3, 2, 1))
STARTS = (0.0, 2.5, -3.7, 1e6)
_UNROUND = 0.0437
"""Keeps what is drawn from meeting other round numbers exactly."""


@dataclass(frozen=True, slots=True)
class Case:
    """One simulation of one system, from `start` to `stop`, recorded each `step` [s]."""

    version: Version
    size: Size
    system: System
    signals: tuple[Signal, ...]
    start: float
    stop: float
    step: float

    @property
    def request(self) -> dict[str, Any]:
        """What a request for it says, all variables recorded."""
        widths = {"x": self.size.states, "u": self.size.inputs, "y": self.size.outputs}
        arrays = [f"{name}[{i}]" for name, n in widths.items() for i in range(1, n + 1)]
        return {
            "start_time": self.start,
            "stop_time": self.stop,
            "step": self.step,
            "start_values": self.system.start_values(self.version),
            "input_signals": [signal.request for signal in self.signals],
            "outputs": ["count", "tick", "gain", *arrays],
        }

    def drive(self, tolerance: float) -> Drive:
        """Its inputs; instants less than `tolerance` [s] apart are the same."""
        return Drive(self.size.inputs, self.signals, tolerance)

    def grid(self, step: float, *, to_stop: bool = True) -> list[float]:
        """The points after the start at which `step` [s] ends, the stop time also if asked for."""
        whole = math.floor((self.stop - self.start) / step * (1 + 1e-12))
        points = [self.start + i * step for i in range(1, whole + 1)]
        if to_stop and (not points or points[-1] < self.stop - step * 1e-6):
            points.append(self.stop)
        return points

    @property
    def jumps(self) -> list[float]:
        """When held inputs change after the start, up to the stop."""
        held = (s.time for s in self.signals if s.interpolation == "hold")
        return sorted({t for times in held for t in times if self.start < t <= self.stop})


@st.composite
def cases(
    draw: st.DrawFn,
    sizes: tuple[Size, ...] = SIZES,
    knots: Literal["anywhere", "on_grid"] = "anywhere",
    *,
    driven: bool = True,
) -> Case:
    """A case without events of its own; `knots` says where linear inputs bend."""
    size = draw(st.sampled_from(sizes))
    start = draw(st.sampled_from(STARTS))
    version: Version = draw(st.sampled_from(("2.0", "3.0")))
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    stop = start + int(random.integers(4, 17)) / 8
    step = (stop - start) * 100 / int(random.integers(200, 2400))
    case = Case(version, size, _system(random, size), (), start, stop, step)
    ways: st.SearchStrategy[Interpolation] = st.sampled_from(("hold", "linear"))
    drawn = [draw(ways) for _ in range(size.inputs)] if driven else []
    signals = (_signal(random, case, i, way, knots) for i, way in enumerate(drawn))
    return replace(case, signals=tuple(signals))


@st.composite
def ticking_cases(draw: st.DrawFn, *, driven: bool = True) -> Case:
    """A case with time events, off the grid."""
    case = draw(cases(driven=driven))
    period = case.step * draw(st.integers(3, 40)) / 10 + _UNROUND * case.step
    return replace(case, system=replace(case.system, period=period))


@st.composite
def crossing_cases(draw: st.DrawFn) -> Case:
    """A case whose first state mostly rises to the level, again and again."""
    case = draw(st.one_of(cases(), ticking_cases()))
    b = case.system.b.copy()
    b[0, 0] = draw(st.integers(10, 40)) / 10
    x0 = case.system.x0.copy()
    x0[0] = 0
    constant = Signal(0, (case.start - 1,), (draw(st.integers(10, 30)) / 10,), "linear")
    others = tuple(signal for signal in case.signals if signal.element != 0)
    system = replace(
        case.system,
        b=b,
        x0=x0,
        level=draw(st.integers(2, 10)) / 10 + _UNROUND,
        back=-draw(st.integers(0, 10)) / 10,
    )
    return replace(case, system=system, signals=(constant, *others))


def _system(random: np.random.Generator, size: Size) -> System:
    """Stable or mildly unstable: the fastest growth is chosen, the rest follows."""
    n, m, p = size.states, size.inputs, size.outputs
    a = _numbers(random, n, n)
    if n:
        growth = int(random.integers(-10, 4)) / 10
        a = a - (float(np.max(np.linalg.eigvals(a).real)) - growth) * np.eye(n)
    return System(
        a=a,
        b=_numbers(random, n, m),
        c=_numbers(random, p, n),
        d=_numbers(random, p, m),
        x0=_numbers(random, n),
    )


def _numbers(random: np.random.Generator, *shape: int) -> Array:
    return random.integers(-20, 21, shape) / 10


def _signal(
    random: np.random.Generator, case: Case, element: int, way: Interpolation, knots: str
) -> Signal:
    """Up to six points from a little before the start to a little after the stop."""
    duration = case.stop - case.start
    on_grid = way == "linear" and knots == "on_grid"
    unit, last = (case.step, int(duration / case.step) + 2) if on_grid else (duration / 100, 120)
    places = np.unique(random.integers(-2, last, 6))
    times = tuple(float(case.start + place * unit) for place in places)
    return Signal(element, times, tuple(_numbers(random, places.size).tolist()), way)
