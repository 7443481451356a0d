"""Where FMPy's numbers and ours differ, and why."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Final

import numpy as np
import pytest
from equality.cases import CLUTCHES, ME, Case
from equality.sides import Found, equal, twice

from gateway_simulation.exceptions import EventIterationError


@dataclass(frozen=True, slots=True)
class Reason:
    """Why some cases differ; `check` asserts it and tells the size of the difference."""

    text: str
    check: Callable[[Found], str]


def _is_rounding(found: Found) -> str:
    distance = float(np.max(found.distances()))
    largest = float(np.max(np.abs(found.trajectory.values)))
    assert np.max(np.abs(found.trajectory.time - found.theirs["time"])) <= found.run.tolerance
    assert distance <= 2 * math.ulp(largest)
    return f"{distance:.2g}"


def _is_applied_late(found: Found) -> str:
    """x' = x + u and y = x + u with u = i t / 2: y = i (exp(t) - 1) / 2."""
    outputs = [f"y[{i}]" for i in (1, 2, 3)]
    time = found.trajectory.time
    exact = np.outer(np.expm1(time) / 2, (1, 2, 3))
    ours = np.stack([found.trajectory.column(name) for name in outputs], axis=1)
    error = float(np.max(np.abs(found.theirs["y"] - exact)))
    own = float(np.max(np.abs(ours - exact)))
    assert own < 1e-3
    assert error > 0.5
    return f"FMPy is off by {error:.2g}, we by {own:.2g}"


def _is_a_row_at_a_jump(found: Found) -> str:
    on_grid = np.isin(found.theirs["time"], found.trajectory.time)
    assert np.count_nonzero(~on_grid) == 1
    assert found.theirs["time"][~on_grid] == [i.time[1] for i in found.case.inputs if i.hold]
    assert np.max(found.distances(on_grid)) < 1e-15
    return "one row"


def _goes_on_after_the_end(found: Found) -> str:
    rows = found.trajectory.rows
    assert found.trajectory.terminated_at == found.trajectory.time[-1] == 9
    assert found.ours_is(found.theirs[:rows])
    assert found.theirs["time"][rows:].tolist() == pytest.approx([9, 9.2])
    return "two rows"


def _takes_no_announced_event(found: Found) -> str:
    first, *others = found.trajectory.events
    assert first == 1
    assert tuple(others) == twice(found.theirs)
    assert found.trajectory.rows == len(found.theirs) + 1
    assert set(found.trajectory.column("counter")) == set(found.theirs["counter"]) == {1}
    return "one row"


def _ends_at_once(found: Found) -> str:
    """At 1.7e9 s, everything within 1.7 s is the same to a relative tolerance of 1e-9."""
    assert len(found.theirs) == 1
    assert found.trajectory.time[-1] == found.run.stop_time
    if found.case.mode == ME:
        early = found.again(start_time=0, stop_time=1.5)
        assert found.trajectory.values[-1] == pytest.approx(early.values[-1], rel=1e-3, abs=1e-3)
    return "all rows but the first"


def _begins_after_its_event(found: Found) -> str:
    assert isinstance(found.ours, EventIterationError)
    assert isinstance(found.theirs, RuntimeError) or len(found.theirs) == 1
    return "no result on either side"


def _finds_eventstwice(found: Found) -> str:
    ours = found.again(solver={"name": "euler"})
    false = np.isin(found.theirs["time"], np.setdiff1d(twice(found.theirs), ours.events))
    second = np.append(False, np.diff(found.theirs["time"]) == 0)
    assert equal(ours, found.theirs[~(false & second)], found.run)
    return f"{np.count_nonzero(false & second)} false events"


def _ignores_the_step_size(found: Found) -> str:
    assert equal(found.again(solver={"name": "euler"}), found.theirs, found.run)
    return f"{np.max(found.distances()):.2g}"


def _asks_for_no_states(found: Found) -> str:
    assert "fmi3GetContinuousStates failed" in str(found.theirs)
    assert found.trajectory.time[-1] == found.run.stop_time
    return "no result of FMPy's"


def _steps_past_the_stop_time(found: Found) -> str:
    assert found.run.stop_time < 140 * 0.01
    assert "fmi2DoStep failed" in str(found.theirs)
    assert found.trajectory.time[-1] == found.run.stop_time
    return "no result of FMPy's"


def _sets_no_structure(found: Found) -> str:
    assert "fmi3SetUInt64 failed" in str(found.theirs)
    assert [c.name for c in found.run.columns if c.variable.name == "y"] == ["y[1]", "y[2]"]
    return "no result of FMPy's"


ROUNDING: Final = Reason("linear inputs are interpolated by another formula", _is_rounding)
AT_JUMP: Final = Reason(
    "without event mode, FMPy adds a row where an input jumps between two output points",
    _is_a_row_at_a_jump,
)
FALSE_EVENTS: Final = Reason(
    "FMPy's Euler finds each state event again one step later", _finds_eventstwice
)
STEP_SIZE: Final = Reason(
    "FMPy's Euler takes one step per output interval, whatever `step_size` says",
    _ignores_the_step_size,
)
NO_STATES: Final = Reason(
    "FMPy's Euler asks a model without states for them, which FMI 3 models may refuse",
    _asks_for_no_states,
)
BEFORE_START: Final = Reason(
    "the model's next event is before the start time", _begins_after_its_event
)
RELATIVE: Final = Reason("FMPy compares times with a relative tolerance of 1e-9", _ends_at_once)
EXPLAINED: Final = (
    ("fmi?/Feedthrough ?? ramp each 0.3", ROUNDING),
    ("fmi?/Feedthrough ?? kinked ramp each *", ROUNDING),
    ("fmi?/Feedthrough ME ramp and integer each 0.3", ROUNDING),
    ("fmi3/Feedthrough CS ramp and integer each 0.3", ROUNDING),
    ("fmi3/StateSpace CS ramps each 0.1", ROUNDING),
    (
        "fmi3/StateSpace ME ramps each *",
        Reason("FMPy applies inputs at output points only", _is_applied_late),
    ),
    ("fmi2/Feedthrough CS held continuous each *", AT_JUMP),
    ("fmi2/Feedthrough CS held discrete each *", AT_JUMP),
    ("fmi2/Feedthrough CS integer each 0.3", AT_JUMP),
    ("fmi2/Feedthrough CS boolean each 0.3", AT_JUMP),
    ("fmi2/Feedthrough CS ramp and integer each 0.3", AT_JUMP),
    (
        "fmi3/Stair CS default experiment",
        Reason(
            "FMPy steps on after the model ended the simulation in event mode",
            _goes_on_after_the_end,
        ),
    ),
    (
        "fmi3/Stair CS start 0.3",
        Reason(
            "we enter event mode at the time that the model announced, FMPy where it returns",
            _takes_no_announced_event,
        ),
    ),
    ("fmi?/Stair ME start 1e+06", BEFORE_START),
    ("fmi?/Stair ME start 1.7e+09", BEFORE_START),
    (
        "*/[!S]* start 1.7e+09",
        RELATIVE,
    ),
    ("fmi3/StateSpace ME start 1.7e+09", RELATIVE),
    ("fmi?/BouncingBall ME euler *", FALSE_EVENTS),
    ("fmi?/Dahlquist ME euler 0.01 in 0.1", STEP_SIZE),
    ("fmi?/VanDerPol ME euler 0.01 in 0.1", STEP_SIZE),
    ("fmi3/StateSpace ME euler 0.01 in 0.1", STEP_SIZE),
    ("fmi3/Feedthrough ME euler *", NO_STATES),
    ("fmi3/Stair ME euler *", NO_STATES),
    (
        f"{CLUTCHES} CS stop that rounding passes",
        Reason("FMPy steps past the stop time by rounding", _steps_past_the_stop_time),
    ),
    (
        "fmi3/StateSpace ?? structural parameters",
        Reason("FMPy sets structural parameters outside configuration mode", _sets_no_structure),
    ),
)


def reasons(case: Case) -> list[Reason]:
    """Why a case differs; empty if it doesn't."""
    return [reason for pattern, reason in EXPLAINED if fnmatchcase(str(case), pattern)]
