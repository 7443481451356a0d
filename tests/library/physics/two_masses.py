"""TwoMasses in closed form: the temperatures' difference decays, their weighted mean stays."""

from __future__ import annotations

import numpy as np
from library.solutions import Numbers, Solution, Values


def _equalization(time: Numbers, p: Values) -> dict[str, Numbers]:
    C1, C2 = p["mass1.C"], p["mass2.C"]
    mean = (C1 * p["mass1.T"] + C2 * p["mass2.T"]) / (C1 + C2)
    rate = p["conduction.G"] * (1 / C1 + 1 / C2)
    apart = (p["mass1.T"] - p["mass2.T"]) * np.exp(-rate * time)
    return {
        "mass1.T": mean + apart * C2 / (C1 + C2),
        "mass2.T": mean - apart * C1 / (C1 + C2),
        "conduction.Q_flow": p["conduction.G"] * apart,
        "T_final_K": np.full_like(time, mean),
        "Tsensor1.T": mean + apart * C2 / (C1 + C2) - 273.15,
    }


SOLUTION = Solution(
    model="Modelica.Thermal.HeatTransfer.Examples.TwoMasses",
    defaults={
        "mass1.T": 373.15,
        "mass2.T": 273.15,
        "mass1.C": 15.0,
        "mass2.C": 15.0,
        "conduction.G": 10.0,
    },
    exact=_equalization,
    others=({"mass1.C": 0.5, "mass2.T": 400.0}, {"conduction.G": 1000.0}, {"conduction.G": 0.0}),
)
