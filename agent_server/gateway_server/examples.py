"""Requests as OpenAPI shows them. Each runs as it stands, once its ids are your own."""

from __future__ import annotations

from typing import Any, Final

_BALL: Final = {"fmu_id": "msl:BouncingBall", "stop_time": 3}

SIMULATE: Final[dict[str, dict[str, Any]]] = {
    "key figures": {**_BALL, "start_values": {"e": 0.7}, "kpis": ["h_max", "v_rms"]},
    "an input over time": {
        "fmu_id": "msl:Feedthrough",
        "stop_time": 2,
        "input_signals": [
            {"name": "Float64_continuous_input", "time": [0, 1, 2], "values": [0, 1, 0]}
        ],
        "outputs": ["Float64_continuous_output"],
    },
    "some points, a solver, an accuracy check": {
        "fmu_id": "msl:VanDerPol",
        "mode": "model_exchange",
        "solver": {"name": "cvode", "relative_tolerance": 1e-6},
        "kpis": ["x0_max"],
        "check_accuracy": True,
        "points": 20,
    },
    "what was paid for": {"quote_id": "qt_…"},
}
STUDY: Final[dict[str, dict[str, Any]]] = {
    "a grid": {
        "base": {**_BALL, "kpis": ["h_final"]},
        "parameters": {"e": {"min": 0.5, "max": 0.9, "count": 9}},
        "objective": {"kpi": "h_final", "direction": "min"},
    },
    "a Latin hypercube": {
        "base": {**_BALL, "kpis": ["h_final"]},
        "parameters": {"e": {"min": 0.5, "max": 0.9}, "g": {"min": -10, "max": -9}},
        "design": "lhs",
        "samples": 20,
        "seed": 1,
    },
}
QUOTE: Final[dict[str, dict[str, Any]]] = {"a run": _BALL, "a study": STUDY["a grid"]}
PAY: Final[dict[str, dict[str, Any]]] = {
    "with credits": {"quote_id": "qt_…", "offer": "credits"},
    "on a page for a person": {"quote_id": "qt_…", "offer": "stripe_checkout"},
    "how it stands": {"session_id": "cs_…"},
}
COMPARE: Final[dict[str, dict[str, Any]]] = {
    "two results": {"result_id": "res_…", "other_result_id": "res_…", "tolerance": 0.001},
    "a result and what was measured": {
        "result_id": "res_…",
        "csv": "time,h\n0,1\n0.2,0.81\n0.4,0.22\n",
        "tolerance": 0.05,
    },
}
UPLOAD: Final[dict[str, dict[str, Any]]] = {"a one-time address to send the file to": {}}
CREDITS: Final[dict[str, dict[str, Any]]] = {"the smallest pack": {"pack": 1}}
KEY: Final[dict[str, dict[str, Any]]] = {
    "for an agent": {"label": "agent", "budget": {"per_run": 1.5, "per_day": 5}},
}
BUDGET: Final[dict[str, dict[str, Any]]] = {
    "limits of a key": {"key_id": "key_…", "per_day": 5, "offers": ["credits"]},
    "runs are paid without asking": {"auto_pay": "credits"},
}
