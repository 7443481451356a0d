"""LotkaVolterra, integrated by scipy."""

from __future__ import annotations

from library.integration import explicit
from library.solutions import Numbers, Solution, Values


def _populations(time: Numbers, p: Values) -> dict[str, Numbers]:
    def slope(_: float, n: Numbers) -> list[float]:
        prey, predators = n
        return [
            prey * (p["alpha"] - p["beta"] * predators),
            predators * (p["delta"] * prey - p["gamma"]),
        ]

    prey, predators = explicit(slope, [p["prey"], p["predators"]], time)
    return {"prey": prey, "predators": predators}


SOLUTION = Solution(
    model="LotkaVolterra",
    defaults={
        "prey": 10.0,
        "predators": 5.0,
        "alpha": 1.1,
        "beta": 0.4,
        "delta": 0.1,
        "gamma": 0.4,
    },
    exact=_populations,
    others=({"prey": 4.0, "predators": 2.75}, {"predators": 0.0, "alpha": 0.1}, {"beta": 0.02}),
    within=1e-5,
)
