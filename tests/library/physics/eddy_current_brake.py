"""Modelica.Mechanics.Rotational.Examples.EddyCurrentBrake: heat from what the inertia has lost."""

from __future__ import annotations

from library.integration import explicit
from library.solutions import Numbers, Solution, Values

DEFAULTS: Values = {
    "inertia.phi": 0.0,
    "inertia.w": 20.0,
    "heatCapacitor.T": 293.15,
    "eddyCurrentTorque.tau_nominal": 100.0,
    "eddyCurrentTorque.w_nominal": 10.0,
    "eddyCurrentTorque.TRef": 293.15,
    "eddyCurrentTorque.alpha20": 3.92e-3,
    "inertia.J": 1.0,
    "heatCapacitor.C": 1.0,
}


def _braking(time: Numbers, p: Values) -> dict[str, Numbers]:
    brake = {name: p[f"eddyCurrentTorque.{name}"] for name in ("tau_nominal", "w_nominal")}
    reference, alpha20 = p["eddyCurrentTorque.TRef"], p["eddyCurrentTorque.alpha20"]
    alpha = alpha20 / (1 + alpha20 * (reference - 293.15))

    def temperature(w: Numbers) -> Numbers:
        lost = p["inertia.J"] * (p["inertia.w"] ** 2 - w**2) / 2
        return p["heatCapacitor.T"] + lost / p["heatCapacitor.C"]

    def torque(w: Numbers) -> Numbers:
        warmer = 1 + alpha * (temperature(w) - reference)
        normalized = w / (brake["w_nominal"] * warmer)
        return 2 * brake["tau_nominal"] * normalized / (1 + normalized**2)

    def slope(_: float, x: Numbers) -> list[float]:
        return [x[1], -torque(x[1]) / p["inertia.J"]]

    phi, w = explicit(slope, [p["inertia.phi"], p["inertia.w"]], time)
    return {
        "inertia.phi": phi,
        "inertia.w": w,
        "heatCapacitor.T": temperature(w),
        "eddyCurrentTorque.lossPower": torque(w) * w,
    }


SOLUTION = Solution(
    model="Modelica.Mechanics.Rotational.Examples.EddyCurrentBrake",
    defaults=DEFAULTS,
    exact=_braking,
    others=(
        {"inertia.w": -100.0, "eddyCurrentTorque.TRef": 350.0, "heatCapacitor.T": 280.0},
        {"eddyCurrentTorque.alpha20": 0.0, "inertia.J": 5.0, "heatCapacitor.C": 20.0},
    ),
)
