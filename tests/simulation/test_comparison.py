"""How far two curves are apart."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway_simulation.comparison import departures, span


def test_a_curve_does_not_depart_from_itself_however_it_is_sampled() -> None:
    coarse = np.linspace(0, 1, 11)
    fine = np.linspace(0, 1, 101)
    assert departures(coarse, 2 * coarse, fine, 2 * fine, 0.0) == pytest.approx(np.zeros(11))


def test_an_offset_is_found_as_it_is() -> None:
    time = np.linspace(0, 1, 11)
    apart = departures(time, np.full(11, 1.5), time, np.ones(11), 0.0)
    assert apart == pytest.approx(np.full(11, 0.5))


def test_both_limits_of_a_jump_are_on_the_curve() -> None:
    time, values = np.array([0.0, 1.0, 1.0, 2.0]), np.array([0.0, 0.0, 5.0, 5.0])
    assert departures(time, values, time, values, 0.0) == pytest.approx(np.zeros(4))


def test_a_jump_may_come_as_late_as_the_window_allows() -> None:
    time, values = np.array([0.0, 1.0, 1.0, 2.0]), np.array([0.0, 0.0, 5.0, 5.0])
    late = np.array([0.0, 1.01, 1.01, 2.0])
    assert departures(time, values, late, values, 0.011).max() == 0
    assert departures(time, values, late, values, 0.009).max() == pytest.approx(5)


def test_where_the_other_curve_has_ended_its_end_counts() -> None:
    apart = departures(np.array([0.0, 3.0]), np.array([1.0, 4.0]), np.array([0.0]), np.ones(1), 0.1)
    assert apart == pytest.approx([0.0, 3.0])


@given(
    st.lists(st.floats(-10, 10), min_size=1, max_size=30),
    st.lists(st.floats(-10, 10), min_size=1, max_size=30),
    st.floats(0, 5),
)
def test_a_wider_window_never_finds_more(left: list[float], right: list[float], w: float) -> None:
    a, b = np.array(left), np.array(right)
    t, u = np.arange(len(a)) / 3.0, np.arange(len(b)) / 2.0
    narrow, wide = departures(t, a, u, b, w), departures(t, a, u, b, 2 * w)
    assert (wide <= narrow + 1e-12).all()


def test_what_never_changes_is_compared_by_its_size() -> None:
    assert span(np.full(3, -4.0)) == 4.0
    assert span(np.zeros(3)) == 1.0
    assert span(np.array([1.0, 3.0])) == 2.0
