"""By how much two curves differ, against differences that are known."""

from __future__ import annotations

import math

import numpy as np
import pytest

from gateway_simulation.differences import Curve, common_time, difference

TIME = np.linspace(0.0, 10.0, 1001)
SINE = Curve(TIME, np.sin(TIME))


def _step(at: float, *, held: bool = False) -> Curve:
    """From 0 to 1, with both limits."""
    if held:
        return Curve(np.array([0.0, at, 2.0]), np.array([0.0, 1.0, 1.0]), held=True)
    return Curve(np.array([0.0, at, at, 2.0]), np.array([0.0, 0.0, 1.0, 1.0]))


def test_a_curve_differs_from_itself_by_nothing() -> None:
    found = difference(SINE, SINE, 0.0, 0.0)
    assert (found.max_abs, found.rms, found.departure, found.parts) == (0.0, 0.0, 0.0, None)


def test_an_offset_is_found_in_every_norm() -> None:
    found = difference(SINE, Curve(TIME, SINE.values + 0.5), 0.1, 0.0)
    extent = float(np.ptp(SINE.values))
    assert math.isclose(found.max_abs, 0.5)
    assert math.isclose(found.rms, 0.5)
    assert math.isclose(found.relative_max, 0.5 / extent)
    assert math.isclose(found.relative_rms, 0.5 / extent)
    assert found.parts is not None
    assert found.parts.time == 0.0
    assert (found.parts.value, found.parts.other) == (0.0, 0.5)


def test_the_mean_square_is_weighted_by_time() -> None:
    ramp = Curve(np.array([0.0, 1.0, 4.0]), np.array([0.0, 1.0, 1.0]))
    zero = Curve(np.array([0.0, 4.0]), np.array([0.0, 0.0]))
    assert math.isclose(difference(ramp, zero, 1.0, 0.0).rms, math.sqrt((1 / 3 + 3) / 4))


def test_grids_need_not_be_the_same() -> None:
    coarse = Curve(np.linspace(0, 10, 11), np.linspace(0, 10, 11) * 2)
    fine = Curve(TIME, TIME * 2)
    assert difference(coarse, fine, 0.0, 0.0).max_abs < 1e-12


@pytest.mark.parametrize("held", [False, True])
def test_a_later_event_is_forgiven_within_the_window_and_no_further(*, held: bool) -> None:
    early, late = _step(1.0, held=held), _step(1.01, held=held)
    forgiven = difference(early, late, 1e-3, 0.02)
    assert forgiven.max_abs == 1.0
    assert forgiven.departure == 0.0
    assert forgiven.parts is None
    refused = difference(early, late, 1e-3, 0.005)
    assert refused.parts is not None
    assert 1.0 <= refused.parts.time <= 1.01
    assert {refused.parts.value, refused.parts.other} == {0.0, 1.0}


def test_both_limits_of_an_event_are_compared() -> None:
    other = Curve(np.array([0.0, 1.0, 1.0, 2.0]), np.array([0.0, 0.0, 1.5, 1.0]))
    found = difference(_step(1.0), other, 1e-3, 0.0)
    assert (found.max_abs, found.max_at) == (0.5, 1.0)
    assert found.parts is not None
    assert (found.parts.value, found.parts.other) == (1.0, 1.5)


def test_only_the_time_of_both_counts() -> None:
    longer = Curve(np.array([-5.0, 0.0, 2.0, 9.0]), np.array([99.0, 0.0, 0.0, 99.0]))
    short = Curve(np.array([0.0, 2.0]), np.array([0.0, 0.0]))
    assert common_time(longer, short) == (0.0, 2.0)
    assert difference(short, longer, 0.0, 0.0).max_abs == 0.0
    assert common_time(short, Curve(np.array([3.0]), np.array([0.0]))) is None


def test_a_held_curve_is_a_staircase() -> None:
    held = Curve(np.array([0.0, 1.0]), np.array([0.0, 1.0]), held=True)
    zero = Curve(np.array([0.0, 1.0]), np.array([0.0, 0.0]), held=True)
    found = difference(held, zero, 0.5, 0.0)
    assert found.rms == 0.0
    assert (found.max_abs, found.max_at) == (1.0, 1.0)


def test_a_constant_is_compared_relative_to_its_size() -> None:
    one, other = (Curve(np.array([0.0, 1.0]), np.full(2, v)) for v in (100.0, 101.0))
    assert math.isclose(difference(one, other, 1e-3, 0.0).relative_max, 0.01)


def test_one_instant_can_be_compared() -> None:
    one, other = (Curve(np.array([1.0]), np.array([v])) for v in (2.0, 3.0))
    found = difference(one, other, 1e-3, 0.0)
    assert (found.max_abs, found.rms) == (1.0, 1.0)
