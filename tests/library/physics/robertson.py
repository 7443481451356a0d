"""Robertson, integrated by scipy's Radau."""

from __future__ import annotations

from library.integration import stiff
from library.solutions import Numbers, Solution, Values


def _reaction(time: Numbers, p: Values) -> dict[str, Numbers]:
    def slope(_: float, x: Numbers) -> list[float]:
        first, second, third = p["k1"] * x[0], p["k2"] * x[1] ** 2, p["k3"] * x[1] * x[2]
        return [third - first, first - third - second, second]

    def jacobian(_: float, x: Numbers) -> list[list[float]]:
        k1, k2, k3 = p["k1"], p["k2"], p["k3"]
        fast = 2 * k2 * x[1]
        return [
            [-k1, k3 * x[2], k3 * x[1]],
            [k1, -k3 * x[2] - fast, -k3 * x[1]],
            [0, fast, 0],
        ]

    start = [p["A"], p["B"], p["C"]]
    a, b, c = stiff(slope, start, time, jacobian=jacobian, atol=[1e-13, 1e-17, 1e-13])
    return {"A": a, "B": b, "C": c}


SOLUTION = Solution(
    model="Robertson",
    defaults={"A": 1.0, "B": 0.0, "C": 0.0, "k1": 0.04, "k2": 3e7, "k3": 1e4},
    exact=_reaction,
    others=({"k1": 0.4, "k2": 1e6}, {"A": 0.5, "C": 0.5}, {"k3": 0.0}),
)
