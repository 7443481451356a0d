"""ScavengePump: its flows written down anew, the level of its sump integrated by scipy."""

from __future__ import annotations

import math

import numpy as np
from library.integration import explicit
from library.solutions import Numbers, Solution, Values

DEFAULTS: Values = {
    "speed": 6000.0,
    "T_oil": 110.0,
    "aeration": 0.25,
    "sump.V": 0.3,
    "scavenge_ratio": 1.2,
    "pump.D": 60.0,
    "pump.ratio": 0.6,
    "pump.slip": 5e-7,
    "pump.dp": 1.0,
    "inlet.d": 24.0,
    "inlet.l": 400.0,
    "inlet.zeta": 3.0,
    "inlet.p_min": 0.35,
    "p_ambient": 1.0,
    "supply.D": 22.0,
    "supply.ratio": 0.6,
    "supply.efficiency": 0.92,
    "supply.limit": 55.0,
    "oil.nu40": 105.0,
    "oil.nu100": 14.0,
    "oil.rho15": 875.0,
    "oil.beta": 6.5e-4,
    "V_oil": 8.0,
    "sump.V_pickup": 0.15,
    "tank.V_pickup": 0.3,
}
L_MIN = 60_000.0  # of one m3/s


def _joined(a: float, b: float) -> float:
    """The eighth power mean by which two limits of a flow meet."""
    return 0.0 if min(a, b) <= 0 else float((a**-8 + b**-8) ** (-1 / 8))


def _viscosity(p: Values) -> tuple[float, float]:
    """Kinematic [mm2/s] and dynamic [Pa s], by ASTM D341's A and B."""
    double = [math.log10(math.log10(p[name] + 0.7)) for name in ("oil.nu40", "oil.nu100")]
    b = (double[0] - double[1]) / (math.log10(373.15) - math.log10(313.15))
    a = double[0] + b * math.log10(313.15)
    nu = 10 ** (10 ** (a - b * math.log10(p["T_oil"] + 273.15))) - 0.7
    return nu, nu * 1e-6 * p["oil.rho15"] * (1 - p["oil.beta"] * (p["T_oil"] - 15))


def flows(p: Values) -> dict[str, float]:
    """What doesn't depend on the level, as the model names it."""
    nu, mu = _viscosity(p)
    swept = p["pump.D"] * 1e-6 * p["pump.ratio"] * p["speed"] / 60
    slip = p["pump.slip"] * p["pump.D"] * 1e-6 * p["pump.dp"] * 1e5 / (2 * math.pi * mu)
    radius = p["inlet.d"] / 2000
    laminar = 8 * mu * p["inlet.l"] / 1000 / (math.pi * radius**4)
    density = (1 - p["aeration"]) * mu / (nu * 1e-6)
    turbulent = p["inlet.zeta"] * density / 2 / (math.pi * radius**2) ** 2
    available = (p["p_ambient"] - p["inlet.p_min"]) * 1e5
    (most,) = (r.real for r in np.roots([turbulent, laminar, -available]) if r.real > 0)
    flow = _joined(swept - slip, most)
    pressure = p["p_ambient"] - (laminar * flow + turbulent * flow**2) / 1e5
    expanded = p["aeration"] * p["p_ambient"] / pressure
    oil = flow * (1 - p["aeration"]) / (1 - p["aeration"] + expanded)
    pumped = p["supply.D"] * p["supply.ratio"] * p["supply.efficiency"] * p["speed"] / 1000
    supply = _joined(pumped, p["supply.limit"])
    required = p["scavenge_ratio"] * supply
    return {
        "capacity": flow * L_MIN,
        "oil_capacity": oil * L_MIN,
        "supply_flow": supply,
        "requirement": required,
        "margin": oil * L_MIN - required,
        "inlet.p": pressure,
        "oil.nu": nu,
        "oil.mu": mu,
    }


def _circuit(time: Numbers, p: Values) -> dict[str, Numbers]:
    known = flows(p)

    def slope(_: float, x: Numbers) -> list[float]:
        drained = known["supply_flow"] * (1 - math.exp((x[0] - p["V_oil"]) / p["tank.V_pickup"]))
        returned = known["oil_capacity"] * (1 - math.exp(-x[0] / p["sump.V_pickup"]))
        return [(drained - returned) / 60]

    (level,) = explicit(slope, [p["sump.V"]], time)
    constant = {name: np.full_like(time, value) for name, value in known.items()}
    return {"sump.V": level, **constant}


SOLUTION = Solution(
    model="ScavengePump",
    defaults=DEFAULTS,
    exact=_circuit,
    others=(
        {"speed": 0.0},
        {"speed": 800.0, "T_oil": 150.0, "pump.slip": 1e-5},  # slip takes all
        {"speed": 9000.0, "T_oil": -20.0, "aeration": 0.6},  # the sump floods
        {"speed": 3000.0, "T_oil": 60.0, "oil.nu40": 46.0, "oil.nu100": 6.8, "inlet.d": 12.0},
        {"aeration": 0.0, "p_ambient": 0.7, "inlet.l": 0.0, "pump.dp": 4.0, "sump.V": 2.0},
    ),
)
