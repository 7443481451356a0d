"""Whatever numbers a request holds, it is planned or refused with a typed, tellable error."""

from __future__ import annotations

import contextlib
import json
import math
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway_simulation import exceptions as e
from gateway_simulation.model import Model
from gateway_simulation.plan import CanonicalRun, RunLimits, plan
from gateway_simulation.request import SimulationRequest

ModelThat = Callable[[str], Model]
Planner = Callable[..., CanonicalRun]

EXTREME = [10**400, -(10**5000), math.nan, math.inf, -math.inf, 5e-324, 1e-320, 1e308, -1e308, 0]
numbers = st.one_of(
    st.sampled_from(EXTREME),
    st.sampled_from([0.1, 0.5, 1, 2, 1e-3, 1.7e9, 10]),
    st.floats(),
    st.integers(),
    st.integers(min_value=-(10**400), max_value=10**400),
)
optional = st.none() | numbers


def _present(fields: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value is not None}


kpis = st.fixed_dictionaries(
    {
        "variable": st.just("y"),
        "statistic": st.sampled_from(["max", "settling_time", "steady_state_error"]),
        "from": optional,
        "to": optional,
        "target": optional,
        "band": optional,
    }
).map(_present)
signals = st.fixed_dictionaries(
    {
        "name": st.just("u"),
        "t": st.lists(numbers, max_size=3),
        "u": st.lists(numbers, max_size=3),
    }
)
requests = st.fixed_dictionaries(
    {
        "start_time": optional,
        "stop_time": optional,
        "step": optional,
        "communication_step": optional,
        "mode": st.sampled_from(["auto", "co_simulation", "model_exchange"]),
        "solver": st.fixed_dictionaries(
            {
                "name": st.sampled_from([None, "cvode", "euler", "rk4"]),
                "relative_tolerance": optional,
                "step_size": optional,
            }
        ),
        "start_values": st.dictionaries(
            st.sampled_from(["a", "x", "n", "colour", "on", "T"]), numbers, max_size=1
        ),
        "input_signals": st.lists(signals, max_size=1),
        "kpis": st.lists(kpis, max_size=1),
    }
)


@pytest.mark.parametrize("behaviour", ["driven", "integrates", "has_text"])
@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(fields=requests)
def test_any_numbers_are_planned_or_refused(
    behaviour: str, fields: dict[str, Any], model_that: ModelThat
) -> None:
    model = model_that(behaviour)
    for asked in (fields, *({name: value} for name, value in fields.items())):
        request = SimulationRequest.model_validate({"fmu_id": model.id, **asked})
        with contextlib.suppress(e.RequestError):
            try:
                run = plan(model, request, RunLimits())
            except e.RequestError as error:
                json.dumps(error.details, allow_nan=False)
                raise
            assert run.work_units > 0
            assert run.sha256


@pytest.mark.parametrize(
    ("behaviour", "fields"),
    [
        *[
            ("driven", {"kpis": [{"variable": "y", "statistic": "max", name: 10**400}]})
            for name in ("from", "to", "target", "band")
        ],
        *[
            ("driven", {"solver": {"name": "rk4", "step_size": size}})
            for size in (10**400, math.nan, math.inf, -(10**5000))
        ],
        *[("driven", {"solver": {"relative_tolerance": t}}) for t in (10**5000, math.nan)],
        ("integrates", {"step": 0.1, "communication_step": 1e-320}),
        ("integrates", {"communication_step": 1e-320}),
        ("integrates", {"stop_time": 1e308}),
        ("integrates", {"stop_time": 1e-320}),
        ("has_text", {"start_values": {"colour": math.nan}}),
        ("has_text", {"start_values": {"colour": math.inf}}),
        ("has_text", {"start_values": {"n": 10**5000}}),
    ],
)
def test_numbers_without_a_meaning_are_refused(
    behaviour: str, fields: dict[str, Any], model_that: ModelThat, planned: Planner
) -> None:
    with pytest.raises(e.RequestError) as caught:
        planned(model_that(behaviour), **fields)
    assert len(json.dumps(caught.value.details, allow_nan=False)) < 2000
